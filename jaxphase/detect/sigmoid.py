"""A logistic step between two levels: where it is, how wide it is, and whether the points can tell."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .batched import curve_detector
from .distributions import student_t_975
from .least_squares import Shape, axis_unit, fit_shape, standard_errors, standard_values
from .points import count, distinct, smallest_gap
from .status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

# The part of a logistic between 10 and 90 %, times its rate.
TEN_TO_NINETY = 2 * np.log(9.0).item()
# A logistic with rate * gap = 8 rises from 2 to 98 % between two points; a steeper one differs from it by nothing seen.
_UNRESOLVED, _STEEPEST = 8.0, 20.0
_LOWEST_LOG_RATE = 0.0
# Of a curve that is seen to the middle or less the best logistic may be an exponential, its centre anywhere beyond.
_FARTHEST = 3.0
# As fine as the gaps of some hundred points: on noise alone the best logistic is often a jump between two of them.
_PLACES, _RATES = np.meshgrid(np.linspace(-1.25, 1.25, 129), np.log(np.geomspace(1.2, 200, 13)))
_STARTS = np.stack([_PLACES.ravel(), _RATES.ravel()], axis=1)


class Sigmoid(NamedTuple):
    """`y = low + (high - low) / (1 + exp(-rate * (x - center)))` with high > low: a falling curve has rate < 0."""

    center: jax.Array
    rate: jax.Array
    low: jax.Array
    high: jax.Array
    width: jax.Array
    center_se: jax.Array
    rate_se: jax.Array
    low_se: jax.Array
    high_se: jax.Array
    width_se: jax.Array
    interval: jax.Array
    sse: jax.Array
    r2: jax.Array
    status: jax.Array


class Step(NamedTuple):
    """Where a fitted logistic changes on the user's axis, its 10-90 % width, and if the points resolve it.

    error [4]: standard errors of centre, log rate, left and right level on the axis of the fit.
    """

    center: jax.Array
    center_se: jax.Array
    width: jax.Array
    interval: jax.Array
    resolved: jax.Array
    error: jax.Array


@curve_detector(at_once=6400)
def fit_sigmoid(x, y, weight) -> Sigmoid:
    """Fit a logistic step by least squares.

    x, y, weight: `[..., n]`; x is the axis as the user thinks of it (log10 of sizes), weight the inverse variance.
    Every field has shape `[...]`, interval `[..., 2]` (95 %, for the centre; Wald with Student's t on n - 4 degrees of
    freedom). width is the range from 10 to 90 %, `2 ln 9 / |rate|`.

    status 1: the centre is outside the data, or the curve so wide that its levels are an extrapolation. status 2: the
    step falls between neighbouring points, so that its rate is unknown: interval then goes from the last point clearly
    on one side of the middle level to the first on the other, center is its middle, center_se its length / sqrt(12),
    width its length (the largest possible) and rate the smallest possible, with NaN errors; or y is constant, all NaN.
    status 3: fewer than five points or four different x, all NaN. Derivatives with respect to x and y are those of the
    exact minimum.
    """
    axis, (v, unit) = axis_unit(x, weight), standard_values(y, weight)
    u = (x - axis.center) / axis.scale
    fit = fit_logistic(u, v, weight)
    step = step_of(fit, axis, x=x, u=u, weight=weight)
    _, log_rate_se, left_se, right_se = step.error

    log_rate, rising = fit.theta[1], jnp.sign(fit.amplitude)
    left, right = (unit.center + unit.scale * level for level in (fit.floor, fit.floor + fit.amplitude))
    left_se, right_se = unit.scale * left_se, unit.scale * right_se
    outside = jnp.abs(fit.theta[0]) > 1
    result = Sigmoid(
        center=step.center,
        rate=rising * TEN_TO_NINETY / step.width,
        low=jnp.minimum(left, right),
        high=jnp.maximum(left, right),
        width=step.width,
        center_se=step.center_se,
        rate_se=jnp.where(step.resolved, jnp.exp(log_rate) / axis.scale * log_rate_se, jnp.nan),
        low_se=jnp.where(rising > 0, left_se, right_se),
        high_se=jnp.where(rising > 0, right_se, left_se),
        width_se=jnp.where(step.resolved, step.width * log_rate_se, jnp.nan),
        interval=step.interval,
        sse=jnp.square(unit.scale) * fit.sse,
        r2=1 - fit.sse / jnp.sum(weight * jnp.square(v)),
        status=first_true(
            ((count(weight) < 5) | (distinct(x, weight) < 4), TOO_FEW_POINTS),
            ((fit.amplitude == 0) | ~step.resolved, NOT_IDENTIFIED),
            (outside | (log_rate <= _LOWEST_LOG_RATE), AT_BOUND),
        ),
    )
    return answered(result, (result.status < TOO_FEW_POINTS) & (fit.amplitude != 0))


def fit_logistic(u, v, weight):
    """The best logistic on an axis u in [-1, 1], theta = (centre, log rate), up to a range outside."""
    gap = smallest_gap(u, weight)
    steepest = jnp.log(_STEEPEST / jnp.where(jnp.isfinite(gap), gap, 2))
    low = jnp.asarray([-_FARTHEST, _LOWEST_LOG_RATE], u.dtype)
    high = jnp.stack([jnp.asarray(_FARTHEST, u.dtype), jnp.maximum(steepest, _LOWEST_LOG_RATE)])
    return fit_shape(logistic, u, v, weight, grid=_STARTS, low=low, high=high)


def step_of(fit: Shape, axis, *, x, u, weight) -> Step:
    """The step as the user sees it, with the bracket of points in place of an interval where the rate is unknown."""
    present, dof = weight > 0, count(weight) - 4
    rise, noise = logistic(fit.theta, u), jnp.sqrt(fit.sse / jnp.maximum(dof, 1))
    reach = student_t_975(dof)

    # The centre is between the last point below the middle of the step, clear of the noise, and the first above.
    size, center = jnp.abs(fit.amplitude), fit.theta[0]
    before = present & (u <= center)
    after = present & (u > center)
    last = jnp.max(jnp.where(before & (size * (0.5 - rise) > reach * noise), x, -jnp.inf))
    first = jnp.min(jnp.where(after & (size * (rise - 0.5) > reach * noise), x, jnp.inf))
    below, above = jnp.max(jnp.where(before, u, -jnp.inf)), jnp.min(jnp.where(after, u, jnp.inf))
    gap = above - below

    rate = jnp.exp(fit.theta[1])
    resolved = ~(rate * gap >= _UNRESOLVED * (1 - 1e-3)) | ~jnp.isfinite(first - last)

    # Of an unresolved step the points know the two levels only.
    slope = jnp.where(resolved, fit.amplitude * rate * rise * (1 - rise), 0)
    columns = jnp.stack([-slope, slope * (u - center), 1 - rise, rise], axis=1)
    error = standard_errors(jnp.sqrt(weight)[:, None] * columns, fit.sse, dof)
    middle, half = axis.center + axis.scale * center, reach * axis.scale * error[0]
    interval = jnp.where(resolved, jnp.stack([middle - half, middle + half]), jnp.stack([last, first]))
    return Step(
        center=jnp.where(resolved, middle, (last + first) / 2),
        center_se=jnp.where(resolved, axis.scale * error[0], (first - last) / 12**0.5),
        width=jnp.where(resolved, TEN_TO_NINETY * axis.scale / rate, first - last),
        interval=interval,
        resolved=resolved,
        error=error,
    )


def logistic(theta, u):
    """The rise from 0 to 1 with theta = (centre, log rate)."""
    return jax.nn.sigmoid(jnp.exp(theta[1]) * (u - theta[0]))
