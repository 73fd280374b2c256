"""Do the bands of fits hold the curves, and are plateaus of training curves found? Simulated curves of known kind.

    python experiments/calibration_curves.py [--parts bands plateaus] [--curves 600] [--training-curves 250]

Bands: `plots.confidence_band` of curves of every `detect.CurveKind` from 0 to 1 over three decades, once with the true
kind given and once with the kind that `detect.classify` calls. Plateaus: those that `analyze_time` finds in falls from
1 to 0 over three decades of training steps. Writes calibration_curves.json and calibration_curves.png.
"""

import argparse
import json
from itertools import product
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from calibration import broken_laws, power_law
from scipy.special import expit

from jaxphase import analyze_time, detect
from jaxphase.plots import STYLE, confidence_band

PATH = Path(__file__).with_suffix(".json")
# Sizes, seeds of each, and noise in parts of the range.
GRIDS, NOISES = ((12, 3), (20, 1)), (0.005, 0.02, 0.05)
DENSE = np.linspace(6, 9, 60)
REFERENCE = 10**7.5
NAMES = {
    "sigmoid": ("center", "rate", "low", "high"),
    "power_law": ("floor", "amplitude", "exponent"),
    "broken_power_law": ("a", "b", "c", "d", "f"),
}
COLORS = "#7a0177", "#0b5394", "#e07b39"
LOG_T, TRAINING_NOISES = np.linspace(0, np.log(1000), 64), (0.01, 0.02)


def sigmoids(rng, count, x):
    center, rate = rng.uniform(6.8, 8.2, (count, 1)), np.exp(rng.uniform(np.log(2), np.log(12), (count, 1)))
    return expit(rate * (x - center))


CURVES = {
    "constant": lambda rng, count, x: np.zeros((count, len(x))),
    "linear": lambda rng, count, x: np.tile(x, (count, 1)),
    "power_law": lambda rng, count, x: power_law(rng, count, x, 0.2, 0.8, 0.0),
    "broken_power_law": lambda rng, count, x: broken_laws(rng, count, x, (0.03, 0.2), (0.3, 0.6)),
    "sigmoid": sigmoids,
    "step": lambda rng, count, x: (x >= rng.uniform(6.8, 8.2, (count, 1))).astype(float),
}


def bands(count: int) -> dict:
    """How much of the curves their bands hold, by kind and by the sizes and noise that the points are from."""
    table = {}
    for kind, ((sizes, seeds), noise) in product(CURVES, product(GRIDS, NOISES)):
        table.setdefault(kind, {})[f"{sizes} sizes, {seeds} seeds, noise {noise}"] = held(
            kind, count, sizes, seeds, noise
        )
    for kind in ("sigmoid", "power_law"):
        table[f"{kind}, four times the noise where steepest"] = {
            "12 sizes, 3 seeds, noise 0.02": held(kind, count, 12, 3, 0.02, uneven=3.0)
        }
    return table


def held(kind: str, count: int, sizes: int, seeds: int, noise: float, uneven: float = 0.0) -> dict:
    """Part of a curve within its band, in the mean over curves: with their own kind, and with what they are called."""
    rng, grid = np.random.default_rng([sizes, round(1e4 * noise)]), np.linspace(6, 9, sizes)
    curves = scaled(CURVES[kind](rng, count, np.concatenate([grid, DENSE])))
    mean, truth = curves[:, :sizes], curves[:, sizes:]
    steep = np.abs(np.gradient(mean, axis=1))
    scatter = noise * (1 + uneven * steep / np.maximum(steep.max(axis=1, keepdims=True), 1e-9))
    x = np.repeat(grid, seeds)
    y = np.repeat(mean, seeds, axis=1)
    y += np.repeat(scatter, seeds, axis=1) * rng.standard_normal(y.shape)
    verdict, *fits = jax.tree.map(
        lambda field: np.asarray(field, float),
        (
            detect.classify(x, y),
            detect.fit_sigmoid(x, y),
            detect.fit_power_law(10**x / REFERENCE, y),
            detect.fit_broken_power_law(10**x / REFERENCE, y),
        ),
    )
    fits = dict(zip(NAMES, fits, strict=True))
    called = [detect.CurveKind(int(number)).name.lower() for number in verdict.kind]

    def within(kind: str, i: int) -> float:
        parameters = {name: getattr(fits[kind], name)[i] for name in NAMES.get(kind, ())} | {"reference": REFERENCE}
        if kind == "step":
            parameters = {"critical_size": 10 ** verdict.center[i]}
        band = confidence_band(kind, parameters, 10**x, y[i], 10**DENSE)
        return np.mean((band.low <= truth[i]) & (truth[i] <= band.high))

    # The place of a step is known where a transition is called.
    placed = np.isfinite(verdict.center) if kind == "step" else np.ones(count, bool)
    own = [within(kind, i) for i in np.flatnonzero(placed)]
    row = {
        "own kind": float(np.mean(own)),
        "own kind, standard error": float(np.std(own) / len(own) ** 0.5),
        "called kind": float(np.mean([within(name, i) for i, name in enumerate(called)])),
        "called right": called.count(kind) / count,
    }
    print(f"{kind:18} {sizes} x {seeds}, noise {noise}, uneven {uneven}", {k: round(v, 3) for k, v in row.items()})
    return row


