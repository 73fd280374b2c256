"""Smoothly broken power laws with a floor (Caballero, Gupta, Rish & Krueger 2023, arXiv 2210.14891)."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc

from .batched import curve_detector
from .distributions import student_t_975
from .least_squares import axis_unit, fit_shape, spread, standard_errors, standard_values
from .points import count, distinct, smallest_gap
from .power_law import fit_exponential
from .status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

# In units of half the range of ln x: the largest exponent and change of exponent, and the widest break.
_STEEPEST, _WIDEST = 12.0, 1.0
# A break narrower than this part of the gap between the points around it looks like a sharp one from all of them.
_UNRESOLVED = 1 / 8
# The search for starts is even in the exponents up to here, and even in their logs beyond.
_GENTLE = 0.2
_STEPS = {1: 75, 2: 90}


class BrokenPowerLaw(NamedTuple):
    """`y = a + b x**-c[0] * prod_i (1 + (x / d[i])**(1 / f[i]))**(-c[i + 1] f[i])`, the breaks d in rising order.

    c, c_se `[..., n_breaks + 1]`; d, f, log_d_se, log_f_se `[..., n_breaks]`. log_b_se, log_d_se, log_f_se are the
    standard errors of ln |b|, ln d, ln f; `sse` is weighted with mean weight one, `r2` its share of the variance.
    """

    a: jax.Array
    b: jax.Array
    c: jax.Array
    d: jax.Array
    f: jax.Array
    a_se: jax.Array
    log_b_se: jax.Array
    c_se: jax.Array
    log_d_se: jax.Array
    log_f_se: jax.Array
    sse: jax.Array
    r2: jax.Array
    status: jax.Array


@curve_detector(static=("n_breaks",), choices={"n_breaks": (1, 2)}, at_once=3840)
def fit_broken_power_law(x, y, weight, *, n_breaks=1) -> BrokenPowerLaw:
    """Fit a floor a and a power law whose exponent changes smoothly at n_breaks (1 or 2) places, by least squares.

    x, y, weight: `[..., n]`; x is positive and is not logged by the caller (points with x <= 0 count as missing),
    weight the relative inverse variance. The residuals are those of y, not of log y as in the paper: a floor is
    estimated where the curve is next to it, and there the noise of log y is anything. Curves whose noise grows with y
    want `weight = 1 / y**2`.

    d is the place of a break, f its width in ln x (small is sharp), c[0] the exponent before the first one and c[i]
    the change at the i-th, with the sign that makes a falling curve's positive. b is the amplitude at x = 1, far from
    most data; its error and those of d and f are those of their logs, in which they are nearly normal.

    95 % intervals of c and ln d (Student's t, n - 3 - 3 n_breaks degrees of freedom) cover 94.5 to 95.3 % where the
    noise is at most 0.3 % of the range of y and f is 0.1 or 0.3 (40 points over three decades, 3,000 curves each), and
    85 to 96 % at 1 %. A wide break is hard to tell from a floor, which itself is one with c[1] = -c[0], f = 1 / c[0]:
    with f = 1 they cover 94 % at a noise of 0.1 % and 77 % at 0.3 %.

    status 1: a parameter is at the edge of the search; for f mostly, as the break is sharper than the points can tell
    (an eighth of the gap that it is in) or as wide as half the data. A parameter at its edge has a NaN error, and the
    others' suppose it is known. status 2: y is constant, all NaN; or a power law without a break is as good (F at its
    95 % point; without a break 95 to 99 % of curves have status 2), the 95 % interval of a ln d is longer than the
    data, that of a change of exponent holds 0, y is straight in ln x, or b is no floating number: the estimates are
    what fits best and no more. status 3: fewer than 4 + 3 n_breaks points or 3 + 3 n_breaks different x, all NaN.
    Derivatives with respect to x and y are those of the exact minimum.

    The sum of squares has many local minima, so that the best of each of 64 groups of starts is followed: 3 ms of one
    CPU core for a curve of 40 points, 8 with two breaks. Of 480 noisy curves of 30 points, 98.8 % came within 0.1 % of
    the lowest sum known (98.1 % in float32), and all with status 0 or 1. With two breaks 98 % did where both are
    identified, and half of the others, where noise has many a second break to offer.
    """
    weight = jnp.where(x > 0, weight, 0)
    log_x = jnp.log(jnp.where(weight > 0, x, jnp.where(x[-1] > 0, x[-1], 1)))
    axis, (v, unit) = axis_unit(log_x, weight), standard_values(y, weight)
    u, n, size = (log_x - axis.center) / axis.scale, count(weight), 3 + 3 * n_breaks
    fit, held = fit_bent_exponential(u, v, weight, n_breaks)

    # What rounding leaves of a curve without noise is no smaller a noise than this.
    eps, offset = jnp.finfo(u.dtype).eps, axis.center / axis.scale
    rounding = n * jnp.square(4 * eps * (1 + jnp.abs(unit.center) / unit.scale + jnp.abs(offset)))
    noise, dof = jnp.maximum(fit.sse, rounding), n - size
    columns = jnp.where(jnp.append(held, jnp.zeros(2, bool)), 0, jacobian(fit, u, offset))
    error = standard_errors(jnp.sqrt(weight)[:, None] * columns, noise, dof)
    place_se, log_f_se, rate_se = parts(jnp.where(held, jnp.nan, error[:-2]))

    place, log_width, rate = parts(fit.theta)
    width = jnp.exp(log_width)
    b = unit.scale * fit.amplitude * jnp.exp(rate[0] * offset + (rate[1:] * width) @ jax.nn.softplus(-place / width))
    unbroken = jnp.maximum(fit_exponential(u, v, weight).sse, noise)
    vague = unconvincing(noise / unbroken, dof, place_se, rate, rate_se)
    vague = vague | ~jnp.isfinite(b) | (jnp.max(jnp.abs(rate)) < eps**0.5)
    result = BrokenPowerLaw(
        a=unit.center + unit.scale * (fit.floor - fit.amplitude),
        b=b,
        c=rate / axis.scale,
        d=jnp.exp(axis.center + axis.scale * place),
        f=axis.scale * width,
        a_se=unit.scale * error[-1],
        log_b_se=error[-2],
        c_se=rate_se / axis.scale,
        log_d_se=axis.scale * place_se,
        log_f_se=log_f_se,
        sse=jnp.square(unit.scale) * fit.sse,
        r2=1 - fit.sse / jnp.sum(weight * jnp.square(v)),
        status=first_true(
            ((n <= size) | (distinct(log_x, weight) < size), TOO_FEW_POINTS),
            ((fit.amplitude == 0) | vague, NOT_IDENTIFIED),
            (jnp.any(held), AT_BOUND),
        ),
    )
    return answered(result, (result.status < TOO_FEW_POINTS) & (fit.amplitude != 0))


def unconvincing(unexplained, dof, place_se, rate, rate_se):
    """Whether a break could be anywhere, change nothing, or leave as much as no break: `unexplained` is their ratio."""
    reach = student_t_975(dof)
    nowhere = jnp.any(reach * place_se > 1) | jnp.any(reach * rate_se[1:] > jnp.abs(rate[1:]))
    return nowhere | (betainc(jnp.maximum(dof, 1) / 2, 1.5 * len(place_se), unexplained) > 0.05)


def fit_bent_exponential(u, v, weight, n_breaks):
    """The same law on an axis u in [-1, 1] that is logarithmic, its breaks in order, and what of theta is at an edge.

    A break has two different u on either side at least, its own counted on both: beyond, it would be an outlier's.
    """
    gap = smallest_gap(u, weight)
    sharpest = jnp.log(_UNRESOLVED * jnp.where(jnp.isfinite(gap), gap, 2))
    second, last_but_one = jnp.min(jnp.where(u > -1, u, 1)), jnp.max(jnp.where(u < 1, u, -1))
    widest, steepest = (jnp.full_like(sharpest, bound) for bound in (np.log(_WIDEST), _STEEPEST))
    each = np.array([n_breaks, n_breaks, n_breaks + 1])
    low = jnp.repeat(jnp.stack([jnp.minimum(second, last_but_one), sharpest, -steepest]), each)
    high = jnp.repeat(jnp.stack([last_but_one, widest, steepest]), each)
    grid, steps = _STARTS[n_breaks], _STEPS[n_breaks]
    fit = fit_shape(bent_exponential, u, v, weight, grid=grid, low=low, high=high, steps=steps, newton=False)

    # Where points are unevenly spaced, a break may be sharper than those around it can tell, but not than all others.
    place, log_width, _ = parts(fit.theta)
    after = u > place[:, None]
    left = jnp.max(jnp.where((weight > 0) & ~after, u, -1), axis=1)
    right = jnp.min(jnp.where((weight > 0) & after, u, 1), axis=1)
    held = (fit.theta <= low) | (fit.theta >= high)
    held = held.at[n_breaks : 2 * n_breaks].max(jnp.exp(log_width) <= _UNRESOLVED * (right - left))
    order = jnp.argsort(place)
    order = jnp.concatenate([order, n_breaks + order, 2 * n_breaks + jnp.append(0, 1 + order)])
    return fit._replace(theta=fit.theta[order]), held[order]


def bent_exponential(theta, u):
    """`exp(-exponent) - 1`, which keeps its digits as the exponent goes to zero and the law to a broken line."""
    return jnp.expm1(-exponent(theta, u))


def exponent(theta, u):
    """`ln(b / (y - a))` up to a constant; zero at u = 0, so that its exponential is a floating number for all theta."""
    place, log_width, rate = parts(theta)
    width = jnp.exp(log_width)
    bend = jax.nn.softplus((u - place[:, None]) / width[:, None]) - jax.nn.softplus(-place / width)[:, None]
    return rate[0] * u + (rate[1:] * width) @ bend


def jacobian(fit, u, offset):
    """Derivatives `[n, p + 2]` of the law by theta, ln |b| and a, where ln x is u + offset."""
    place, log_width, rate = parts(fit.theta)
    width, change = jnp.exp(log_width)[:, None], rate[1:, None]
    z = (u - place[:, None]) / width
    bend, above, one = jax.nn.softplus(z), jax.nn.sigmoid(z), jnp.ones_like(u)[None]
    law = fit.amplitude * jnp.exp(-exponent(fit.theta, u))
    by_log = [change * above, change * width * (z * above - bend), -(u + offset)[None], -width * bend, one]
    return jnp.concatenate([law * jnp.concatenate(by_log), one]).T


def parts(theta):
    """Place and log width of each break, and the first rate with its changes: the exponents c on the axis of u."""
    n_breaks = len(theta) // 3
    return theta[:n_breaks], theta[n_breaks : 2 * n_breaks], theta[2 * n_breaks :]


def _starts(*groups, size):
    """Candidates `[g, size, p]`, even in the places, the log widths and the rates before, between and after the breaks.

    Each group is one region of the places: most local minima differ in these.
    """
    n_breaks = len(groups)
    ranges = [(-1, 1)] * n_breaks + [np.log([0.003, 0.7])] * n_breaks + [(-1, 1)] * (n_breaks + 1)
    place, log_width, rate = np.split(spread(*ranges, size=size * math.prod(groups)), [n_breaks, 2 * n_breaks], axis=1)
    rate = _GENTLE * np.sinh(rate * np.arcsinh(_STEEPEST / _GENTLE))
    theta = np.concatenate([np.sort(place), log_width, rate[:, :1], np.diff(rate)], axis=1)[None]
    for i, number in enumerate(groups):
        order = np.argsort(theta[..., i])[..., None]
        theta = np.take_along_axis(theta, order, axis=1).reshape(len(theta) * number, -1, theta.shape[-1])
    return theta


_STARTS = {1: _starts(64, size=250), 2: _starts(8, 8, size=256)}
