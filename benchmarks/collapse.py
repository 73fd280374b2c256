"""Finite-size scaling collapse of jaxphase against autoscale of pyfssa, the tool that physicists have had since 2015.

Both get the same data: the example of pyfssa's documentation, f(x) = exp(-(x + 1)**2), nu = 2.5, zeta = 1.5, five sizes
from 10 to 1,000, drawn anew several times. pyfssa starts at (0.49, 2.0, 1.3), not far from the truth; jaxphase gets no
start. Then a hundred bootstrap collapses of one set, which pyfssa makes one after the other. Compilation is timed
apart. pyfssa (bench extra: fssa) needs functions that NumPy, SciPy and setuptools have dropped; three lines put them
back.

    python benchmarks/collapse.py [--sets 20] [--resamples 100]
"""

import argparse
import functools
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import machine

import jaxphase
from jaxphase.scaling import collapse

SIZES, CRITICAL, NU, ZETA = np.array([10, 31, 100, 316, 1000]), 0.5, 2.5, 1.5
TRUTH = {"critical": CRITICAL, "nu": NU, "exponent": ZETA / NU}


def draw(rng: np.random.Generator, noise: float = 0.02) -> tuple[np.ndarray, ...]:
    """size, control, value and error, every one [sizes, controls]."""
    size, control = np.meshgrid(SIZES, np.linspace(0.2, 0.8, 21), indexing="ij")
    height = size ** (ZETA / NU)
    value = height * np.exp(-(((control - CRITICAL) * size ** (1 / NU) + 1) ** 2))
    return size, control, value + noise * height * rng.standard_normal(size.shape), noise * height


def load_fssa():
    """pyfssa as it was released."""
    import scipy.optimize

    def wrap_function(function, arguments):
        calls = [0]

        def wrapped(x):
            calls[0] += 1
            return function(x, *arguments)

        return calls, wrapped

    np.int, np.asfarray = int, functools.partial(np.asarray, dtype=float)  # noqa: NPY001, NPY201
    optimize = types.ModuleType("scipy.optimize.optimize")
    optimize.OptimizeResult, optimize.wrap_function = scipy.optimize.OptimizeResult, wrap_function
    optimize._status_message = {"success": "", "maxfev": "", "maxiter": ""}
    resources = types.ModuleType("pkg_resources")
    resources.get_distribution = lambda name: types.SimpleNamespace(version="0.7.6")
    sys.modules["scipy.optimize.optimize"], sys.modules["pkg_resources"] = optimize, resources
    import fssa

    return fssa


def ours(data: tuple[np.ndarray, ...], resamples: int = 0) -> dict[str, tuple[float, float]]:
    found = collapse(*(column.ravel() for column in data), resamples=resamples)
    both = np.hypot(
        [found.critical_se, found.nu_se, found.exponent_se[0]],
        [found.critical_sys, found.nu_sys, found.exponent_sys[0]],
    )
    values = found.critical, found.nu, found.exponent[0]
    return dict(zip(TRUTH, zip(values, both, strict=True), strict=True))


def theirs(fssa, data: tuple[np.ndarray, ...]) -> dict[str, tuple[float, float]]:
    size, control, value, error = data
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = fssa.autoscale(size[:, 0], control[0], value, error, 0.49, 2.0, 1.3)
    ratio = found["zeta"] / found["nu"]
    of_ratio = np.array([0, -ratio / found["nu"], 1 / found["nu"]])
    error = float(np.sqrt(of_ratio @ found["varco"] @ of_ratio))
    values = (found["rho"], found["drho"]), (found["nu"], found["dnu"]), (ratio, error)
    return dict(zip(TRUTH, values, strict=True))


def judge(answers: list[dict]) -> dict:
    """Root mean square of the relative errors, and how many 95 % intervals hold the truth."""
    result = {}
    for name, truth in TRUTH.items():
        value, error = np.array([answer[name] for answer in answers]).T
        result[name] = {
            "rms": float(np.sqrt(np.mean((value / truth - 1) ** 2))),
            "covered": float(np.mean(np.abs(value - truth) < 1.96 * error)),
        }
    return result


def timed(function, *arguments):
    begin = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=20, help="data sets")
    parser.add_argument("--resamples", type=int, default=100, help="bootstrap collapses of one set")
    arguments = parser.parse_args()
    jaxphase.use_all_cores()
    rng, fssa = np.random.default_rng(0), load_fssa()
    sets = [draw(rng) for _ in range(arguments.sets)]
    _, first = timed(ours, sets[0])
    runs = {"jaxphase": [timed(ours, data) for data in sets], "pyfssa": [timed(theirs, fssa, data) for data in sets]}
    results = {}
    print(f"{'':10} s a collapse  rms error / truth, share of 95 % intervals that hold it: critical, nu, exponent")
    for name, answers in runs.items():
        seconds = float(np.median([each for _, each in answers]))
        results[name] = {"seconds": seconds, **judge([answer for answer, _ in answers])}
        parts = (f"{results[name][of]['rms']:.2%} {results[name][of]['covered']:4.0%}" for of in TRUTH)
        print(f"{name:10} {seconds:12.2f}  {'   '.join(parts)}", flush=True)
    ours(sets[0], arguments.resamples)
    _, plain = timed(ours, sets[0])
    _, whole = timed(ours, sets[0], arguments.resamples)
    bootstrap = whole - plain
    ratio = results["pyfssa"]["seconds"] * arguments.resamples / bootstrap
    print(
        f"{arguments.resamples} bootstrap collapses: {bootstrap:.2f} s, {ratio:.0f} times faster than pyfssa's one by "
        f"one (aim 20); the first collapse took {first:.1f} s, compilation included"
    )
    results["bootstrap"] = {"resamples": arguments.resamples, "seconds": bootstrap, "times": ratio, "first": first}
    print(machine.write("collapse", {"sets": arguments.sets, **results}))


if __name__ == "__main__":
    main()
