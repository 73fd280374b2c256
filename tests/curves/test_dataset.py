from itertools import product

import numpy as np
import pytest
import xarray as xr

from jaxphase.curves import at_step, check, curves_along, has_groups, metrics_of, read, read_csv
from jaxphase.errors import InputError

HEADER = "params,seed,tokens,accuracy,loss\n"
ROWS = [
    f"{size},{seed},{tokens},0.{seed + 1}5,{1 / size:.9f}"
    for tokens in (10, 1000)
    for size in (1e3, 3e3, 1e4, 3e4, 1e5)
    for seed in (0, 1)
]


@pytest.fixture
def table(tmp_path):
    def write(*rows, header=HEADER):
        path = tmp_path / "runs.csv"
        path.write_text(header + "\n".join(rows) + "\n")
        return path

    return write


def message(function, *arguments, **options):
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    text = str(caught.value)
    assert text.endswith(".")
    assert ":" in text, "what was given, then the remedy"
    assert "\n" not in text
    return text


def test_a_table_becomes_curves_over_group_size_and_seed(table):
    data = read_csv(table(*reversed(ROWS)), x="params", y=("accuracy", "loss"), by="seed", group="tokens")
    assert data.accuracy.dims == ("data_size", "size", "seed")
    np.testing.assert_array_equal(data.params, [1e3, 3e3, 1e4, 3e4, 1e5])
    np.testing.assert_array_equal(data.data_size, [10, 1000])
    assert data.accuracy.sel(data_size=1000, size=3e4, seed="1").item() == 0.25
    np.testing.assert_allclose(data.loss.sel(seed="0", data_size=10), 1 / data.params, rtol=1e-4)
    assert [data[name].attrs["long_name"] for name in ("params", "seed", "data_size", "loss")] == [
        "params",
        "seed",
        "tokens",
        "loss",
    ]


def test_columns_of_usual_names_need_no_naming(table):
    rows = [f"{row},{name}" for row, name in zip(ROWS, "abcdefghijklmnopqrst", strict=True)]
    path = table(*rows, header="Params,seed,Data_Size,accuracy,loss,name")
    named = read(path, x="Params", y=("accuracy", "loss"), by="seed", group="Data_Size")
    xr.testing.assert_identical(read(path), named)
    assert list(read(path, y="loss").data_vars) == ["loss"]
    # Whoever names the sizes names the rest: repeats are then the rows in order, and seed is no metric either.
    by_order = read(path, x="Params")
    assert list(by_order.data_vars) == ["accuracy", "loss"] and by_order.sizes["seed"] == 4
    assert "data_size" not in by_order.coords


def test_sizes_may_have_the_suffix_that_names_of_models_have(table):
    sizes = {"350000": 3.5e5, "70m": 7e7, "0.57G": 5.7e8, "1.1B": 1.1e9, "8.21e2 M": 8.21e8, "64k": 6.4e4, "1T": 1e12}
    data = read(table(*(f"{size},0,4.1M,0.5,1" for size in sizes)), x="params", y="loss", group="tokens")
    assert data.params.values.tolist() == sorted(sizes.values())
    assert data.data_size.values.tolist() == [4.1e6]


