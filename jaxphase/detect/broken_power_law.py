"""Smoothly broken power laws with a floor (Caballero, Gupta, Rish & Krueger 2023, arXiv 2210.14891).

Residuals are taken in y and not, as in the paper, in log y, whose noise has no bound near the floor. The sum of squares
has many local minima, so the search starts from a grid in 64 groups and refines the best start of each group. A width
is at the edge of the search if it is sharper than the points resolve or as wide as half of the data. The errors of the
other parameters treat a parameter at the edge as known.
"""

import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.batched import curve_detector
from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.least_squares import Shape, Theta, axis_unit, fit_shape, spread, standard_errors, standard_values
from jaxphase.detect.points import Points, Scalar, count, distinct, smallest_gap
from jaxphase.detect.power_law import fit_exponential
from jaxphase.detect.status import Status, answered, first_true

# In units of half the range of ln x: the largest exponent and change of exponent, and the widest break.
_STEEPEST, _WIDEST = 12.0, 1.0
# A break narrower than this part of the gap between the points around it looks sharp at every point.
_UNRESOLVED = 1 / 8
# Starting exponents are evenly spaced up to here, and evenly spaced in their logarithms beyond.
_GENTLE = 0.2
_STEPS = {1: 75, 2: 90}


class BrokenPowerLaw(NamedTuple):
    """A fitted law `y = a + b x**-c[0] * prod_i (1 + (x / d[i])**(1 / f[i]))**(-c[i + 1] f[i])`.

    Attributes:
        a: The floor, `[...]`.
        b: The amplitude at x = 1, `[...]`.
        c: The exponent before the first break and its change at each break, `[..., n_breaks + 1]`; positive for a
            falling curve.
        d: Places of the breaks in rising order, `[..., n_breaks]`.
        f: Their widths in ln x, `[..., n_breaks]`; small is sharp.
        a_se: Standard error of `a`, `[...]`.
        log_b_se: Standard error of `ln |b|`, `[...]`; logarithms are more nearly normal.
        c_se: Standard errors of `c`, `[..., n_breaks + 1]`.
        log_d_se: Standard errors of `ln d`, `[..., n_breaks]`.
        log_f_se: Standard errors of `ln f`, `[..., n_breaks]`.
        sse: Weighted sum of squared errors, with weights of mean one, `[...]`.
        r2: Share of the variance that the fit explains, `[...]`.
        status: `Status`, `[...]`; see `fit_broken_power_law`.
    """

    a: Float[Array, "*curves"]
    b: Float[Array, "*curves"]
    c: Float[Array, "*curves exponents"]
    d: Float[Array, "*curves breaks"]
    f: Float[Array, "*curves breaks"]
    a_se: Float[Array, "*curves"]
    log_b_se: Float[Array, "*curves"]
    c_se: Float[Array, "*curves exponents"]
    log_d_se: Float[Array, "*curves breaks"]
    log_f_se: Float[Array, "*curves breaks"]
    sse: Float[Array, "*curves"]
    r2: Float[Array, "*curves"]
    status: Int[Array, "*curves"]


def fit_broken_power_law(
    x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None, n_breaks: Literal[1, 2] = 1
) -> BrokenPowerLaw:
    """Fit a floor and a power law whose exponent changes smoothly at one or two places, by least squares in y.

    If the noise grows with y, give `weight = 1 / y**2`. Derivatives by x and y are exact. Error rates: see the page How
    verdicts are made.

    Args:
        x: Positions, `[..., n]`, positive and not logged; points with `x <= 0` are missing.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.
        n_breaks: Number of breaks.

    Returns:
        A `BrokenPowerLaw`. Its status is `AT_BOUND` if a parameter is at the edge of the search, usually a break
        sharper than the points resolve; its error is NaN. It is `NOT_IDENTIFIED` if a power law without a break fits as
        well, a 95 % interval is too wide, y is a straight line in ln x, or b overflows; do not trust the estimates then
        (NaN if y is constant). It is `TOO_FEW_POINTS`, all NaN, with fewer than `4 + 3 n_breaks` points or
        `3 + 3 n_breaks` different x.

    Raises:
        ValueError: If `n_breaks` is neither 1 nor 2, or the shapes do not broadcast.

    References:
        Caballero, Gupta, Rish & Krueger (2023), arXiv 2210.14891.
    """
    return _fit_broken_power_law(x, y, weight=weight, n_breaks=n_breaks)


