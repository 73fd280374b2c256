"""The Ising model and site percolation in two dimensions."""

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from jaxphase import scaling
from jaxphase.systems import ising, percolation
from jaxphase.validate.checks import MAX_PULL, Check, number, word
from jaxphase.validate.system import Effort, Rows, System, mean, points

# Three digits, as a first scan shows them, and how far controls go from them at size 1; less at larger sizes.
COUPLING, COUPLINGS_SPREAD = 0.441, 0.62
PROBABILITY, PROBABILITIES_SPREAD = 0.593, 1.6
CONTROLS = np.linspace(-1, 1, 9)
# Where an order parameter and a susceptibility are measured. Farther from the transition they are no longer universal,
# which would bias nu and beta; there all replicas are used to locate the transition.
NEAR = np.abs(CONTROLS) <= 0.5
SHARES = 0.4, 0.7  # where the replicas of one observable end and those of the next begin
BURN = 30  # sweeps
WARM = 2.5  # a temperature at which the correlation length is finite
HOT = np.linspace(3.5, 6.0, 9)
WIDE = np.linspace(0.4, 0.8, 17)
SITES_AT_ONCE = 1 << 22  # by a CPU, and 16 times as many by an accelerator, which is idle with fewer


def ising_rows(size: int, replicas: int, sweeps: int, *, key: Key[Array, ""], burn: int = BURN) -> tuple[Rows, Rows]:
    """Measure the Ising model near its critical point.

    Args:
        size: Side L of the lattice.
        replicas: Lattices at each coupling.
        sweeps: Sweeps of each after the first `burn`.
        key: Decides all random numbers.
        burn: Sweeps that are thrown away.

    Returns:
        Rows of the share of directions in which clusters wrap, of |m| and of L**2 <m**2>, each from replicas of its
        own, so that errors are independent; and rows of the Binder cumulant of all replicas.
    """
    coupling = COUPLING + COUPLINGS_SPREAD / size * CONTROLS
    samples = ising.swendsen_wang(coupling, size, replicas, sweeps, burn, key=key, wrapping=True)
    magnetization = np.asarray(samples.magnetization, float)
    series = np.asarray(samples.wrapping), np.abs(magnetization), size**2 * np.square(magnetization)
    binder = scaling.binder_cumulant(magnetization.reshape(len(coupling), -1), blocks=replicas)
    return (
        _rows_of_shares(size, coupling, [outcomes.mean(-1) for outcomes in series]),
        points(size, coupling, np.asarray(binder.value), _smoothed(CONTROLS, np.asarray(binder.se))),
    )


