"""Transition or crossover, continuous or first order: how the curves change as a second size grows.

A transition sharpens: the width of the change shrinks as a power of the size. So does the rounded corner at the onset
of an order parameter that is zero on one side. At a first-order transition the outcomes of equal models are bimodal,
and their two peaks are as far apart in large systems as in small ones. At a continuous transition outcomes scatter
widely about one value, and less in large systems. A crossover keeps its width.
"""

import math
from enum import IntEnum
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from jaxphase.detect.sigmoid import fit_sigmoid
from jaxphase.scaling.change import Change, ChangeShape
from jaxphase.scaling.excess_mass import bimodality
from jaxphase.scaling.moments import susceptibility
from jaxphase.scaling.odds import LEAST_SIZES, UNRESOLVED, combined_p_value, fit_odds
from jaxphase.scaling.onset import PARAMETERS, fit_onsets, sigmoid_chi2

BIMODAL_LEVEL = 0.01  # probability of calling outcomes with one peak bimodal, over all sizes together
LEAST_ERROR = 1 / 3  # of a mean, in units of the median one of its size


class OrderKind(IntEnum):
    """The order of a transition, if it is one."""

    FIRST_ORDER = 0
    CONTINUOUS = 1
    CROSSOVER = 2
    UNDECIDED = 3


class Order(NamedTuple):
    """What the curves and the scatter of each size show; slopes are NaN for fewer than three sizes.

    Attributes:
        kind: `OrderKind`; see `transition_order`.
        center: Center of the change at each size, the pseudo-critical point, `[sizes]`; NaN without a change.
        center_se: Its standard error, `[sizes]`.
        drift: Change of the center per ln size.
        drift_interval: Its 95 % interval, `[2]`.
        width: Width of the change, `[sizes]`: from 10 to 90 % of a sigmoid, or of the rounded corner of an onset. For a
            step, the distance of the two controls around it.
        width_se: Its standard error, `[sizes]`; for a step a quarter of the width.
        sharpening: Minus the change of ln width per ln size; 1/nu of a transition of shape SIGMOID.
        sharpening_interval: Its 95 % interval, `[2]`.
        peak: Largest variance over seeds, `[sizes]`.
        peak_se: Its standard error, `[sizes]`.
        peak_control: Control of that variance, `[sizes]`.
        peak_growth: Change of ln peak per ln size: 0 for two fixed peaks of outcomes, -1 for means of independent
            units.
        peak_growth_interval: Its 95 % interval, `[2]`.
        bimodal_p_value: p-value for one peak of the outcomes at peak_control, `[sizes]`; see `bimodality`.
        separation: Distance of two peaks there over their root mean square deviation, `[sizes]`.
        judged: Index of the largest size whose change is resolved, or -1.
        shape: `ChangeShape` that was fitted.
    """

    kind: OrderKind
    center: Float[np.ndarray, " sizes"]
    center_se: Float[np.ndarray, " sizes"]
    drift: float
    drift_interval: Float[np.ndarray, "2"]
    width: Float[np.ndarray, " sizes"]
    width_se: Float[np.ndarray, " sizes"]
    sharpening: float
    sharpening_interval: Float[np.ndarray, "2"]
    peak: Float[np.ndarray, " sizes"]
    peak_se: Float[np.ndarray, " sizes"]
    peak_control: Float[np.ndarray, " sizes"]
    peak_growth: float
    peak_growth_interval: Float[np.ndarray, "2"]
    bimodal_p_value: Float[np.ndarray, " sizes"]
    separation: Float[np.ndarray, " sizes"]
    judged: int
    shape: ChangeShape


