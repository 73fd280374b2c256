"""The command line as a user meets it: results in a folder, and one sentence with exit code 2 for bad input.

What starts JAX, trains or is killed has a process of its own; the rest is run in this one, which takes seconds less.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxphase import cli

ROOT = Path(__file__).parent.parent

SPEC = """
[sweep]
seeds = 2
batch_size = 16
metrics = ["train_loss", "val_loss", "accuracy", "probe_cross_entropy"]
[phase_transition]
model_size_range = [700, 6000]
model_size_samples = 6
data_size_range = [40, 400]
training_steps_range = [5, 40]
training_steps_samples = 2
order_parameter = "accuracy"
"""


def jaxphase(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(ROOT / ".jax_cache"), "COLUMNS": "200"}
    command = [sys.executable, "-c", "from jaxphase.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def here(monkeypatch, capsys):
    """The same in this process, where JAX has started and a warning is an error."""

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
        monkeypatch.chdir(cwd)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["jaxphase", *arguments])
        monkeypatch.setattr(cli, "_start_jax", lambda: None)
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "small.toml").write_text(SPEC)
    return folder, jaxphase("sweep", "small.toml", cwd=folder)


def test_a_sweep_leaves_everything_in_its_folder(swept):
    folder, result = swept
    assert result.returncode == 0, result.stderr
    names = {path.name for path in (folder / "small").iterdir()}
    assert {"sweep.nc", "analysis.json", "curves.png", "phase_diagram.png", "spec.toml"} <= names
    assert "accuracy" in result.stdout and "linear-probe accuracy" in result.stdout
    report = json.loads((folder / "small" / "analysis.json").read_text())
    assert report["schema"] == 1 and report["order_parameter"] == "accuracy"


def test_resuming_a_finished_sweep_changes_no_number(swept):
    folder, _ = swept
    before = (folder / "small" / "analysis.json").read_text()
    result = jaxphase("sweep", "small.toml", "--resume", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert (folder / "small" / "analysis.json").read_text() == before


def test_an_existing_folder_is_left_alone(swept):
    folder, _ = swept
    before = {path: path.stat().st_mtime_ns for path in (folder / "small").rglob("*")}
    result = jaxphase("sweep", "small.toml", cwd=folder)
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


def test_a_csv_of_ones_own_is_analysed(here, tmp_path):
    # As many curves, sizes and seeds as in test_analysis.py, whose program then serves here too.
    rng = np.random.default_rng(0)
    others = [f"line_{i}" for i in range(5)]
    rows = [f"model,params,accuracy,{','.join(others)},seed"]
    for seed in range(3):
        for size in np.geomspace(1e6, 1e9, 12):
            jump = 1 / (1 + np.exp(-6 * (np.log10(size) - 7.4)))
            lines = np.log10(size) + 0.02 * rng.standard_normal(5)
            accuracy = 0.1 + 0.8 * jump + 0.02 * rng.standard_normal()
            rows.append(f"m,{size:.0f},{accuracy:.4f},{','.join(f'{value:.4f}' for value in lines)},{seed}")
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    columns = ("--x", "params", "--y", "accuracy", *others, "--by", "seed")
    result = here("analyze", "mine.csv", *columns, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "mine-analysis" / "analysis.json").read_text())
    assert [(found["metric"], found["kind"]) for found in report["findings"]] == [
        ("accuracy", "sigmoid"),
        *((name, "linear") for name in others),
    ]
    assert abs(np.log10(report["findings"][0]["critical_size"]) - 7.4) < 0.1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("params,loss\n1,2\n", ["--x", "size", "--y", "loss"], "size"),
        ("params,loss\n10,abc\n", ["--x", "params", "--y", "loss"], "abc"),
        ("params,loss\n-5,1\n", ["--x", "params", "--y", "loss"], "-5"),
        ("params,loss\n1,1\n2,1\n3,1\n", ["--x", "params", "--y", "loss"], "sizes"),
        ("", ["--x", "params", "--y", "loss"], "own.csv"),
        ("params,loss\n1,1\n", ["--x", "params", "--y", "loss", "--partner", "loss"], "NAME=VALUE"),
    ],
)
def test_bad_csv_is_one_sentence(here, tmp_path, text, options, message):
    (tmp_path / "own.csv").write_text(text)
    result = here("analyze", "own.csv", *options, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.startswith("jaxphase: ") and result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["own.csv"]


def test_bad_specs_are_one_sentence(here, tmp_path):
    (tmp_path / "bad.toml").write_text("[sweep]\nfamily = 'lstm'\n")
    for arguments in (
        ["sweep", "bad.toml"],
        ["plan", "bad.toml"],
        ["sweep", "none.toml"],
        ["quickstart", "--out", "bad.toml"],
        ["sweep", "--family", "transformer"],
        ["sweep", "--objective", "contrastive", "--objective-options", "heat=1"],
        ["sweep", "--family", "vit", "--family-options", "depth"],
        ["sweep", "--metrics", "accuracy"],
        ["plan", "--data", "arrays", "--data-options", "path=none.npz"],
    ):
        result = here(*arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert result.stderr.startswith("jaxphase: ") and result.stderr.count("\n") == 1, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def test_importing_jaxphase_loads_no_more_than_jax():
    script = (
        "import jax, sys; before = set(sys.modules); import jaxphase; "
        "heavy = {'flax', 'optax', 'orbax', 'xarray', 'matplotlib', 'sklearn', 'pandas', 'tyro', 'rich'}; "
        "print(heavy & {name.split('.')[0] for name in set(sys.modules) - before})"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
