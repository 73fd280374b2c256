"""Do 95 % intervals of collapses hold the truth, and are families without a transition told apart?

    python experiments/collapse.py [--count 100]

Families with a transition have master curves of four shapes and sizes in ratios of 8 to 64; nu, exponent, noise and
number of points are drawn anew for each. With corrections to scaling, small sizes are off by L**-omega: the smallest by
40 % with omega = 1, or by -50 to 80 % with omega from 0.5 to 2. Families without a transition have curves of the same
width at every size, which may rise, shift or grow in height with the size. Prints the counts and writes collapse.json
and collapse.png.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import jaxphase
from jaxphase.scaling import CollapseKind, collapse

MASTERS = {
    "order parameter": lambda x: 0.55 + 0.45 * np.tanh(x + 0.2),
    "susceptibility": lambda x: 1 / (1 + (x - 0.3) ** 2),
    "binder": lambda x: 0.33 + 0.33 * np.tanh(0.8 * x - 0.1) + 0.05 * x * np.exp(-(x**2)),
    "gaussian": lambda x: np.exp(-((x + 0.5) ** 2)),
}
GREYS = ("#1b3a5c", "#b0b7c0", "#5b8db8", "#8fb4d3")
SMOOTH = ("same", "taller", "shifted", "raised", "corrected")


def draw(rng: np.random.Generator) -> dict:
    """The circumstances of one measurement."""
    sizes = np.geomspace(1, rng.choice([8, 16, 64]), rng.integers(4, 7)) * 8
    return {
        "sizes": sizes,
        "points": int(rng.choice([9, 13, 21])),
        "inverse_nu": rng.uniform(0.3, 1.5),
        "exponent": rng.uniform(-0.5, 1.0),
        "critical": rng.uniform(0.8, 2.5),
        "noise": 10 ** rng.uniform(-2.3, -1.3),
        "master": MASTERS[rng.choice(list(MASTERS))],
    }


def transition(rng: np.random.Generator, corrections: str = "no") -> tuple[dict, tuple]:
    """Circumstances and rows of a family with a transition, each size over its own part of the control; corrections:
    "no", "one" or "any"."""
    case = draw(rng)
    omega, share = 1, {"no": 0, "one": 0.4}.get(corrections)
    if corrections == "any":
        omega, share = 2 ** rng.uniform(-1, 1), rng.uniform(-0.5, 0.8)
    size = np.repeat(case["sizes"], case["points"])
    reach = np.linspace(-2.5, 2.5, case["points"]) * rng.uniform(0.6, 1.2)
    scale = (case["sizes"] / 8) ** -case["inverse_nu"] * 0.3
    control = case["critical"] + (scale[:, None] * reach).ravel()
    x = (control - case["critical"]) / 0.3 * (size / 8) ** case["inverse_nu"]
    height = (size / 8) ** case["exponent"]
    value = height * case["master"](x) * (1 + share * (8 / size) ** omega)
    error = case["noise"] * height
    return case, (size, control, value + error * rng.standard_normal(len(x)), error)


def smooth(rng: np.random.Generator, kind: str) -> tuple:
    """Rows of a family that does not sharpen."""
    case = draw(rng)
    size, growth = np.repeat(case["sizes"], case["points"]), np.log(case["sizes"] / 8)
    control = np.tile(case["critical"] + np.linspace(-0.75, 0.75, case["points"]), len(growth))
    growth = np.repeat(growth, case["points"])
    shift = 0.1 * growth if kind == "shifted" else 0
    value = case["master"]((control - case["critical"] - shift) / 0.3)
    value = value * np.exp(case["exponent"] * growth) if kind == "taller" else value
    value = value + 0.1 * growth if kind == "raised" else value
    value = value * (1 + 0.4 * 8 / size) if kind == "corrected" else value
    error = case["noise"] * np.ones_like(value) * (np.exp(case["exponent"] * growth) if kind == "taller" else 1)
    return size, control, value + error * rng.standard_normal(len(value)), error


def in_words(kind: CollapseKind) -> str:
    return kind.name.lower().replace("_", " ")


def coverage(rng: np.random.Generator, count: int, corrections: str, allowed: bool) -> dict:
    """How often 95 % intervals hold the truth, and how often a transition is called one."""
    inside, kinds, pulls = [], [], []
    for _ in range(count):
        case, rows = transition(rng, corrections)
        found = collapse(*rows, corrections=allowed)
        kinds.append(in_words(found.kind))
        truths = [case[name] for name in ("critical", "inverse_nu", "exponent")]
        ends = [found.critical_interval, found.inverse_nu_interval, found.exponent_interval[0]]
        middles = [found.critical, found.inverse_nu, found.exponent[0]]
        inside.append([low <= truth <= high for truth, (low, high) in zip(truths, ends, strict=True)])
        pulls.append([3.92 * (m - t) / (high - low) for m, t, (low, high) in zip(middles, truths, ends, strict=True)])
    names = ("critical", "1/nu", "exponent")
    return {
        "covered": dict(zip(names, np.mean(inside, axis=0).tolist(), strict=True)),
        "median |pull|": dict(zip(names, np.median(np.abs(pulls), axis=0).tolist(), strict=True)),
        "kinds": {kind: kinds.count(kind) / count for kind in map(in_words, CollapseKind)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="families of every kind")
    count = parser.parse_args().count
    jaxphase.use_all_cores()
    results = {}
    for name, *options in (
        ("transition", "no", False),
        ("corrections, not allowed for", "one", False),
        ("corrections, allowed for", "one", True),
        ("any corrections, allowed for", "any", True),
    ):
        results[name] = coverage(np.random.default_rng(0), count, *options)
        print(name, json.dumps(results[name], indent=1), flush=True)
    for kind in SMOOTH:
        rng = np.random.default_rng(1)
        kinds = [in_words(collapse(*smooth(rng, kind)).kind) for _ in range(count)]
        results[kind] = {name: kinds.count(name) / count for name in map(in_words, CollapseKind)}
        print(kind, results[kind], flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps({"count": count, "results": results}, indent=1) + "\n")
    plot(results).savefig(Path(__file__).with_suffix(".png"), dpi=200)


def plot(results: dict):
    """Coverage of the intervals, and what each family is called."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    covered = [name for name in results if "covered" in results[name]]
    for i, name in enumerate(covered):
        shares = results[name]["covered"]
        places = np.arange(len(shares)) + 0.2 * (i - 1.5)
        left.bar(places, [100 * share for share in shares.values()], 0.18, label=name, color=GREYS[i])
    left.axhspan(90, 98, color="0.9", zorder=0)
    left.set(ylim=(0, 105), ylabel="intervals that hold the truth (%)", title="95 % intervals")
    left.set_xticks(range(len(shares)), list(shares))

    bottom = np.zeros(len(results))
    for kind in map(in_words, CollapseKind):
        share = np.array([100 * result.get("kinds", result)[kind] for result in results.values()])
        if share.any():
            right.barh(list(results), share, left=bottom, label=kind)
        bottom += share
    right.invert_yaxis()
    right.set(xlim=(0, 100), xlabel="called (%)", title="transitions, then none")
    for axes, side in ((left, "left"), (right, "right")):
        figure.legend(
            *axes.get_legend_handles_labels(), loc=f"outside lower {side}", ncols=2, fontsize=8, frameon=False
        )
    return figure


if __name__ == "__main__":
    main()
