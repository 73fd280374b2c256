"""How often does `transition_order` name the order of families whose order is known?

    python experiments/order.py [--count 200]

There are seven kinds of families, with 16 and with 48 seeds. Sizes in ratios of 16 to 64, exponents, noise and controls
are drawn anew for each. First order: bimodal outcomes, with odds that sharpen. Continuous: a sigmoid that sharpens; an
order parameter that is zero on one side and a root on the other, rounded by a Gaussian that narrows; or |m| and m**2 of
the Curie-Weiss magnet. Crossover: the same curve at every size, which may shift, grow and have a round corner; or
bimodal outcomes with the same odds at every size. None: straight lines. Writes order.json and order.png.
"""

import argparse
import json
from pathlib import Path

import jax
import numpy as np

from jaxphase.scaling import OrderKind, transition_order
from jaxphase.systems import curie_weiss

SEEDS = (16, 48)
KNOTS = np.linspace(-3, 3, 25)  # of a Gaussian, in its standard deviations


def circumstances(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Sizes, controls from -1 to 1, and 1/nu."""
    size = 16 * np.geomspace(1, rng.choice([16, 64]), rng.integers(4, 6))
    return size, np.linspace(-1, 1, rng.choice([15, 21, 31])), rng.uniform(0.3, 0.7)


def scattered(rng, mean, size, place, width, seeds: int) -> np.ndarray:
    """Outcomes of normal scatter that falls with size, often larger by a factor where the curve changes."""
    peak = 1 + rng.choice([0, 3]) * np.exp(-(((place) / (2 * width)) ** 2))
    scatter = np.ptp(mean) * rng.uniform(0.02, 0.15) * (size[:, None] / size[0]) ** -rng.uniform(0.2, 0.5) * peak
    return mean[..., None] + scatter[..., None] * rng.standard_normal((*mean.shape, seeds))


def first_order(rng: np.random.Generator, seeds: int) -> tuple:
    size, control, sharpening = circumstances(rng)
    odds = 1 / (1 + np.exp(-rng.uniform(5, 10) * control * (size[:, None] / size[0]) ** sharpening))
    state = rng.random((*odds.shape, seeds)) < odds[..., None]
    return size, control, state + rng.uniform(0.03, 0.1) * rng.standard_normal(state.shape)


def sigmoid(rng: np.random.Generator, seeds: int) -> tuple:
    size, control, sharpening = circumstances(rng)
    width = rng.uniform(0.15, 0.4) * (size[:, None] / size[0]) ** -sharpening
    place = control - rng.uniform(-0.3, 0.3) - rng.uniform(-0.5, 0.5) * width
    return size, control, scattered(rng, np.tanh(place / width), size, place, width, seeds)


def root(rng: np.random.Generator, seeds: int) -> tuple:
    size, control, sharpening = circumstances(rng)
    width = rng.uniform(0.1, 0.3) * (size[:, None] / size[0]) ** -sharpening
    place = control - rng.uniform(-0.4, 0.2)
    weight = np.exp(-(KNOTS**2) / 2)
    power = np.maximum(place + width * KNOTS[:, None, None], 0) ** rng.uniform(0.25, 1)
    mean = np.tensordot(weight / weight.sum(), power, 1)
    mean = mean / (1 + rng.uniform(0, 1) * mean)  # bounded
    return size, control, scattered(rng, mean, size, place, width, seeds)


def magnet(rng: np.random.Generator, seeds: int) -> tuple:
    size = np.array([64, 256, 1024, 4096])
    low, high = rng.uniform(0.4, 0.7), rng.uniform(1.3, 2.0)
    control = np.linspace(low, high, rng.choice([15, 21, 31]))
    keys = jax.random.split(jax.random.key(rng.integers(2**31)), len(size))
    m = np.stack([curie_weiss.sample(control, each, seeds, key=key) for key, each in zip(keys, size, strict=True)])
    return size, control, np.abs(m) ** rng.choice([1, 2])


def crossover(rng: np.random.Generator, seeds: int) -> tuple:
    size, control, _ = circumstances(rng)
    growth = np.log(size / size[0])[:, None]
    width = rng.uniform(0.1, 0.5)
    place = control - rng.uniform(-0.4, 0.3) - rng.choice([0, 0.05]) * growth
    corner = (place + np.hypot(place, width)) / 2
    shapes = {
        "tanh": np.tanh(place / width),
        "gompertz": np.exp(-np.exp(-place / width)),
        "ramp": np.logaddexp(0, place / width),
        "corner": corner ** rng.uniform(0.25, 1),
        "tangent": np.arctan(place / width),
    }
    mean = shapes[rng.choice(list(shapes))] * np.exp(rng.choice([0, 0.2]) * growth)
    return size, control, scattered(rng, mean, size, place, width, seeds)


def split_crossover(rng: np.random.Generator, seeds: int) -> tuple:
    """Bimodal outcomes whose odds change over the same range of controls at every size, which may shift."""
    size, control, _ = circumstances(rng)
    shift = rng.choice([0, 0.05]) * np.log(size[:, None] / size[0])
    odds = 1 / (1 + np.exp(-rng.uniform(5, 15) * (control - shift)))
    state = rng.random((*odds.shape, seeds)) < odds[..., None]
    return size, control, state + rng.uniform(0.03, 0.1) * rng.standard_normal(state.shape)


def none(rng: np.random.Generator, seeds: int) -> tuple:
    size, control, _ = circumstances(rng)
    mean = rng.choice([0, 1]) * control + rng.choice([0, 0.3]) * np.log(size / size[0])[:, None]
    scatter = rng.uniform(0.05, 0.5) * (size[:, None] / size[0]) ** -rng.uniform(0, 0.5)
    return size, control, mean[..., None] + scatter[..., None] * rng.standard_normal((len(size), len(control), seeds))


FAMILIES = {
    "first order": first_order,
    "continuous, sigmoid": sigmoid,
    "continuous, root": root,
    "Curie-Weiss |m| or m²": magnet,
    "crossover": crossover,
    "crossover, two heaps": split_crossover,
    "none": none,
}


def in_words(kind: OrderKind) -> str:
    return kind.name.lower().replace("_", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="families of every kind")
    count, results = parser.parse_args().count, {}
    for seeds in SEEDS:
        for name, family in FAMILIES.items():
            rng = np.random.default_rng(0)
            called = [in_words(transition_order(*family(rng, seeds)).kind) for _ in range(count)]
            results[f"{name}, {seeds} seeds"] = {
                order: called.count(order) / count for order in map(in_words, OrderKind)
            }
            print(f"{name}, {seeds} seeds", results[f"{name}, {seeds} seeds"], flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps({"count": count, "results": results}, indent=1) + "\n")
    plot(results).savefig(Path(__file__).with_suffix(".png"), dpi=200)


def plot(results: dict):
    """What each kind of family is called."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes, bottom = figure.subplots(), np.zeros(len(results))
    for order in map(in_words, OrderKind):
        share = np.array([100 * result[order] for result in results.values()])
        axes.barh(list(results), share, left=bottom, label=order)
        bottom += share
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="called (%)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=4, fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    main()
