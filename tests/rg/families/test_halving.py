import numpy as np
import pytest
import xarray as xr

from jaxphase import sweep
from jaxphase.config import SweepSpec
from jaxphase.errors import InputError
from jaxphase.rg.families.halving import VARIANTS, renormalize

SPEC = SweepSpec(
    sizes=(2500, 6000),
    data_sizes=(100, 300),
    checkpoints=(60,),
    seeds=2,
    base_width=16,
    learning_rate=1e-2,
    metrics=("val_loss", "accuracy"),
    data_options={"train": 400},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "trained"
    sweep.run(SPEC, out, progress=False)
    return out


@pytest.fixture(scope="module")
def flow(folder):
    return renormalize(folder, 2, rows=128)


def test_before_the_first_step_the_models_are_those_that_the_sweep_measured(folder, flow):
    trained = xr.load_dataset(folder / "sweep.nc").sel(data_size=300, step=60)
    fine = flow.isel(scale=0)
    for ours, theirs in (("loss", "val_loss"), ("accuracy", "accuracy")):
        wanted = trained[theirs].sel(size=fine["size"]).transpose("size", "seed").values
        for variant in VARIANTS:
            np.testing.assert_allclose(fine[ours].sel(variant=variant), wanted, rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(fine.params, trained.params.sel(size=fine["size"]))


def test_every_step_halves_and_loses_something(flow):
    assert (flow.width.diff("scale").values < 0).all() and (flow.params.diff("scale").values < 0).all()
    np.testing.assert_array_equal(flow.width.isel(scale=1), flow.width.isel(scale=0) // 2)
    main = flow.loss.sel(variant="activations").mean("seed")
    assert (main.isel(scale=2) > main.isel(scale=0)).all()
    assert main.isel(scale=1).sum() < flow.loss.sel(variant="weights").mean("seed").isel(scale=1).sum()
    kept = flow.kept.isel(scale=slice(1, None))
    assert ((kept > 0) & (kept < 1)).all() and flow.kept.isel(scale=0).isnull().all()
    assert np.isfinite(flow[["chi", "kurtosis", "variance", "effective_rank"]].to_array()).all()


def test_space_halves_with_the_units(folder):
    halved = renormalize(folder, 1, rows=128, space=True, data_size=100, variants=("activations",))
    assert (halved.params.isel(scale=1) < 0.5 * halved.params.isel(scale=0)).all() and np.isfinite(halved.loss).all()
    trained = xr.load_dataset(folder / "sweep.nc").sel(data_size=100, step=60)
    np.testing.assert_allclose(halved.loss[0].isel(scale=0), trained.val_loss.transpose("size", "seed"), rtol=2e-3)
    told = halved.accuracy.sel(variant="activations").isel(scale=1)
    assert (told > 0.2).all()  # of 4 x 4 pixels; one in ten is chance


def test_what_cannot_be_renormalized_is_said_in_one_sentence(folder, tmp_path):
    narrow = renormalize(folder, 3, rows=64, variants=("not rescaled",))
    assert narrow.left_out == [2500] and narrow["size"].values.tolist() == [6000]
    with pytest.raises(InputError, match="steps is 12"):
        renormalize(folder, 12)
    with pytest.raises(InputError, match="no finished sweep"):
        renormalize(tmp_path)
    with pytest.raises(InputError, match="data size 77"):
        renormalize(folder, 1, data_size=77)
    with pytest.raises(InputError, match="'spectra'"):
        renormalize(folder, 1, variants=("spectra",))
