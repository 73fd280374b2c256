import json

import numpy as np
import pytest
import xarray as xr

from jaxphase import read, read_csv

SIZES = [1e6, 2e6, 5e6, 1e7, 3e7]


def write(path, *objects, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(o if isinstance(o, str) else json.dumps(o) for o in objects) + end)
    return path


def summaries(**more):
    return [
        {"config": {"params": size, "seed": seed}, "eval": {"loss": 1 / size + seed, "by": {"task": 0.5}}, **more}
        for size in SIZES
        for seed in (0, 1)
    ]


COLUMNS = {"x": "config.params", "y": ("eval.loss", "eval.by.task"), "by": "config.seed"}


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson"])
def test_nested_objects_are_columns_with_dots(tmp_path, suffix):
    data = read(write(tmp_path / f"runs.{suffix}", *summaries()), **COLUMNS)
    assert data["eval.loss"].dims == ("size", "seed")
    np.testing.assert_array_equal(data.params, SIZES)
    assert data["eval.loss"].sel(size=5e6, seed="1") == 1 / 5e6 + 1
    assert (data["eval.by.task"] == 0.5).all()
    assert data.params.attrs["long_name"] == "config.params"


def test_numbers_may_be_text_and_what_is_not_finite_is_missing(tmp_path):
    objects = summaries()
    for i, loss in enumerate(["0.25", "NaN", float("nan"), float("inf"), None, "", "-Infinity", 3]):
        objects[i]["eval"]["loss"] = loss
    objects[8]["config"]["params"] = objects[9]["config"]["params"] = "30M"
    del objects[9]["eval"]["loss"]
    data = read(write(tmp_path / "runs.jsonl", "", *objects, "  "), **COLUMNS)
    nan = np.nan
    np.testing.assert_array_equal(data["eval.loss"], [[0.25, nan], [nan, nan], [nan, nan], [nan, 3], [1 / 3e7, nan]])
    np.testing.assert_array_equal(data.params, SIZES)


def test_training_and_evaluation_that_are_logged_apart_come_together(tmp_path):
    """As the Trainer of Hugging Face logs: evaluation less often, in objects of its own."""
    objects = []
    for size in SIZES:
        for seed in "ab":
            for step in (100, 200, 300):
                objects.append({"model": seed, "n": size, "loss": step + 1, "lr": 0.1, "step": step})
                if step == 200:
                    objects.append({"model": seed, "n": size, "eval_loss": step + 2, "step": step})
    path = write(tmp_path / "log.jsonl", *objects)
    options = {"x": "n", "y": ("loss", "eval_loss"), "by": "model"}
    last = read(path, **options)
    assert (last.loss == 301).all() and (last.eval_loss == 202).all() and "step" not in last.coords
    picked = read(path, **options, step=200)
    assert (picked.loss == 201).all() and (picked.eval_loss == 202).all() and picked.step == 200
    early = read(path, **{**options, "y": "loss"}, step=100)
    assert (early.loss == 101).all()
    every = read(path, **options, step="all")
    assert dict(every.sizes) == {"size": 5, "seed": 2, "step": 3}
    np.testing.assert_array_equal(every.eval_loss[0, 0], [np.nan, 202, np.nan])


def test_the_last_value_of_a_run_may_be_that_it_diverged(tmp_path):
    objects = [{"n": n, "by": 0, "step": t, "loss": n * t} for n in range(1, 6) for t in (1, 2)]
    objects[1]["loss"] = "NaN"
    objects[3]["loss"] = None
    data = read(write(tmp_path / "a.jsonl", *objects), x="n", y="loss", by="by")
    np.testing.assert_array_equal(data.loss[:, 0], [np.nan, 2, 6, 8, 10])


def test_a_folder_has_a_run_in_each_file(tmp_path):
    for i, size in enumerate(SIZES):
        header = {"config": {"params": size}}
        steps = [{"_step": step, "loss": i + step / 10} for step in (1, 2, 1)]
        write(tmp_path / "sweep" / f"{i}" / "log.jsonl", header, *steps)
    assert (tmp_path / "sweep" / "ignored.csv").write_text("a,b\n1,2\n")
    data = read(tmp_path / "sweep", x="config.params", y="loss", step="all")
    np.testing.assert_array_equal(data.params, SIZES)
    np.testing.assert_allclose(data.loss[:, 0], np.arange(5)[:, None] + [0.1, 0.2])
    # A run that starts again repeats its steps: the later value counts.
    write(
        tmp_path / "sweep" / "0" / "log.jsonl", {"config": {"params": 1e6}}, *({"_step": 1, "loss": v} for v in (5, 6))
    )
    assert read(tmp_path / "sweep", x="config.params", y="loss").loss.values[0, 0] == 6


def test_files_may_be_seeds_of_all_sizes(tmp_path):
    for seed in range(2):
        write(tmp_path / "all" / f"{seed}.jsonl", *({"n": size, "loss": size + seed} for size in SIZES))
    data = read(tmp_path / "all", x="n", y="loss")
    np.testing.assert_array_equal(data.loss, np.array(SIZES)[:, None] + [0, 1])


