"""Phenomenological renormalization of systems with a known answer, beside surrogates, and the coverage of its errors.

    python experiments/phenomenological.py [--samples 6000] [--repeats 100]

The systems are the two-dimensional Ising model of 32 x 32 spins at several couplings, where theory has alpha = 15/8 and
mu = 7/8 at the critical one; independent units; and units that share an input. Two more parts measure alpha of
independent units in the samples that chose the clusters and in others, and how often an interval of +-1.96 standard
errors holds the truth (the mean over repeats where no truth is known). Writes phenomenological.json and
phenomenological.png.
"""

import argparse
import json
import math
import time
from pathlib import Path

import jax
import matplotlib
import numpy as np

from jaxphase import use_all_cores

use_all_cores()  # before JAX starts, as it may when what follows is imported
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from jaxphase.rg.populations.clusters import cluster_flow  # noqa: E402
from jaxphase.rg.populations.pairing import pair_and_sum  # noqa: E402
from jaxphase.rg.populations.phenomenology import COMPARED, SURROGATES, PopulationKind, phenomenological  # noqa: E402
from jaxphase.rg.populations.shells import momentum_flow  # noqa: E402
from jaxphase.systems.ising import CRITICAL_COUPLING, configurations  # noqa: E402

HERE = Path(__file__)
SIZE = 32
COUPLINGS = (0.1, 0.3, 0.42, CRITICAL_COUPLING)
PER_UNIT = (1, 2, 4, 8, 16)


def systems(samples: int) -> dict[str, np.ndarray]:
    """Activations [samples, units] by name."""
    spins = configurations(np.array(COUPLINGS), SIZE, samples, key=jax.random.key(0))
    spins = np.asarray(spins, np.float32).reshape(len(COUPLINGS), samples, SIZE**2)
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((2, samples, SIZE**2)).astype(np.float32)
    loading = rng.standard_normal(SIZE**2).astype(np.float32)
    shared = np.maximum(noise[1] + loading * rng.standard_normal((samples, 1)).astype(np.float32), 0)
    named = {f"Ising K = {coupling:.4g}": x for coupling, x in zip(COUPLINGS, spins, strict=True)}
    return named | {"independent Gaussian": noise[0], "ReLU units, shared input": shared}


def measure(x: np.ndarray, seed: int) -> dict:
    """Exponents, those of the surrogates, scores and verdict, and the profiles for the figure."""
    began = time.perf_counter()
    result = phenomenological(x, key=jax.random.key(seed))
    shells = momentum_flow(x, factor=4)
    rows = {"activations": result.data}
    for i, name in enumerate(SURROGATES[:2]):
        # `size` alone has no axis of surrogates.
        rows[name] = jax.tree.map(lambda a, i=i: a[i], result.surrogates._replace(size=result.surrogates.clusters))
    return {
        "verdict": PopulationKind(int(result.kind)).name.lower(),
        "relation": [float(result.relation), float(result.relation_se)],
        "exponents": {
            row: {name: [float(getattr(flow, name).value), float(getattr(flow, name).se)] for name in COMPARED[:-1]}
            for row, flow in rows.items()
        },
        "scores": {
            name: dict(zip(COMPARED, np.asarray(score, float).tolist(), strict=True))
            for name, score in zip(SURROGATES, result.score, strict=False)
        },
        "size": result.data.size.tolist(),
        "profiles": {
            row: {name: np.asarray(getattr(flow, name), float).tolist() for name in PROFILES}
            for row, flow in rows.items()
        },
        "shells": {
            "modes": shells.modes.tolist(),
            "kurtosis": shells.kurtosis.tolist(),
            "se": shells.kurtosis_se.tolist(),
        },
        "seconds": round(time.perf_counter() - began, 1),
    }


PROFILES = ("variance", "variance_se", "kurtosis", "kurtosis_se", "spectrum")


def bias(repeats: int) -> dict:
    """Mean and standard error of alpha of 64 independent units, K = 1 to 16, over samples a unit."""
    rows = []
    for per_unit in PER_UNIT:
        x = np.random.default_rng(per_unit).standard_normal((repeats, 64 * per_unit, 64)).astype(np.float32)
        other = cluster_flow(x, smallest=1, largest=16).alpha.value
        sums = x
        for _ in range(4):
            sums, _ = pair_and_sum(sums)
        same = np.log2(np.mean(np.var(sums, axis=1), axis=1) / np.mean(np.var(x, axis=1), axis=1)) / 4
        rows.append([[float(np.mean(a)), float(np.std(a) / math.sqrt(repeats))] for a in (same, other)])
    return {"samples a unit": PER_UNIT, "same samples": [r[0] for r in rows], "other samples": [r[1] for r in rows]}


def coverage(repeats: int) -> dict:
    """Share of +-1.96 errors that hold the truth, and the deviation of the pulls, of 600 samples of 128 units."""
    rng = np.random.default_rng(2)
    draw = rng.standard_normal((repeats, 600, 128)).astype(np.float32)
    mix = np.linalg.qr(rng.standard_normal((128, 128)))[0] * np.arange(1, 129) ** -0.35
    named = {
        "independent": (draw, {"alpha": 1, "mu": 0}),
        "independent, ReLU, different": (np.maximum(draw + rng.uniform(-1, 1, 128), 0), {"alpha": 1}),
        "Gaussian, spectrum r**-0.7": (draw @ mix.T, {}),
    }
    table = {}
    for name, (x, truth) in named.items():
        flow, table[name] = cluster_flow(x.astype(np.float32)), {}
        for exponent in ("alpha", "mu"):
            value, error, _ = (np.asarray(a, float) for a in getattr(flow, exponent))
            off = (value - truth.get(exponent, value.mean())) / error
            row = {"mean": value.mean(), "deviation": value.std(), "mean error": error.mean()}
            row |= {"deviation of pulls": off.std(), "within 1.96": np.mean(np.abs(off) < 1.96)}
            table[name][exponent] = {key: round(float(number), 4) for key, number in row.items()}
    return table


