"""How outcomes scatter over seeds: their variance and their fourth moment, with jackknife errors.

At a transition the same model trained again may end on either side, so that the variance peaks.
"""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.batched import check_choice
from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.status import Status

LEAST_SEEDS = 4

About = Literal["zero", "mean"]


class Moment(NamedTuple):
    """A moment of outcomes over seeds.

    Attributes:
        value: The estimate, `[...]`.
        se: Its standard error, `[...]`.
        interval: Its 95 % interval, `[..., 2]`.
        status: `Status`, `[...]`; see `susceptibility` and `binder_cumulant`.
    """

    value: Float[Array, "*batch"]
    se: Float[Array, "*batch"]
    interval: Float[Array, "*batch 2"]
    status: Int[Array, "*batch"]


def susceptibility(outcomes: ArrayLike, *, volume: ArrayLike = 1.0, blocks: int | None = None) -> Moment:
    """Compute volume times the variance of outcomes over seeds.

    Error and interval come from a jackknife of the logarithm. Coverage: see the page "Transition or crossover?".

    Args:
        outcomes: Outcomes, `[..., seeds]`; one that is not finite is missing.
        volume: Number of units that an outcome is the mean of, `[...]`, which makes the susceptibility of independent
            units independent of their number; 1 for outcomes that are not means.
        blocks: For outcomes that are successive steps of a chain, number of blocks of them for the jackknife; by
            default each outcome is a block.

    Returns:
        A `Moment`. The status is NOT_IDENTIFIED, with value 0 and error NaN, if all outcomes are equal, and
        TOO_FEW_POINTS, with NaN, for fewer than four.

    Raises:
        ValueError: If there are fewer than two seeds, or blocks is out of range.

    Example:
        >>> chi = jaxphase.scaling.susceptibility(magnetization, volume=spins)
        >>> chi.value, chi.interval
    """
    return _susceptibility(outcomes, volume, blocks=blocks)


@functools.partial(jax.jit, static_argnames="blocks")
def _susceptibility(outcomes: ArrayLike, volume: ArrayLike, *, blocks: int | None) -> Moment:
    """The susceptibility, compiled."""

    def log_variance(m):
        variance = m[1] - m[0] ** 2
        return jnp.log(jnp.where(variance > 0, variance, jnp.nan))

    jack = _jackknife(log_variance, outcomes, blocks, centered=True)
    unit = jnp.asarray(volume) * jack.scale**2 * jack.count / jnp.maximum(jack.count - 1, 1)
    moment = _moment(jack, 0, unit)
    return moment._replace(value=jnp.where(moment.status == Status.NOT_IDENTIFIED, 0, moment.value))


def binder_cumulant(outcomes: ArrayLike, *, about: About = "zero", blocks: int | None = None) -> Moment:
    """Compute the Binder cumulant `U = 1 - <m^4> / (3 <m^2>^2)` of outcomes over seeds.

    Moments about zero suit an order parameter of two signs: 0 far on the disordered side, 2/3 on the ordered side, and
    near the transition a number that does not depend on the size. About the mean the cumulant is 0 for a normal scatter
    and 2/3 for two equal narrow peaks; its average over many sets of n outcomes is about 2 / n too high. Error and
    interval come from a jackknife of the logarithm of the quotient. Coverage: see the page "Transition or crossover?".

    Args:
        outcomes: Outcomes m, `[..., seeds]`; one that is not finite is missing.
        about: The point that the moments are taken about.
        blocks: Number of blocks for the jackknife, as in `susceptibility`.

    Returns:
        A `Moment`. The status is NOT_IDENTIFIED, with NaN, if all outcomes are equal, and TOO_FEW_POINTS, with NaN, for
        fewer than four.

    Raises:
        ValueError: If there are fewer than two seeds, or an option is not valid.

    Example:
        >>> binder = jaxphase.scaling.binder_cumulant(magnetization)
        >>> binder.value, binder.se

    References:
        Binder (1981), Z. Phys. B 43, 119.
    """
    check_choice("about", about, get_args(About))
    return _binder_cumulant(outcomes, about=about, blocks=blocks)


