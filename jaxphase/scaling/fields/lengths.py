"""Second-moment and exponential correlation length of a field.

Both come from the field summed over the other axis (zero momentum), are averages over the axes, and are corrected for
the bias of the jackknife.

The second-moment length is `sqrt(S(0) / S(k) - 1) / (2 sin(pi / L))` with the structure factor S at 0 and at k = 2 pi /
L (Cooper, Freedman & Preston 1982). The exponential length is defined by `C(r) ~ exp(-r / length)`, with its mirror
image on a ring, by weighted least squares. The fit starts at lag 1, or at lag 3 or 6 if that fit differs, and ends
where C is lost in its error. Lag 0 holds independent noise and is not used.
"""

import functools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.status import Status, first_true
from jaxphase.scaling.fields.samples import as_field, centered, jackknife, over_leading_axes, structure_factor

# The exponential length is fitted up to the lag at which C falls below this many standard errors.
_LOST = 3.0
# At short lags, faster decays may hide the slowest one: the fit starts at a later lag if that changes it by this many
# errors.
_FIRST_LAGS, _DIFFERENT = (1, 3, 6), 2.5
_SHORTEST, _LONGEST = 0.15, 10.0  # in positions, and in units of the axis


class CorrelationLengths(NamedTuple):
    """Second-moment and exponential correlation length, in positions.

    Attributes:
        second_moment: Second-moment correlation length, `[...]`.
        second_moment_se: Its standard error, `[...]`.
        exponential: Exponential correlation length, `[...]`.
        exponential_se: Its standard error, `[...]`.
        status: `Status`, `[...]`; see `correlation_lengths`.
    """

    second_moment: Float[Array, "*batch"]
    second_moment_se: Float[Array, "*batch"]
    exponential: Float[Array, "*batch"]
    exponential_se: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


def correlation_lengths(
    field: ArrayLike, *, axes: Literal[1, 2] = 1, periodic: bool = True, blocks: int = 20
) -> CorrelationLengths:
    """Estimate the second-moment and the exponential correlation length of a field.

    If a field is not isotropic, give one axis as samples. The second-moment length is 0 if its square is estimated
    negative. Both definitions: see the module `jaxphase.scaling.fields.lengths`.

    Args:
        field: Samples, as in `connected_correlation`.
        axes: Number of axes of positions.
        periodic: Whether positions lie on a ring or torus; otherwise second_moment is NaN.
        blocks: Number of blocks for the jackknife, at most one per sample.

    Returns:
        `CorrelationLengths`. The status is AT_BOUND if the exponential length exceeds 10 axes, is below 0.15 positions
        or rests on a single lag. It is NOT_IDENTIFIED if lag 1 is lost in noise or negative (exponential NaN) or the
        field is constant (both NaN), and TOO_FEW_POINTS, with NaN, for fewer than four samples or positions.

    Raises:
        ValueError: If the field has too few axes or is complex, or an option is not valid.

    References:
        Cooper, Freedman & Preston (1982), Nucl. Phys. B 210, 210.
    """
    field, blocks = as_field(field, axes, periodic, blocks)
    return over_leading_axes(functools.partial(_lengths, axes=axes, periodic=periodic, blocks=blocks), field, axes + 1)


@functools.partial(jax.jit, static_argnames=("axes", "periodic", "blocks"))
def _lengths(
    field: Float[Array, "samples *positions"], *, axes: int, periodic: bool, blocks: int
) -> CorrelationLengths:
    """The correlation lengths of one field."""
    shape = field.shape[1:]
    if min(shape) < 4:
        nan = jnp.full((), jnp.nan, field.dtype)
        return CorrelationLengths(nan, nan, nan, nan, jnp.int32(Status.TOO_FEW_POINTS))
    field, present, _ = centered(field)
    found = []
    for length in sorted(set(shape)):
        # Axes of one length share their structure factor.
        size = length if periodic else 2 * length
        powers = []
        for axis in (axis for axis in range(axes) if shape[axis] == length):
            series = jnp.sum(field, axis=[other + 1 for other in range(axes) if other != axis])
            power, used = structure_factor(series, present, blocks, [size])
            powers.append(power)
        power, share = functools.reduce(jnp.add, powers) / len(powers), len(powers) / axes
        square = (power[:, 0] / power[:, 1] - 1) / (4 * math.sin(math.pi / length) ** 2)
        pairs = length if periodic else length - jnp.arange(length)
        correlation = jnp.fft.irfft(power, size)[:, : length // 2 + 1 if periodic else length] / pairs
        decay = _decay(correlation, used, length, periodic)
        found.append((share * square, share * decay.length, decay.single, decay.lost, decay.at_bound))

    squares, lengths, single, lost, at_bound = (
        functools.reduce(jnp.add, column) for column in zip(*found, strict=True)
    )
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
            (few, Status.TOO_FEW_POINTS),
            (constant | (lost > 0), Status.NOT_IDENTIFIED),
            (single + at_bound > 0, Status.AT_BOUND),
        ),
    )


class _Decay(NamedTuple):
    """Exponential lengths; 1 or 0 for whether they rest on a single lag, on none, and are at a bound."""

    length: Float[Array, " estimates"]
    single: Int[Array, ""]
    lost: Int[Array, ""]
    at_bound: Int[Array, ""]


def _decay(
    correlation: Float[Array, "estimates lags"], used: Bool[Array, " blocks"], length: int, periodic: bool
) -> _Decay:
    """The fit to the lags from the first on, or from a later one of _FIRST_LAGS if the fit from there differs."""
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
        # A length needs two lags from the first on.
        settled |= (jnp.abs(difference) <= _DIFFERENT * difference_se) | (seen[first] == 0)
        chosen = jnp.where(settled, chosen, later)
    at_bound = (chosen[0] <= 1.001 * _SHORTEST) | (chosen[0] >= 0.999 * _LONGEST * length)
    return _Decay(chosen, 1 - seen[1], 1 - seen[0], at_bound.astype(seen.dtype))


def _best_length(
    shape: Callable[[Float[Array, ""]], Float[Array, " lags"]],
    grid: Float[np.ndarray, " places"],
    row: Float[Array, " lags"],
    weight: Float[Array, " lags"],
) -> Float[Array, ""]:
    """Least squares of an amplitude times a shape, from the best of a grid by Newton's steps.

    The steps use the slope of the sum of squares. Its value is flat about the minimum, up to rounding.
    """

    def moments(log_length):
        column = shape(log_length)
        return jnp.sum(weight * column * row), jnp.sum(weight * jnp.square(column))

    def slope(log_length):
        (cross, norm), (cross_slope, norm_slope) = jax.jvp(moments, (log_length,), (jnp.ones_like(log_length),))
        return cross_slope - cross * norm_slope / (2 * norm)

    places = jnp.asarray(grid, row.dtype)
    cross, norm = jax.vmap(moments)(places)
    best = jnp.argmax(jnp.where(cross > 0, jnp.square(cross) / norm, 0))
    low, high = places[jnp.maximum(best - 1, 0)], places[jnp.minimum(best + 1, len(grid) - 1)]

    def step(_, log_length):
        here, bend = jax.jvp(slope, (log_length,), (jnp.ones_like(log_length),))
        return jnp.clip(jnp.where(bend < 0, log_length - here / jnp.where(bend < 0, bend, 1), log_length), low, high)

    return jnp.exp(jax.lax.fori_loop(0, 8, step, places[best]))