def scaled(curves: np.ndarray) -> np.ndarray:
    """From 0 to 1 each, if they are not level."""
    low, span = curves.min(axis=1, keepdims=True), np.ptp(curves, axis=1, keepdims=True)
    return (curves - low) / np.where(span > 0, span, 1)


def fall(log_time, rate):
    """From 1 to 0 [..., 64], half of it done at log_time [...]."""
    return expit(rate[..., None] * (log_time[..., None] - LOG_T))


def in_turn(*kinds: np.ndarray) -> np.ndarray:
    """Of curves [count, 64] of several kinds, each of the count from the next kind."""
    count = len(kinds[0])
    return np.stack(kinds)[np.arange(count) % len(kinds), np.arange(count)]


def smooth(rng, count):
    """Power laws from the start and from later on, two of them, exponential and stretched exponential decays, straight
    in ln t, level."""
    t, draw = np.exp(LOG_T), lambda low, high: rng.uniform(low, high, (count, 1))
    power, late, tau = draw(0.2, 1), np.exp(draw(0, np.log(1000) / 2)), np.exp(draw(np.log(3), np.log(500)))
    laws = t**-power, (1 + t / late) ** -power, t**-power + draw(0.2, 2) * t ** -draw(0.02, 0.2)
    decays = np.exp(-t / tau), np.exp(-((t / tau) ** draw(0.3, 0.9)))
    return in_turn(*laws, *decays, np.tile(-LOG_T, (count, 1)), np.zeros((count, 64))), np.empty((count, 0, 2))


def steps_on_a_fall(rng, count):
    """One step, and two of half its height, on a fall that is straight in ln t; and one on a power law."""
    line = rng.uniform(0.3, 1, (count, 1)) * (1 - LOG_T / LOG_T[-1])
    law = np.exp(-rng.uniform(0.2, 0.35, (count, 1)) * LOG_T)
    one = fall(rng.uniform(2, 5, count), rng.uniform(4, 12, count))
    two = fall(np.array([1.2, 5.7]) + rng.uniform(-0.2, 0.2, (count, 2)), rng.uniform(6, 16, (count, 1))).mean(axis=1)
    return in_turn(line + one, line + two, law + one), np.empty((count, 0, 2))


def staircases(rng, count, rests):
    """Falls of about one height, about evenly spaced, from 10 to 90 % in a twelfth to a quarter of the gap between."""
    places = np.linspace(0, LOG_T[-1], rests + 3)[1:-1]
    gap = places[1] - places[0]
    places = places + gap * rng.uniform(-0.12, 0.12, (count, rests + 1))
    heights = rng.uniform(0.6, 1.4, (count, rests + 1))
    curves = heights[..., None] * fall(places, rng.uniform(18, 55, (count, rests + 1)) / gap)
    return curves.sum(axis=1), np.stack([places[:, :-1], places[:, 1:]], axis=-1)


def grokking(rng, count):
    """A fast first fall, exponential or a step, and a later drop."""
    early, late = rng.uniform(0.8, 1.8, count), rng.uniform(4.5, 6, count)
    first = in_turn(np.exp(-np.exp(LOG_T - early[:, None])), fall(early, rng.uniform(4, 8, count)))
    return 0.4 * first + 0.6 * fall(late, rng.uniform(5, 12, count)), np.stack([early, late], axis=-1)[:, None]


TRAINING = {
    "smooth falls": smooth,
    "steps on a slow fall": steps_on_a_fall,
    "staircases with 1 plateau": lambda rng, count: staircases(rng, count, 1),
    "staircases with 2 plateaus": lambda rng, count: staircases(rng, count, 2),
    "staircases with 3 plateaus": lambda rng, count: staircases(rng, count, 3),
    "fall, rest, drop": grokking,
}


