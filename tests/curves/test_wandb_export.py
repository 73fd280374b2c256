"""Tables as Weights & Biases exports a chart: a column of steps, then three columns for each run and metric."""

import csv

import numpy as np
import pytest

from jaxphase import read

SIZES = {"125M": 1.25e8, "350M": 3.5e8, "1.1B": 1.1e9, "760M": 7.6e8, "2e9": 2e9}


def write(path, runs, steps=(0, 500, 1000), metrics=("eval/loss",), change=()):
    """runs: {name: {metric: [value at each step]}}; change: {(row, column): cell}."""
    header = ["Step"]
    for run in runs:
        for metric in metrics:
            header += [f"{run} - {metric}{end}" for end in ("", "__MIN", "__MAX")]
    rows = []
    for i, step in enumerate(steps):
        values = [runs[run][metric][i] for run in runs for metric in metrics]
        rows.append([step, *(cell for value in values for cell in (value, "-99", "99"))])
    for (row, column), cell in dict(change).items():
        rows[row][header.index(column)] = cell
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return path


def runs(seeds=(0, 1)):
    return {
        f"gpt-{size}-seed{seed}": {"eval/loss": [10, 5 + seed, 1e9 / number + seed], "acc": [0, 0.1, 0.2]}
        for size, number in SIZES.items()
        for seed in seeds
    }


PATTERN = r"gpt-(?P<size>[0-9.e]+[kMB]?)-seed(?P<seed>\d+)"


@pytest.mark.parametrize("pattern", [PATTERN, "gpt-{size}-seed{seed}", "{size}-seed{seed}$"])
def test_runs_side_by_side_become_curves(tmp_path, pattern):
    data = read(write(tmp_path / "wandb.csv", runs()), run=pattern)
    assert list(data) == ["eval/loss"] and data.step == 1000
    np.testing.assert_array_equal(data.params, sorted(SIZES.values()))
    np.testing.assert_allclose(data["eval/loss"], 1e9 / data.params.values[:, None] + [0, 1])
    assert data.seed.values.tolist() == ["0", "1"]
    picked = read(tmp_path / "wandb.csv", run=pattern, step=500)
    assert (picked["eval/loss"].values == [5, 6]).all()
    every = read(tmp_path / "wandb.csv", run=pattern, step="all")
    assert every.step.values.tolist() == [0, 500, 1000] and every.step.attrs["long_name"] == "Step"


def test_any_group_of_the_pattern_may_be_an_axis(tmp_path):
    path = write(tmp_path / "wandb.csv", runs())
    data = read(path, run="gpt-{n}-seed{again}", x="n", by="again", y="eval/loss")
    assert data.seed.values.tolist() == ["0", "1"] and data.seed.attrs["long_name"] == "again"
    with pytest.warns(UserWarning, match="leaves out 5 of 10 runs: gpt-125M-seed0, "):
        split = read(path, run="gpt-{size}-seed(?P<data_size>1)", y="eval/loss")
    assert dict(split.sizes) == {"data_size": 1, "size": 5, "seed": 1} and split.data_size == [1]


def test_missing_cells_are_steps_without_a_measurement(tmp_path):
    empty = {(2, "gpt-350M-seed0 - eval/loss"): "", (2, "gpt-760M-seed1 - eval/loss"): "NaN"}
    empty |= {(i, "gpt-125M-seed1 - eval/loss"): " " for i in range(3)}
    data = read(write(tmp_path / "wandb.csv", runs(), change=empty), run=PATTERN)["eval/loss"]
    assert data.sel(size=3.5e8, seed="0") == 5, "the last step that has a value"
    assert np.isnan(data.sel(size=7.6e8, seed="1")), "the last value is not a number"
    assert np.isnan(data.sel(size=1.25e8, seed="1")), "a run without any value"
    assert np.isfinite(data).sum() == 8
    picked = read(tmp_path / "wandb.csv", run=PATTERN, step=1000)["eval/loss"]
    assert np.isnan(picked.sel(size=3.5e8, seed="0")) and np.isfinite(picked).sum() == 7


def test_of_several_metrics_some_are_chosen_and_sizes_may_be_one(tmp_path, refused):
    # Names of runs may hold what divides them from metrics; the size is logged at one step only.
    logged = {f"{i} - x": values | {"n": ["", 10**i, ""]} for i, values in enumerate(runs().values())}
    path = write(tmp_path / "wandb.csv", logged, metrics=("acc", "eval/loss", "n"))
    assert "columns of values as y" in refused(path, x="n")
    data = read(path, x="n", y=("acc", "eval/loss"))
    assert data.params.values.tolist() == [10.0**i for i in range(10)]
    assert (data.acc == 0.2).all()


def test_runs_of_other_names_are_left_out_with_a_sentence(tmp_path):
    more = runs() | {"baseline": {"eval/loss": [1, 1, 1]}}
    with pytest.warns(UserWarning, match=r"leaves out 1 of 11 runs: baseline\.$"):
        data = read(write(tmp_path / "wandb.csv", more), run=PATTERN)
    assert dict(data.sizes) == {"size": 5, "seed": 2}


def test_what_does_not_fit_is_refused(tmp_path, refused):
    path = write(tmp_path / "wandb.csv", runs())
    assert "gpt-125M-seed0" in refused(path) and "run" in refused(path)
    assert "'llama-{size}', which fits no run" in refused(path, run="llama-{size}")
    assert "no pattern" in refused(path, run="gpt-(")
    assert "tells no size" in refused(path, run=r"gpt-(?P<params>\w+)")
    assert "size is 'gpt' in row" in refused(path, run="^{size}-")
    assert "'acc'" in refused(path, run=PATTERN, y="acc")
    assert "such as 0, 500, 1000" in refused(path, run=PATTERN, step=750)
    assert "'gpt-125M-seed0' and 'gpt-125M-seed1' are both" in refused(path, run=r"gpt-{size}-(?P<seed>seed)")
    bad = write(path, runs(), change={(1, "gpt-350M-seed1 - eval/loss"): "five"})
    assert "eval/loss is 'five' in row 3 of" in refused(bad, run=PATTERN)
    bad = write(path, runs(), change={(1, "Step"): "five"})
    assert "Step is 'five' in row 3 of" in refused(bad, run=PATTERN)


def test_exports_of_several_charts_are_a_folder(tmp_path):
    for name, metric in (("loss", "eval/loss"), ("accuracy", "acc")):
        write(tmp_path / f"{name}.csv", runs(), metrics=(metric,))
    data = read(tmp_path, run=PATTERN, y=("eval/loss", "acc"))
    assert dict(data.sizes) == {"size": 5, "seed": 2} and (data.acc == 0.2).all()
    np.testing.assert_allclose(data["eval/loss"], 1e9 / data.params.values[:, None] + [0, 1])


def test_names_of_runs_may_be_a_column_of_a_table(tmp_path, refused):
    """As the table of runs is exported: a row for each."""
    rows = [f"gpt-{size}-seed{seed},finished,{number}" for size, number in SIZES.items() for seed in range(2)]
    (tmp_path / "runs.csv").write_text("\n".join(["Name,State,loss", *rows]))
    data = read(tmp_path / "runs.csv", by="Name", run="gpt-{size}", y="loss")
    assert dict(data.sizes) == {"size": 5, "seed": 2}
    np.testing.assert_array_equal(data.loss, data.params.values[:, None] * [1, 1])
    assert "Name, State, loss" in refused(tmp_path / "runs.csv", run="gpt-{size}", y="loss")
    assert "nothing" in refused(tmp_path / "runs.csv", run="gpt-{size}", y="loss", by="Nam")
