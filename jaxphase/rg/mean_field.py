"""Depth as scale: what infinitely wide random layers do to the size of signals and to the angle between them.

A layer is `h -> W activation(h) + b`, with Gaussian weights of variance `sigma_w**2 / inputs` and biases of variance
`sigma_b**2`. From layer to layer the mean square q of the units and the correlation c of two inputs follow maps of one
number, and the fixed points of the maps tell order from chaos (Poole et al. 2016, NeurIPS; Schoenholz et al. 2017,
ICLR). `activation` is any elementwise JAX function; sigmas, variances and correlations broadcast like numpy's.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..detect.status import AT_BOUND, NOT_IDENTIFIED, answered, first_true
from ..scaling.fields import depth_correlation

# Variances outside of these are taken for 0 and infinity.
_LEAST, _MOST = 1e-6, 1e6


class FixedPoint(NamedTuple):
    """Where signals of a deep network settle, each `[...]`; see `fixed_point`."""

    variance: jax.Array
    chi: jax.Array
    correlation: jax.Array
    correlation_slope: jax.Array
    length: jax.Array
    status: jax.Array


class CriticalLine(NamedTuple):
    """Where chi_1 = 1, each `[...]`; see `critical_line`."""

    sigma_w: jax.Array
    variance: jax.Array
    variance_slope: jax.Array
    status: jax.Array


@functools.partial(jax.jit, static_argnames="activation")
def variance_map(activation, variance, sigma_w, sigma_b):
    """Mean square of the units a layer on, `sigma_w**2 E[activation(sqrt(q) z)**2] + sigma_b**2`, z a normal number."""
    variance, sigma_w, sigma_b = _as_floats(variance, sigma_w, sigma_b)
    mean_square = jnp.vectorize(functools.partial(_mean_square, activation))(variance)
    return sigma_w**2 * mean_square + sigma_b**2


@functools.partial(jax.jit, static_argnames="activation")
def correlation_map(activation, correlation, variance, sigma_w, sigma_b):
    """Correlation of two inputs a layer on, if their units have this correlation and both the same mean square."""
    correlation, *rest = _as_floats(correlation, variance, sigma_w, sigma_b)
    return 1 - jnp.vectorize(functools.partial(_separation, activation))(1 - correlation, *rest)


@functools.partial(jax.jit, static_argnames="activation")
def fixed_point(activation, sigma_w, sigma_b, start=1.0) -> FixedPoint:
    """Mean square and correlation of the units of a network far from its input.

    variance: q*, the fixed point of the variance map that is reached from the mean square `start`; 0 below 1e-6 and
    infinite above 1e6, where the following are those of small and of large signals. chi: chi_1 = `sigma_w**2
    E[activation'(sqrt(q*) z)**2]`, by which a layer multiplies the squared distance of two nearly equal inputs: below
    one (order) all inputs end alike, above one (chaos) none do. correlation: c* that two different inputs reach, 1 if
    chi <= 1. correlation_slope: of the correlation map at c*; in the ordered phase chi, by which squared distances
    shrink. length: xi_c = -1 / ln(correlation_slope), the layers over which correlations settle.

    With `sigma_b > 0` chi - 1 is linear in sigma_w - sigma_c, and length diverges as its inverse on both sides. For
    tanh at sigma_b = 0 it does so below sigma_c = 1 only: above, chi - 1 is near (sigma_w**2 - 1)**2 / 3, and the
    length diverges as the inverse square.

    Averages are sums over 256 nodes, over 96**2 for pairs; q* and c* are found by halving. status 1: variance is
    infinite, what follows chi is NaN; or length is. status 2: a sigma is negative or not finite, NaN.
    """
    return jnp.vectorize(functools.partial(_fixed_point, activation))(*_as_floats(sigma_w, sigma_b, start))


@functools.partial(jax.jit, static_argnames="activation")
def critical_line(activation, sigma_b) -> CriticalLine:
    """sigma_w at which chi_1 = 1 for a given sigma_b, and the variance q* there.

    The line is followed by q*: it is critical at `sigma_w**2 = 1 / E[activation'(sqrt(q*) z)**2]`, and sigma_b**2 is
    what the variance map then lacks, taken to rise with q* as it does for tanh, erf, GELU and SiLU. At sigma_b = 0 it
    is the limit of small signals. variance_slope: of the variance map at q*: above one the fixed point repels, and
    signals of other sizes shrink or grow from layer to layer; for GELU so below (sigma_b**2, sigma_w**2) = (0.1729,
    1.9831) (Roberts, Yaida & Hanin 2022, The Principles of Deep Learning Theory, 5.3.4). status 2: none with q* below
    1e4, NaN, as for ReLU with any bias, whose q* is infinite where chi_1 = 1.
    """
    return jnp.vectorize(functools.partial(_critical_point, activation))(*_as_floats(sigma_b))


def _as_floats(*values):
    values = [jnp.asarray(value) for value in values]
    dtype = jnp.promote_types(jnp.result_type(*values, float), jnp.float32)
    return [value.astype(dtype) for value in values]


def _nodes(count, crowding):
    """Nodes and weights of the mean over a normal number: the trapezoid rule in t for z ~ sinh(crowding t), as many on
    either side of 0, where the crowd of nodes resolves activations that are steep on the scale of the signal."""
    t = (np.arange(count) + 0.5) * 2 / count - 1
    z = 8 * np.sinh(crowding * t) / np.sinh(crowding)
    weight = np.exp(-(z**2) / 2) * np.cosh(crowding * t)
    return z, weight / weight.sum()


_NORMAL = _nodes(256, 5.0)
_PAIR = _nodes(96, 3.0)


def _mean(values):
    return jnp.sum(jnp.asarray(_NORMAL[1], values.dtype) * values)


def _signal(variance):
    return jnp.sqrt(variance) * jnp.asarray(_NORMAL[0], variance.dtype)


def _slope(activation, x):
    return jax.jvp(activation, (x,), (jnp.ones_like(x),))[1]


def _mean_square(activation, variance):
    return _mean(jnp.square(activation(_signal(variance))))


def _mean_square_slope(activation, variance):
    return _mean(jnp.square(_slope(activation, _signal(variance))))


def _pair(separation, variance):
    """Pairs of signals of correlation 1 - separation, and the weights of their mean."""
    z, weight = (jnp.asarray(a, variance.dtype) for a in _PAIR)
    shared = jnp.sqrt(variance * (1 - separation / 2)) * z[:, None]
    apart = jnp.sqrt(variance * separation / 2) * z
    return shared + apart, shared - apart, weight[:, None] * weight


def _separation(activation, separation, variance, sigma_w, sigma_b):
    """One less the correlation a layer on. From the differences of activations, so that it is right for small ones."""
    one, other, weight = _pair(separation, variance)
    distance = jnp.sum(weight * jnp.square(activation(one) - activation(other))) / 2
    return sigma_w**2 * distance / (sigma_w**2 * _mean_square(activation, variance) + sigma_b**2)


def _halve(is_low, low, high):
    """Where `is_low` turns false between two positive numbers, by halving of the logarithm."""

    def halve(_, ends):
        middle = jnp.sqrt(ends[0] * ends[1])
        below = is_low(middle)
        return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

    low, high = jax.lax.fori_loop(0, 40, halve, (low, high))
    return jnp.sqrt(low * high)


def _fixed_point(activation, sigma_w, sigma_b, start):
    known = (sigma_w >= 0) & (sigma_b >= 0) & jnp.isfinite(sigma_w) & jnp.isfinite(sigma_b) & (start > 0)
    variance = _settled_variance(activation, sigma_w, sigma_b, jnp.clip(start, 2 * _LEAST, _MOST / 2))
    seen = jnp.clip(variance, _LEAST, _MOST)
    chi = sigma_w**2 * _mean_square_slope(activation, seen)

    def grows(separation):
        return _separation(activation, separation, seen, sigma_w, sigma_b) > separation

    chaotic = chi > 1 + 20 * jnp.finfo(chi.dtype).eps
    separation = _halve(grows, jnp.full_like(chi, 1e-7), jnp.ones_like(chi))
    separation = jnp.where(chaotic, separation, 0)
    one, other, weight = _pair(separation, seen)
    of_pair = sigma_w**2 * jnp.sum(weight * _slope(activation, one) * _slope(activation, other))
    slope = jnp.where(chaotic, of_pair, chi)
    length = jnp.where(slope > 0, depth_correlation(slope).length, 0)
    of_pairs = (jnp.where(jnp.isinf(variance), jnp.nan, field) for field in (1 - separation, slope, length))
    unbounded = jnp.isinf(variance) | jnp.isinf(length)
    result = FixedPoint(variance, chi, *of_pairs, first_true((~known, NOT_IDENTIFIED), (unbounded, AT_BOUND)))
    return answered(result, known)


def _settled_variance(activation, sigma_w, sigma_b, start):
    """The fixed point next to start in the direction in which the variance map moves it."""

    def growth(variance):
        return (sigma_w**2 * _mean_square(activation, variance) + sigma_b**2) / variance - 1

    grid = jnp.asarray(np.geomspace(_LEAST, _MOST, 97), start.dtype)
    growths = jax.lax.map(growth, grid)
    up = growth(start) > 0
    rounding = 50 * jnp.finfo(start.dtype).eps
    passed_up, passed_down = (grid > start) & (growths < -rounding), (grid < start) & (growths > rounding)
    next_up, next_down = jnp.argmax(passed_up), len(grid) - 1 - jnp.argmax(passed_down[::-1])
    low = jnp.where(up, jnp.maximum(start, grid[next_up - 1]), grid[next_down])
    high = jnp.where(up, grid[next_up], jnp.minimum(start, grid[next_down + 1]))
    found = _halve(lambda variance: growth(variance) > 0, low, high)
    found = jnp.where(up, jnp.where(jnp.any(passed_up), found, jnp.inf), jnp.where(jnp.any(passed_down), found, 0))
    # Where every variance is kept but for rounding, as by ReLU at its critical point, it stays what it was.
    return jnp.where(jnp.abs(growth(start)) < rounding, start, found)


def _critical_point(activation, sigma_b):
    def lacking(variance):
        return variance - _mean_square(activation, variance) / _mean_square_slope(activation, variance)

    variance = _halve(lambda variance: lacking(variance) < sigma_b**2, jnp.full_like(sigma_b, _LEAST), 1e4)
    variance = jnp.where(sigma_b == 0, _LEAST, variance)
    known = (sigma_b == 0) | ((sigma_b > 0) & (jnp.abs(lacking(variance) - sigma_b**2) < 1e-3 * sigma_b**2))
    sigma_w = 1 / jnp.sqrt(_mean_square_slope(activation, variance))
    signal = _signal(variance)
    product = _mean(activation(signal) * _slope(activation, signal) * jnp.asarray(_NORMAL[0], signal.dtype))
    result = CriticalLine(
        sigma_w=sigma_w,
        variance=jnp.where(sigma_b == 0, 0, variance),
        variance_slope=sigma_w**2 * product / jnp.sqrt(variance),
        status=first_true((~known, NOT_IDENTIFIED)),
    )
    return answered(result, known)
