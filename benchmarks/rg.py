"""Coarse-graining of 64 trained perceptrons, three times by half, against a loop over them in NumPy and SciPy.

Both choose units by the pivoted decomposition of the activations, absorb the map to the others, restore mean and
variance, and measure variance, kurtosis and effective rank of every layer at every step. Times are those of a second
call; compilation is timed apart. The loop runs with the number of BLAS threads that is best for it.

    python benchmarks/rg.py [--models 64] [--width 128]
"""

import argparse
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.stats
from flax import nnx
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))
import machine

from jaxphase import rg, use_all_cores
from jaxphase.config import SweepSpec
from jaxphase.models.layers import PerModel
from jaxphase.rg.networks.couplings import kurtosis, layers
from jaxphase.runtime.mesh import EVERYWHERE, LANES, lane_mesh, spread
from jaxphase.sweep import make_recipe

STEPS, ROWS = 3, 512


def models(count: int, width: int):
    """Perceptrons that read digits, with gains and biases of their own, and the rows."""
    recipe = make_recipe(SweepSpec(sizes=(1000,), data_sizes=(64,), checkpoints=(1,), objective="autoencoding"))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        model = recipe.build(width, rng)
        noisy = jax.tree.map(lambda a: a + 0.1 * rng.standard_normal(a.shape, np.float32), nnx.state(model, nnx.Param))
        nnx.update(model, noisy)
        found.append(model)
    return recipe, found, np.asarray(recipe.source.splits.train[:ROWS], np.float32)


def ours(recipe, found, rows):
    """A program that renormalizes all models, and its arguments."""
    width = found[0].encoder[0].dense.bias[...].shape[0]
    graph = nnx.graphdef(found[0])
    states = [nnx.split(model, nnx.Param, PerModel)[1:] for model in found]
    lanes = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
    halves = [recipe.build(width >> step, None) for step in range(1, STEPS + 1)]

    def one(lane, rows):
        model, measured = nnx.merge(graph, *lane), []
        for step in range(STEPS + 1):
            if step:
                model = rg.coarse_grain(model, halves[step - 1], rows).model
            measured.append([statistics(layer) for layer in layers(model, rows)])
        return measured

    def statistics(layer):
        outputs = layer.function(layer.inputs)
        centered = outputs - outputs.mean(0)
        covariance = centered.T @ centered / len(centered)
        rank = rg.spectral_ranks(centered).effective
        return jnp.stack([jnp.trace(covariance) / layer.live, kurtosis(centered, covariance), rank])

    mesh = lane_mesh()
    along = jax.vmap(one, (0, None))
    if jax.default_backend() == "cpu":
        along = lambda lanes, rows: jax.lax.map(lambda lane: one(lane, rows), lanes)  # noqa: E731
    specs = {"in_specs": (LANES, EVERYWHERE), "out_specs": LANES, "check_vma": False}
    return jax.jit(jax.shard_map(along, mesh=mesh, **specs)), (spread(lanes, mesh), jnp.asarray(rows))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def block(x, kernel, bias, gain):
    z = x @ kernel + bias
    return z, z / np.sqrt(np.mean(z**2, axis=1, keepdims=True) + 1e-6) * gain


def loop(found, rows):
    """The same for one model after the other."""
    measured = []
    for model in found:
        weights = [[np.asarray(p[...]) for p in (b.dense.kernel, b.dense.bias, b.norm.gain)] for b in model.encoder]
        steps = [in_numpy(weights, rows)]
        for _ in range(STEPS):
            weights = halve(weights, rows)
            steps.append(in_numpy(weights, rows))
        measured.append(steps)
    return np.array(measured)


def in_numpy(weights, rows):
    x, values = rows, []
    for kernel, bias, gain in weights:
        x = gelu(block(x, kernel, bias, gain)[1])
        centered = x - x.mean(0)
        covariance = centered.T @ centered / len(x)
        fourth = 3 * np.mean(np.sum(centered**2, axis=1) ** 2)
        share = np.linalg.svd(centered, compute_uv=False)
        rank = np.exp(scipy.stats.entropy(share))
        squared = np.trace(covariance) ** 2 + 2 * np.sum(covariance**2)
        values.append([np.trace(covariance) / len(covariance), fourth / squared, rank])
    return values


def halve(weights, rows):
    x, c, smaller = rows, rows, []
    up, offset = np.eye(rows.shape[1], dtype=np.float32), np.zeros(rows.shape[1], np.float32)
    for kernel, bias, gain in weights:
        z, normed = block(x, kernel, bias, gain)
        x = gelu(normed)
        mean = x.mean(0)
        r, order = scipy.linalg.qr(x - mean, mode="r", pivoting=True)
        keep = x.shape[1] // 2
        units = order[:keep]
        new = (up @ kernel)[:, units]
        shift = (bias + offset @ kernel)[units]
        got = c @ new + shift
        ratio = z[:, units].std(0) / got.std(0)
        new, shift = new * ratio, (shift - got.mean(0)) * ratio + z[:, units].mean(0)
        scaled = block(c, new, shift, gain[units])[1]
        strength = gain[units] * np.sqrt(np.mean(normed[:, units] ** 2, axis=0) / np.mean(scaled**2, axis=0))
        smaller.append([new, shift, strength])
        c = gelu(block(c, new, shift, strength)[1])
        up = np.zeros((keep, x.shape[1]), np.float32)
        up[:, order] = np.hstack([np.eye(keep), scipy.linalg.solve_triangular(r[:keep, :keep], r[:keep, keep:])])
        offset = mean - mean[units] @ up
    return smaller


def timed(run):
    begin = time.perf_counter()
    result = run()
    return result, time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--width", type=int, default=128)
    options = parser.parse_args()
    use_all_cores()
    recipe, found, rows = models(options.models, options.width)
    program, arguments = ours(recipe, found, rows)
    with threadpool_limits(1):  # each of our devices calls LAPACK itself
        run = lambda: jax.block_until_ready(program(*arguments))  # noqa: E731
        _, first = timed(run)
        measured, seconds = min((timed(run) for _ in range(3)), key=last)
    theirs = {}
    for threads in (1, None):
        with threadpool_limits(threads):
            reference, theirs[threads or "all"] = min((timed(lambda: loop(found, rows)) for _ in range(2)), key=last)
    ratio = min(theirs.values()) / seconds
    ours_measured = np.moveaxis(np.array(jax.device_get(measured)), 2, 0)
    difference = float(np.max(np.abs(ours_measured / reference - 1)))
    results = {
        "models": options.models,
        "width": options.width,
        "steps": STEPS,
        "rows": ROWS,
        "seconds": seconds,
        "with_compilation": first,
        "numpy_seconds": theirs,
        "ratio": ratio,
        "largest_difference": difference,
    }
    print(f"{options.models} models of width {options.width}, {STEPS} halvings, {ROWS} rows")
    print(f"jaxphase {seconds:8.2f} s (first call {first:.1f} s)")
    for threads, taken in theirs.items():
        print(f"NumPy    {taken:8.2f} s with {threads} BLAS thread(s)")
    print(f"ratio    {ratio:8.1f}; the largest relative difference of a measured number is {difference:.1e}")
    print(machine.write("rg", results))


def last(pair):
    return pair[1]


if __name__ == "__main__":
    main()