def transition_order(size: npt.ArrayLike, control: npt.ArrayLike, outcomes: npt.ArrayLike) -> Order:
    """Judge the outcomes of one observable over two axes: how the change with the control depends on a size.

    Outcomes are bimodal if the p-values of all sizes together are below 0.01. Then the odds of the upper peak are
    fitted as a sigmoid of the control. Otherwise the means over seeds are fitted, by curves with an onset if these are
    better than sigmoids by Schwarz's criterion. Slopes against ln size are straight lines through the sizes; the
    sharpening of odds and of onsets comes from all curves together and lies between -2 and 2. For an onset the
    sharpening is near 1/nu only if the corner is a hyperbola. Error rates: see the page "Transition or crossover?".

    Args:
        size: Size, `[sizes]`.
        control: Control, `[controls]`; its logarithm if it is itself a number of parameters or samples.
        outcomes: Outcomes, `[sizes, controls, seeds]`; one that is not finite is missing.

    Returns:
        An `Order`, computed on the host. The kind is CROSSOVER unless the interval of the sharpening lies above 0.
        Then it is FIRST_ORDER if the outcomes are bimodal, else CONTINUOUS. With fewer than three sizes that have a
        width it is UNDECIDED.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        >>> found = jaxphase.scaling.transition_order(data_sizes, np.log10(sizes), accuracy)
        >>> found.kind.name, found.sharpening_interval
    """
    size, control, outcomes = _checked(size, control, outcomes)
    variance, peaks = susceptibility(jnp.asarray(outcomes)), bimodality(jnp.asarray(outcomes))
    value = np.where(np.isfinite(variance.value), variance.value, -1.0)
    at = np.arange(len(size)), np.argmax(value, axis=1)
    peak, peak_se = (np.asarray(field, float)[at] for field in (variance.value, variance.se))
    p_value = np.asarray(peaks.p_value, float)[at]
    log_size = np.log(size)
    growth, of_growth = _slope(log_size, *_logarithm(peak, peak_se))

    bimodal = combined_p_value(p_value) < BIMODAL_LEVEL
    if bimodal:
        between = (np.asarray(peaks.low, float) + np.asarray(peaks.high, float))[at] / 2
        change = fit_odds(log_size, control, outcomes, between)
    else:
        change = _onsets(log_size, control, outcomes) or _sigmoids(log_size, control, outcomes)
    drift, of_drift = _slope(log_size, change.center, change.center_se)
    return Order(
        kind=_kind(change, bimodal),
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
        bimodal_p_value=p_value,
        separation=np.asarray(peaks.separation, float)[at],
        judged=max(np.flatnonzero(change.resolved).tolist(), default=-1),
        shape=change.shape,
    )


def _checked(
    size: npt.ArrayLike, control: npt.ArrayLike, outcomes: npt.ArrayLike
) -> tuple[Float[np.ndarray, " sizes"], Float[np.ndarray, " controls"], Float[np.ndarray, "sizes controls seeds"]]:
    """The three as arrays of numbers."""
    sizes, controls, values = (np.asarray(given, float) for given in (size, control, outcomes))
    if values.shape[:2] != (*sizes.shape, *controls.shape) or values.ndim != 3:
        raise ValueError(
            f"outcomes must be [sizes, controls, seeds], got {values.shape} with size {sizes.shape} and control "
            f"{controls.shape}"
        )
    return sizes, controls, values


def _kind(change: Change, bimodal: bool) -> OrderKind:
    """The verdict on a change."""
    if np.isnan(change.sharpening):
        return OrderKind.UNDECIDED
    if not change.sharpening_interval[0] > 0:
        return OrderKind.CROSSOVER
    return OrderKind.FIRST_ORDER if bimodal else OrderKind.CONTINUOUS


