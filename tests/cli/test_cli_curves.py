"""Commands on a user's own curves: from a table to verdicts, training times and the page."""

import json

import numpy as np
import pytest

from jaxphase import plots
from jaxphase.words.phrases import with_error

SIZES = np.geomspace(1e6, 1e9, 12)
COLUMNS = ("--x", "params", "--by", "seed")


def sigmoid(size, center):
    return 0.1 + 0.8 / (1 + np.exp(-6 * (np.log10(size) - center)))


@pytest.fixture
def own(tmp_path):
    """Six metrics of 12 sizes and 3 seeds, as many as in test_judge.py, whose program then serves here too."""
    rng = np.random.default_rng(0)
    others = [f"line_{i}" for i in range(5)]
    rows = [f"model,params,accuracy,{','.join(others)},seed"]
    for seed in range(3):
        for size in SIZES:
            lines = np.log10(size) + 0.02 * rng.standard_normal(5)
            accuracy = sigmoid(size, 7.4) + 0.02 * rng.standard_normal()
            rows.append(f"m,{size:.0f},{accuracy:.4f},{','.join(f'{value:.4f}' for value in lines)},{seed}")
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    return tmp_path, (*COLUMNS, "--y", "accuracy", *others)


def test_a_csv_of_ones_own_is_analyzed_and_reported(here, own):
    folder, columns = own
    result = here("analyze", "mine.csv", *columns, cwd=folder)
    assert result.returncode == 0, result.stderr
    found = json.loads((folder / "mine-analysis" / "analysis.json").read_text())
    kinds = [(curve["metric"], curve["kind"]) for curve in found["findings"]]
    assert kinds == [("accuracy", "sigmoid"), *((f"line_{i}", "linear") for i in range(5))]
    assert abs(np.log10(found["findings"][0]["critical_size"]) - 7.4) < 0.1
    page = folder / "mine-analysis" / "report.html"
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 2 and "line_4" in text
    assert "report.html" in result.stdout and "accuracy: crossover" in result.stdout
    page.unlink()
    result = here("report", "mine-analysis", cwd=folder)
    assert result.returncode == 0 and result.stdout == "The report is mine-analysis/report.html.\n"
    assert page.read_text() == text, "from the folder as from memory"


def test_without_its_figures_there_is_no_page(here, own, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "write_figures", fail)
    folder, columns = own
    result = here("analyze", "mine.csv", *columns, cwd=folder)
    assert result.returncode == 2 and "No space left on device" in result.stderr
    assert {path.name for path in (folder / "mine-analysis").iterdir()} == {"analysis.json", "curves.nc"}


def test_a_critical_data_size_is_looked_for_along_data(here, tmp_path, monkeypatch):
    """Three metrics at two model sizes: six curves again, of which nothing is drawn."""
    monkeypatch.setattr(plots, "write_figures", lambda *_: {})
    rng, rows = np.random.default_rng(1), ["params,tokens,a,b[/i],c,seed"]
    for tokens in SIZES:
        for params in (10, 40):
            for seed in range(3):
                values = (sigmoid(tokens, 7 + 0.2 * i + params / 100) + 0.01 * rng.standard_normal() for i in range(3))
                rows.append(f"{params},{tokens:.0f},{','.join(f'{value:.4f}' for value in values)},{seed}")
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    columns = (*COLUMNS, "--y", "a", "b[/i]", "c", "--group", "tokens")
    result = here("analyze", "mine.csv", *columns, "--along", "data_size", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "mine-analysis" / "analysis.json").read_text())
    assert found["along"]["name"] == "data_size" and "b[/i]" in result.stdout
    for i, curve in enumerate(found["findings"]):
        assert curve["group"] == (10, 40)[i % 2] and curve["kind"] == "sigmoid"
        assert abs(np.log10(curve["critical_size"]) - 7 - 0.2 * (i // 2) - (0.1, 0.4)[i % 2]) < 0.1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("params,loss\n1,2\n", ["--x", "size", "--y", "loss"], "size"),
        ("params,loss\n10,abc\n", ["--x", "params", "--y", "loss"], "abc"),
        ("params,loss\n-5,1\n", ["--x", "params", "--y", "loss"], "-5"),
        ("params,loss\n1,1\n2,1\n3,1\n", ["--x", "params", "--y", "loss"], "sizes"),
        ("", ["--x", "params", "--y", "loss"], "own.csv"),
        ("params,loss\n1,1\n", ["--x", "params", "--y", "loss", "--partner", "loss"], "NAME=VALUE"),
        ("N,loss\n1,1\n2,1\n3,1\n4,1\n5,1\n", ["--x", "N", "--y", "loss", "--along", "data_size"], "no data sizes"),
    ],
)
def test_bad_csv_is_one_sentence(refused, tmp_path, text, options, message):
    (tmp_path / "own.csv").write_text(text)
    assert message in refused("analyze", "own.csv", *options, cwd=tmp_path)


