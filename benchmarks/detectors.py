"""A thousand curves at once: each detector against a loop over the peer that a user would pick, in time and quality.

Ours runs in float32 as one call on the whole batch; compilation is timed apart. Peers run in float64 on as many curves
as a few seconds allow, and their time is scaled to the batch. Everything runs in one process on one machine.

    python benchmarks/detectors.py [--curves 1000] [--seconds 5] [--only NAME ...] [--parts speed quality]
"""

import argparse
import functools
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import machine

from jaxphase import detect


class Case(NamedTuple):
    """A detector on curves [batch, n]; for each peer a function of one curve and how many times faster we aim to be."""

    ours: Callable
    x: np.ndarray
    y: np.ndarray
    peers: dict[str, tuple[Callable, float]]


def sigmoids(count: int, n: int, kind: str = "easy", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logistic curves over three decades: easy, noisy, half-observed, or constant with noise."""
    rng = np.random.default_rng(seed)
    x = np.linspace(6, 9, n)
    low, high = (8.8, 9.3) if kind == "half" else (6.6, 8.4)
    center, rate = rng.uniform(low, high, (count, 1)), np.exp(rng.uniform(np.log(2), np.log(20), (count, 1)))
    rise = 0 if kind == "constant" else 0.8 / (1 + np.exp(-rate * (x - center)))
    noise = 0.15 if kind == "noisy" else 0.02
    return x, 0.1 + rise + noise * rng.standard_normal((count, n))


def levels(count: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Up to five jumps of up to four standard deviations."""
    rng = np.random.default_rng(seed)
    jumps = rng.uniform(-4, 4, (count, n)) * (rng.uniform(size=(count, n)) < 2.5 / n)
    return np.arange(n, dtype=float), np.cumsum(jumps, axis=1) + rng.standard_normal((count, n))


def bent_lines(count: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-log lines that change their slope once."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 3, n)
    place, change = rng.uniform(0.8, 2.2, (count, 1)), rng.uniform(0.3, 0.6, (count, 1))
    return x, -0.1 * x - change * np.maximum(x - place, 0) + 0.05 * rng.standard_normal((count, n))


def laws(count: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Power laws with a floor over three decades, x itself."""
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 1e3, n)
    return x, 0.3 + x ** -rng.uniform(0.2, 0.8, (count, 1)) + 0.01 * rng.standard_normal((count, n))


def logistic(x, center, rate, low, high):
    return low + (high - low) / (1 + np.exp(-np.clip(rate * (x - center), -500, 500)))


def scipy_sigmoid(x, y):
    from scipy.optimize import curve_fit

    start = (np.median(x), 4.0, y[:5].mean(), y[-5:].mean())
    try:
        return np.sum((y - logistic(x, *curve_fit(logistic, x, y, start)[0])) ** 2)
    except RuntimeError:
        return np.inf


def scipy_power_law(x, y):
    from scipy.optimize import curve_fit

    law = lambda x, floor, amplitude, exponent: floor + amplitude * x**exponent  # noqa: E731
    return curve_fit(law, x, y, (y.min(), y[0] - y[-1], -0.5))


def scipy_broken_law(x, y):
    """Caballero et al. search a grid of starts by brute force; this is one local fit from a fair start."""
    from scipy.optimize import least_squares

    def residuals(p):
        a, log_b, c0, c1, log_d, log_f = p
        bend = np.exp(log_f) * np.logaddexp(0, (np.log(x) - log_d) / np.exp(log_f))
        return a + np.exp(log_b - c0 * np.log(x) - c1 * bend) - y

    return least_squares(residuals, (0.1, 0.0, 0.2, 0.2, np.log(30), np.log(0.3)))


def ruptures_kernel(x, y, numbers=(5,)):
    import ruptures

    algorithm = ruptures.KernelCPD(kernel="linear", min_size=3).fit(y)
    return [algorithm.predict(n_bkps=k) for k in numbers]


def ruptures_dynp(x, y):
    import ruptures

    return ruptures.Dynp(model="l2", jump=1, min_size=3).fit(y).predict(n_bkps=5)


def pwlf_line(x, y):
    import pwlf

    model = pwlf.PiecewiseLinFit(x, y)
    model.fit(2)
    return model.standard_errors(method="non-linear"), model.p_values(method="non-linear")


def muggeo_line(x, y):
    import piecewise_regression

    return piecewise_regression.Fit(x, y, n_breakpoints=1).get_results()


def statsmodels_acf(x, y):
    from statsmodels.tsa.stattools import acf

    return acf(y, nlags=20, fft=True)


def statsmodels_cusum(x, y):
    from statsmodels.stats.diagnostic import breaks_cusumolsresid

    return breaks_cusumolsresid(y - y.mean(), ddof=1)


def savgol(x, y):
    from scipy.signal import savgol_filter

    return [savgol_filter(y, 9, 3, deriv=d) for d in (1, 2)]


def statsmodels_supf(x, y):
    """Chow's F at every place in the middle 70 %, by ordinary least squares."""
    trim, best = int(np.ceil(0.15 * len(x))), 0.0
    for i in range(trim, len(x) - trim):
        columns = np.stack([np.ones_like(x), x, np.maximum(x - x[i], 0)], axis=1)
        best = max(best, -np.linalg.lstsq(columns, y)[1][0])
    return best


kernel_all = functools.partial(ruptures_kernel, numbers=range(1, 6))


def cases(count: int) -> dict[str, Case]:
    grid, curves = sigmoids(count, 50)
    rng = np.random.default_rng(1)
    series = rng.standard_normal((count, 200)).cumsum(axis=1)
    return {
        "fit_sigmoid n=50": Case(detect.fit_sigmoid, grid, curves, {"scipy curve_fit": (scipy_sigmoid, 25)}),
        "segment n=100, K = 0..5, posterior": Case(
            detect.segment,
            *levels(count, 100),
            {"KernelCPD, K = 1..5": (kernel_all, 5), "Dynp(jump=1), K = 5": (ruptures_dynp, 1000)},
        ),
        "segment n=100, K = 0..5, breaks alone": Case(
            functools.partial(detect.segment, posterior=False),
            *levels(count, 100),
            {"KernelCPD, K = 1..5": (kernel_all, 5), "KernelCPD, K = 5 alone": (ruptures_kernel, 0)},
        ),
        "fit_piecewise_power_law n=40, 1 break": Case(
            lambda x, y: detect.fit_piecewise_power_law(10**x, 10**y, max_breaks=1),
            *bent_lines(count, 40),
            {"pwlf": (pwlf_line, 200), "piecewise-regression": (muggeo_line, 500)},
        ),
        "fit_piecewise_power_law n=40, <= 2 breaks": Case(
            lambda x, y: detect.fit_piecewise_power_law(10**x, 10**y),
            *bent_lines(count, 40),
            {"pwlf": (pwlf_line, 200), "piecewise-regression": (muggeo_line, 500)},
        ),
        "autocorrelation n=200": Case(
            lambda x, y: detect.autocorrelation(y), series[0], series, {"statsmodels acf": (statsmodels_acf, 20)}
        ),
        "classify n=20": Case(detect.classify, *sigmoids(count, 20), {}),
        "fit_power_law n=40": Case(detect.fit_power_law, *laws(count, 40), {"scipy curve_fit": (scipy_power_law, 0)}),
        "fit_broken_power_law n=40": Case(
            detect.fit_broken_power_law, *laws(count, 40), {"scipy least_squares, one start": (scipy_broken_law, 0)}
        ),
        "gradients n=50": Case(
            detect.gradients, grid, curves, {"scipy savgol_filter, no errors": (savgol, 0)}
        ),
        "cusum n=50": Case(detect.cusum, grid, curves, {"statsmodels cusumolsresid": (statsmodels_cusum, 0)}),
        "change_test n=50": Case(detect.change_test, grid, curves, {"numpy lstsq, no p-value": (statsmodels_supf, 0)}),
        "mirage_test n=20": Case(
            lambda x, y: detect.mirage_test(x, y, np.sqrt(np.abs(y))), *sigmoids(count, 20), {}
        ),
    }  # fmt: skip


def measure(case: Case, seconds: float) -> dict:
    """Seconds to compile, seconds for the batch, and the same for each peer with the ratio and what was aimed at."""
    begin = time.perf_counter()
    jax.block_until_ready(case.ours(case.x, case.y))
    first = time.perf_counter() - begin
    steady = fastest(lambda: jax.block_until_ready(case.ours(case.x, case.y)), seconds)
    peers = {}
    for name, (peer, target) in case.peers.items():
        peer(case.x, case.y[0])
        begin, done = time.perf_counter(), 0
        while done < len(case.y) and (time.perf_counter() - begin < seconds or not done):
            peer(case.x, case.y[done])
            done += 1
        each = (time.perf_counter() - begin) / done
        peers[name] = {
            "seconds": each * len(case.y),
            "timed": done,
            "target": target,
            "times": each * len(case.y) / steady,
        }
    return {"compile": first - steady, "seconds": steady, "curves": len(case.y), "peers": peers}


def fastest(call: Callable, seconds: float) -> float:
    """Best wall time of a call in repetitions over some seconds."""
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end or best == np.inf:
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return best


def sigmoid_quality(count: int, n: int = 50) -> dict[str, dict[str, float]]:
    """Share of curves whose SSE is within 0.1 % of the best that anything found, ours in both precisions and scipy."""
    shares = {}
    for kind in ("easy", "noisy", "half", "constant"):
        x, y = sigmoids(count, n, kind, seed=2)
        ours = np.asarray(detect.fit_sigmoid(x, y).sse)
        peer = np.array([scipy_sigmoid(x, curve) for curve in y])
        best = np.minimum(best_sigmoid(x, y), peer)
        shares[kind] = {
            name: float(np.mean(sse <= 1.001 * np.minimum(best, ours)))
            for name, sse in (("ours", ours), ("scipy", peer))
        }
    return shares


def best_sigmoid(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least SSE from ten of the best of 40,000 candidates, each polished by scipy in float64 inside a wide box."""
    from scipy.optimize import least_squares

    gap = x[1] - x[0]
    centers, rates = np.meshgrid(np.linspace(x[0] - 2, x[-1] + 2, 400), np.geomspace(0.2, 12 / gap, 100))
    shapes = 1 / (1 + np.exp(-np.clip(rates.ravel()[:, None] * (x - centers.ravel()[:, None]), -500, 500)))
    shapes -= shapes.mean(axis=1, keepdims=True)
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True) + 1e-12

    def polish(curve, start):
        v = curve - curve.mean()

        def residuals(theta):
            column = 1 / (1 + np.exp(-np.clip(np.exp(theta[1]) * (x - theta[0]), -500, 500)))
            column -= column.mean()
            return v - column * (column @ v) / max(column @ column, 1e-12)

        box = ([x[0] - 3, np.log(0.1)], [x[-1] + 3, np.log(20 / gap)])
        return 2 * least_squares(residuals, start, bounds=box, xtol=1e-12, ftol=1e-12, gtol=1e-12).cost

    best = []
    for curve in y:
        order = np.argsort(-np.square(shapes @ (curve - curve.mean())))[:400:40]
        best.append(min(polish(curve, (centers.flat[i], np.log(rates.flat[i]))) for i in order))
    return np.array(best)


def segment_quality(count: int) -> dict[str, dict[str, float]]:
    """On random signals, for 1 to 5 breaks: how often a peer's cost is above ours, and ours above a peer's."""
    import ruptures

    x, y = levels(count, 60, seed=3)
    with jax.enable_x64(True):
        ours = np.asarray(detect.segment(x, y, min_size=3).sse)
    worse = {}
    peers = {
        "KernelCPD": lambda s, k: ruptures.KernelCPD(kernel="linear", min_size=3).fit(s).predict(n_bkps=k),
        "Binseg": lambda s, k: ruptures.Binseg(model="l2", min_size=3, jump=1).fit(s).predict(n_bkps=k),
        "Pelt": lambda s, k: ruptures.Pelt(model="l2", min_size=3, jump=1).fit(s).predict(pen=8.0),
    }
    for name, peer in peers.items():
        above = below = 0
        for signal, sse in zip(y, ours, strict=True):
            ends = peer(signal, 1 + int(1e6 * abs(signal[0])) % 5)
            cost = sum(np.sum((part - part.mean()) ** 2) for part in np.split(signal, ends[:-1]))
            if len(ends) <= len(sse):
                above += cost > sse[len(ends) - 1] * (1 + 1e-9)
                below += cost < sse[len(ends) - 1] * (1 - 1e-9)
        worse[name] = {"worse than ours": above / len(y), "better than ours": below / len(y)}
    return worse


def compare_speed(count: int, seconds: float, only: list[str] | None) -> dict:
    speed = {}
    print(f"{'':44} {'compile':>8} {'steady':>10}   x peer (aim)")
    for name, case in cases(count).items():
        if only is None or name.startswith(tuple(only)):
            speed[name] = measure(case, seconds)
            ratios = [
                f"{p['times']:,.1f}" + (f" ({p['target']:,.0f})" if p["target"] else "") + f" {peer}"
                for peer, p in speed[name]["peers"].items()
            ]
            times = f"{speed[name]['compile']:6.1f} s {speed[name]['seconds'] * 1e3:7.1f} ms"
            print(f"{name:44} {times}   {'; '.join(ratios)}", flush=True)
    return speed


def compare_quality(count: int) -> dict:
    some = min(count, 400)  # ten starts of scipy for each take a quarter of a second
    quality = {"segment": segment_quality(count), "sigmoid": sigmoid_quality(some)}
    for name, table in quality.items():
        for kind, row in table.items():
            print(f"{name} {kind:12}", "; ".join(f"{who} {100 * share:.2f} %" for who, share in row.items()))
    return quality


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each contender")
    parser.add_argument("--only", nargs="*", help="cases by the beginning of their names; nothing is written")
    parser.add_argument("--parts", nargs="*", default=["speed", "quality"], choices=["speed", "quality"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    jax.config.update("jax_enable_compilation_cache", False)
    results = {}
    if "speed" in arguments.parts:
        results["speed"] = compare_speed(arguments.curves, arguments.seconds, arguments.only)
    if "quality" in arguments.parts and arguments.only is None:
        results["quality"] = compare_quality(arguments.curves)
    if arguments.only is None:
        print(machine.write("detectors", results))


if __name__ == "__main__":
    main()
