"""Transition or crossover, continuous or first order: what becomes of the curves as a second size grows.

A transition sharpens: the width of the change shrinks as a power of the size. If it is of first order the outcomes of
equal models fall into two heaps near it, as far apart in large systems as in small ones; if it is continuous they
scatter widely about one value, and less in large systems. A crossover keeps its width.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxphase.detect.sigmoid import fit_sigmoid
from jaxphase.scaling.moments import bimodality, susceptibility

ORDERS = ("first order", "continuous", "crossover", "undecided")
LEAST_SIZES = 3
UNRESOLVED = 0.25  # error of the width of a step, in units of that width
RATE = 0.05  # of false "two heaps", over all sizes and controls together


class Order(NamedTuple):
    """What the curves and the scatter of each size show, fields [sizes] unless said; see `transition_order`."""

    kind: int
    center: np.ndarray
    center_se: np.ndarray
    drift: float
    drift_interval: np.ndarray  # [2]
    width: np.ndarray
    width_se: np.ndarray
    sharpening: float
    sharpening_interval: np.ndarray  # [2]
    peak: np.ndarray
    peak_se: np.ndarray
    peak_control: np.ndarray
    peak_growth: float
    peak_growth_interval: np.ndarray  # [2]
    two_heaps: np.ndarray
    separation: np.ndarray
    judged: int


def transition_order(size, control, outcomes) -> Order:
    """Judge outcomes [sizes, controls, seeds] of one observable over two axes, size [sizes] and control [controls].

    outcomes that are not finite are left out. For a control that is itself a number of parameters or samples give its
    logarithm. center, width: of the sigmoid in the control (10 to 90 %), with standard errors: the pseudo-critical
    point of each size; of a step between two controls their distance and a quarter of it; NaN without a change. peak,
    peak_control: the largest variance over seeds and where. two_heaps: the p-value of `bimodality` at that peak, times
    the number of sizes; separation: as given there; judged: the index of the largest size whose change is resolved,
    which decides, -1 for none.
    drift: change of the center per unit of ln size. sharpening: minus the change of ln width per unit of ln size, for a
    transition 1/nu. peak_growth: that of ln peak, 0 for outcomes in two fixed heaps, -1 for means of independent units
    if size counts units. All three with 95 % intervals, from a straight line through the sizes.

    kind, an index into ORDERS: "crossover" unless the width shrinks beyond doubt, its interval being above 0; then
    "first order" if there are two heaps at the judged size, else "continuous"; "undecided" with fewer than three sizes
    that have a width. Of 200 families each, with 48 seeds, all first-order and all continuous ones were called that and
    2 % of crossovers continuous; with 16 seeds 68 and 100 % were, and 3 %. Raises ValueError for shapes that do not
    match.
    """
    size, control, outcomes = (np.asarray(values, float) for values in (size, control, outcomes))
    if outcomes.shape[:2] != (*size.shape, *control.shape) or outcomes.ndim != 3:
        raise ValueError(
            f"outcomes must be [sizes, controls, seeds], got {outcomes.shape} with size {size.shape} and control "
            f"{control.shape}"
        )
    sigmoid = fit_sigmoid(np.repeat(control, outcomes.shape[2]), outcomes.reshape(len(size), -1))
    width, width_se = np.asarray(sigmoid.width, float), np.asarray(sigmoid.width_se, float)
    resolved = np.isfinite(width_se)
    # A step between two controls is at most as wide as their distance: that much is known of how it narrows.
    width_se = np.where(resolved, width_se, UNRESOLVED * width)
    variance, heaps = susceptibility(jnp.asarray(outcomes)), bimodality(jnp.asarray(outcomes))
    value = np.where(np.isfinite(variance.value), variance.value, -1.0)
    at = np.arange(len(size)), np.argmax(value, axis=1)
    peak, peak_se = (np.asarray(field, float)[at] for field in (variance.value, variance.se))
    two_heaps = np.minimum(np.asarray(heaps.p_value, float)[at] * len(size), 1)

    center, center_se = np.asarray(sigmoid.center, float), np.asarray(sigmoid.center_se, float)
    log_size = np.log(size)
    narrowing, of_narrowing, sizes = _slope(log_size, *_logarithm(width, width_se))
    growth, of_growth, _ = _slope(log_size, *_logarithm(peak, peak_se))
    drift, of_drift, _ = _slope(log_size, center, center_se)
    judged = max(np.flatnonzero(np.isfinite(two_heaps) & resolved), default=-1)
    if sizes < LEAST_SIZES:
        kind = "undecided"
    elif not of_narrowing[1] < 0:
        kind = "crossover"
    else:
        kind = "first order" if judged >= 0 and two_heaps[judged] < RATE else "continuous"
    return Order(
        kind=ORDERS.index(kind),
        center=center,
        center_se=center_se,
        drift=drift,
        drift_interval=of_drift,
        width=width,
        width_se=width_se,
        sharpening=-narrowing,
        sharpening_interval=-of_narrowing[::-1],
        peak=peak,
        peak_se=peak_se,
        peak_control=control[at[1]],
        peak_growth=growth,
        peak_growth_interval=of_growth,
        two_heaps=two_heaps,
        separation=np.asarray(heaps.separation, float)[at],
        judged=int(judged),
    )


def _logarithm(value: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms and their errors, NaN where there is no positive value."""
    value = np.where(value > 0, value, np.nan)
    return np.log(value), error / value


def _slope(x: np.ndarray, y: np.ndarray, error: np.ndarray) -> tuple[float, np.ndarray, int]:
    """Slope of a straight line, its 95 % interval [2], and how many points it has: weighted least squares, whose errors
    grow with chi-squared where that is above its degrees of freedom."""
    there = np.isfinite(y) & (error > 0)
    n = int(there.sum())
    if n < LEAST_SIZES:
        return math.nan, np.full(2, np.nan), n
    x, y, weight = x[there], y[there], error[there] ** -2
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    slope = np.sum(weight * x * y) / np.sum(weight * x * x)
    chi2 = np.sum(weight * (y - slope * x) ** 2)
    reach = 1.96 * math.sqrt(max(1.0, chi2 / (n - 2)) / np.sum(weight * x * x))
    return float(slope), slope + reach * np.array([-1, 1]), n
