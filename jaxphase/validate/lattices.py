"""The Ising model and site percolation in two dimensions."""

import itertools
import math
from functools import partial

import jax
import numpy as np

from jaxphase import scaling
from jaxphase.systems import ising, percolation
from jaxphase.validate.checks import WRONG, Check, number, word
from jaxphase.validate.system import Effort, System, mean, points

# Three digits, as a first scan shows them, and how far from them controls go at the size 1: less at larger ones.
COUPLING, COUPLINGS_SPREAD = 0.441, 0.62
PROBABILITY, PROBABILITIES_SPREAD = 0.593, 1.6
CONTROLS = np.linspace(-1, 1, 9)
# Where an order parameter and a susceptibility are measured: far from the transition they are no longer those of the
# class alone, which would pull nu and beta, and all replicas tell where the transition is.
NEAR = np.abs(CONTROLS) <= 0.5
PARTS = 0.4, 0.7  # of the replicas elsewhere
BURN = 30  # sweeps
WARM = 2.5  # a temperature at which the correlation length is finite
HOT = np.linspace(3.5, 6.0, 9)
WIDE = np.linspace(0.4, 0.8, 17)
SITES_AT_ONCE = 1 << 22  # by a CPU, and 16 times as many by an accelerator, which is idle with fewer


def ising_rows(size: int, replicas: int, sweeps: int, key, burn: int = BURN) -> tuple[np.ndarray, np.ndarray]:
    """Rows [points, 5] of the share of directions in which clusters wrap, of |m| and of V <m**2>, each from replicas of
    its own, so that errors are independent; and rows of the Binder cumulant of all replicas."""
    coupling = COUPLING + COUPLINGS_SPREAD / size * CONTROLS
    samples = ising.swendsen_wang(key, coupling, size, replicas, sweeps, burn, wrapping=True)
    magnetization = np.asarray(samples.magnetization, float)
    series = np.asarray(samples.wrapping), np.abs(magnetization), size**2 * np.square(magnetization)
    binder = scaling.binder_cumulant(magnetization.reshape(len(coupling), -1), blocks=replicas)
    return (
        _rows_of_parts(size, coupling, [outcomes.mean(-1) for outcomes in series]),
        points(size, coupling, np.asarray(binder.value), _smoothed(CONTROLS, np.asarray(binder.se))),
    )


