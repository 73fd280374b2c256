"""The runs of tables and sweeps as a fit takes them."""

import numpy as np
import pytest
import xarray as xr

from jaxphase.errors import InputError
from jaxphase.predict import read_losses

COLUMNS = {"params": "N", "data": "tokens", "loss": "loss"}


@pytest.fixture
def sweep(tmp_path):
    """Loss of size, data size, seed and step that tells where it is from."""
    dims, shape = ("data_size", "size", "seed", "step"), (2, 3, 2, 4)
    places = np.meshgrid(*(np.arange(1, n + 1) for n in shape), indexing="ij")
    loss = sum(10.0**i * place for i, place in enumerate(places))
    diverged = np.full(shape[:-1], -1)
    diverged[1, 2, 1] = 40
    coordinates = {"data_size": [50, 100], "params": ("size", [10, 20, 30]), "step": [5, 20, 40, 80]}
    attributes = {"spec": "[sweep]\nbatch_size = 8\nwarmup_steps = 5\n"}
    data = xr.Dataset({"val_loss": (dims, loss), "diverged_at": (dims[:-1], diverged)}, coordinates, attributes)
    data.to_netcdf(tmp_path / "sweep.nc", engine="h5netcdf")
    return tmp_path / "sweep.nc"


def rows(found):
    return set(zip(found.params.tolist(), found.data.tolist(), found.loss.tolist(), strict=True))


def test_rows_of_a_table_are_runs(tmp_path):
    table = tmp_path / "runs.csv"
    table.write_text("N,tokens,loss\n125M,1e9,3.5\n1e8,2e9,\n1e8,2e9,nan\n1e8,2e9,-1\n2e8,4B,3.1\n")
    found = read_losses(table, **COLUMNS)
    assert rows(found) == {(125e6, 1e9, 3.5), (2e8, 4e9, 3.1)}
    assert found.unit == "tokens" and found.left_out == 3


def test_of_a_sweep_data_are_what_training_has_seen(sweep):
    found = read_losses(sweep)
    # The larger data size, steps after the fifth, 8 samples each; one model is lost from step 40 on.
    assert {(n, d) for n, d, _ in rows(found)} == {(n, 8.0 * s) for n in (10, 20, 30) for s in (20, 40, 80)}
    assert len(found.loss) == 3 * 3 * 2 - 2 and found.left_out == 2
    assert (20.0, 320.0, 2 + 20 + 100 + 3000) in rows(found) and (30.0, 160.0, 2 + 30 + 200 + 2000) in rows(found)
    assert found.unit == "samples seen"


def test_of_a_sweep_data_may_be_the_different_samples(sweep):
    found = read_losses(sweep, data="data_size")
    assert {(n, d) for n, d, _ in rows(found)} == {(n, d) for n in (10, 20, 30) for d in (50, 100)}
    assert (10.0, 50.0, 1 + 10 + 100 + 4000) in rows(found)
    assert len(found.loss) == 11


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"params": "N"}, "knows its own sizes"),
        ({"data": "tokens"}, "choose seen or data_size"),
        ({"loss": "accuracy"}, "choose from val_loss"),
    ],
)
def test_what_a_sweep_does_not_have_is_named(sweep, options, words):
    with pytest.raises(InputError, match=words):
        read_losses(sweep, **options)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("N,tokens,loss\n1,1,1\n", {"loss": "bits"}, "choose from N, tokens, loss"),
        ("N,tokens,loss\n1,1,1\n", {"data": None}, "choose data from N, tokens, loss"),
        ("N,tokens,loss\n1,1,abc\n", {}, "loss is 'abc' in row 2"),
        ("N,tokens,loss\n1,-1,1\n", {}, "tokens is -1 in row 2"),
        ("N,tokens,loss\n1,1,\n", {}, "no row of .* has N, tokens and a positive loss"),
    ],
)
def test_what_is_no_table_of_runs_is_one_sentence(tmp_path, text, options, words):
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_losses(tmp_path / "runs.csv", **COLUMNS | options)


def test_a_law_of_what_was_seen_needs_three_checkpoints(sweep, tmp_path):
    data = xr.load_dataset(sweep, engine="h5netcdf").isel(step=[0, 1, 3])
    data.to_netcdf(tmp_path / "few.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=r"was measured at 2 training steps .* needs three"):
        read_losses(tmp_path / "few.nc")
    (tmp_path / "text.nc").write_text("no")
    for name, words in (("text.nc", "cannot be read as NetCDF"), ("none.nc", "does not exist")):
        with pytest.raises(InputError, match=words):
            read_losses(tmp_path / name)
