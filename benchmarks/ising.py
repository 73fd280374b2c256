"""Spin flips per nanosecond of the Ising simulators, against checkerboards in NumPy and, if it is installed, numba.

All run at K_c, in one process; compilation is left out. A flip is an attempted flip, as everywhere in this literature.
Romero et al. (2020), Comput. Phys. Commun. 256, 107473, pack 16 spins to a word in CUDA: 766 flips/ns on two V100 (383
each); NVIDIA's repository of that code lists 1041 on two A100 and 1801 on two H100. A cluster sweep is worth many
sweeps of flips: at K_c, correlation times are ~ L**0.25 cluster sweeps and ~ L**2.17 sweeps of flips.

    python benchmarks/ising.py [--seconds 3]
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import machine

from jaxphase.systems import ising

COUPLING = float(ising.CRITICAL_COUPLING)
FLIPS = [(32, 256), (64, 64), (128, 64), (256, 16), (1024, 1)]
SWEEPS = [(32, 1), (32, 64), (64, 1), (64, 16), (128, 1), (256, 1)]


def rate(run: Callable[[int], object], seconds: float) -> float:
    """Sweeps per second of `run(sweeps)`, the best of three runs that take about a third of the seconds each."""
    run(1)
    sweeps = 1
    while (took := timed(run, sweeps)) < seconds / 10:
        sweeps *= 2
    sweeps = max(round(sweeps * seconds / 3 / took), 1)
    return sweeps / min(timed(run, sweeps) for _ in range(3))


def timed(run: Callable[[int], object], sweeps: int) -> float:
    begin = time.perf_counter()
    run(sweeps)
    return time.perf_counter() - begin


def ours(simulate: Callable, size: int, replicas: int) -> Callable[[int], object]:
    """Sweeps without measuring, but for one at the end. Every count of sweeps is the same program."""
    key, coupling = jax.random.key(0), np.array([COUPLING])
    start = simulate(coupling, size, replicas, 1, 50, key=key).spins
    run = lambda sweeps: simulate(coupling, size, replicas, 1, sweeps - 1, key=key, start=start)  # noqa: E731
    return lambda sweeps: jax.block_until_ready(run(sweeps))


def in_numpy(size: int, replicas: int) -> Callable[[int], object]:
    rng = np.random.default_rng(0)
    spins = np.ones((replicas, size, size), np.int8)
    black = (np.add.outer(np.arange(size), np.arange(size)) % 2).astype(bool)
    odds = np.exp(-2 * COUPLING * np.arange(-4, 5)).astype(np.float32)

    def run(sweeps):
        for _ in range(sweeps):
            for color in (black, ~black):
                field = sum(np.roll(spins, shift, axis) for axis in (1, 2) for shift in (-1, 1))
                flipped = rng.random(spins.shape, np.float32) < odds[spins * field + 4]
                spins[flipped & color] *= -1

    return run


def in_numba(size: int, replicas: int) -> Callable[[int], object] | None:
    """The plain loop over sites that numba is made for, one thread, random numbers of its own."""
    try:
        import numba
    except ImportError:
        return None

    @numba.njit(fastmath=True)
    def sweep_all(spins, odds, sweeps):
        size = spins.shape[1]
        for _ in range(sweeps):
            for r in range(spins.shape[0]):
                for color in range(2):
                    for i in range(size):
                        above, below = spins[r, i - 1], spins[r, (i + 1) % size]
                        for j in range((i + color) % 2, size, 2):
                            field = above[j] + below[j] + spins[r, i, j - 1] + spins[r, i, (j + 1) % size]
                            against = spins[r, i, j] * field
                            if against <= 0 or np.random.random() < odds[against]:  # noqa: NPY002  numba's own
                                spins[r, i, j] *= -1

    spins = np.ones((replicas, size, size), np.int8)
    odds = np.exp(-2 * COUPLING * np.arange(5)).astype(np.float32)
    return lambda sweeps: sweep_all(spins, odds, sweeps)


def compare_flips(seconds: float) -> dict:
    table = {}
    print(f"{'flips/ns':22} {'metropolis':>10} {'numpy':>10} {'numba':>10}")
    for size, replicas in FLIPS:
        contenders = {
            "metropolis": ours(ising.metropolis, size, replicas),
            "numpy": in_numpy(size, replicas),
            "numba": in_numba(size, replicas),
        }
        per_sweep = size**2 * replicas / 1e9
        row = {name: per_sweep * rate(run, seconds) if run else None for name, run in contenders.items()}
        table[f"{replicas} x {size}**2"] = row
        shown = (f"{'-' if value is None else format(value, '.4f'):>10}" for value in row.values())
        print(f"{f'{replicas} x {size} x {size}':22}", *shown, flush=True)
    if any(row["numba"] is None for row in table.values()):
        print("numba is not installed: no figures for it.")
    return table


def compare_sweeps(seconds: float) -> dict:
    table = {}
    print(f"\n{'Swendsen-Wang':22} {'sweeps/s':>9} {'flips/ns':>9}")
    for size, replicas in SWEEPS:
        each = rate(ours(ising.swendsen_wang, size, replicas), seconds)
        row = {"sweeps/s of all": each, "sweeps/s of one": each * replicas, "flips/ns": each * replicas * size**2 / 1e9}
        table[f"{replicas} x {size}**2"] = row
        print(f"{f'{replicas} x {size} x {size}':22} {each * replicas:9.0f} {row['flips/ns']:9.4f}", flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each contender")
    seconds = parser.parse_args().seconds
    print(machine.write("ising", {"metropolis": compare_flips(seconds), "swendsen_wang": compare_sweeps(seconds)}))


if __name__ == "__main__":
    main()
