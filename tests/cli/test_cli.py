"""Commands that train, and what all commands have in common."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import jaxphase.sweep
from jaxphase import cli
from jaxphase.curves import curves_along

SPEC = """
[sweep]
seeds = 3
batch_size = 16
metrics = ["val_loss", "accuracy", "probe_cross_entropy"]
[phase_transition]
model_size_range = [700, 6000]
model_size_samples = 12
data_size_range = [40, 400]
training_steps_range = [5, 40]
training_steps_samples = 2
order_parameter = "accuracy"
"""


@pytest.fixture(scope="module")
def swept(apart, tmp_path_factory):
    """Six curves of 12 sizes and 3 seeds, as in test_cli_curves.py and test_judge.py: one program for all."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "small.toml").write_text(SPEC)
    return folder, apart("sweep", "small.toml", cwd=folder)


def test_a_sweep_leaves_everything_in_its_folder(swept):
    folder, result = swept
    assert result.returncode == 0, result.stderr
    names = {path.name for path in (folder / "small").iterdir()}
    results = {"sweep.nc", "analysis.json", "curves.nc", "spec.toml", "report.html"}
    assert results | {"curves.png", "phase_diagram.png"} <= names
    assert "accuracy" in result.stdout and "linear-probe accuracy" in result.stdout
    report = json.loads((folder / "small" / "analysis.json").read_text())
    assert report["schema"] == 3 and report["order_parameter"] == "accuracy"


def test_resuming_a_finished_sweep_changes_no_number_and_no_page(here, swept):
    folder, _ = swept
    before = (folder / "small" / "analysis.json").read_text()
    page = (folder / "small" / "report.html").stat().st_mtime_ns
    result = here("sweep", "small.toml", "--resume", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert (folder / "small" / "analysis.json").read_text() == before
    assert (folder / "small" / "report.html").stat().st_mtime_ns == page
    assert "report.html was there already and is as it was" in result.stdout


def test_an_existing_folder_is_left_alone(here, swept):
    folder, _ = swept
    before = {path: path.stat().st_mtime_ns for path in (folder / "small").rglob("*")}
    result = here("sweep", "small.toml", cwd=folder)
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1] == (
        "jaxphase: small exists: name another output folder, or resume the sweep in it."
    )
    assert {path: path.stat().st_mtime_ns for path in (folder / "small").rglob("*")} == before


def test_a_saved_sweep_can_be_looked_at_again(here, swept):
    folder, _ = swept
    result = here("analyze", "small/sweep.nc", "--order-parameter", "val_loss", "--out", "again", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert json.loads((folder / "again" / "analysis.json").read_text())["order_parameter"] == "val_loss"


def test_a_plan_is_printed_and_nothing_trained(here, swept):
    folder, _ = swept
    before = set(folder.iterdir())
    result = here("plan", "small.toml", cwd=folder)
    assert result.returncode == 0 and "padded to" in result.stdout and "about" in result.stdout
    assert set(folder.iterdir()) == before


def test_settings_take_the_place_of_the_spec(here, tmp_path):
    options = ("--family", "vit", "--objective", "contrastive", "--learning-rate", "0.001", "0.003", "--seeds", "2")
    result = here("plan", *options, "--family-options", "depth=1", "--data", "glyphs", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    # Heads of 8 are too coarse for some of the 12 sizes of the range.
    assert "7 sizes x 2 data sizes x 2 seeds x 2 learning rates" in result.stdout and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep", "bad.toml"],
        ["plan", "bad.toml"],
        ["sweep", "none.toml"],
        ["quickstart", "--out", "bad.toml"],
        ["sweep", "--family", "transformer"],
        ["sweep", "--objective", "contrastive", "--objective-options", "heat=1"],
        ["sweep", "--family", "vit", "--family-options", "depth"],
        ["sweep", "--metrics", "accuracy"],
        ["plan", "--data", "arrays", "--data-options", "path=none.npz"],
    ],
)
def test_bad_specs_are_one_sentence(refused, tmp_path, arguments):
    (tmp_path / "bad.toml").write_text("[sweep]\nfamily = 'lstm'\n")
    refused(*arguments, cwd=tmp_path)


@pytest.mark.parametrize("command", ["", "sweep", "analyze", "times", "report", "predict", "allocate", "rg"])
def test_help_is_whole_and_says_no_none(here, tmp_path, command):
    result = here(*command.split(), "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "None" not in result.stdout and len(result.stdout.splitlines()) > 8


def test_few_model_sizes_are_analyzed_along_data_sizes(here, monkeypatch, tmp_path):
    """What is trained and what is judged have tests of their own: here, what the one hands to the other."""
    axes = ("data_size", "size", "seed")
    coordinates = {"params": ("size", [1500, 4000]), "data_size": [20, 40, 80, 160, 320]}
    trained = xr.Dataset({"accuracy": (axes, np.zeros((5, 2, 1)))}, coordinates)
    judged = []
    monkeypatch.setattr(jaxphase.sweep, "run", lambda *_, **__: trained)
    monkeypatch.setattr(cli.training, "judge", lambda data, _, along, *__: judged.append((data, along)))
    (tmp_path / "data.toml").write_text(
        SPEC.replace("[sweep]", "[sweep]\nsizes = [1500, 4000]\ndata_sizes = [20, 40, 80, 160, 320]")
    )
    result = here("sweep", "data.toml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == (
        "The analysis will be along data size: a curve along model size needs 5 sizes, and there are 2."
    )
    assert here("sweep", "data.toml", "--sizes", "1", "2", "3", "4", "5", cwd=tmp_path).stdout == ""
    assert all(data is trained for data, _ in judged) and [along for _, along in judged] == ["data_size", "model_size"]
    assert curves_along(*judged[0]).x.values.tolist() == [20, 40, 80, 160, 320]


def test_too_few_sizes_of_either_kind_are_refused_before_training(refused, tmp_path):
    (tmp_path / "few.toml").write_text(SPEC.replace("[sweep]", "[sweep]\nsizes = [1500, 4000]"))
    sentence = refused("sweep", "few.toml", cwd=tmp_path)
    assert sentence == "sizes are 2 and data_sizes 2, too few for a curve along either: give at least 5 of one."


TRAINING = "{'flax', 'optax', 'orbax', 'sklearn'}"
EVERYTHING = TRAINING[:-1] + ", 'xarray', 'matplotlib', 'pandas', 'tyro', 'rich'}"


@pytest.mark.parametrize(
    ("modules", "heavy"), [("jaxphase", EVERYTHING), ("jaxphase.analysis, jaxphase.plots, jaxphase.report", TRAINING)]
)
def test_what_is_imported_loads_no_more_than_it_needs(modules, heavy):
    script = (
        f"import jax, sys; before = set(sys.modules); import {modules}; "
        f"print({heavy} & {{name.split('.')[0] for name in set(sys.modules) - before}})"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