def plateaus(count: int) -> dict:
    """Share of training curves with as many plateaus as there are, each between the falls that it lies between."""
    table, steps = {}, np.exp(LOG_T)
    for name, noise in product(TRAINING, TRAINING_NOISES):
        rng = np.random.default_rng(round(1e4 * noise))
        curves, rests = TRAINING[name](rng, count)
        y = scaled(curves) + noise * rng.standard_normal(curves.shape)
        data = xr.Dataset(
            {"loss": (("size", "seed", "step"), y[:, None])},
            coords={"params": ("size", np.arange(1, count + 1)), "step": steps},
        )
        found = analyze_time(data).curves
        right = [
            len(curve.plateaus) == len(ends)
            and all(a < rest.begin and rest.end < b for rest, (a, b) in zip(curve.plateaus, np.exp(ends), strict=True))
            for curve, ends in zip(found, rests, strict=True)
        ]
        row = {
            "right": float(np.mean(right)),
            "by number of plateaus": shares([len(curve.plateaus) for curve in found]),
            "by number of steps": shares([len(curve.events) for curve in found]),
        }
        table.setdefault(name, {})[f"noise {noise}"] = row
        print(f"{name:28} noise {noise}", row, flush=True)
    return table


def shares(numbers: list[int]) -> dict:
    return {str(number): numbers.count(number) / len(numbers) for number in sorted(set(numbers))}


def figure(results: dict) -> None:
    """Two panels: how much of curves their bands hold, and how often the plateaus found are those that are there."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(10.5, 4.2), layout="constrained")
        left, right = drawing.subplots(1, 2)
        kinds = list(results["bands"])
        for place, row in enumerate(results["bands"].values()):
            for where, cell in row.items():
                color = COLORS[NOISES.index(float(where.split()[-1]))]
                left.plot(100 * cell["called kind"], place + 0.15, "o", mfc="none", color=color, ms=5)
                left.plot(100 * cell["own kind"], place - 0.15, "o", color=color, alpha=0.7, ms=5)
        for color, noise in zip(COLORS, NOISES, strict=True):
            left.plot([], [], "o", color=color, ms=5, label=f"noise {100 * noise:g} % of the range")
        left.plot([], [], "o", mfc="none", color="0.4", ms=5, label="of the kind that is called")
        left.axvspan(93, 97, color="0.9", lw=0, zorder=0)
        left.axvline(95, color="0.7", lw=1, zorder=0)
        left.set_yticks(range(len(kinds)), [kind.replace("_", " ").replace(", ", ",\n") for kind in kinds])
        left.set(xlabel="part of the curve within its 95 % band (%)", xlim=(70, 100))
        left.legend(loc="lower left", fontsize=7)

        kinds = list(results["plateaus"])
        for place, row in enumerate(results["plateaus"].values()):
            for where, cell in row.items():
                which = TRAINING_NOISES.index(float(where.split()[-1]))
                style = {"color": COLORS[1 + which], "alpha": 0.7, "ms": 6, "clip_on": False}
                right.plot(100 * cell["right"], place + (-0.1, 0.1)[which], "o", **style)
        for color, noise in zip(COLORS[1:], TRAINING_NOISES, strict=True):
            right.plot([], [], "o", color=color, ms=6, label=f"noise {100 * noise:g} % of the fall")
        right.set_yticks(range(len(kinds)), kinds)
        right.set(xlabel="training curves with the right plateaus (%)", xlim=(70, 100))
        right.legend(loc="upper left", fontsize=7)
        for ax in (left, right):
            ax.invert_yaxis()
        drawing.savefig(PATH.with_suffix(".png"), dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", default=["bands", "plateaus"])
    parser.add_argument("--curves", type=int, default=600, help="of every kind, size and noise for bands")
    parser.add_argument("--training-curves", type=int, default=250, help="of every kind and noise for plateaus")
    arguments = parser.parse_args()
    results = json.loads(PATH.read_text()) if PATH.exists() else {}
    counts = {"bands": arguments.curves, "plateaus": arguments.training_curves}
    for part in arguments.parts:
        results[part] = {"bands": bands, "plateaus": plateaus}[part](counts[part])
        results.setdefault("curves", {})[part] = counts[part]
        PATH.write_text(json.dumps(results, indent=1) + "\n")
    if {"bands", "plateaus"} <= set(results):
        figure(results)


if __name__ == "__main__":
    main()
