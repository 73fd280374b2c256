"""First and second derivative of a noisy curve at its own points, with errors: where is it steepest?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri

from .batched import curve_detector, once_per_grid
from .distributions import student_t_975
from .least_squares import axis_unit, solve, standard_values
from .points import count, distinct
from .status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

_BANDWIDTHS = 10


class Gradients(NamedTuple):
    """first, second and errors `[..., n]` and first_interval `[..., n, 2]` in the caller's order; the rest `[...]`,
    steepest_interval `[..., 2]`."""

    first: jax.Array
    first_se: jax.Array
    first_interval: jax.Array
    second: jax.Array
    second_se: jax.Array
    steepest: jax.Array
    inflection: jax.Array
    steepest_interval: jax.Array
    bandwidth: jax.Array
    status: jax.Array


@curve_detector(per_point=("first", "first_se", "first_interval", "second", "second_se"), at_once=6400)
def gradients(x, y, weight, *, bandwidth=None) -> Gradients:
    """Derivatives by local cubic regression (Fan & Gijbels 1996, Local Polynomial Modelling, ch. 3).

    x, y, weight: `[..., n]`, weight the relative inverse variance; repeated x are welcome. bandwidth is the standard
    deviation of the Gaussian window in units of x, one number for all curves; None chooses one per curve, of ten the
    best by leave-one-out for local lines: these need a narrower window than the cubic, which then has next to no bias.
    first_interval (95 %, Student's t) holds 94.9 to 96.5 % of the slopes of lines, and of sigmoids whose 10-90 % width
    is five gaps between points or more, with 20 to 200 points and noise of 0.6 to 6 % of the rise; with 9 points 96.6
    to 99.2 %. Sharper bends have a bias that no error tells.

    steepest is the point of largest |first|, steepest_interval reaches to the nearest points on either side that are
    significantly less steep (5 % for all together: 2 to 6 % of lines with 9 to 200 points get one); inflection is the
    zero of second next to it, NaN if none is within a bandwidth. status 1: steepest at the first or last x. status 2:
    no point is steeper than another beyond noise (constant, straight or too noisy): steepest, its interval and
    inflection are NaN, the derivatives stand. status 3: fewer than six points or five different x, all NaN. first and
    second have derivatives with respect to y.
    """
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

    # Slopes of neighbours share their points, so the error of a difference comes from the difference of the operators.
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
            ((count(weight) < 6) | (distinct(x, weight) < 5) | ~(left > 0), TOO_FEW_POINTS),
            (~jnp.any(flatter) | jnp.all(v * weight == 0), NOT_IDENTIFIED),
            (jnp.abs(u[top]) == 1, AT_BOUND),
        ),
    )
    result = answered(result, result.status < TOO_FEW_POINTS)
    place = answered(result, result.status < NOT_IDENTIFIED)
    return result._replace(
        steepest=place.steepest, steepest_interval=place.steepest_interval, inflection=place.inflection
    )


def _local_polynomial(u, weight, width, degree):
    """Operators [degree + 1, n, n]: row i of the k-th, times y, is `width**k` times y's Taylor coefficient at u[i]."""
    offset = (u - u[:, None]) / width
    window = jnp.exp(-jnp.square(offset) / 2) * weight
    powers = jnp.stack([offset**k for k in range(degree + 1)])
    moments = jnp.sum(window * powers[:, None] * powers, axis=-1)
    return jax.vmap(solve, in_axes=(2, 1), out_axes=1)(moments, window * powers)


class _Window(NamedTuple):
    """A bandwidth, what its local cubics leave of the sum of squares of noise, and the degrees of freedom of that."""

    width: jax.Array
    left: jax.Array
    dof: jax.Array


def _window(u, v, weight, width):
    """The given bandwidth, or of ten from one spacing of the points to twice their range the one whose local lines best
    predict points."""

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


def _candidate(u, weight, width):
    """The window of one bandwidth, and the smoother `[n, n]` by local lines.

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
    # Below one by rounding alone.
    return _Window(width, left, jnp.maximum(dof, 1)), _local_polynomial(u, weight, width, 1)[0]


def _zero_near(values, u, weight, place):
    """The zero of the broken line through the values that is nearest to the place; infinite if there is none."""
    left, right, present = values, jnp.append(values[1:], 0), weight > 0
    crosses = (left * right < 0) & present & jnp.append(present[1:], False)
    zero = u + jnp.diff(u, append=u[-1:]) * left / jnp.where(crosses, left - right, 1)
    distance = jnp.where(crosses, jnp.abs(zero - place), jnp.inf)
    nearest = jnp.argmin(distance)
    return jnp.where(jnp.isfinite(distance[nearest]), zero[nearest], jnp.inf)
