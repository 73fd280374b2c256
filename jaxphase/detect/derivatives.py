"""First and second derivative of a noisy curve at its own points, with errors: where is it steepest?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.batched import curve_detector, once_per_grid
from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.least_squares import axis_unit, standard_values
from jaxphase.detect.points import Points, Scalar, count, distinct
from jaxphase.detect.status import Status, answered, first_true
from jaxphase.linalg import solve

_BANDWIDTHS = 10


class Gradients(NamedTuple):
    """Derivatives of each curve at its points, in the caller's order.

    Attributes:
        first: First derivative, `[..., n]`.
        first_se: Its standard error, `[..., n]`.
        first_interval: Its 95 % interval, `[..., n, 2]`.
        second: Second derivative, `[..., n]`.
        second_se: Its standard error, `[..., n]`.
        steepest: The point of the largest `|first|`, in units of x, `[...]`.
        inflection: The zero of the second derivative next to it, `[...]`; NaN if none is within a bandwidth.
        steepest_interval: From it to the nearest points on either side that are significantly less steep, `[..., 2]`.
        bandwidth: Standard deviation of the Gaussian window, in units of x, `[...]`.
        status: `Status`, `[...]`; see `gradients`.
    """

    first: Float[Array, "*curves n"]
    first_se: Float[Array, "*curves n"]
    first_interval: Float[Array, "*curves n 2"]
    second: Float[Array, "*curves n"]
    second_se: Float[Array, "*curves n"]
    steepest: Float[Array, "*curves"]
    inflection: Float[Array, "*curves"]
    steepest_interval: Float[Array, "*curves 2"]
    bandwidth: Float[Array, "*curves"]
    status: Int[Array, "*curves"]


def gradients(
    x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None, bandwidth: Float[ArrayLike, ""] | None = None
) -> Gradients:
    """Estimate the derivatives of each curve by local cubic regression, and where it is steepest.

    Intervals use Student's t. Bends sharper than about five gaps between points have a bias that the errors do not
    contain. The first and second derivative can be differentiated by y. Error rates: see the page How verdicts are
    made.

    Args:
        x: Positions, `[..., n]`, for sizes usually their log10. Any order; repeats allowed.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.
        bandwidth: Standard deviation of the Gaussian window in units of x, one number for all curves. None chooses for
            each curve the best of ten by leave-one-out errors of local lines; lines need a narrower window than the
            cubic, whose bias is then small.

    Returns:
        `Gradients`. The status is `AT_BOUND` if the steepest point is the first or last x. It is `NOT_IDENTIFIED` if no
        point is significantly steeper than another (constant, straight or too noisy): `steepest`, its interval and
        `inflection` are NaN, but the derivatives are valid. It is `TOO_FEW_POINTS` with fewer than six points or five
        different x (all NaN).

    Raises:
        ValueError: If the shapes do not broadcast.

    References:
        Fan & Gijbels (1996), Local Polynomial Modelling, ch. 3.
    """
    return _gradients(x, y, weight=weight, bandwidth=bandwidth)


@curve_detector(per_point=("first", "first_se", "first_interval", "second", "second_se"), at_once=6400)
def _gradients(x: Points, y: Points, weight: Points, *, bandwidth: Float[ArrayLike, ""] | None) -> Gradients:
    """The derivatives of one curve."""
    axis, (v, unit) = axis_unit(x, weight), standard_values(y, weight)
    u = (x - axis.center) / axis.scale
    window = _window(u, v, weight, None if bandwidth is None else bandwidth / axis.scale)
    width, left, t_975 = window.width, window.left, student_t_975(window.dof)

    to_value, to_slope, to_bend, _ = _local_polynomial(u, weight, width, 3)
    to_slope, to_bend = to_slope / width, 2 * to_bend / width**2
    residual = jnp.where(weight > 0, v - to_value @ v, 0)
    noise = jnp.sqrt(jnp.sum(weight * jnp.square(residual)) / jnp.where(left > 0.5, left, jnp.nan))
    # As many independent slopes are compared as the smoother has parameters, so the level is Bonferroni's.
    compared = jnp.maximum(count(weight) - left, 1)
    reach = t_975 * ndtri(1 - 0.025 / compared) / ndtri(0.975)
    each = jnp.where(weight > 0, 1 / jnp.where(weight > 0, weight, 1), 0)
    slope, bend = to_slope @ v, to_bend @ v
    slope_se, bend_se = (noise * jnp.sqrt(jnp.square(operator) @ each) for operator in (to_slope, to_bend))

    # Slopes of neighbors share their points, so the error of a difference comes from the difference of the operators.
    size, sign = jnp.where(weight > 0, jnp.abs(slope), -1), jnp.sign(slope)
    top = jnp.argmax(size)
    turned = sign[:, None] * to_slope
    difference_se = noise * jnp.sqrt(jnp.square(turned[top] - turned) @ each)
    flatter = (weight > 0) & (size[top] - size > reach * difference_se)
    first = jnp.max(jnp.where(flatter & (u < u[top]), u, -1))
    last = jnp.min(jnp.where(flatter & (u > u[top]), u, 1))
    zero = _zero_near(bend, u, weight, u[top])

    half = t_975 * slope_se
    result = Gradients(
        first=slope * unit.scale / axis.scale,
        first_se=slope_se * unit.scale / axis.scale,
        first_interval=jnp.stack([slope - half, slope + half], axis=-1) * unit.scale / axis.scale,
        second=bend * unit.scale / axis.scale**2,
        second_se=bend_se * unit.scale / axis.scale**2,
        steepest=x[top],
        inflection=axis.center + axis.scale * jnp.where(jnp.abs(zero - u[top]) <= width, zero, jnp.nan),
        steepest_interval=axis.center + axis.scale * jnp.stack([first, last]),
        bandwidth=axis.scale * width,
        status=first_true(
            ((count(weight) < 6) | (distinct(x, weight) < 5) | ~(left > 0), Status.TOO_FEW_POINTS),
            (~jnp.any(flatter) | jnp.all(v * weight == 0), Status.NOT_IDENTIFIED),
            (jnp.abs(u[top]) == 1, Status.AT_BOUND),
        ),
    )
    result = answered(result, result.status < Status.TOO_FEW_POINTS)
    place = answered(result, result.status < Status.NOT_IDENTIFIED)
    return result._replace(
        steepest=place.steepest, steepest_interval=place.steepest_interval, inflection=place.inflection
    )


def _local_polynomial(u: Points, weight: Points, width: Scalar, degree: int) -> Float[Array, "{degree+1} n n"]:
    """Operators: row i of the k-th, times y, is `width**k` times the k-th Taylor coefficient of y at u[i]."""
    offset = (u - u[:, None]) / width
    window = jnp.exp(-jnp.square(offset) / 2) * weight
    powers = jnp.stack([offset**k for k in range(degree + 1)])
    gram = jnp.sum(window * powers[:, None] * powers, axis=-1)
    return jax.vmap(solve, in_axes=(2, 1), out_axes=1)(gram, window * powers)


class _Window(NamedTuple):
    """A bandwidth, and the residuals of its local cubics.

    Attributes:
        width: Standard deviation of the Gaussian window.
        left: Expected sum of squared residuals for noise of variance one.
        dof: Degrees of freedom of the variance that the residuals give.
    """

    width: Scalar
    left: Scalar
    dof: Scalar


def _window(u: Points, v: Points, weight: Points, width: Float[ArrayLike, ""] | None) -> _Window:
    """The given bandwidth, or the one of ten whose local lines predict the points best.

    The ten go from one spacing of the points to twice their range.
    """

    def candidates(grid):
        u, weight, *given = grid
        spacing = 2 / jnp.maximum(distinct(u, weight) - 1, 1)
        widths = spacing * (4 / spacing) ** jnp.linspace(0, 1, _BANDWIDTHS, dtype=u.dtype)
        widths = jnp.stack(given) if given else widths
        return jax.lax.map(lambda width: _candidate(u, weight, width), widths), weight

    def choose(built, v):
        (windows, smoother), weight = built
        kept = 1 - jnp.diagonal(smoother, axis1=1, axis2=2)
        left_out = (v - smoother @ v) / jnp.where(kept > 1e-3, kept, jnp.nan)
        score = jnp.sum(jnp.where(weight > 0, weight * jnp.square(left_out), 0), axis=1)
        best = jnp.argmin(jnp.where(jnp.isfinite(score), score, jnp.inf))
        return jax.tree.map(lambda field: field[best], windows)

    grid = (u, weight) if width is None else (u, weight, jnp.asarray(width, u.dtype))
    return jax.lax.stop_gradient(once_per_grid(candidates, choose)(*jax.lax.stop_gradient((grid, v))))


def _candidate(u: Points, weight: Points, width: Scalar) -> tuple[_Window, Float[Array, "n n"]]:
    """The window of one bandwidth, and the smoother by local lines.

    The variance that residuals give has the degrees of freedom of the chi-squared variate with the same mean and
    variance (Cleveland & Devlin 1988, J. Am. Stat. Assoc. 83, 596).
    """
    present, root = weight > 0, jnp.sqrt(weight)
    smoother = _local_polynomial(u, weight, width, 3)[0]
    misfit = jnp.where(present[:, None] & present, jnp.eye(len(u), dtype=u.dtype) - smoother, 0)
    misfit = root[:, None] * misfit / jnp.where(present, root, 1)
    squared = misfit.T @ misfit
    left = jnp.trace(squared)
    dof = jnp.square(left) / jnp.maximum(jnp.sum(jnp.square(squared)), jnp.finfo(u.dtype).tiny)
    # Only rounding makes it less than one.
    return _Window(width, left, jnp.maximum(dof, 1)), _local_polynomial(u, weight, width, 1)[0]


def _zero_near(values: Points, u: Points, weight: Points, place: Scalar) -> Scalar:
    """The zero of the broken line through the values that is nearest to the place; infinite if there is none."""
    left, right, present = values, jnp.append(values[1:], 0), weight > 0
    crosses = (left * right < 0) & present & jnp.append(present[1:], False)
    zero = u + jnp.diff(u, append=u[-1:]) * left / jnp.where(crosses, left - right, 1)
    distance = jnp.where(crosses, jnp.abs(zero - place), jnp.inf)
    nearest = jnp.argmin(distance)
    return jnp.where(jnp.isfinite(distance[nearest]), zero[nearest], jnp.inf)