def test_without_seeds_and_groups_the_rows_of_a_size_are_its_runs(table):
    data = read_csv(table(*ROWS), x="params", y="accuracy")
    assert dict(data.sizes) == {"size": 5, "seed": 4}
    np.testing.assert_array_equal(data.accuracy.sel(size=1e3), [0.15, 0.25, 0.15, 0.25])


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "inf"])
def test_an_unknown_value_and_an_absent_run_are_missing_points(table, cell):
    rows = [f"{size},{seed},10,{0.5},1" for size in (1, 2, 3, 4, 5) for seed in "ab"]
    rows[3] = f"2,b,10,{cell},1"
    data = read_csv(table(*rows[:-1]), x="params", y=("accuracy", "loss"), by="seed")
    assert np.isnan(data.accuracy.sel(size=2, seed="b"))
    assert np.isnan(data.loss.sel(size=5, seed="b"))
    assert np.isfinite(data.accuracy).sum() == 8


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("large,0,10,0.5,1", ["params", "'large'", "row 22", "number"]),
        ("nan,0,10,0.5,1", ["params", "nan", "row 22", "positive"]),
        ("inf,0,10,0.5,1", ["params", "inf", "row 22"]),
        ("0,0,10,0.5,1", ["params", "0", "row 22", "positive"]),
        ("-5,0,10,0.5,1", ["params", "-5", "row 22", "positive"]),
        (",0,10,0.5,1", ["params", "row 22", "number"]),
        ("7,0,10,high,1", ["accuracy", "'high'", "row 22"]),
        ("7,0,many,0.5,1", ["tokens", "'many'", "row 22"]),
        ("1000,0,10,0.5,1", ["row 22", "repeats", "params 1000", "seed '0'", "tokens 10"]),
    ],
)
def test_a_bad_cell_is_named_with_column_value_and_row(table, row, said):
    path = table(*ROWS, row)
    text = message(read, path, x="params", y="accuracy", by="seed", group="tokens")
    assert all(part in text for part in [*said, str(path)])


@pytest.mark.parametrize(
    "column",
    [{"x": "size"}, {"y": ("accuracy", "size")}, {"by": "size"}, {"group": "size"}],
    ids=lambda c: next(iter(c)),
)
def test_a_missing_column_is_named_and_the_others_listed(table, column):
    text = message(read_csv, table(*ROWS), **({"x": "params", "y": "accuracy"} | column))
    assert text.startswith(f"{next(iter(column))} is 'size'")
    assert "params, seed, tokens, accuracy, loss" in text


def test_a_table_that_cannot_hold_curves_is_refused(table, tmp_path):
    columns = {"x": "params", "y": "accuracy"}
    assert "4 different model sizes" in message(
        read_csv, table(*(f"{size},0,1,1,1" for size in range(1, 5))), **columns
    )
    assert "every value of accuracy" in message(read_csv, table(*(f"{n},0,1,nan,1" for n in range(1, 9))), **columns)
    assert "is empty" in message(read_csv, table(), **columns)
    assert "is empty" in message(read_csv, table(header=""), **columns)
    assert "y is 'params'" in message(read_csv, table(*ROWS), x="params", y="params")
    assert "absent.csv" in message(read_csv, tmp_path / "absent.csv", **columns)
    assert "UTF-8" in message(read_csv, _bytes(tmp_path / "binary.csv"), **columns)
    assert "cannot be read" in message(read_csv, tmp_path, **columns)


def test_a_csv_needs_its_columns_named_and_other_files_are_refused(table, tmp_path):
    header = "width,seed,tokens,accuracy,loss"
    assert "needs a column of sizes as x and of values as y" in message(read, table(*ROWS, header=header))
    assert "width, seed, tokens" in message(read, table(*ROWS, header=header), y=("loss",))
    words = [",".join([*row.split(",")[:3], "good", "bad"]) for row in ROWS]
    assert "needs columns of values as y" in message(read, table(*words, header=HEADER.replace("tokens", "data_size")))
    assert "table.xlsx" in message(read, tmp_path / "table.xlsx", x="params", y="loss")


def grid(sizes, data_sizes, path):
    """A table of models over sizes and data sizes, the value 10 * size + data size."""
    rows = product(range(1, sizes + 1), range(1, data_sizes + 1), (0, 1))
    path.write_text("n,tokens,seed,score\n" + "".join(f"{n},{d},{k},{10 * n + d}\n" for n, d, k in rows))
    return path


TOKENS = {"x": "n", "y": "score", "by": "seed", "group": "tokens"}