@pytest.fixture
def learning(tmp_path):
    """Losses that do half of their change after 5 N^0.3 steps, validation 4 times as late."""
    rng, rows, steps = np.random.default_rng(0), ["params,seed,step,train_loss,val_loss"], np.geomspace(1, 1000, 64)
    for size in (1e3, 3e3, 1e4, 3e4, 1e5):
        for seed in range(2):
            for step in steps:
                half = 0.5 * size**0.3
                pair = (1 / (1 + (step / time) ** 6) + 0.01 * rng.standard_normal() for time in (half, 4 * half))
                rows.append(f"{size:.0f},{seed},{step:.3f},{','.join(f'{value:.4f}' for value in pair)}")
    (tmp_path / "log.csv").write_text("\n".join(rows))
    return tmp_path


def test_training_times_are_told_and_drawn(here, learning):
    columns = (*COLUMNS, "--y", "train_loss", "val_loss")
    result = here("times", "log.csv", *columns, "--out", "times", cwd=learning)
    assert result.returncode == 0, result.stderr
    kinds = {
        f"{what}_{metric}.{end}"
        for what in ("learning_curves", "learning_times")
        for metric in ("train_loss", "val_loss")
        for end in ("png", "pdf")
    }
    assert {path.name for path in (learning / "times").iterdir()} == {"times.json", "delays.png", "delays.pdf", *kinds}
    found = json.loads((learning / "times" / "times.json").read_text())
    assert {entry["delay"]["kind"] for entry in found["delays"]} == {"delay"}
    laws = {entry["metric"]: entry["law"] for entry in found["laws"]}
    exponents = {name: law["exponent"] for name, law in laws.items()}
    assert exponents == pytest.approx({"train_loss": 0.3, "val_loss": 0.3}, abs=0.05)
    exponent = with_error(exponents["val_loss"], laws["val_loss"]["exponent_se"])
    for words in ("times as long", exponent, "100,000"):
        assert words in result.stdout
    quiet = here("times", "log.csv", *columns, "--metric", "val_loss", cwd=learning)
    assert quiet.returncode == 0 and "train_loss" not in quiet.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--y", "val_loss", "--metric", "loss"], "choose one of val_loss"),
        (["--y", "loss"], "a column that log.csv lacks"),
        (["--y", "val_loss", "--out", "."], ". exists: name another folder"),
    ],
)
def test_bad_logs_are_one_sentence(refused, learning, options, message):
    assert message in refused("times", "log.csv", *COLUMNS, *options, cwd=learning)


def test_a_table_without_steps_has_no_times(refused, own):
    folder, columns = own
    sentence = refused("times", "mine.csv", *columns, cwd=folder)
    assert sentence.startswith("mine.csv has no column of training steps, such as step or epoch: name their column as")
    assert "step is" not in sentence and "give a row for each step" in sentence


def test_the_log_of_one_run_needs_no_sizes(here, refused, tmp_path):
    """A step at 10 on the way to one at 300, with a rest between them."""
    steps, rng = np.unique(np.geomspace(1, 1000, 60).astype(int)), np.random.default_rng(0)
    loss = 1 / (1 + (steps / 10) ** 8) + 1 / (1 + (steps / 300) ** 8) + 0.01 * rng.standard_normal(len(steps))
    rows = [f"{step},{value:.4f}" for step, value in zip(steps, loss, strict=True)]
    (tmp_path / "one.csv").write_text("\n".join(["step,loss", *rows]))
    result = here("times", "one.csv", "--y", "loss", "--out", "one", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    [curve] = json.loads((tmp_path / "one" / "times.json").read_text())["curves"]
    first, second = (event["time"] for event in curve["events"])
    assert first == pytest.approx(10, rel=0.1) and second == pytest.approx(300, rel=0.1)
    [rest] = curve["plateaus"]
    assert first < rest["begin"] < rest["end"] < second and rest["level"] == pytest.approx(1, abs=0.03)
    assert f"{rest['begin']:.3g} to {rest['end']:.3g}" in result.stdout
    (tmp_path / "two.csv").write_text("\n".join(["step,loss", *rows, *rows]))
    assert "name the column of sizes as x, and of seeds as by" in refused(
        "times", "two.csv", "--y", "loss", cwd=tmp_path
    )
    (tmp_path / "none.csv").write_text("step,loss\n1,\n2,\n")
    assert "none.csv has no value of loss" in refused("times", "none.csv", "--y", "loss", cwd=tmp_path)
    unnamed = here("times", "one.csv", cwd=tmp_path).stdout
    assert "loss" in unnamed and unnamed == here("times", "one.csv", "--y", "loss", cwd=tmp_path).stdout
