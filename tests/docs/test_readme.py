"""The README: short, its numbers those of the experiments, its links to files that exist, its Python runs."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def measured(name: str) -> dict:
    return json.loads((ROOT / "experiments" / name).read_text())


def stated(pattern: str) -> list[float]:
    """The numbers that a sentence of the README states, line breaks apart."""
    found = re.search(pattern, " ".join(README.split()))
    assert found, pattern
    return [float(number) for number in found.groups()]


def test_it_is_short_and_holds_two_commands():
    assert len(README.splitlines()) <= 150
    assert len(re.findall("^python3 -m pip install", README, re.MULTILINE)) == 2


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", README))))
def test_links_lead_to_files(link):
    assert (ROOT / link).exists()


def test_false_alarms_and_misses_are_those_of_the_calibration():
    rates = measured("calibration.json")["verdicts"]
    usual = rates["n=20, noise 0.02"]
    assert stated(r"Of flat curves ([\d.]+) % are") == [100 * usual["flat"]]
    assert max(usual["power law"], usual["power law with floor"]) == 0
    worst = max(case["… that steepens"] for case in rates.values())
    assert stated(r"for good: (\d+) % of these are, (\d+) % at") == [
        round(100 * share) for share in (usual["… that steepens"], worst)
    ]
    assert stated(r"(\d+) % of sigmoids .* and (\d+) % at a noise of 10 %") == [
        round(100 * rates[f"n=20, noise {noise}"]["sigmoid found"] + 1e-9) for noise in (0.02, 0.1)
    ]


def test_transitions_and_crossovers_are_those_of_the_experiment():
    rates = measured("order.json")["results"]
    continuous = [rates[f"{kind}, 16 seeds"]["continuous"] for kind in ("crossover", "continuous, root")]
    bimodal = rates["crossover, two heaps, 16 seeds"]["first order"]
    first_order = rates["first order, 16 seeds"]["first order"]
    assert stated(r"(\d+) % of crossovers are called continuous, and (\d+) % of those") == [
        round(100 * continuous[0]),
        round(100 * bimodal),
    ]
    assert stated(r"Of true transitions (\d+) to (\d+) %") == [
        pytest.approx(100 * continuous[1], abs=0.51),
        100 * first_order,
    ]


def test_its_python_runs(blocks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = next(block for block in blocks("tutorials/own-curves.md") if block.language == "python")
    exec(table.text, {})
    for shown in next(b for b in blocks("../../README.md") if b.text.startswith("params")).text.split():
        assert shown in Path("runs.csv").read_text().split()
    (python,) = (block for block in blocks("../../README.md") if block.language == "python")
    exec(python.text, {})
    plt.close("all")
    assert "accuracy: crossover" in capsys.readouterr().out