def _sigmoids(
    log_size: Float[np.ndarray, " sizes"],
    control: Float[np.ndarray, " controls"],
    outcomes: Float[np.ndarray, "sizes controls seeds"],
) -> Change:
    """The change as a sigmoid of all outcomes of each size."""
    found = fit_sigmoid(np.repeat(control, outcomes.shape[2]), outcomes.reshape(len(log_size), -1))
    center, center_se, width, width_se = (
        np.asarray(field, float) for field in (found.center, found.center_se, found.width, found.width_se)
    )
    resolved = np.isfinite(width_se)
    # A step between two controls is at most as wide as their distance, which bounds how it narrows.
    width_se = np.where(resolved, width_se, UNRESOLVED * width)
    narrowing, of_narrowing = _slope(log_size, *_logarithm(width, width_se))
    return Change(center, center_se, width, width_se, resolved, -narrowing, -of_narrowing[::-1], ChangeShape.SIGMOID)


def _onsets(
    log_size: Float[np.ndarray, " sizes"],
    control: Float[np.ndarray, " controls"],
    outcomes: Float[np.ndarray, "sizes controls seeds"],
) -> Change | None:
    """Curves with an onset, if they fit the means over seeds better than sigmoids do, by Schwarz's criterion."""
    mean, error = _means(outcomes)
    enough = np.isfinite(error).sum(axis=1) > PARAMETERS
    if enough.sum() < LEAST_SIZES:
        return None
    mean, error = mean[enough], error[enough]
    chi2, points = sigmoid_chi2(control, mean, error), np.isfinite(error).sum()
    dof = points - 4 * len(mean)
    if not chi2 > dof + 2 * math.sqrt(2 * dof):
        return None
    onsets = fit_onsets(log_size[enough], control, mean, error)
    if not points * math.log(chi2 / onsets.chi2) > (onsets.parameters - 4 * len(mean)) * math.log(points):
        return None

    fields = np.full((4, len(enough)), np.nan)
    fields[:, enough] = onsets.center, onsets.center_se, onsets.width, onsets.width_se
    return Change(
        center=fields[0],
        center_se=fields[1],
        width=fields[2],
        width_se=fields[3],
        resolved=enough,
        sharpening=onsets.sharpening,
        sharpening_interval=onsets.sharpening_interval,
        shape=ChangeShape.ONSET,
    )


def _means(
    outcomes: Float[np.ndarray, "sizes controls seeds"],
) -> tuple[Float[np.ndarray, "sizes controls"], Float[np.ndarray, "sizes controls"]]:
    """Means over seeds and their standard errors, NaN for fewer than two seeds or without scatter."""
    count = np.isfinite(outcomes).sum(axis=2)
    mean = np.where(count > 1, np.nansum(outcomes, axis=2) / np.maximum(count, 1), np.nan)
    square = np.nansum(np.square(outcomes - mean[..., None]), axis=2) / np.maximum(count - 1, 1)
    error = np.where((count > 1) & (square > 0), np.sqrt(square / np.maximum(count, 1)), np.nan)
    # The scatter of a few seeds may be small by chance.
    typical = [np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in error]
    return mean, np.maximum(error, LEAST_ERROR * np.array(typical)[:, None])


def _logarithm(
    value: Float[np.ndarray, " n"], error: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Logarithms and their errors, NaN where there is no positive value."""
    value = np.where(value > 0, value, np.nan)
    return np.log(value), error / value


def _slope(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], error: Float[np.ndarray, " n"]
) -> tuple[float, Float[np.ndarray, "2"]]:
    """Slope of a straight line by weighted least squares, and its 95 % interval.

    Its error grows with chi-squared per degree of freedom where that is above one.
    """
    there = np.isfinite(y) & (error > 0)
    n = int(there.sum())
    if n < LEAST_SIZES:
        return math.nan, np.full(2, np.nan)
    x, y, weight = x[there], y[there], error[there] ** -2
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    slope = np.sum(weight * x * y) / np.sum(weight * x * x)
    chi2 = np.sum(weight * (y - slope * x) ** 2)
    reach = 1.96 * math.sqrt(max(1.0, chi2 / (n - 2)) / np.sum(weight * x * x))
    return float(slope), slope + reach * np.array([-1, 1])
