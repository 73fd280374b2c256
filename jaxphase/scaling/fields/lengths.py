"""Second-moment and exponential correlation length of a field."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.detect.status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, first_true
from jaxphase.scaling.fields.samples import as_field, centred, jackknife, lifted, structure_factor

# Lags from the first to that where C falls below so many errors tell the exponential length.
_LOST = 3.0
# Other decays than the longest may hide it at first: a later first lag is taken if its fit differs by so many errors.
_FIRST_LAGS, _DIFFERENT = (1, 3, 6), 2.5
_SHORTEST, _LONGEST = 0.15, 10.0


class CorrelationLengths(NamedTuple):
    """Second-moment and exponential correlation length in positions, each `[...]`."""

    second_moment: jax.Array
    second_moment_se: jax.Array
    exponential: jax.Array
    exponential_se: jax.Array
    status: jax.Array


def correlation_lengths(field, *, axes=1, periodic=True, blocks=20) -> CorrelationLengths:
    """Second-moment and exponential correlation length of a field, with jackknife errors.

    field, axes, periodic, blocks as in `connected_correlation`. Both lengths come from the field summed over the other
    axis (zero momentum), whose correlation has no power of r before its exponential, and are averages over the axes: of
    a field that is not isotropic take one axis for the samples. Both are corrected for the jackknife's bias.

    second_moment: `sqrt(S(0) / S(k) - 1) / (2 sin(pi / L))` with the structure factor S at 0 and at k = 2 pi / L
    (Cooper, Freedman & Preston 1982, Nucl. Phys. B 210, 210), for periodic fields alone, else NaN. 0 if the data say
    that its square is negative.
    exponential: C(r) ~ exp(-r / length), on a ring exp(-r / length) + exp(-(L - r) / length), by least squares over the
    lags from 1 to where C is lost in its error, weighted by these errors, or from 3 or 6 if the fit from there differs.
    Lag 0, to which noise of each position on its own adds, does not count. It is the larger of the two but for noise.

    status 1: exponential is beyond 10 axes or below 0.15 positions, or lag 2 is lost already, so that a single lag told
    it. status 2: lag 1 is lost in noise or negative; exponential NaN, and second_moment NaN too if the field is
    constant. status 3: fewer than four samples, or four positions, all NaN.
    """
    field, blocks = as_field(field, axes, periodic, blocks)
    return lifted(functools.partial(_lengths, axes=axes, periodic=periodic, blocks=blocks), field, axes + 1)


@functools.partial(jax.jit, static_argnames=("axes", "periodic", "blocks"))
def _lengths(field, *, axes, periodic, blocks):
    shape = field.shape[1:]
    if min(shape) < 4:
        nan = jnp.full((), jnp.nan, field.dtype)
        return CorrelationLengths(nan, nan, nan, nan, jnp.int32(TOO_FEW_POINTS))
    field, present, _ = centred(field)
    found = []
    for length in sorted(set(shape)):
        # Axes of one length share their structure factor.
        size = length if periodic else 2 * length
        powers = []
        for axis in (axis for axis in range(axes) if shape[axis] == length):
            series = jnp.sum(field, axis=[other + 1 for other in range(axes) if other != axis])
            power, used = structure_factor(series, present, blocks, [size])
            powers.append(power)
        power, share = sum(powers) / len(powers), len(powers) / axes
        square = (power[:, 0] / power[:, 1] - 1) / (4 * math.sin(math.pi / length) ** 2)
        pairs = length if periodic else length - jnp.arange(length)
        correlation = jnp.fft.irfft(power, size)[:, : length // 2 + 1 if periodic else length] / pairs
        decay = _decay(correlation, used, length, periodic)
        found.append((share * square, share * decay.length, decay.single, decay.lost, decay.at_bound))

    squares, lengths, single, lost, at_bound = map(sum, zip(*found, strict=True))
    square, square_se = jackknife(squares, used, correct=True)
    second = jnp.sqrt(jnp.maximum(square, 0))
    second_se = jnp.where(second > 0, square_se / (2 * jnp.where(second > 0, second, 1)), jnp.sqrt(square_se))
    exponential, exponential_se = jackknife(lengths, used, correct=True)
    few, constant = jnp.sum(present) < 4, ~jnp.any(field != 0)
    known = ~few & ~constant
    return CorrelationLengths(
        second_moment=jnp.where(known & periodic, second, jnp.nan),
        second_moment_se=jnp.where(known & periodic, second_se, jnp.nan),
        exponential=jnp.where(known & (lost == 0), exponential, jnp.nan),
        exponential_se=jnp.where(known & (lost == 0), exponential_se, jnp.nan),
        status=first_true(
            (few, TOO_FEW_POINTS), (constant | (lost > 0), NOT_IDENTIFIED), (single + at_bound > 0, AT_BOUND)
        ),
    )


class _Decay(NamedTuple):
    """Exponential lengths `[1 + blocks]`; if a single lag told them, if none did and if they are at a bound, 0 or 1."""

    length: jax.Array
    single: jax.Array
    lost: jax.Array
    at_bound: jax.Array


def _decay(correlation, used, length, periodic):
    """The fit to the lags from the first on, or from a later one of _FIRST_LAGS if a fit from there differs."""
    mean, error = jackknife(correlation, used, correct=False)
    lag = jnp.arange(1, correlation.shape[1], dtype=correlation.dtype)
    seen = jnp.cumprod(mean[1:] > _LOST * error[1:])
    error = jnp.maximum(error[1:], jnp.finfo(error.dtype).eps * mean[0])
    weight = jnp.where((seen > 0) | (lag <= 2), jnp.square(error[0] / jnp.where(error > 0, error, 1)), 0)
    grid = np.linspace(math.log(_SHORTEST), math.log(_LONGEST * length), 64)

    def shape(log_length):
        rate = jnp.exp(-log_length)
        return jnp.exp(-rate * lag) + (jnp.exp(-rate * (length - lag)) if periodic else 0)

    rows = correlation[:, 1:] / jnp.where(mean[1] > 0, mean[1], 1)
    firsts = np.array([first for first in _FIRST_LAGS if first < len(lag)])
    fits = jax.vmap(jax.vmap(functools.partial(_best_length, shape, grid), (0, None)), (None, 0))
    lengths = fits(rows, weight * (lag >= firsts[:, None]))
    chosen = lengths[0]
    settled = jnp.zeros((), bool)
    for later, first in zip(lengths[1:], firsts[1:], strict=True):
        difference, difference_se = jackknife(later - chosen, used, correct=False)
        # Two lags from the first on tell a length.
        settled |= (jnp.abs(difference) <= _DIFFERENT * difference_se) | (seen[first] == 0)
        chosen = jnp.where(settled, chosen, later)
    at_bound = (chosen[0] <= 1.001 * _SHORTEST) | (chosen[0] >= 0.999 * _LONGEST * length)
    return _Decay(chosen, 1 - seen[1], 1 - seen[0], at_bound.astype(seen.dtype))


def _best_length(shape, grid, row, weight):
    """Least squares of an amplitude times a shape: from the best of a grid by Newton's steps on the slope of the sum
    of squares, which unlike its value is not flat, up to rounding, about the minimum."""

    def moments(log_length):
        column = shape(log_length)
        return jnp.sum(weight * column * row), jnp.sum(weight * jnp.square(column))

    def slope(log_length):
        (cross, norm), (cross_slope, norm_slope) = jax.jvp(moments, (log_length,), (jnp.ones_like(log_length),))
        return cross_slope - cross * norm_slope / (2 * norm)

    grid = jnp.asarray(grid, row.dtype)
    cross, norm = jax.vmap(moments)(grid)
    best = jnp.argmax(jnp.where(cross > 0, jnp.square(cross) / norm, 0))
    low, high = grid[jnp.maximum(best - 1, 0)], grid[jnp.minimum(best + 1, len(grid) - 1)]

    def step(_, log_length):
        here, bend = jax.jvp(slope, (log_length,), (jnp.ones_like(log_length),))
        return jnp.clip(jnp.where(bend < 0, log_length - here / jnp.where(bend < 0, bend, 1), log_length), low, high)

    return jnp.exp(jax.lax.fori_loop(0, 8, step, grid[best]))