@curve_detector(static=("n_breaks",), choices={"n_breaks": (1, 2)}, at_once=3840)
def _fit_broken_power_law(x: Points, y: Points, weight: Points, *, n_breaks: int) -> BrokenPowerLaw:
    """The broken power law of one curve."""
    weight = jnp.where(x > 0, weight, 0)
    log_x = jnp.log(jnp.where(weight > 0, x, jnp.where(x[-1] > 0, x[-1], 1)))
    axis, (v, unit) = axis_unit(log_x, weight), standard_values(y, weight)
    u, n, size = (log_x - axis.center) / axis.scale, count(weight), 3 + 3 * n_breaks
    fit, held = fit_bent_exponential(u, v, weight, n_breaks)

    # Rounding alone leaves about this much of a curve without noise.
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
            ((n <= size) | (distinct(log_x, weight) < size), Status.TOO_FEW_POINTS),
            ((fit.amplitude == 0) | vague, Status.NOT_IDENTIFIED),
            (jnp.any(held), Status.AT_BOUND),
        ),
    )
    return answered(result, (result.status < Status.TOO_FEW_POINTS) & (fit.amplitude != 0))


def unconvincing(
    unexplained: Scalar,
    dof: Int[Array, ""],
    place_se: Float[Array, " breaks"],
    rate: Float[Array, " exponents"],
    rate_se: Float[Array, " exponents"],
) -> Bool[Array, ""]:
    """Whether a break could be anywhere, might change no exponent, or does not improve the fit significantly.

    `unexplained` is the ratio of the sums of squares with and without breaks.
    """
    reach = student_t_975(dof)
    nowhere = jnp.any(reach * place_se > 1) | jnp.any(reach * rate_se[1:] > jnp.abs(rate[1:]))
    return nowhere | (betainc(jnp.maximum(dof, 1) / 2, 1.5 * len(place_se), unexplained) > 0.05)


def fit_bent_exponential(
    u: Points, v: Points, weight: Points, n_breaks: int
) -> tuple[Shape, Bool[Array, " {3*n_breaks+1}"]]:
    """The same law on a logarithmic axis u in [-1, 1], with its breaks in order, and which theta are at an edge.

    A break has at least two different u on either side, its own u counted on both; otherwise an outlier would pass for
    a break.
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

    # With uneven gaps, a break may be sharper than the points around it resolve, though not sharper than the bound.
    place, log_width, _ = parts(fit.theta)
    after = u > place[:, None]
    left = jnp.max(jnp.where((weight > 0) & ~after, u, -1), axis=1)
    right = jnp.min(jnp.where((weight > 0) & after, u, 1), axis=1)
    held = (fit.theta <= low) | (fit.theta >= high)
    held = held.at[n_breaks : 2 * n_breaks].max(jnp.exp(log_width) <= _UNRESOLVED * (right - left))
    order = jnp.argsort(place)
    order = jnp.concatenate([order, n_breaks + order, 2 * n_breaks + jnp.append(0, 1 + order)])
    return fit._replace(theta=fit.theta[order]), held[order]


def bent_exponential(theta: Theta, u: Points) -> Points:
    """`exp(-exponent) - 1`, accurate also where the exponent is near zero and the law near a broken line."""
    return jnp.expm1(-exponent(theta, u))


def exponent(theta: Theta, u: Points) -> Points:
    """`ln(b / (y - a))` up to a constant; zero at u = 0, so that its exponential never overflows."""
    place, log_width, rate = parts(theta)
    width = jnp.exp(log_width)
    bend = jax.nn.softplus((u - place[:, None]) / width[:, None]) - jax.nn.softplus(-place / width)[:, None]
    return rate[0] * u + (rate[1:] * width) @ bend


def jacobian(fit: Shape, u: Points, offset: Scalar) -> Float[Array, "n parameters"]:
    """Derivatives `[n, p + 2]` of the law by theta, ln |b| and a, where ln x is u + offset."""
    place, log_width, rate = parts(fit.theta)
    width, change = jnp.exp(log_width)[:, None], rate[1:, None]
    z = (u - place[:, None]) / width
    bend, above, one = jax.nn.softplus(z), jax.nn.sigmoid(z), jnp.ones_like(u)[None]
    law = fit.amplitude * jnp.exp(-exponent(fit.theta, u))
    by_log = [change * above, change * width * (z * above - bend), -(u + offset)[None], -width * bend, one]
    return jnp.concatenate([law * jnp.concatenate(by_log), one]).T


def parts(theta: Theta) -> tuple[Float[Array, " breaks"], Float[Array, " breaks"], Float[Array, " exponents"]]:
    """Place and log width of each break, and the first rate with its changes: the exponents c on the axis of u."""
    n_breaks = len(theta) // 3
    return theta[:n_breaks], theta[n_breaks : 2 * n_breaks], theta[2 * n_breaks :]


def _starts(*groups: int, size: int) -> Float[np.ndarray, "groups {size} p"]:
    """Candidates that are even in the places, the log widths and the rates before, between and after the breaks.

    Each group is one region of the places, in which most local minima differ.
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
