"""Depth as scale: how infinitely wide random layers change the size of signals and the angle between two of them.

A layer is `h -> W activation(h) + b`, with Gaussian weights of variance `sigma_w**2 / inputs` and biases of variance
`sigma_b**2`. From layer to layer the mean square q of the units and the correlation c of two inputs each follow a map
of one number, whose fixed point distinguishes order from chaos (Poole et al. 2016, NeurIPS; Schoenholz et al. 2017,
ICLR). `activation` is any elementwise JAX function; sigmas, variances and correlations broadcast as in NumPy.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.status import Status, answered, first_true
from jaxphase.scaling.fields import depth_correlation

Activation = Callable[[Array], Array]
Scalar = Float[Array, ""]

# Variances below and above these count as 0 and as infinite.
_LEAST, _MOST = 1e-6, 1e6


class FixedPoint(NamedTuple):
    """Where the signals of a deep network settle, each `[...]`.

    Attributes:
        variance: Fixed point q* of the mean square of the units; 0 below 1e-6, infinite above 1e6.
        chi: `chi_1 = sigma_w**2 E[activation'(sqrt(q*) z)**2]`, the factor by which a layer multiplies the squared
            distance of two nearly equal inputs. Below one (order) all inputs become alike, above one (chaos) they stay
            different. If q* is 0 or infinite, chi is the factor for small or for large signals.
        correlation: Correlation c* that two different inputs reach; 1 if chi <= 1.
        correlation_slope: Slope of the correlation map at c*; equal to chi in the ordered phase.
        length: `xi_c = -1 / ln(correlation_slope)`, the number of layers over which correlations settle.
        status: `Status`; AT_BOUND if `variance` or `length` is infinite, NOT_IDENTIFIED with NaN for invalid sigmas.
    """

    variance: Float[Array, "*batch"]
    chi: Float[Array, "*batch"]
    correlation: Float[Array, "*batch"]
    correlation_slope: Float[Array, "*batch"]
    length: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


class CriticalLine(NamedTuple):
    """Where chi_1 = 1, each `[...]`.

    Attributes:
        sigma_w: Critical standard deviation of the weights.
        variance: Mean square q* of the units there.
        variance_slope: Slope of the variance map at q*. Above one the fixed point repels: signals of other sizes shrink
            or grow from layer to layer.
        status: `Status`; NOT_IDENTIFIED with NaN if there is no critical point.
    """

    sigma_w: Float[Array, "*batch"]
    variance: Float[Array, "*batch"]
    variance_slope: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


@functools.partial(jax.jit, static_argnames="activation")
def variance_map(
    activation: Activation, variance: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike
) -> Float[Array, "..."]:
    """Compute the mean square of the units one layer on, `sigma_w**2 E[activation(sqrt(q) z)**2] + sigma_b**2`.

    Args:
        activation: Elementwise JAX function.
        variance: Mean square q of the units, `[...]`.
        sigma_w: Standard deviation of the weights times the root of the number of inputs, `[...]`.
        sigma_b: Standard deviation of the biases, `[...]`.

    Returns:
        The mean square of the units after the next layer, `[...]`.
    """
    variance, sigma_w, sigma_b = _as_floats(variance, sigma_w, sigma_b)
    mean_square = jnp.vectorize(functools.partial(_mean_square, activation))(variance)
    return sigma_w**2 * mean_square + sigma_b**2


@functools.partial(jax.jit, static_argnames="activation")
def correlation_map(
    activation: Activation, correlation: ArrayLike, variance: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike
) -> Float[Array, "..."]:
    """Compute the correlation of two inputs one layer on.

    Args:
        activation: Elementwise JAX function.
        correlation: Correlation of the units for the two inputs, `[...]`.
        variance: Mean square of the units, the same for both inputs, `[...]`.
        sigma_w: Standard deviation of the weights times the root of the number of inputs, `[...]`.
        sigma_b: Standard deviation of the biases, `[...]`.

    Returns:
        The correlation after the next layer, `[...]`.
    """
    correlation, *rest = _as_floats(correlation, variance, sigma_w, sigma_b)
    return 1 - jnp.vectorize(functools.partial(_separation, activation))(1 - correlation, *rest)


@functools.partial(jax.jit, static_argnames="activation")
def fixed_point(activation: Activation, sigma_w: ArrayLike, sigma_b: ArrayLike, start: ArrayLike = 1.0) -> FixedPoint:
    """Find the mean square and the correlation of the units of a network far from its input.

    With `sigma_b > 0` the distance chi - 1 is linear in sigma_w - sigma_c, and the length diverges as its inverse on
    both sides. For tanh at sigma_b = 0 this holds only below sigma_c = 1: above it chi - 1 is near
    `(sigma_w**2 - 1)**2 / 3`, and the length diverges as the inverse square.

    Averages are sums over 256 nodes, over 96**2 for pairs; q* and c* are found by bisection.

    Args:
        activation: Elementwise JAX function.
        sigma_w: Standard deviation of the weights times the root of the number of inputs, `[...]`.
        sigma_b: Standard deviation of the biases, `[...]`.
        start: Mean square of the units from which the fixed point is approached, `[...]`.

    Returns:
        A `FixedPoint`. If the variance is infinite the status is AT_BOUND, and correlation, slope and length are NaN.
        If a sigma is negative or not finite the status is NOT_IDENTIFIED and everything is NaN.
    """
    return jnp.vectorize(functools.partial(_fixed_point, activation))(*_as_floats(sigma_w, sigma_b, start))


@functools.partial(jax.jit, static_argnames="activation")
def critical_line(activation: Activation, sigma_b: ArrayLike) -> CriticalLine:
    """Find sigma_w at which chi_1 = 1 for a given sigma_b, and the variance q* there.

    For each q* the critical weights have `sigma_w**2 = 1 / E[activation'(sqrt(q*) z)**2]`, and the biases must supply
    the difference between q* and `sigma_w**2 E[activation(sqrt(q*) z)**2]`. This difference is assumed to rise with q*,
    as it does for tanh, erf, GELU and SiLU. At sigma_b = 0 the limit of small signals is taken.

    Args:
        activation: Elementwise JAX function.
        sigma_b: Standard deviation of the biases, `[...]`.

    Returns:
        A `CriticalLine`. If there is no critical point with q* below 1e4 the status is NOT_IDENTIFIED with NaN, as for
        ReLU with biases, whose q* is infinite where chi_1 = 1.

    References:
        Roberts, Yaida & Hanin (2022), The Principles of Deep Learning Theory, 5.3.4: for GELU the slope is above one
        below (sigma_b**2, sigma_w**2) = (0.1729, 1.9831).
    """
    return jnp.vectorize(functools.partial(_critical_point, activation))(*_as_floats(sigma_b))


def _as_floats(*values: ArrayLike) -> list[Float[Array, "..."]]:
    """Arrays of one floating type, at least float32."""
    arrays = [jnp.asarray(value) for value in values]
    dtype = jnp.promote_types(jnp.result_type(*arrays, float), jnp.float32)
    return [array.astype(dtype) for array in arrays]


def _nodes(count: int, crowding: float) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Nodes and weights of the mean over a normal number z, by the trapezoid rule in t for z ~ sinh(crowding t).

    The nodes crowd around 0, to resolve activations that are steep on the scale of the signal.
    """
    t = (np.arange(count) + 0.5) * 2 / count - 1
    z = 8 * np.sinh(crowding * t) / np.sinh(crowding)
    weight = np.exp(-(z**2) / 2) * np.cosh(crowding * t)
    return z, weight / weight.sum()