def test_curves_have_the_same_axes_whichever_size_they_go_over(tmp_path):
    data = read(grid(5, 6, tmp_path / "runs.csv"), **TOKENS)
    model, over = curves_along(data), curves_along(data, "data_size")
    assert dict(model.sizes) == {"group": 6, "x": 5, "seed": 2} and dict(over.sizes) == {"group": 5, "x": 6, "seed": 2}
    assert model.score.dims == over.score.dims == ("group", "x", "seed")
    assert over.x.values.tolist() == [1, 2, 3, 4, 5, 6] and over.group.values.tolist() == [1, 2, 3, 4, 5]
    assert over.score.sel(x=6, group=2, seed="1") == data.score.sel(size=2, data_size=6, seed="1") == 26
    assert over.x.attrs == {"name": "data_size", "long_name": "data size", "units": "tokens"}
    assert over.group.attrs == {"name": "model_size", "long_name": "model size", "units": "n"}
    assert (model.x.attrs, model.group.attrs) == (over.group.attrs, over.x.attrs)
    assert has_groups(model) and metrics_of(over) == ("score",)


def test_axes_without_words_keep_the_names_of_what_they_hold():
    values = np.arange(60.0).reshape(5, 6, 2)
    plain = xr.Dataset({"loss": (("data_size", "size", "seed"), values)}, {"data_size": np.arange(1, 6)})
    over = curves_along(plain.assign_coords(params=("size", np.arange(1.0, 7))), "data_size")
    assert [over[name].attrs["units"] for name in ("x", "group")] == ["data_size", "params"]


def test_curves_without_a_second_size_are_one_group_without_a_number():
    values = np.arange(12.0).reshape(6, 2)
    alone = xr.Dataset({"loss": (("size", "seed"), values)}, {"params": ("size", np.arange(1.0, 7))})
    curves = curves_along(alone)
    assert dict(curves.sizes) == {"group": 1, "x": 6, "seed": 2} and np.isnan(curves.group).all()
    assert not has_groups(curves) and curves.group.attrs["long_name"] == "data size"
    chosen = curves_along(alone.assign_coords(data_size=64))
    assert chosen.group.values.tolist() == [64] and has_groups(chosen)
    np.testing.assert_array_equal(chosen.loss[0], values)


def test_a_sweep_with_several_rates_is_along_data_at_the_best_of_each():
    rng = np.random.default_rng(0)
    shape = ("learning_rate", "data_size", "size", "seed", "step")
    loss = rng.random((2, 6, 3, 2, 1))
    variables = {"val_loss": (shape, loss), "diverged_at": (shape[:-1], np.full(loss.shape[:-1], -1))}
    coordinates = {"data_size": np.arange(1, 7) * 10, "params": ("size", [7, 70, 700]), "size": [8, 80, 800]}
    data = xr.Dataset(variables, {**coordinates, "width": ("size", [1, 2, 3]), "learning_rate": [0.1, 0.2]})
    over = curves_along(data, "data_size")
    assert over.learning_rate.dims == ("group", "x") and over.width.dims == ("group",)
    best = loss.mean(axis=(3, 4)).argmin(axis=0)
    np.testing.assert_array_equal(over.learning_rate, np.array([0.1, 0.2])[best].T)
    assert over.val_loss.sel(x=20, group=70, seed=1) == loss[best[1, 1], 1, 1, 1]


def test_which_axis_has_too_few_sizes_is_said_and_which_has_enough(tmp_path):
    few = read(grid(3, 6, tmp_path / "few.csv"), **TOKENS)
    assert message(curves_along, few) == (
        "the dataset has 3 different model sizes (n), and a curve needs at least 5: analyze along data_size, with 6 "
        "tokens."
    )
    assert curves_along(few, "data_size").sizes["x"] == 6
    wide = read(grid(6, 3, tmp_path / "wide.csv"), **TOKENS)
    assert "3 different data sizes (tokens), and a curve needs at least 5" in message(curves_along, wide, "data_size")
    assert "analyze along model_size, with 6 n." in message(curves_along, wide, "data_size")
    neither = message(read, grid(3, 4, tmp_path / "neither.csv"), **TOKENS)
    assert "3 different model sizes (n): a curve along model size needs at least 5." in neither