def draw(report: dict, path: Path) -> None:
    """Variance, eigenvalues and kurtosis over the size of clusters, and the bias of choosing where one measures."""
    figure, ((variance, spectrum), (kurtosis, bias_panel)) = plt.subplots(2, 2, figsize=(10, 7.6), layout="constrained")
    for i, (name, row) in enumerate(report["systems"].items()):
        size, color = np.array(row["size"]), f"C{i}"
        data, null = row["profiles"]["activations"], row["profiles"]["shuffled"]
        alpha, error = row["exponents"]["activations"]["alpha"]
        words = f"{name}: α = {alpha:.3f}({1e3 * error:.0f}), {row['verdict'].replace('_', ' ')}"
        per_unit = np.array(data["variance"]) / size
        variance.errorbar(
            size, per_unit, data["variance_se"] / size, fmt="o-", ms=3.5, lw=1.2, color=color, label=words
        )
        variance.plot(size, np.array(null["variance"]) / size, ":", lw=1, color=color)
        kurtosis.errorbar(size, data["kurtosis"], data["kurtosis_se"], fmt="o-", ms=3.5, lw=1.2, color=color)
        gaussian = row["profiles"]["same_spectrum"]
        kurtosis.plot(size, gaussian["kurtosis"], ":", lw=1, color=color)
        for k, marker in ((32, "."), (64, "x"), (128, "+")):
            values = np.array(data["spectrum"][size.tolist().index(k)])[:k]
            spectrum.plot(np.arange(1, k + 1) / k, values, marker, ms=4, color=color, alpha=0.7)
    place = np.array([0.016, 0.25])
    spectrum.plot(place, 0.75 * place**-0.875, "k--", lw=1)
    spectrum.text(0.06, 13, "rank$^{-7/8}$", fontsize=9)
    size = np.array([4, 512])
    variance.plot(size, 1.6 * size**0.875, "k--", lw=1)
    variance.text(60, 110, "K$^{7/8}$", fontsize=9)
    variance.set(xscale="log", yscale="log", xlabel="units K in a cluster", ylabel="M₂(K) / (K M₂(1))")
    variance.set_title("Variance of sums (dotted: shuffled)", fontsize=10)
    spectrum.set(
        xscale="log", yscale="log", xlabel="rank / K, K = 32 (.), 64 (x), 128 (+)", ylabel="variance along eigenvector"
    )
    spectrum.set_title("Spectrum within clusters", fontsize=10)
    kurtosis.set(xscale="log", yscale="log", xlabel="units K in a cluster", ylabel="kurtosis", ylim=(0.9, 8))
    kurtosis.set_yticks([1, 2, 3, 5, 8], ["1", "2", "3", "5", "8"])
    kurtosis.set_yticks([], minor=True)
    kurtosis.set_title("Kurtosis of sums (dotted: Gaussian of the same covariance)", fontsize=10)
    table = report["bias"]
    for name, color in (("same samples", "C3"), ("other samples", "C0")):
        values, errors = np.array(table[name]).T
        words = f"clusters chosen in the {name}"
        bias_panel.errorbar(table["samples a unit"], values, 2 * errors, fmt="o-", ms=4, color=color, label=words)
    bias_panel.axhline(1, color="0.6", lw=0.8, zorder=0)
    bias_panel.set(xscale="log", xlabel="samples a unit", ylabel="α of 64 independent units (± 2 errors)")
    bias_panel.set_xticks(table["samples a unit"], [str(n) for n in table["samples a unit"]])
    bias_panel.set_xticks([], minor=True)
    bias_panel.set_title("Chance correlations chosen by greed", fontsize=10)
    bias_panel.legend(frameon=False, fontsize=9)
    figure.legend(*variance.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def no_nan(tree):
    """The same with null for what is no number and five digits of the rest."""
    if isinstance(tree, dict):
        return {key: no_nan(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [no_nan(value) for value in tree]
    if isinstance(tree, float):
        return float(f"{tree:.5g}") if math.isfinite(tree) else None
    return tree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=100)
    arguments = parser.parse_args()
    report = {"device": jax.devices()[0].device_kind, "samples": arguments.samples, "size": SIZE, "systems": {}}
    for seed, (name, x) in enumerate(systems(arguments.samples).items()):
        row = report["systems"][name] = measure(x, seed)
        numbers = ", ".join(f"{e} {v:.3f}({s:.3f})" for e, (v, s) in row["exponents"]["activations"].items())
        print(f"{name}: {numbers}; {row['verdict'].replace('_', ' ')}, {row['seconds']} s", flush=True)
    report["bias"] = bias(arguments.repeats)
    report["coverage"] = coverage(arguments.repeats)
    print(json.dumps({key: report[key] for key in ("bias", "coverage")}, indent=1))
    HERE.with_suffix(".json").write_text(json.dumps(no_nan(report), allow_nan=False) + "\n")
    draw(report, HERE.with_suffix(".png"))


if __name__ == "__main__":
    main()
