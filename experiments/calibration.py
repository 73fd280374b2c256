"""Do the error bars and error rates of the detectors hold? Simulated curves of known kind, one figure, one table.

Measures p-values under independent and autocorrelated noise, the coverage of 95 % intervals, how often a transition is
called where there is none, and how often one is found where there is one. Every share has a binomial error; --curves
sets how many curves it is measured on.

    python experiments/calibration.py [--curves 4000] [--parts p_values coverage verdicts]
"""

import argparse
import json
from pathlib import Path

import jax
import numpy as np
from scipy.stats import kstest

from jaxphase import detect

HERE = Path(__file__).parent
POINTS, NOISES = (9, 20, 50, 200), (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
TRANSITIONS = [detect.CurveKind.SIGMOID, detect.CurveKind.STEP]


def ar1(rng, count: int, n: int, phi: float) -> np.ndarray:
    """Stationary autocorrelated noise of unit variance [count, n]."""
    shock = rng.standard_normal((count, n))
    y = np.empty_like(shock)
    y[:, 0] = shock[:, 0]
    for i in range(1, n):
        y[:, i] = phi * y[:, i - 1] + np.sqrt(1 - phi**2) * shock[:, i]
    return y


def in_parts(function, *arrays, size: int = 1000):
    """A detector on many curves without the memory of all of them."""
    parts = [function(*part) for part in zip(*(np.array_split(a, -(-len(a) // size)) for a in arrays), strict=True)]
    return jax.tree.map(lambda *fields: np.concatenate([np.asarray(field) for field in fields]), *parts)


def p_values(count: int) -> dict:
    """Size at 5 % and the Kolmogorov-Smirnov p-value against uniform, by test and number of points."""
    tests = {
        "change_test, slope": lambda x, y: detect.change_test(x, y, change="slope"),
        "change_test, mean": lambda x, y: detect.change_test(x, y, change="mean"),
        "cusum, ols": detect.cusum,
        "cusum, recursive": lambda x, y: detect.cusum(x, y, kind="recursive"),
        "piecewise power law, 1 break": lambda x, y: detect.fit_piecewise_power_law(10**x, 10**y, max_breaks=1),
        "piecewise power law, 2 breaks": lambda x, y: detect.fit_piecewise_power_law(10**x, 10**y),
    }
    table = {}
    for n in (8, 10, 15, 30, 100):
        x = np.linspace(0, 3, n)
        y = np.random.default_rng(n).standard_normal((count, n)) * 0.05
        for name, test in tests.items():
            p = in_parts(lambda y, test=test, x=x: test(x, y).p_value, y)
            p = p[np.isfinite(p)]
            table.setdefault(name, {})[n] = {
                "size": float(np.mean(p <= 0.05)),
                "uniform": float(kstest(p, "uniform").pvalue),
            }
            print(
                f"{name:30} n={n:4} size {np.mean(p <= 0.05):.3f}  KS p {kstest(p, 'uniform').pvalue:.3f}", flush=True
            )
    some = min(count, 2000)
    for phi in (0.0, 0.3, 0.6):
        for n in (20, 50, 200):
            y = ar1(np.random.default_rng(n), some, n, phi)
            for change in ("mean", "slope"):
                for null in ("iid", "ar1"):
                    p = in_parts(
                        lambda y, n=n, change=change, null=null: (
                            detect.change_test(np.arange(n), y, change=change, null=null).p_value
                        ),
                        y,
                        size=250,
                    )
                    key = f"change_test, {change}, null={null}, AR(1) {phi}"
                    table.setdefault(key, {})[n] = {"size": float(np.mean(p <= 0.05))}
                    print(f"{key:45} n={n:4} size {np.mean(p <= 0.05):.3f}", flush=True)
    return table


def coverage(count: int) -> dict:
    """Share of 95 % intervals that hold the truth, where the detector gives one."""
    table = {}

    def add(name, condition, interval, truth, judged):
        low, high = np.moveaxis(np.asarray(interval), -1, 0)
        covered = ((low <= truth) & (truth <= high))[judged]
        table.setdefault(name, {})[condition] = {"share": float(np.mean(covered)), "judged": float(np.mean(judged))}
        print(f"{name:38} {condition:22} {np.mean(covered):.3f} of {100 * np.mean(judged):.0f} %", flush=True)

    for n in (9, 20, 50, 200):
        for noise in (0.005, 0.02, 0.05):
            where, rng = f"n={n}, noise {noise}", np.random.default_rng(n)
            x = np.linspace(6, 9, n)
            center, rate = rng.uniform(6.6, 8.4, count), np.exp(rng.uniform(np.log(2), np.log(20), count))
            y = 0.1 + 0.8 / (1 + np.exp(-rate[:, None] * (x - center[:, None])))
            y += noise * rng.standard_normal(y.shape)
            fit = in_parts(lambda y, x=x: detect.fit_sigmoid(x, y), y)
            add("sigmoid centre", where, fit.interval, center, fit.status < 3)
            add("sigmoid centre, rate resolved", where, fit.interval, center, fit.status == 0)

            sizes, exponent = np.geomspace(1, 1e3, n), rng.uniform(0.2, 0.8, count)
            law = 0.3 + sizes ** -exponent[:, None]
            fit = in_parts(lambda y, x=sizes: detect.fit_power_law(x, y), law + noise * rng.standard_normal(law.shape))
            half = t_975(n - 3) * fit.exponent_se
            add("exponent of a law with floor", where, wald(fit.exponent, half), -exponent, fit.status == 0)

            # No smoother sees the slope of a curve that bends within a few points.
            most = min(20, 2 * np.log(9) / (5 * (x[1] - x[0])))
            rate = np.exp(rng.uniform(np.log(min(2, 0.8 * most)), np.log(most), (count, 1)))
            rise = 1 / (1 + np.exp(-rate * (x - center[:, None])))
            line = rng.uniform(-1, 1, (count, 1))
            for name, curve, truth in (
                ("slope of a sigmoid", 0.8 * rise, 0.8 * rate * rise * (1 - rise)),
                ("slope of a line", line * x, line + 0 * x),
            ):
                y = curve + noise * rng.standard_normal(curve.shape)
                slope = in_parts(lambda y, x=x: detect.gradients(x, y), y)
                add(name, where, slope.first_interval, truth, np.ones(truth.shape, bool))
    for noise in (0.02, 0.05, 0.08, 0.15):
        rng, n = np.random.default_rng(40), 40
        x = np.linspace(0, 3, n)
        place = rng.uniform(0.9, 2.1, count)
        y = -0.1 * x - 0.35 * np.maximum(x - place[:, None], 0) + noise * rng.standard_normal((count, n))
        fit = in_parts(lambda y, x=x: detect.fit_piecewise_power_law(10**x, 10**y, max_breaks=1), y)
        found = (fit.n_breaks == 1) & (fit.status <= 1)
        where = f"n=40, noise {noise}"
        add("break of a power law", where, np.log10(fit.break_interval[:, 0]), place, found)
        add("exponent after the break", where, fit.exponent_interval[:, 1], np.full(count, -0.45), found)
    return table


def wald(center, half):
    return np.stack([center - half, center + half], axis=-1)


def t_975(dof: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, dof))


def broken_laws(rng, count, x, early, late):
    """y = 0.9 at the first x, with exponents drawn from two ranges and a bend of any width between them."""
    draw = [rng.uniform(*ends, (count, 1)) for ends in (early, late, (6.5, 8.5))]
    early, late, place = draw
    width, offset = 10 ** rng.uniform(-1.7, -0.3, (count, 1)), (x - place) * np.log(10)
    log_y = -early * offset - (late - early) * width * np.logaddexp(0, offset / width)
    return 0.9 * np.exp(log_y - log_y[:, :1])


def power_law(rng, count, x, low, high, floor):
    return floor + (0.9 - floor) * 10 ** (-rng.uniform(low, high, (count, 1)) * (x - 6))


SMOOTH = {
    "flat": lambda rng, count, x: np.full((count, len(x)), 0.5),
    "power law": lambda rng, count, x: power_law(rng, count, x, 0.03, 0.3, 0.0),
    "power law with floor": lambda rng, count, x: power_law(rng, count, x, 0.2, 0.8, 0.3),
    "smooth broken law": lambda rng, count, x: broken_laws(rng, count, x, (0.03, 0.5), (0.03, 0.5)),
    "… that steepens": lambda rng, count, x: broken_laws(rng, count, x, (0.02, 0.1), (0.2, 0.4)),
    "… that flattens": lambda rng, count, x: broken_laws(rng, count, x, (0.2, 0.4), (0.02, 0.1)),
}


def verdicts(count: int) -> dict:
    """Share of curves called a transition, and of sigmoids and steps found within a quarter decade."""
    table = {}
    for n in POINTS:
        x = np.linspace(6, 9, n)
        for noise in NOISES:
            where, row = f"n={n}, noise {noise}", {}
            for name, make in SMOOTH.items():
                rng = np.random.default_rng([n, round(1e4 * noise)])
                y = make(rng, count, x) + noise * rng.standard_normal((count, n))
                kind = in_parts(lambda y, x=x: detect.classify(x, y).kind, y)
                row[name] = float(np.mean(np.isin(kind, TRANSITIONS)))
            for name in ("sigmoid", "step"):
                rng = np.random.default_rng([n, round(1e4 * noise), 1])
                center = rng.uniform(6.6, 8.4, count)
                rate = np.exp(rng.uniform(np.log(2), np.log(20), count)) if name == "sigmoid" else np.full(count, 1e4)
                rise = np.exp(-np.logaddexp(0, -rate[:, None] * (x - center[:, None])))
                y = 0.1 + 0.8 * rise + noise * rng.standard_normal((count, n))
                found = in_parts(lambda y, x=x: detect.classify(x, y), y)
                right = np.isin(found.kind, TRANSITIONS) & (np.abs(found.center - center) < 0.25)
                row[f"{name} found"] = float(np.mean(right))
            table[where] = row
            print(where.ljust(20), "  ".join(f"{name} {100 * share:.1f}" for name, share in row.items()), flush=True)
    return table


def figure(results: dict) -> None:
    """Three panels: sizes of tests, coverage of intervals, false and found transitions."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from jaxphase.plots import STYLE

    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(12.5, 4.6), layout="constrained")
        tests, intervals, calls = drawing.subplots(1, 3, width_ratios=(1, 1, 1.15))
        sizes = {k: v for k, v in results["p_values"].items() if "AR(1)" not in k}
        for name, row in sizes.items():
            tests.plot(
                [int(n) for n in row], [100 * cell["size"] for cell in row.values()], "o-", ms=4, lw=1, label=name
            )
        for phi, marker in ((0.3, "s"), (0.6, "D")):
            row = results["p_values"][f"change_test, mean, null=ar1, AR(1) {phi}"]
            label = f"change_test, mean, null=ar1, AR(1) {phi}"
            y = [100 * cell["size"] for cell in row.values()]
            tests.plot([int(n) for n in row], y, marker + "--", color="0.4", ms=4, lw=1, label=label)
        tests.axhline(5, color="0.7", lw=1, zorder=0)
        tests.set(xscale="log", xlabel="points", ylabel="rejections of a true hypothesis at 5 % (%)", ylim=(0, 25))
        tests.legend(fontsize=6.5, loc="upper right")

        rows = [(name, cell["share"]) for name, row in results["coverage"].items() for cell in row.values()]
        names = list(dict.fromkeys(name for name, _ in rows))
        for name, share in rows:
            intervals.plot(100 * share, names.index(name), "o", color="#0b5394", alpha=0.6, ms=5)
        intervals.axvspan(93, 97, color="0.9", zorder=0)
        intervals.axvline(95, color="0.7", lw=1, zorder=0)
        intervals.set_yticks(range(len(names)), names)
        intervals.set(xlabel="95 % intervals that hold the truth (%)", xlim=(80, 100))
        intervals.invert_yaxis()

        colors = dict(zip(POINTS, ("#7a0177", "#0b5394", "#2a9d8f", "#e07b39"), strict=True))
        for n in POINTS:
            row = [results["verdicts"][f"n={n}, noise {noise}"] for noise in NOISES]
            worst = [100 * max(cell[name] for name in list(SMOOTH)[:4]) for cell in row]
            calls.plot(
                NOISES, worst, "o-", color=colors[n], ms=4, lw=1, label=f"{n} points: false, worst of four kinds"
            )
            found = [100 * cell["sigmoid found"] for cell in row]
            calls.plot(
                NOISES, found, "s--", color=colors[n], ms=4, lw=1, mfc="white", label=f"{n} points: sigmoids found"
            )
        calls.axhline(5, color="0.7", lw=1, zorder=0)
        calls.set(xscale="log", xlabel="noise (the rise of a sigmoid is 0.8)", ylabel="curves called a transition (%)")
        calls.legend(fontsize=6.5, loc="center left")
        drawing.savefig(HERE / "calibration.png", dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=4000)
    parser.add_argument("--parts", nargs="*", default=["p_values", "coverage", "verdicts"])
    arguments = parser.parse_args()
    path = HERE / "calibration.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for part in arguments.parts:
        results[part] = {"p_values": p_values, "coverage": coverage, "verdicts": verdicts}[part](arguments.curves)
        results["curves"] = arguments.curves
        path.write_text(json.dumps(results, indent=1) + "\n")
    if {"p_values", "coverage", "verdicts"} <= set(results):
        figure(results)


if __name__ == "__main__":
    main()