_NORMAL = _nodes(256, 5.0)
_PAIR = _nodes(96, 3.0)


def _mean(values: Float[Array, " nodes"]) -> Scalar:
    """The mean over a normal number, of values at the nodes."""
    return jnp.sum(jnp.asarray(_NORMAL[1], values.dtype) * values)


def _signal(variance: Scalar) -> Float[Array, " nodes"]:
    """Normal numbers of this variance at the nodes."""
    return jnp.sqrt(variance) * jnp.asarray(_NORMAL[0], variance.dtype)


def _slope(activation: Activation, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The derivative of the activation."""
    return jax.jvp(activation, (x,), (jnp.ones_like(x),))[1]


def _mean_square(activation: Activation, variance: Scalar) -> Scalar:
    """`E[activation(sqrt(q) z)**2]`."""
    return _mean(jnp.square(activation(_signal(variance))))


def _mean_square_slope(activation: Activation, variance: Scalar) -> Scalar:
    """`E[activation'(sqrt(q) z)**2]`."""
    return _mean(jnp.square(_slope(activation, _signal(variance))))


def _pair(
    separation: Scalar, variance: Scalar
) -> tuple[Float[Array, "nodes nodes"], Float[Array, "nodes nodes"], Float[Array, "nodes nodes"]]:
    """Pairs of signals of correlation 1 - separation, and the weights of their mean."""
    z, weight = (jnp.asarray(a, variance.dtype) for a in _PAIR)
    shared = jnp.sqrt(variance * (1 - separation / 2)) * z[:, None]
    apart = jnp.sqrt(variance * separation / 2) * z
    return shared + apart, shared - apart, weight[:, None] * weight


def _separation(
    activation: Activation, separation: Scalar, variance: Scalar, sigma_w: Scalar, sigma_b: Scalar
) -> Scalar:
    """One minus the correlation a layer on, from differences of activations, so that small separations do not round."""
    one, other, weight = _pair(separation, variance)
    distance = jnp.sum(weight * jnp.square(activation(one) - activation(other))) / 2
    return sigma_w**2 * distance / (sigma_w**2 * _mean_square(activation, variance) + sigma_b**2)


def _bisect(is_low: Callable[[Array], Array], low: Scalar, high: Scalar) -> Scalar:
    """Where `is_low` turns false between two positive numbers, by bisection of the logarithm."""

    def halve(_, ends):
        middle = jnp.sqrt(ends[0] * ends[1])
        below = is_low(middle)
        return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

    low, high = jax.lax.fori_loop(0, 40, halve, (low, high))
    return jnp.sqrt(low * high)


def _fixed_point(activation: Activation, sigma_w: Scalar, sigma_b: Scalar, start: Scalar) -> FixedPoint:
    """The fixed point of one network."""
    known = (sigma_w >= 0) & (sigma_b >= 0) & jnp.isfinite(sigma_w) & jnp.isfinite(sigma_b) & (start > 0)
    variance = _settled_variance(activation, sigma_w, sigma_b, jnp.clip(start, 2 * _LEAST, _MOST / 2))
    typical = jnp.clip(variance, _LEAST, _MOST)
    chi = sigma_w**2 * _mean_square_slope(activation, typical)

    def grows(separation):
        return _separation(activation, separation, typical, sigma_w, sigma_b) > separation

    chaotic = chi > 1 + 20 * jnp.finfo(chi.dtype).eps
    separation = _bisect(grows, jnp.full_like(chi, 1e-7), jnp.ones_like(chi))
    separation = jnp.where(chaotic, separation, 0)
    one, other, weight = _pair(separation, typical)
    of_pair = sigma_w**2 * jnp.sum(weight * _slope(activation, one) * _slope(activation, other))
    slope = jnp.where(chaotic, of_pair, chi)
    length = jnp.where(slope > 0, depth_correlation(slope).length, 0)
    infinite = jnp.isinf(variance)
    result = FixedPoint(
        variance=variance,
        chi=chi,
        correlation=jnp.where(infinite, jnp.nan, 1 - separation),
        correlation_slope=jnp.where(infinite, jnp.nan, slope),
        length=jnp.where(infinite, jnp.nan, length),
        status=first_true((~known, Status.NOT_IDENTIFIED), (infinite | jnp.isinf(length), Status.AT_BOUND)),
    )
    return answered(result, known)


def _settled_variance(activation: Activation, sigma_w: Scalar, sigma_b: Scalar, start: Scalar) -> Scalar:
    """The fixed point of the variance map nearest to start, on the side to which the map moves it."""

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
    found = _bisect(lambda variance: growth(variance) > 0, low, high)
    found = jnp.where(up, jnp.where(jnp.any(passed_up), found, jnp.inf), jnp.where(jnp.any(passed_down), found, 0))
    # Where the map keeps every variance up to rounding, as for ReLU at its critical point, it stays at the start.
    return jnp.where(jnp.abs(growth(start)) < rounding, start, found)


def _critical_point(activation: Activation, sigma_b: Scalar) -> CriticalLine:
    """The critical point for one sigma_b."""

    def lacking(variance):
        return variance - _mean_square(activation, variance) / _mean_square_slope(activation, variance)

    variance = _bisect(
        lambda variance: lacking(variance) < sigma_b**2, jnp.full_like(sigma_b, _LEAST), jnp.full_like(sigma_b, 1e4)
    )
    variance = jnp.where(sigma_b == 0, _LEAST, variance)
    known = (sigma_b == 0) | ((sigma_b > 0) & (jnp.abs(lacking(variance) - sigma_b**2) < 1e-3 * sigma_b**2))
    sigma_w = 1 / jnp.sqrt(_mean_square_slope(activation, variance))
    signal = _signal(variance)
    product = _mean(activation(signal) * _slope(activation, signal) * jnp.asarray(_NORMAL[0], signal.dtype))
    result = CriticalLine(
        sigma_w=sigma_w,
        variance=jnp.where(sigma_b == 0, 0, variance),
        variance_slope=sigma_w**2 * product / jnp.sqrt(variance),
        status=first_true((~known, Status.NOT_IDENTIFIED)),
    )
    return answered(result, known)