def test_what_cannot_go_along_data_is_refused(tmp_path):
    data = read(grid(5, 2, tmp_path / "runs.csv"), **TOKENS)
    alone = data.isel(data_size=0, drop=True)
    assert "no data sizes" in message(curves_along, alone, "data_size")
    assert "no coordinate 'params'" in message(curves_along, data.drop_vars("params"), "data_size")
    zero = data.assign_coords(data_size=("data_size", [0.0, 1.0], {"long_name": "tokens"}))
    assert "data size (tokens) of 0" in message(check, zero)


@pytest.fixture
def saved(tmp_path):
    def write(data):
        path = tmp_path / "sweep.nc"
        data.to_netcdf(path, engine="h5netcdf")
        return path

    return write


def swept(sizes=6):
    values = np.arange(sizes * 2 * 3, dtype=np.float32).reshape(sizes, 2, 3)
    return xr.Dataset(
        {
            "loss": (("size", "seed", "step"), values),
            "accuracy": (("size", "seed", "step"), values / 100),
            "diverged_at": (("size", "seed"), np.full((sizes, 2), -1)),
        },
        {"params": ("size", 10 ** np.arange(1.0, sizes + 1)), "step": [10, 100, 1000]},
    )


def test_a_result_is_read_whole_or_by_metric_and_its_file_is_closed(saved):
    path = saved(swept())
    assert metrics_of(read(path)) == ("loss", "accuracy")
    assert metrics_of(read(path, y="accuracy")) == ("accuracy",)
    assert read(path, step=10).loss.dims == ("size", "seed")
    assert read(path, step=10).loss.values[0].tolist() == [0, 3]
    assert read(path, step="all").sizes["step"] == 3
    assert "10, 100, 1000" in message(read, path, step=11)
    path.unlink()


def test_a_result_that_holds_no_curves_is_refused(saved, tmp_path):
    assert "'f1'" in message(read, saved(swept()), y=("loss", "f1"))
    assert "loss, accuracy" in message(read, saved(swept()), y="f1")
    assert "x is 'params'" in message(read, saved(swept()), x="params")
    assert "run is '{size}'" in message(read, saved(swept()), run="{size}")
    assert "time is 'step'" in message(read, saved(swept()), time="step")
    assert "dimension 'size'" in message(read, saved(swept().rename(size="n")))
    assert "dimension 'seed'" in message(read, saved(swept().isel(seed=0)))
    assert "'params'" in message(read, saved(swept().drop_vars("params")))
    assert "no metric" in message(read, saved(swept().drop_vars(["loss", "accuracy"])))
    assert "4 different model sizes" in message(read, saved(swept(4)))
    assert "of -3" in message(read, saved(swept().assign_coords(params=("size", [-3.0, 2, 3, 4, 5, 6]))))
    assert "of nan" in message(check, swept().assign_coords(params=("size", [np.nan, 2, 3, 4, 5, 6])))
    grouped = swept().expand_dims(data_size=2)
    assert "'data_size'" in message(check, grouped)
    assert "data size (data_size) of 0" in message(check, grouped.assign_coords(data_size=[0, 5]))
    assert "absent.nc" in message(read, tmp_path / "absent.nc")
    assert "NetCDF" in message(read, _bytes(tmp_path / "broken.nc"))


def test_a_step_is_one_of_the_checkpoints_and_the_last_by_default():
    assert at_step(swept()).step == 1000
    assert at_step(swept(), 10).loss.sel(size=0, seed=0) == 0
    assert "10, 100, 1000" in message(at_step, swept(), 11)
    assert "step is 10" in message(at_step, swept().isel(step=0, drop=True), 10)


def test_a_diverged_model_is_missing_from_then_on():
    data = swept()
    data["diverged_at"][2, 1] = 50
    assert not at_step(data, 10).diverged.any()
    later = at_step(data, 100)
    assert later.diverged.sum() == 1
    for name in ("loss", "accuracy"):
        np.testing.assert_array_equal(np.isnan(later[name]), later.diverged)


def _bytes(path):
    path.write_bytes(b"\xff\xfe\x00 no table")
    return path


def test_what_is_no_dataset_or_no_axis_is_said(unchecked):
    assert "data is a str" in message(curves_along, "runs.csv")
    assert "along is 'width': choose from model_size, data_size" in message(curves_along, swept(), "width")