@functools.partial(jax.jit, static_argnames=("about", "blocks"))
def _binder_cumulant(outcomes: ArrayLike, *, about: About, blocks: int | None) -> Moment:
    """The Binder cumulant, compiled."""

    def log_quotient(m):
        second, fourth = m[1], m[3]
        if about == "mean":
            second = m[1] - m[0] ** 2
            fourth = m[3] - 4 * m[0] * m[2] + 6 * m[0] ** 2 * m[1] - 3 * m[0] ** 4
        return jnp.log(jnp.where(second > 0, fourth, jnp.nan)) - 2 * jnp.log(jnp.where(second > 0, second, jnp.nan))

    jack = _jackknife(log_quotient, outcomes, blocks, centered=about == "mean")
    return _moment(jack, 1, -1 / 3)


def as_outcomes(outcomes: ArrayLike) -> Float[Array, "*batch seeds"]:
    """Outcomes as floating numbers, or a `ValueError` with their shape."""
    values = jnp.asarray(outcomes)
    if values.ndim == 0 or values.shape[-1] < 2:
        raise ValueError(f"outcomes must have shape [..., seeds] with at least two seeds, got {values.shape}")
    return values.astype(jnp.promote_types(jnp.result_type(values, float), jnp.float32))


class _Jackknife(NamedTuple):
    """A statistic of all outcomes, its standard error, the number of outcomes, their unit and the number of blocks."""

    whole: Float[Array, "*batch"]
    error: Float[Array, "*batch"]
    count: Int[Array, "*batch"]
    scale: Float[Array, "*batch"]
    blocks: Int[Array, "*batch"]


def _jackknife(
    statistic: Callable[[Float[Array, "4 *shape"]], Float[Array, "*shape"]],
    outcomes: ArrayLike,
    blocks: int | None,
    *,
    centered: bool,
) -> _Jackknife:
    """A statistic of the first four moments of outcomes in units of the largest, about their mean if centered."""
    outcomes = as_outcomes(outcomes)
    seeds = outcomes.shape[-1]
    blocks = seeds if blocks is None else blocks
    if not 2 <= blocks <= seeds:
        raise ValueError(f"blocks must be from 2 to the number of outcomes, {seeds}, got {blocks}")

    present = jnp.isfinite(outcomes)
    count = jnp.sum(present, axis=-1)
    values = jnp.where(present, outcomes, 0)
    if centered:
        mean = jnp.sum(values, axis=-1, keepdims=True) / jnp.maximum(count, 1)[..., None]
        values = jnp.where(present, values - mean, 0)
    largest = jnp.max(jnp.abs(values), axis=-1)
    scale = jnp.where(largest > 0, largest, 1)
    values = values / scale[..., None]
    length = -(-seeds // blocks)
    wide = [(0, 0)] * (outcomes.ndim - 1) + [(0, blocks * length - seeds)]
    powers = jnp.stack([present.astype(values.dtype), *(values**k for k in range(1, 5))])
    sums = jnp.pad(powers, [(0, 0), *wide]).reshape(*powers.shape[:-1], blocks, length).sum(-1)  # [5, ..., blocks]

    total = jnp.sum(sums, axis=-1, keepdims=True)
    rest = total - sums
    whole = statistic((total[1:] / jnp.maximum(total[0], 1))[..., 0])
    without = statistic(rest[1:] / jnp.maximum(rest[0], 1))
    used = (sums[0] > 0) & (rest[0] > 0)
    number = jnp.maximum(jnp.sum(used, axis=-1), 1)
    middle = jnp.sum(jnp.where(used, without, 0), axis=-1) / number
    spread = jnp.sum(jnp.where(used, jnp.square(without - middle[..., None]), 0), axis=-1)
    return _Jackknife(whole, jnp.sqrt((number - 1) / number * spread), count, scale, number)


def _moment(jack: _Jackknife, offset: float, factor: float | Float[Array, "*#batch"]) -> Moment:
    """offset + factor * exp(logarithm), with its interval from that of the logarithm."""
    size = factor * jnp.exp(jack.whole)
    reach = student_t_975(jack.blocks - 1) * jack.error
    ends = offset + size[..., None] * jnp.exp(jnp.stack([-reach, reach], axis=-1))
    status = jnp.where(jnp.isfinite(jack.whole), Status.OK, Status.NOT_IDENTIFIED)
    status = jnp.where(jack.count < LEAST_SEEDS, Status.TOO_FEW_POINTS, status)
    known = status == Status.OK
    value, se = (jnp.where(known, field, jnp.nan) for field in (offset + size, jnp.abs(size) * jack.error))
    return Moment(value, se, jnp.where(known[..., None], jnp.sort(ends, axis=-1), jnp.nan), status)