def percolation_rows(size: int, lattices: int, *, key: Key[Array, ""]) -> Rows:
    """Measure site percolation near its critical point.

    Args:
        size: Side L of the lattice.
        lattices: Lattices at each probability.
        key: Decides all random numbers.

    Returns:
        Rows of the share of directions in which a cluster wraps, of the share of the largest cluster and of the mean
        size of a site's cluster, each from lattices of its own.
    """
    probability = PROBABILITY + PROBABILITIES_SPREAD / size * CONTROLS
    most = SITES_AT_ONCE * (1 if jax.default_backend() == "cpu" else 16)
    at_once = min(max(most // (size**2 * len(probability)), 1), lattices)
    keys = jax.random.split(key, -(-lattices // at_once))
    batches = [percolation.sample(probability, size, at_once, key=key) for key in keys]
    largest, susceptibility, horizontal, vertical = (
        np.concatenate(field, axis=1) for field in zip(*batches, strict=True)
    )
    wrapping = (horizontal + vertical.astype(float)) / 2
    mean_size = susceptibility + size**2 * np.square(largest)
    return _rows_of_shares(size, probability, (wrapping, largest, mean_size))


def _rows_of_shares(
    size: int, control: Float[np.ndarray, " controls"], outcomes: Sequence[Shaped[np.ndarray, "controls replicas"]]
) -> Rows:
    """The mean of every observable, from replicas of its own."""
    wrapping, *others = outcomes
    ends = [round(share * wrapping.shape[1]) for share in (*SHARES, 1)]
    own, whole = _mean(CONTROLS, wrapping[:, : ends[0]]), _mean(CONTROLS, wrapping)
    rows = [points(size, control, *np.where(NEAR, own, whole))]
    for k, (seen, (first, last)) in enumerate(zip(others, itertools.pairwise(ends), strict=True), start=1):
        rows.append(points(size, control[NEAR], *_mean(CONTROLS[NEAR], seen[NEAR, first:last]), k))
    return np.concatenate(rows)


def _mean(
    control: Float[np.ndarray, " controls"], outcomes: Shaped[np.ndarray, "controls replicas"]
) -> tuple[Float[np.ndarray, " controls"], Float[np.ndarray, " controls"]]:
    """Means and smooth errors: with few replicas, errors vary by chance together with the means, which biases fits."""
    value, error = mean(outcomes)
    return value, _smoothed(control, error)


def _smoothed(
    control: Float[np.ndarray, " controls"], error: Float[np.ndarray, " controls"]
) -> Float[np.ndarray, " controls"]:
    """A parabola through the logarithms of errors."""
    return np.exp(np.polyval(np.polyfit(control, np.log(error), 2), control))


def _simulate_ising(effort: Effort) -> tuple[partial, ...]:
    """One task for each size."""
    largest_first = sorted(effort.ising.items(), reverse=True)
    return tuple(partial(ising_rows, size, count, effort.sweeps) for size, count in largest_first)


def _judge_ising(system: str, results: list) -> list[Check]:
    """Compare the critical point, exponents and class with the exact ones, couplings as temperatures."""
    rows, binder = (np.concatenate(several) for several in zip(*results, strict=True))
    exact = ising.CRITICAL_COUPLING
    checks = [
        *_collapse_checks(system, rows, "T_c", exact, ising.EXPONENTS, "2-D Ising"),
        _crossing_check(system, "T_c, Binder crossings", binder, exact),
    ]
    return [_inverse(check) if check.quantity.startswith("T_c") else check for check in checks]


def _inverse(check: Check) -> Check:
    """The same check of the temperature instead of the coupling."""
    value, exact = float(check.value), float(check.exact)
    return number(check.system, check.quantity, 1 / value, check.error / value**2, 1 / exact)


def _simulate_warm_ising(effort: Effort) -> tuple[partial, ...]:
    """One task for the correlation length, one for the energy."""
    return partial(_warm_lengths, effort.starts * 20), partial(_hot_rows, effort.starts)


def _warm_lengths(count: int, *, key: Key[Array, ""]) -> Any:
    """Correlation lengths above the critical temperature."""
    return scaling.correlation_lengths(ising.configurations(np.array([1 / WARM]), 64, count, key=key)[0], axes=2)


def _hot_rows(replicas: int, *, key: Key[Array, ""]) -> Rows:
    """The energy far above the critical temperature: smooth, and the same at every size."""
    rows = []
    for i, size in enumerate((8, 16, 32)):
        samples = ising.swendsen_wang(1 / HOT, size, replicas, 60, BURN, key=jax.random.fold_in(key, i))
        rows.append(points(size, HOT, *mean(np.asarray(samples.energy).mean(-1))))
    return np.concatenate(rows)


def _judge_warm_ising(system: str, results: list) -> list[Check]:
    """Compare the correlation length with the exact one, and expect a crossover of the energy."""
    lengths, rows = results
    kind = scaling.collapse(*rows.T[:4]).kind
    exact = ising.correlation_length(1 / WARM)
    return [
        number(system, f"correlation length, T = {WARM}", lengths.exponential, lengths.exponential_se, exact),
        word(system, f"energy, T = {HOT[0]:g} to {HOT[-1]:g}", kind, scaling.CollapseKind.CROSSOVER),
    ]


def _simulate_percolation(effort: Effort) -> tuple[partial, ...]:
    """One task for each size, and one for the order of the transition."""
    largest_first = sorted(effort.percolation.items(), reverse=True)
    tasks = [partial(percolation_rows, size, count) for size, count in largest_first]
    return (*tasks, partial(_percolation_order, effort.starts))


def _percolation_order(lattices: int, *, key: Key[Array, ""]) -> Any:
    """The order of the change of the share of the largest cluster over a wide range."""
    sizes = np.array([16, 32, 64])
    keys = jax.random.split(key, len(sizes))
    outcomes = [percolation.sample(WIDE, int(n), lattices, key=key).largest for key, n in zip(keys, sizes, strict=True)]
    return scaling.transition_order(sizes, WIDE, np.stack(outcomes))


def _judge_percolation(system: str, results: list) -> list[Check]:
    """Compare the critical point, exponents, class and order with the exact ones."""
    *rows, order = results
    rows = np.concatenate(rows)
    critical = percolation.CRITICAL_PROBABILITY["site"]
    return [
        *_collapse_checks(system, rows, "p_c", critical, percolation.EXPONENTS, "2-D percolation"),
        _crossing_check(system, "p_c, crossings", rows, critical),
        word(system, "order", order.kind, scaling.OrderKind.CONTINUOUS),
    ]


def _collapse_checks(
    system: str, rows: Rows, control: str, critical: float, known: dict[str, float], best: str
) -> list[Check]:
    """Check the critical point, exponents and class of one collapse.

    The collapse is of three observables that share a critical point: a dimensionless ratio, an order parameter and a
    susceptibility.
    """
    size, controls, value, error, observable = rows.T
    # A dimensionless ratio does not grow with the size.
    exponent = np.array([0.0, math.nan, math.nan])
    found = scaling.collapse(size, controls, value, error, observable=observable.astype(int), exponent=exponent)
    exponents, covariance = found.exponents("ratio", "beta/nu", "gamma/nu")
    del exponents["ratio"]
    covariance = np.delete(np.delete(covariance, 1, axis=0), 1, axis=1)
    identified = scaling.identify_universality_class(exponents, covariance, dimension=2)
    critical_error = math.hypot(found.critical_se, found.critical_sys)
    checks = [
        word(system, "collapse", found.kind, scaling.CollapseKind.TRANSITION),
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
    """The class of the largest p-value, if that corresponds to less than four standard errors, else "none".

    `found.best` is "none" below 0.05, which happens to one right answer in twenty.
    """
    p_value = np.nan_to_num(found.p_value)
    return found.classes[np.argmax(p_value)] if p_value.max() > math.erfc(MAX_PULL / math.sqrt(2)) else "none"


def _crossing_check(system: str, quantity: str, rows: Rows, exact: float) -> Check:
    """Check the critical point from the crossings of a dimensionless ratio, without a fit of its scaling.

    Only the smallest, a middle and the largest size are used: curves of sizes that are nearly equal can cross anywhere.
    """
    first = rows[rows[:, 4] == 0]
    sizes = np.unique(first[:, 0])
    found = scaling.crossings(*first[np.isin(first[:, 0], sizes[[0, len(sizes) // 2, -1]])].T[:4])
    return number(system, quantity, found.critical, found.critical_se, exact)


ISING = System("2-D Ising model", _simulate_ising, _judge_ising)
WARM_ISING = System("2-D Ising model, warm", _simulate_warm_ising, _judge_warm_ising)
PERCOLATION = System("2-D site percolation", _simulate_percolation, _judge_percolation)
