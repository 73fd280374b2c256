"""Order and chaos in untrained networks as Flax initializes them.

Where do signals die out, where do they grow, and how does the depth over which they correlate diverge in between?

    python experiments/order_chaos.py [--width 128] [--seeds 4]

The networks are deep stacks of `nnx.Linear` and tanh, ReLU or GELU over a grid of weight and bias variances. The growth
chi of a small difference from layer to layer is measured by Jacobian-vector products and compared with mean-field
theory. Prints what it measures and writes order_chaos.json and order_chaos.png. The exponents of the lengths stand
beside those that the same fit finds in theory, since nu = 1 holds only in the limit of small distances.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.rg.mean_field import critical_line, variance_map
from jaxphase.rg.signal import phase_diagram
from jaxphase.scaling import fit_correlation_exponent


def gelu(x):
    return jax.nn.gelu(x, approximate=False)


ACTIVATIONS = {"tanh": jnp.tanh, "ReLU": jax.nn.relu, "GELU": gelu}
WEIGHTS, BIASES = np.linspace(0.5, 4, 15), np.linspace(0, 0.5, 9)
DEPTH = 40
# Distances to the critical weight variance, relative to it: near enough for the power law, far enough for the errors.
DISTANCES = np.array([0.06, 0.09, 0.13, 0.18, 0.25])
# Bias variances at which the divergence is measured; ReLU has a critical point without biases only.
CUTS = {"tanh": (0.05, 0.1, 0.3), "ReLU": (0.0,), "GELU": (0.3,)}
COLORS = {"tanh": "#1b3a5c", "ReLU": "#c06014", "GELU": "#5b8db8"}


def theory(activation, sigma_w, sigma_b):
    """chi of mean-field theory, averaged over the layers that are measured: where the variance settles over more of
    them, as that of GELU near its critical line, it is not chi at the fixed point."""

    def slope(x):
        return jax.jvp(activation, (x,), (jnp.ones_like(x),))[1]

    variance, chi = np.ones(np.broadcast_shapes(np.shape(sigma_w), np.shape(sigma_b))), []
    for _ in range(DEPTH):
        chi.append(variance_map(slope, variance, sigma_w, 0.0))
        variance = variance_map(activation, variance, sigma_w, sigma_b)
    return np.mean(chi[DEPTH // 2 :], axis=0)


def grid(activation, width: int, seeds: int, key) -> dict:
    """chi over the grid, and how far it is from theory."""
    squares = np.meshgrid(WEIGHTS, BIASES, indexing="ij")
    found = phase_diagram(activation, *np.sqrt(squares), width, DEPTH, key=key, seeds=seeds)
    expected = theory(activation, *np.sqrt(squares))
    off = np.asarray(found.chi) - expected
    return {
        "chi": np.asarray(found.chi).round(4).tolist(),
        "chi_se": np.asarray(found.chi_se).round(4).tolist(),
        "median |chi - theory|": float(np.median(np.abs(off))),
        "95 % of |chi - theory| below": float(np.quantile(np.abs(off), 0.95)),
        "same side of 1 as theory": float(np.mean((found.chi > 1) == (expected > 1))),
    }


def divergence(activation, bias: float, width: int, seeds: int, key) -> dict:
    """The critical weight variance and the exponent of the length, from networks on both sides."""
    critical = float(critical_line(activation, bias**0.5).sigma_w) ** 2
    squares = critical * np.concatenate([1 - DISTANCES[::-1], 1 + DISTANCES])
    found = phase_diagram(activation, np.sqrt(squares), bias**0.5, width, DEPTH, key=key, seeds=seeds)
    chi, error = np.asarray(found.chi, float), np.asarray(found.chi_se, float)
    rng = np.random.default_rng(0)
    draws = [crossing(squares, chi + error * rng.standard_normal(len(chi)), error, critical) for _ in range(200)]
    expected = theory(activation, np.sqrt(squares), bias**0.5)
    nu = {}
    for side, part in {"ordered": slice(0, 5), "chaotic": slice(5, 10), "both": slice(0, 10)}.items():
        share = error[part] / np.abs(np.log(chi[part]))  # relative error of the length
        for name, values in (("measured", chi[part]), ("theory", expected[part])):
            length = 1 / np.abs(np.log(values))
            fit = fit_correlation_exponent(squares[part], length, share * length, critical=critical)
            nu.setdefault(side, {})[name] = float(fit.nu)
            if name == "measured":
                nu[side]["se"] = float(fit.nu_se)
    return {
        "bias variance": bias,
        "critical weight variance": {
            "theory": critical,
            "theory at this depth": crossing(squares, expected, error, critical),
            "measured": crossing(squares, chi, error, critical),
            "se": float(np.std(draws)),
        },
        "nu": nu,
        "weight variance": squares.tolist(),
        "length": np.asarray(found.length, float).tolist(),
        "length_se": np.asarray(found.length_se, float).tolist(),
    }


def crossing(squares, chi, error, near: float) -> float:
    """Where a parabola through ln chi is zero, the root nearest to the middle."""
    roots = np.roots(np.polyfit(squares, np.log(chi), 2, w=chi / error))
    return float(roots[np.argmin(np.abs(roots - near))].real)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=128, help="units of a layer; twice as many for the divergence")
    parser.add_argument("--seeds", type=int, default=4, help="networks of a point; five times as many there")
    options, start = parser.parse_args(), time.perf_counter()
    results = {}
    for i, (name, activation) in enumerate(ACTIVATIONS.items()):
        keys = jax.random.split(jax.random.key(i), 1 + len(CUTS[name]))
        results[name] = {"grid": grid(activation, options.width, options.seeds, keys[0])}
        results[name]["divergence"] = [
            divergence(activation, bias, 2 * options.width, 5 * options.seeds, key)
            for bias, key in zip(CUTS[name], keys[1:], strict=True)
        ]
        shown = {k: v for k, v in results[name]["grid"].items() if not k.startswith("chi")}
        print(name, json.dumps(shown))
        for cut in results[name]["divergence"]:
            print(
                "  ", json.dumps({k: cut[k] for k in ("bias variance", "critical weight variance", "nu")}), flush=True
            )
    report = {
        "depth": DEPTH,
        "weight variances": WEIGHTS.tolist(),
        "bias variances": BIASES.tolist(),
        **vars(options),
        "machine": f"{platform.machine()}, {jax.default_backend()}, jax {jax.__version__}",
        "seconds": round(time.perf_counter() - start, 1),
        "results": results,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    plot(results).savefig(Path(__file__).with_suffix(".png"), dpi=200)


def plot(results: dict):
    """Measured chi with the critical line of theory, and the length on the way to it."""
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.6), layout="constrained")
    *maps, right = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.25))
    norm = TwoSlopeNorm(1, 0.2, 1.8)
    for axes, (name, activation) in zip(maps, ACTIVATIONS.items(), strict=True):
        chi = np.array(results[name]["grid"]["chi"])
        image = axes.pcolormesh(WEIGHTS, BIASES, chi.T, cmap="RdBu_r", norm=norm, shading="nearest")
        bias = np.linspace(1e-4, 0.53, 200)
        line = critical_line(activation, np.sqrt(bias))
        stable = np.asarray(line.variance_slope) <= 1
        for part, style in ((stable, "-"), (~stable, ":")):
            axes.plot(np.where(part, line.sigma_w**2, np.nan), bias, "k" + style, lw=1.5)
        axes.set(title=name, xlabel=r"weight variance $\sigma_w^2$", xlim=(0.4, 4.1), ylim=(-0.03, 0.53))
    maps[0].set_ylabel(r"bias variance $\sigma_b^2$")
    # ReLU has chi = 1 at a weight variance of 2 for any bias, but there its signals grow without bound.
    maps[1].axvline(2, color="k", lw=1.5, ls="--")
    maps[1].plot(2, 0, "ko", ms=6)
    figure.colorbar(image, ax=maps, label=r"measured $\chi_1$", extend="both", pad=0.01)
    maps[2].text(2.2, 0.13, "repelling\nfixed point", fontsize=7, va="center")

    distance = np.geomspace(0.045, 0.33, 40)
    for name, activation in ACTIVATIONS.items():
        cut = results[name]["divergence"][0]
        critical = cut["critical weight variance"]["theory"]
        square = np.array(cut["weight variance"])
        for side, marker, style in ((-1, "o", "-"), (1, "^", "--")):
            chi = theory(activation, np.sqrt(critical * (1 + side * distance)), cut["bias variance"] ** 0.5)
            right.loglog(distance, np.abs(1 / np.log(chi)), style, color=COLORS[name], lw=1)
            part = (square - critical) * side > 0
            right.errorbar(
                np.abs(square / critical - 1)[part],
                np.abs(cut["length"])[part],
                np.array(cut["length_se"])[part],
                fmt=marker,
                color=COLORS[name],
                ms=4,
                label=f"{name}, {'ordered' if side < 0 else 'chaotic'}",
            )
    right.set(xlabel=r"$|\sigma_w^2/\sigma_c^2 - 1|$", ylabel=r"$|\xi| = 1/|\ln\chi_1|$ (layers)")
    right.set_yticks([5, 10, 20, 40], ["5", "10", "20", "40"])
    right.set_xticks([0.05, 0.1, 0.2, 0.3], ["0.05", "0.1", "0.2", "0.3"])
    right.minorticks_off()
    right.legend(fontsize=7, frameon=False)
    return figure


if __name__ == "__main__":
    main()