def percolation_rows(size: int, lattices: int, key) -> np.ndarray:
    """Rows [points, 5] of the share of directions in which a cluster wraps, the share of the largest cluster and the
    mean size of a site's cluster, each from lattices of its own."""
    probability = PROBABILITY + PROBABILITIES_SPREAD / size * CONTROLS
    most = SITES_AT_ONCE * (1 if jax.default_backend() == "cpu" else 16)
    at_once = min(max(most // (size**2 * len(probability)), 1), lattices)
    keys = jax.random.split(key, -(-lattices // at_once))
    batches = [percolation.sample(key, probability, size, at_once) for key in keys]
    seen = percolation.Percolation(*(np.concatenate(field, axis=1) for field in zip(*batches, strict=True)))
    wrapping = (seen.horizontal + seen.vertical.astype(float)) / 2
    mean_size = seen.susceptibility + size**2 * np.square(seen.largest)
    return _rows_of_parts(size, probability, (wrapping, seen.largest, mean_size))


def _rows_of_parts(size: int, control: np.ndarray, outcomes) -> np.ndarray:
    """The mean of every observable [controls, replicas], from replicas that are its own."""
    wrapping, *others = outcomes
    ends = [round(part * wrapping.shape[1]) for part in (*PARTS, 1)]
    own, whole = _mean(CONTROLS, wrapping[:, : ends[0]]), _mean(CONTROLS, wrapping)
    rows = [points(size, control, *np.where(NEAR, own, whole))]
    for k, (seen, (first, last)) in enumerate(zip(others, itertools.pairwise(ends), strict=True), start=1):
        rows.append(points(size, control[NEAR], *_mean(CONTROLS[NEAR], seen[NEAR, first:last]), k))
    return np.concatenate(rows)


def _mean(place: np.ndarray, outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of outcomes [places, replicas] and a smooth curve of its errors: of few replicas one is large or small by
    chance, and with its value, which would pull a fit."""
    value, error = mean(outcomes)
    return value, _smoothed(place, error)


def _smoothed(place: np.ndarray, error: np.ndarray) -> np.ndarray:
    return np.exp(np.polyval(np.polyfit(place, np.log(error), 2), place))


def _simulate_ising(effort: Effort) -> tuple:
    largest_first = sorted(effort.ising.items(), reverse=True)
    return tuple(partial(ising_rows, size, count, effort.sweeps) for size, count in largest_first)


def _judge_ising(system: str, parts: list) -> list[Check]:
    rows, binder = (np.concatenate(part) for part in zip(*parts, strict=True))
    exact = ising.CRITICAL_COUPLING
    checks = [
        *_collapse_checks(system, rows, "T_c", exact, ising.EXPONENTS, "2-D Ising"),
        _crossing_check(system, "T_c, Binder crossings", binder, exact),
    ]
    return [_inverse(check) if check.quantity.startswith("T_c") else check for check in checks]


def _inverse(check: Check) -> Check:
    """Of a coupling, the temperature."""
    error = check.error / check.value**2
    return number(check.system, check.quantity, 1 / check.value, error, 1 / check.exact)


def _simulate_warm_ising(effort: Effort) -> tuple:
    return partial(_ising_configurations, effort.starts * 20), partial(_hot_rows, effort.starts)


def _ising_configurations(count: int, key) -> np.ndarray:
    return scaling.correlation_lengths(ising.configurations(key, [1 / WARM], 64, count)[0], axes=2)


def _hot_rows(replicas: int, key) -> np.ndarray:
    """The energy far above the critical temperature: smooth, and the same at every size."""
    parts = []
    for i, size in enumerate((8, 16, 32)):
        samples = ising.swendsen_wang(jax.random.fold_in(key, i), 1 / HOT, size, replicas, 60, BURN)
        parts.append(points(size, HOT, *mean(np.asarray(samples.energy).mean(-1))))
    return np.concatenate(parts)


def _judge_warm_ising(system: str, parts: list) -> list[Check]:
    lengths, rows = parts
    kind = scaling.COLLAPSE_KINDS[scaling.collapse(*rows.T[:4]).kind]
    exact = ising.correlation_length(1 / WARM)
    return [
        number(system, f"correlation length, T = {WARM}", lengths.exponential, lengths.exponential_se, exact),
        word(system, f"energy, T = {HOT[0]:g} to {HOT[-1]:g}", kind, "crossover"),
    ]


def _simulate_percolation(effort: Effort) -> tuple:
    largest_first = sorted(effort.percolation.items(), reverse=True)
    parts = [partial(percolation_rows, size, count) for size, count in largest_first]
    return (*parts, partial(_percolation_outcomes, effort.starts))


def _percolation_outcomes(lattices: int, key):
    """How the share of the largest cluster changes over a wide range, and the order of that change."""
    sizes = (16, 32, 64)
    keys = jax.random.split(key, len(sizes))
    outcomes = [percolation.sample(key, WIDE, size, lattices).largest for key, size in zip(keys, sizes, strict=True)]
    return scaling.transition_order(sizes, WIDE, np.stack(outcomes))


def _judge_percolation(system: str, parts: list) -> list[Check]:
    *parts, order = parts
    rows = np.concatenate(parts)
    critical = percolation.CRITICAL_PROBABILITY["site"]
    return [
        *_collapse_checks(system, rows, "p_c", critical, percolation.EXPONENTS, "2-D percolation"),
        _crossing_check(system, "p_c, crossings", rows, critical),
        word(system, "order", scaling.ORDERS[order.kind], "continuous"),
    ]


# A ratio without dimension, an order parameter and a susceptibility that share a critical point.


def _collapse_checks(system: str, rows: np.ndarray, control: str, critical: float, known: dict, best: str):
    """Critical point, exponents and universality class from one collapse of three observables."""
    size, place, value, error, observable = rows.T
    # A ratio without dimension does not grow with the size.
    exponent = 0, math.nan, math.nan
    found = scaling.collapse(size, place, value, error, observable=observable.astype(int), exponent=exponent)
    exponents, covariance = found.exponents("ratio", "beta/nu", "gamma/nu")
    del exponents["ratio"]
    covariance = np.delete(np.delete(covariance, 1, axis=0), 1, axis=1)
    identified = scaling.identify_universality_class(exponents, covariance, dimension=2)
    critical_error = math.hypot(found.critical_se, found.critical_sys)
    checks = [
        word(system, "collapse", scaling.COLLAPSE_KINDS[found.kind], "transition"),
        number(system, control, found.critical, critical_error, critical),
        number(system, "nu", found.nu, math.hypot(found.nu_se, found.nu_sys), known["nu"]),
    ]
    for i, name in ((1, "beta"), (2, "gamma")):
        exponent = exponents[f"{name}/nu"] * found.nu
        slope = found.nu * (np.arange(3) == i)
        slope[0] = -exponent * found.nu
        checks.append(number(system, name, exponent, math.sqrt(slope @ covariance @ slope), known[name]))
    return [*checks, word(system, "universality class", _nearest(identified), best)]


def _nearest(found: scaling.Universality) -> str:
    """The class of the largest p-value, if that is as probable as four standard errors: `found.best` is "none" below
    0.05, which one right answer in twenty is."""
    p_value = np.nan_to_num(found.p_value)
    return found.classes[np.argmax(p_value)] if p_value.max() > math.erfc(WRONG / math.sqrt(2)) else "none"


def _crossing_check(system: str, quantity: str, rows: np.ndarray, exact: float) -> Check:
    """The critical point from the crossings of a ratio without dimension, without a fit of its scaling: of the least, a
    middle and the largest size, for curves of sizes that are much alike cross anywhere."""
    first = rows[rows[:, 4] == 0]
    sizes = np.unique(first[:, 0])
    found = scaling.crossings(*first[np.isin(first[:, 0], sizes[[0, len(sizes) // 2, -1]])].T[:4])
    return number(system, quantity, found.critical, found.critical_se, exact)


ISING = System("2-D Ising model", _simulate_ising, _judge_ising)
WARM_ISING = System("2-D Ising model, warm", _simulate_warm_ising, _judge_warm_ising)
PERCOLATION = System("2-D site percolation", _simulate_percolation, _judge_percolation)
