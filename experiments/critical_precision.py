"""How precisely do critical points and exponents come out of simulations larger than those of `jaxphase validate`?

    python experiments/critical_precision.py [--effort 1] [--again]

The 2-D Ising model and 2-D site percolation are measured in two ways in the same simulations. The first is a collapse
of an order parameter, a susceptibility, and the share of directions in which clusters wrap around the torus. The second
fits no scaling: it looks for the control at which that share is the same for two sizes, and takes quotients there, of
its slopes for nu and of the other two quantities for beta/nu and gamma/nu (Ballesteros et al. 1996, Phys. Lett. B 378,
207). Aims are five times tighter than those of validate. Prints a table, and writes critical_precision.json and
critical_precision.png after each system.

effort multiplies the number of simulations: 1 takes half an hour of a core, 16 five minutes of an H100. --again
evaluates the rows in critical_precision.json once more, without simulating.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import matplotlib
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxphase import use_all_cores

use_all_cores()  # before JAX starts, as it may when what follows is imported
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from jaxphase import scaling  # noqa: E402
from jaxphase.systems import ising, percolation  # noqa: E402
from jaxphase.validate import lattices  # noqa: E402
from jaxphase.validate.run import on_free_devices  # noqa: E402

HERE = Path(__file__)
RATIO, ORDER, SUSCEPTIBILITY = range(3)
OBSERVABLES = ("share of directions wrapped", "order parameter", "susceptibility")
DEGREE = 4  # of polynomials through nine points about a crossing; one less through five
# Batches of how many replicas or lattices at each control, and how many batches; an accelerator takes MERGED at once.
REPLICAS, SWEEPS, BURN, ISING_BATCHES = 32, 320, 80, {128: 4, 96: 4, 64: 4, 48: 4, 32: 8}
LATTICES, PERCOLATION_BATCHES = {256: 200, 192: 400, 128: 600, 64: 1800, 48: 2400, 32: 6000}, 12
MERGED = 1 if jax.default_backend() == "cpu" else 16


class System(NamedTuple):
    """What is simulated, what is known of it, and how near that values are to come."""

    name: str
    symbol: str
    batches: dict[int, int]  # by size
    rows: Callable
    critical: float
    exponents: dict
    aims: dict  # relative
    report: Callable  # of (control, its error), what is reported


def ising_rows(size: int, key) -> np.ndarray:
    return lattices.ising_rows(size, REPLICAS * MERGED, SWEEPS, key=key, burn=BURN)[0]


def percolation_rows(size: int, key) -> np.ndarray:
    return lattices.percolation_rows(size, LATTICES[size] * MERGED, key=key)


SYSTEMS = (
    System(
        *("2-D Ising model", "T_c", ISING_BATCHES, ising_rows, ising.CRITICAL_COUPLING, ising.EXPONENTS),
        aims={"critical": 2e-4, "nu": 0.01, "beta": 0.02, "gamma": 0.01},
        report=lambda control, error: (1 / control, error / control**2),
    ),
    System(
        *("2-D site percolation", "p_c", dict.fromkeys(LATTICES, PERCOLATION_BATCHES), percolation_rows),
        *(percolation.CRITICAL_PROBABILITY["site"], percolation.EXPONENTS),
        aims={"critical": 2e-4, "nu": 0.01, "beta": 0.03, "gamma": 0.01},
        report=lambda control, error: (control, error),
    ),
)


def simulate(system: System, effort: float) -> np.ndarray:
    """Rows [points, 5] of all sizes, the mean of all batches; devices take one batch after the other."""
    run = on_free_devices()
    counts = {size: max(round(effort * count / MERGED), 1) for size, count in system.batches.items()}
    keys = iter(jax.random.split(jax.random.key(2026), sum(counts.values())))
    with ThreadPoolExecutor(jax.local_device_count()) as pool:
        begun = {
            size: [pool.submit(run, partial(system.rows, size), next(keys)) for _ in range(count)]
            for size, count in counts.items()
        }
        return np.concatenate([together([part.result() for part in parts]) for parts in begun.values()])


def together(batches: list[np.ndarray]) -> np.ndarray:
    """The mean of batches of rows of the same points, all of one precision."""
    rows = np.mean(batches, axis=0)
    rows[:, 3] = np.sqrt(np.mean(np.square(batches), axis=0)[:, 3] / len(batches))
    return rows


def by_collapse(rows: np.ndarray) -> tuple[dict, scaling.Collapse]:
    """Values and errors by name; and the collapse."""
    size, control, value, error, observable = rows.T
    exponent = 0, math.nan, math.nan  # a ratio without dimension does not grow with the size
    found = scaling.collapse(size, control, value, error, observable=observable.astype(int), exponent=exponent)
    nu, numbers = found.nu, {"critical": (found.critical, math.hypot(found.critical_se, found.critical_sys))}
    numbers["nu"] = nu, math.hypot(found.nu_se, found.nu_sys)
    for place, name, sign in ((ORDER, "beta", -1), (SUSCEPTIBILITY, "gamma", 1)):
        ratio = sign * found.exponent[place]
        slope = np.zeros(len(found.covariance))  # of the exponent, ratio / inverse_nu
        slope[1], slope[2 + place] = -ratio * nu**2, sign * nu
        numbers[f"{name}/nu"] = ratio, math.sqrt(found.covariance[2 + place, 2 + place])
        numbers[name] = ratio * nu, math.sqrt(slope @ found.covariance @ slope)
    return numbers, found


def by_quotients(rows: np.ndarray) -> dict:
    """Where the ratios of successive sizes cross, and there the exponents that follow from the least and the largest.

    Controls of a size are as far from the transition as its width, so that polynomials of one degree for both are wrong
    by the same part in both, and not in the quotient.
    """
    found = scaling.crossings(*rows[rows[:, 4] == RATIO].T[:4])
    place, place_error = found.critical, found.critical_se
    sizes = rows[:, 0].min(), rows[:, 0].max()
    growth = math.log(sizes[1] / sizes[0])

    def both(observable):
        return (polynomial_at(place, rows[(rows[:, 0] == size) & (rows[:, 4] == observable)]) for size in sizes)

    (_, _, slow, slow_error), (_, _, fast, fast_error) = both(RATIO)
    inverse_nu = math.log(fast / slow) / growth
    inverse_error = math.hypot(fast_error / fast, slow_error / slow) / growth
    numbers = {"critical": (place, place_error), "nu": (1 / inverse_nu, inverse_error / inverse_nu**2)}
    for observable, name, sign in ((ORDER, "beta", -1), (SUSCEPTIBILITY, "gamma", 1)):
        (less, less_error, slow, _), (more, more_error, fast, _) = both(observable)
        over = sign * math.log(more / less) / growth
        moved = (fast / more - slow / less) * place_error
        error = math.hypot(less_error / less, more_error / more, moved) / growth
        numbers[f"{name}/nu"] = over, error
        numbers[name] = over / inverse_nu, math.hypot(error, over * inverse_error / inverse_nu) / inverse_nu
    return numbers


def polynomial_at(place: float, rows: np.ndarray) -> tuple[float, float, float, float]:
    """Value, its error, slope and its error at a place, of a polynomial through the points of one size."""
    scale = np.ptp(rows[:, 1])
    powers = ((rows[:, 1] - place) / scale)[:, None] ** np.arange(min(DEGREE, len(rows) - 2) + 1)
    inverse = np.linalg.pinv(powers / rows[:, 3, None])
    value, slope, *_ = inverse @ (rows[:, 2] / rows[:, 3])
    value_error, slope_error, *_ = np.linalg.norm(inverse, axis=1)
    return value, value_error, slope / scale, slope_error / scale


def judge(system: System, numbers: dict) -> dict:
    """Every number beside the exact one, the critical point as it is reported: how many errors it is away, how far as a
    part of the exact one, and whether that is within the aim and two errors."""
    exact = system.exponents | {
        f"{name}/nu": system.exponents[name] / system.exponents["nu"] for name in ("beta", "gamma")
    }
    judged = {}
    for name, pair in numbers.items():
        critical = name == "critical"
        value, error = system.report(*pair) if critical else pair
        true = system.report(system.critical, 0)[0] if critical else exact[name]
        number = {"value": value, "error": error, "exact": true, "pull": (value - true) / error}
        number |= {"relative error": error / true, "off": value / true - 1, "aim": system.aims.get(name)}
        if name in system.aims:
            number["met"] = bool(abs(number["off"]) <= number["aim"] and abs(number["pull"]) <= 2)
        judged[system.symbol if critical else name] = number
    return judged


def shown(system: System, found: dict) -> Table:
    """Both ways side by side; what misses its aim is red."""
    rows = Table(title=f"{system.name}, {found['seconds']:.0f} s of {found['devices']}")
    rows.add_column("")
    for name in ("exact", "aim"):
        rows.add_column(name, justify="right")
    for way in found["ways"]:
        for name in (way, "pull", "off"):
            rows.add_column(name, justify="right")
    for name in next(iter(found["ways"].values())):
        cells, first = [], None
        for judged in found["ways"].values():
            number = judged[name]
            first = first or number
            places = max(1 - math.floor(math.log10(number["error"])), 0)
            style = "red" if number.get("met") is False else "default"
            cells += [f"{number['value']:.{places}f}({number['error'] * 10**places:.0f})", f"{number['pull']:+.1f}"]
            cells += [f"[{style}]{number['off']:+.1e}[/]"]
        rows.add_row(name, f"{first['exact']:.6g}", f"{first['aim']:.0e}" if first["aim"] else "", *cells)
    return rows


def draw(findings: dict, path: Path) -> None:
    """For each system a row: scaled data, and how far each number is off by both ways beside its aim."""
    figure, axes = plt.subplots(
        len(findings), 4, figsize=(14, 3.6 * len(findings)), layout="constrained", squeeze=False
    )
    for (name, (system, found, rows, collapse)), line in zip(findings.items(), axes, strict=True):
        sizes = np.unique(rows[:, 0])
        colors = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(sizes)))
        for k, axis in enumerate(line[:3]):
            for size, color in zip(sizes, colors, strict=True):
                _, control, value, error, _ = rows[(rows[:, 0] == size) & (rows[:, 4] == k)].T
                unit = (size / sizes[-1]) ** collapse.exponent[k]
                x = (control - collapse.critical) * size**collapse.inverse_nu
                axis.errorbar(x, value / unit, error / unit, fmt="o", ms=3, lw=0.8, color=color, label=f"L = {size:g}")
            axis.set_xlabel("(control - critical) L^(1/nu)")
            axis.set_ylabel(OBSERVABLES[k] + (", times a power of L" if k else ""))
        line[0].set_title(name, loc="left")
        line[0].legend(fontsize=7)
        precision(line[3], system, found)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def precision(axis, system: System, found: dict) -> None:
    """How far each number is off, in units of its aim, with two standard errors."""
    names = (system.symbol, "nu", "beta", "gamma")
    for shift, (way, judged) in zip((-0.12, 0.12), found["ways"].items(), strict=True):
        numbers = [judged[name] for name in names]
        off, error = (
            np.array([number[key] / number["aim"] for number in numbers]) for key in ("off", "relative error")
        )
        axis.errorbar(np.arange(len(names)) + shift, off, 2 * error, fmt="o", ms=4, capsize=3, label=way)
    axis.axhspan(-1, 1, color="0.9", zorder=0)
    axis.axhline(0, color="0.6", lw=0.8, zorder=0)
    axis.set_xticks(range(len(names)), [f"{name}\n{found['ways']['collapse'][name]['aim']:.0e}" for name in names])
    axis.set_ylabel("off, in units of the aim (bars: 2 s.e.)")
    axis.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--effort", type=float, default=1.0)
    parser.add_argument("--again", action="store_true", help="judge the rows that are there")
    arguments = parser.parse_args()
    kept = json.loads(HERE.with_suffix(".json").read_text()) if arguments.again else {}
    findings = {}
    for system in SYSTEMS:
        run = kept.get(system.name) or simulated(system, arguments.effort)
        rows, sizes = np.array(run["rows"]), sorted(system.batches)
        collapsed, collapse = by_collapse(rows)
        ways = {"collapse": collapsed, "crossings and quotients": by_quotients(rows)}
        found = {name: run[name] for name in ("effort", "devices", "seconds")} | {"sizes": sizes}
        found["kind"] = collapse.kind.name.lower().replace("_", " ")
        found["chi2 per dof"] = collapse.chi2_per_dof
        found["ways"] = {way: judge(system, numbers) for way, numbers in ways.items()}
        Console(width=150).print(shown(system, found))
        findings[system.name] = system, found, rows, collapse
        write(kept, findings)
        draw(findings, HERE.with_suffix(".png"))


def simulated(system: System, effort: float) -> dict:
    """Rows, and what they cost."""
    began = time.perf_counter()
    rows = simulate(system, effort)
    devices = f"{jax.local_device_count()} {jax.default_backend()} ({jax.devices()[0].device_kind})"
    return {"effort": effort, "devices": devices, "seconds": time.perf_counter() - began, "rows": rows.tolist()}


def write(kept: dict, findings: dict) -> None:
    """The findings so far, and what is kept of systems that are not yet judged again."""
    report = kept | {name: found | {"rows": rows.tolist()} for name, (_, found, rows, _) in findings.items()}
    HERE.with_suffix(".json").write_text(json.dumps(report, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
