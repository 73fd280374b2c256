"""A logistic step between two levels: where it is, how wide it is, and whether the points can tell."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.batched import curve_detector
from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.least_squares import Shape, Theta, Unit, axis_unit, fit_shape, standard_errors, standard_values
from jaxphase.detect.points import Points, Scalar, count, distinct, smallest_gap
from jaxphase.detect.status import Status, answered, first_true

# The part of a logistic between 10 and 90 %, times its rate.
TEN_TO_NINETY = 2 * np.log(9.0).item()
# A logistic with rate * gap = 8 rises from 2 to 98 % between two points; a steeper one looks the same at the points.
_UNRESOLVED, _STEEPEST = 8.0, 20.0
_LOWEST_LOG_RATE = 0.0
# If a curve ends before the middle of its rise, the best logistic may be an exponential with its center far outside.
_FARTHEST = 3.0
# As fine as the gaps of some hundred points: on noise alone the best logistic is often a jump between two of them.
_PLACES, _RATES = np.meshgrid(np.linspace(-1.25, 1.25, 129), np.log(np.geomspace(1.2, 200, 13)))
_STARTS = np.stack([_PLACES.ravel(), _RATES.ravel()], axis=1)


class Sigmoid(NamedTuple):
    """A fitted logistic step, `y = low + (high - low) / (1 + exp(-rate * (x - center)))` with `high > low`.

    Attributes:
        center: Where the step is half done, in units of x, `[...]`.
        rate: Its rate, `[...]`; negative for a falling curve.
        low: The lower level, in units of y, `[...]`.
        high: The upper level, `[...]`.
        width: Distance from 10 to 90 % of the step, `2 ln 9 / |rate|`, `[...]`.
        center_se: Standard error of `center`, `[...]`.
        rate_se: Standard error of `rate`, `[...]`; NaN for a step between neighboring points.
        low_se: Standard error of `low`, `[...]`.
        high_se: Standard error of `high`, `[...]`.
        width_se: Standard error of `width`, `[...]`; NaN for a step between neighboring points.
        interval: 95 % interval of `center`, `[..., 2]`: a Wald interval with Student's t for n - 4 degrees of freedom.
        sse: Weighted sum of squared errors, with weights of mean one, `[...]`.
        r2: Share of the variance that the fit explains, `[...]`.
        status: `Status`, `[...]`; see `fit_sigmoid`.
    """

    center: Float[Array, "*curves"]
    rate: Float[Array, "*curves"]
    low: Float[Array, "*curves"]
    high: Float[Array, "*curves"]
    width: Float[Array, "*curves"]
    center_se: Float[Array, "*curves"]
    rate_se: Float[Array, "*curves"]
    low_se: Float[Array, "*curves"]
    high_se: Float[Array, "*curves"]
    width_se: Float[Array, "*curves"]
    interval: Float[Array, "*curves 2"]
    sse: Float[Array, "*curves"]
    r2: Float[Array, "*curves"]
    status: Int[Array, "*curves"]


class Step(NamedTuple):
    """The step of a fitted logistic on the user's axis.

    Attributes:
        center: Where it is half done.
        center_se: Standard error of `center`.
        width: Distance from 10 to 90 % of the step.
        interval: 95 % interval of `center`, `[2]`.
        resolved: Whether the points resolve the step.
        error: Standard errors of center, log rate, left and right level on the axis of the fit, `[4]`.
    """

    center: Scalar
    center_se: Scalar
    width: Scalar
    interval: Float[Array, "2"]
    resolved: Bool[Array, ""]
    error: Float[Array, "4"]


def fit_sigmoid(x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None) -> Sigmoid:
    """Fit a logistic step between two levels to each curve by least squares.

    The model is `y = low + (high - low) / (1 + exp(-rate * (x - center)))`. Derivatives by x and y are exact.

    Args:
        x: Positions, `[..., n]`, for sizes usually their log10. Any order; repeats allowed.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.

    Returns:
        A `Sigmoid`. Its status is `AT_BOUND` if the center is outside the data or the step so wide that its levels are
        extrapolated; `NOT_IDENTIFIED` if the step falls between neighboring points, or if y is constant (all NaN);
        `TOO_FEW_POINTS` with fewer than five points or four different x (all NaN). For a step between neighboring
        points the rate is unknown: `interval` goes from the last point clearly on one side of the middle level to the
        first on the other, `center` is its middle, `center_se` its length / sqrt(12), `width` its length, which is the
        largest possible, and `rate` the smallest possible.

    Raises:
        ValueError: If the shapes do not broadcast.

    Example:
        >>> fit = jaxphase.detect.fit_sigmoid(jnp.log10(sizes), accuracy)
        >>> 10**fit.center, 10**fit.interval

    References:
        Seber & Wild (2003), Nonlinear Regression, ch. 7.
    """
    return _fit_sigmoid(x, y, weight=weight)


@curve_detector(at_once=6400)
def _fit_sigmoid(x: Points, y: Points, weight: Points) -> Sigmoid:
    """The logistic step of one curve."""
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
            ((count(weight) < 5) | (distinct(x, weight) < 4), Status.TOO_FEW_POINTS),
            ((fit.amplitude == 0) | ~step.resolved, Status.NOT_IDENTIFIED),
            (outside | (log_rate <= _LOWEST_LOG_RATE), Status.AT_BOUND),
        ),
    )
    return answered(result, (result.status < Status.TOO_FEW_POINTS) & (fit.amplitude != 0))


def fit_logistic(u: Points, v: Points, weight: Points) -> Shape:
    """The best logistic on an axis u in [-1, 1], with theta = (center, log rate); the center may lie outside."""
    gap = smallest_gap(u, weight)
    steepest = jnp.log(_STEEPEST / jnp.where(jnp.isfinite(gap), gap, 2))
    low = jnp.asarray([-_FARTHEST, _LOWEST_LOG_RATE], u.dtype)
    high = jnp.stack([jnp.asarray(_FARTHEST, u.dtype), jnp.maximum(steepest, _LOWEST_LOG_RATE)])
    return fit_shape(logistic, u, v, weight, grid=_STARTS, low=low, high=high)


def step_of(fit: Shape, axis: Unit, *, x: Points, u: Points, weight: Points) -> Step:
    """The step on the user's axis; where the rate is unknown, the interval reaches from point to point."""
    present, dof = weight > 0, count(weight) - 4
    rise, noise = logistic(fit.theta, u), jnp.sqrt(fit.sse / jnp.maximum(dof, 1))
    reach = student_t_975(dof)

    # The center lies between the last point clearly below the middle of the step and the first clearly above it.
    size, center = jnp.abs(fit.amplitude), fit.theta[0]
    before = present & (u <= center)
    after = present & (u > center)
    last = jnp.max(jnp.where(before & (size * (0.5 - rise) > reach * noise), x, -jnp.inf))
    first = jnp.min(jnp.where(after & (size * (rise - 0.5) > reach * noise), x, jnp.inf))
    below, above = jnp.max(jnp.where(before, u, -jnp.inf)), jnp.min(jnp.where(after, u, jnp.inf))
    gap = above - below

    rate = jnp.exp(fit.theta[1])
    resolved = ~(rate * gap >= _UNRESOLVED * (1 - 1e-3)) | ~jnp.isfinite(first - last)

    # An unresolved step determines nothing but its two levels.
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


def logistic(theta: tuple[Scalar, Scalar] | Theta, u: Points) -> Points:
    """The rise from 0 to 1 with theta = (center, log rate)."""
    return jax.nn.sigmoid(jnp.exp(theta[1]) * (u - theta[0]))
