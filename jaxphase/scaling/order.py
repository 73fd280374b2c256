"""Transition or crossover, continuous or first order: what becomes of the curves as a second size grows.

A transition sharpens: the width of the change, or of the onset of an order parameter that is zero on one side, shrinks
as a power of the size. If it is of first order the outcomes of equal models fall into two heaps near it, as far apart
in large systems as in small ones; if it is continuous they scatter widely about one value, and less in large systems. A
crossover keeps its width.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxphase.detect.sigmoid import fit_sigmoid
from jaxphase.scaling.moments import bimodality, susceptibility
from jaxphase.scaling.odds import LEAST_SIZES, UNRESOLVED, Change, combined, fit_odds
from jaxphase.scaling.onset import PARAMETERS, fit_onsets, sigmoid_chi2

ORDERS = ("first order", "continuous", "crossover", "undecided")
SHAPES = ("sigmoid", "onset")
RATE = 0.01  # of false "two heaps", over all sizes together
LEAST_ERROR = 1 / 3  # of a mean, in units of the median one of its size


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
    shape: int


def transition_order(size, control, outcomes) -> Order:
    """Judge outcomes [sizes, controls, seeds] of one observable over two axes, size [sizes] and control [controls].

    outcomes that are not finite are left out. For a control that is itself a number of parameters or samples give its
    logarithm. shape, an index into SHAPES: "onset" if curves that are flat and then rise as a power fit the means over
    seeds better than sigmoids do by Schwarz's criterion, as those of an order parameter that is zero on one side of a
    continuous transition; else "sigmoid". center, width: of the sigmoid in the control (10 to 90 %), of that of the
    odds if outcomes are in two heaps, or the place of the onset and how round it is, with standard errors: the
    pseudo-critical point of each size; of a step between two controls their distance and a quarter of it; NaN without a
    change. peak, peak_control: the largest variance over seeds and where. two_heaps, separation: the p-value of
    `bimodality` at that peak and what it says there; there are two heaps if those of all sizes together (`combined`)
    are below 0.01. judged: the index of the largest size whose change is resolved, -1 for none. drift: change of the
    center per unit of ln size. sharpening: minus the change of ln width per unit of ln size, for a transition 1/nu.
    peak_growth: that of ln peak, 0 for outcomes in two fixed heaps, -1 for means of independent units
    if size counts units. All three with 95 % intervals, from a straight line through the sizes; the sharpening of odds
    and of onsets is that of all curves together, from -2 to 2. Of an onset it is near 1/nu only where the corner is a
    hyperbola: .5 to .6 for the Curie-Weiss magnet's .5, but 1.5 to 2 for the .75 of percolation in two dimensions.

    kind, an index into ORDERS: "crossover" unless the width shrinks beyond doubt, its interval being above 0; then
    "first order" if there are two heaps, else "continuous"; "undecided" with fewer than three sizes that have a width.
    Of 200 families of each kind with 48 seeds (with 16), 100 (100) % of first order, 100 (99.5) % of sigmoids that
    sharpen, 100 (98.5) % of Curie-Weiss magnets and 71 (57) % of powers with a rounded onset were called by their name,
    2.5 (2) % of crossovers and 2 (2.5) % of straight lines continuous, and 3 (4) % of crossovers whose outcomes are in
    two heaps of first order (`experiments/order.py`).
    Raises ValueError for shapes that do not match.
    """
    size, control, outcomes = _checked(size, control, outcomes)
    variance, heaps = susceptibility(jnp.asarray(outcomes)), bimodality(jnp.asarray(outcomes))
    value = np.where(np.isfinite(variance.value), variance.value, -1.0)
    at = np.arange(len(size)), np.argmax(value, axis=1)
    peak, peak_se = (np.asarray(field, float)[at] for field in (variance.value, variance.se))
    two_heaps = np.asarray(heaps.p_value, float)[at]
    log_size = np.log(size)
    growth, of_growth, _ = _slope(log_size, *_logarithm(peak, peak_se))

    in_heaps = combined(two_heaps) < RATE
    if in_heaps:
        between = (np.asarray(heaps.low, float) + np.asarray(heaps.high, float))[at] / 2
        change = fit_odds(log_size, control, outcomes, between)
    else:
        change = _onsets(log_size, control, outcomes) or _sigmoids(log_size, control, outcomes)
    drift, of_drift, _ = _slope(log_size, change.center, change.center_se)
    judged = max(np.flatnonzero(change.resolved), default=-1)
    return Order(
        kind=ORDERS.index(_kind(change, in_heaps)),
        center=change.center,
        center_se=change.center_se,
        drift=drift,
        drift_interval=of_drift,
        width=change.width,
        width_se=change.width_se,
        sharpening=change.sharpening,
        sharpening_interval=change.sharpening_interval,
        peak=peak,
        peak_se=peak_se,
        peak_control=control[at[1]],
        peak_growth=growth,
        peak_growth_interval=of_growth,
        two_heaps=two_heaps,
        separation=np.asarray(heaps.separation, float)[at],
        judged=int(judged),
        shape=SHAPES.index(change.shape),
    )


def _checked(size, control, outcomes) -> tuple[np.ndarray, ...]:
    """The three as arrays of numbers."""
    size, control, outcomes = (np.asarray(values, float) for values in (size, control, outcomes))
    if outcomes.shape[:2] != (*size.shape, *control.shape) or outcomes.ndim != 3:
        raise ValueError(
            f"outcomes must be [sizes, controls, seeds], got {outcomes.shape} with size {size.shape} and control "
            f"{control.shape}"
        )
    return size, control, outcomes


def _kind(change: Change, in_heaps: bool) -> str:
    if np.isnan(change.sharpening):
        return "undecided"
    if not change.sharpening_interval[0] > 0:
        return "crossover"
    return "first order" if in_heaps else "continuous"


def _sigmoids(log_size: np.ndarray, control: np.ndarray, outcomes: np.ndarray) -> Change:
    found = fit_sigmoid(np.repeat(control, outcomes.shape[2]), outcomes.reshape(len(log_size), -1))
    center, center_se, width, width_se = (
        np.asarray(field, float) for field in (found.center, found.center_se, found.width, found.width_se)
    )
    resolved = np.isfinite(width_se)
    # A step between two controls is at most as wide as their distance: that much is known of how it narrows.
    width_se = np.where(resolved, width_se, UNRESOLVED * width)
    narrowing, of_narrowing, _ = _slope(log_size, *_logarithm(width, width_se))
    return Change(center, center_se, width, width_se, resolved, -narrowing, -of_narrowing[::-1])


def _onsets(log_size: np.ndarray, control: np.ndarray, outcomes: np.ndarray) -> Change | None:
    """Curves with an onset, if they fit the means over seeds better than sigmoids do, by Schwarz's criterion."""
    mean, error = _means(outcomes)
    told = np.isfinite(error).sum(axis=1) > PARAMETERS
    if told.sum() < LEAST_SIZES:
        return None
    mean, error = mean[told], error[told]
    chi2, points = sigmoid_chi2(control, mean, error), np.isfinite(error).sum()
    dof = points - 4 * len(mean)
    if not chi2 > dof + 2 * math.sqrt(2 * dof):
        return None
    onsets = fit_onsets(log_size[told], control, mean, error)
    if not points * math.log(chi2 / onsets.chi2) > (onsets.parameters - 4 * len(mean)) * math.log(points):
        return None

    fields = np.full((4, len(told)), np.nan)
    fields[:, told] = onsets.center, onsets.center_se, onsets.width, onsets.width_se
    return Change(*fields, told, onsets.sharpening, onsets.sharpening_interval, "onset")


def _means(outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over seeds and their standard errors [sizes, controls], NaN for fewer than two seeds or without scatter."""
    count = np.isfinite(outcomes).sum(axis=2)
    mean = np.where(count > 1, np.nansum(outcomes, axis=2) / np.maximum(count, 1), np.nan)
    square = np.nansum(np.square(outcomes - mean[..., None]), axis=2) / np.maximum(count - 1, 1)
    error = np.where((count > 1) & (square > 0), np.sqrt(square / np.maximum(count, 1)), np.nan)
    # The scatter of a few seeds may be small by chance.
    typical = [np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in error]
    return mean, np.maximum(error, LEAST_ERROR * np.array(typical)[:, None])


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