def test_a_log_that_was_cut_off_in_a_line_is_read_to_there(tmp_path):
    path = write(tmp_path / "log.jsonl", *summaries(), '{"config": {"par', end="")
    with pytest.warns(UserWarning, match=r"log\.jsonl is torn in line 11: .*\.$"):
        data = read(path, **COLUMNS)
    assert np.isfinite(data["eval.loss"]).all()


def test_bad_lines_are_named(tmp_path, refused):
    def said(*objects, **options):
        return refused(write(tmp_path / "a.jsonl", *summaries(), *objects), **(COLUMNS | options))

    good = summaries()[0]
    other = {"config": {"params": 1, "seed": 0}}
    assert "line 11 of" in said('{"a": ') and "JSON" in said('{"a": ')
    assert "line 11" in said("[1, 2]") and "object" in said("[1, 2]")
    assert "eval.loss is 'high' in line 11" in said({**other, "eval": {"loss": "high"}})
    assert "eval.loss is True in line 11" in said({**other, "eval": {"loss": True}})
    assert "eval.loss is [1] in line 11" in said({**other, "eval": {"loss": [1]}})
    assert "config.params is missing in line 11" in said({"eval": {"loss": 1}})
    assert "config.params is -1 in line 11" in said({**good, "config": {"params": -1, "seed": 2}})
    assert "config.params is '1Q' in line 11" in said({**good, "config": {"params": "1Q", "seed": 2}})
    assert "config.seed is missing in line 11" in said({**good, "config": {"params": 1}})
    assert "line 11 of" in said(good) and "repeats config.params 1000000.0, config.seed '0'" in said(good)
    assert "'loss'" in said(y="loss") and "eval.loss" in said(y="loss")
    assert "no training steps" in said(step=5) and "no column of training steps" in said(step="all")
    assert "column that" in said(time="step")
    (tmp_path / "a.jsonl").write_text("\n")
    assert "is empty" in refused(tmp_path / "a.jsonl", **COLUMNS)
    assert "UTF-8" in refused(_bytes(tmp_path / "b.jsonl"), **COLUMNS)
    assert "absent.jsonl does not exist" in refused(tmp_path / "absent.jsonl", **COLUMNS)


def test_steps_need_a_number_and_something_that_tells_runs_apart(tmp_path, refused, unchecked):
    objects = [{"n": n, "step": t, "loss": n * t} for n in range(1, 6) for t in (1, 2.5)]
    path = write(tmp_path / "a.jsonl", *objects)
    assert "several runs or steps of one" in refused(path, x="n", y="loss")
    data = read(path, x="n", y="loss", time="step", step="all")
    assert data.step.values.tolist() == [1, 2.5]
    np.testing.assert_array_equal(data.loss[:, 0], np.arange(1, 6)[:, None] * [1, 2.5])
    assert read(path, x="n", y="loss", time="step", step=2.5).loss.values[4, 0] == 12.5
    assert "step is 'first'" in refused(path, x="n", y="loss", time="step", step="first")
    assert "repeats n 1, step 1: keep" in refused(write(path, *objects, objects[0]), x="n", y="loss", time="step")
    for step, text in ((None, "missing"), ("nan", "nan"), ("x", "'x'")):
        assert f"step is {text} in line 11" in refused(
            write(path, *objects, {"n": 1, "step": step, "loss": 1}), x="n", y="loss", time="step"
        )


def test_every_way_to_write_a_table_gives_the_same_curves(tmp_path):
    """Those that analyze takes: of a .csv, of a log with steps before the last, of names, of a file for each run."""
    columns, runs, names = ("params", "seed", "tokens", "loss"), [], []
    for size in SIZES:
        for tokens in (1e9, 1e10):
            for seed in "ab":
                runs.append(dict(zip(columns, (size, seed, tokens, size / tokens + len(runs)), strict=True)))
                names.append(f"{size / 1e6:g}M_{tokens / 1e9:g}B_{seed}")
    rows = "\n".join(",".join(map(str, run.values())) for run in runs)
    (tmp_path / "runs.csv").write_text(f"{','.join(columns)}\n{rows}\n")
    options = {"x": "params", "y": "loss", "by": "seed", "group": "tokens"}
    expected = read_csv(tmp_path / "runs.csv", **options)
    xr.testing.assert_identical(read(write(tmp_path / "runs.jsonl", *runs), **options), expected)

    steps = [{**run, "step": t, "loss": 0 if t == 1 else run["loss"]} for run in runs for t in (1, 2)]
    logged = read(write(tmp_path / "log.jsonl", *steps), **options)
    xr.testing.assert_identical(logged.drop_vars("step"), expected)

    pattern = "^{size}_{data_size}_{seed}"
    named = [{"run": name, "loss": run["loss"]} for name, run in zip(names, runs, strict=True)]
    of_names = read(write(tmp_path / "named.jsonl", *named), y="loss", by="run", run=pattern)
    xr.testing.assert_equal(of_names, expected)
    for name, run in zip(names, runs, strict=True):
        write(tmp_path / "folder" / f"{name}.jsonl", {"loss": run["loss"]})
    xr.testing.assert_equal(read(tmp_path / "folder", y="loss", run=pattern).sortby("seed"), expected)


def _bytes(path):
    path.write_bytes(b"\xff\xfe\x00 no text")
    return path
