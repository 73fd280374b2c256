"""How outcomes scatter over seeds: their variance, their fourth moment, and whether they fall into two heaps.

At a transition the same model trained again may end on either side: the variance peaks, and where the change is a jump
(first order) the outcomes have two peaks with nothing between.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.detect.batched import check_choice, once_per_grid
from jaxphase.detect.distributions import share_above, student_t_975
from jaxphase.detect.status import NOT_IDENTIFIED, OK, TOO_FEW_POINTS, answered, first_true

LEAST_SEEDS = 4
LEAST_HEAPS = 8  # outcomes: with fewer, two heaps cannot be told from chance
DRAWS = 1999
# Densities that a heap may rise above, in units of the mean density over the range of the outcomes.
LEVELS = np.geomspace(0.1, 100, 48)


class Moment(NamedTuple):
    """An estimate, its standard error, its 95 % interval [..., 2] and its status, the others [...]."""

    value: jax.Array
    se: jax.Array
    interval: jax.Array
    status: jax.Array


class Bimodality(NamedTuple):
    """Whether outcomes have two peaks, every field [...]; see `bimodality`."""

    excess_mass: jax.Array
    p_value: jax.Array
    low: jax.Array
    high: jax.Array
    share: jax.Array
    separation: jax.Array
    status: jax.Array


@functools.partial(jax.jit, static_argnames="blocks")
def susceptibility(outcomes, *, volume=1.0, blocks=None) -> Moment:
    """volume * variance of the outcomes [..., seeds].

    volume [...]: the number of units that an outcome is the mean of, so that independent units have a susceptibility
    that does not depend on their number; 1 for outcomes that are not means. Error and interval are those of a jackknife
    of the logarithm. blocks: for outcomes that are steps of a chain, into how many blocks of successive ones the
    jackknife takes them; each on its own if None. Outcomes that are not finite are left out. The interval covers 93 to
    98 % for 8 to 64 normal outcomes or two heaps of them. status 2: no scatter, the
    value is 0 and the error NaN; 3, NaN: fewer than four outcomes.
    """

    def log_variance(m):
        variance = m[1] - m[0] ** 2
        return jnp.log(jnp.where(variance > 0, variance, jnp.nan))

    jack = _jackknife(log_variance, outcomes, blocks, centered=True)
    unit = jnp.asarray(volume) * jack.scale**2 * jack.count / jnp.maximum(jack.count - 1, 1)
    moment = _moment(jack, 0, unit)
    return moment._replace(value=jnp.where(moment.status == NOT_IDENTIFIED, 0, moment.value))


@functools.partial(jax.jit, static_argnames=("about", "blocks"))
def binder_cumulant(outcomes, *, about="zero", blocks=None) -> Moment:
    """U = 1 - <m^4> / (3 <m^2>^2) of outcomes [..., seeds] (Binder 1981, Z. Phys. B 43, 119).

    about="zero", for an order parameter of two signs: 0 far on the disordered side, 2/3 on the ordered one, and near
    the transition a number that does not depend on the size. about="mean": of deviations from the mean, 0 for a normal
    scatter and 2/3 for two equal narrow peaks; its average over many sets of n outcomes is about 2 / n too high. Errors
    and blocks as in `susceptibility`, the jackknife being of the logarithm of the quotient; the interval covers 82 to
    94 % for 8 to 64 outcomes. status 2, NaN: no scatter; 3, NaN: fewer than four outcomes.
    """
    check_choice("about", about, ("zero", "mean"))

    def log_quotient(m):
        second, fourth = m[1], m[3]
        if about == "mean":
            second = m[1] - m[0] ** 2
            fourth = m[3] - 4 * m[0] * m[2] + 6 * m[0] ** 2 * m[1] - 3 * m[0] ** 4
        return jnp.log(jnp.where(second > 0, fourth, jnp.nan)) - 2 * jnp.log(jnp.where(second > 0, second, jnp.nan))

    jack = _jackknife(log_quotient, outcomes, blocks, centered=about == "mean")
    return _moment(jack, 1, -1 / 3)


def bimodality(outcomes, *, key=None) -> Bimodality:
    """Test for two peaks in outcomes [..., seeds], against every distribution with one.

    The statistic is the excess mass of two intervals over that of one (Muller & Sawitzki 1991, J. Am. Stat. Assoc. 86,
    738), half of which is the dip of Hartigan & Hartigan (1985, Ann. Stat. 13, 70). p_value is the share of as many
    uniform outcomes, of one peak the hardest to tell from two, that have as much; so for a normal scatter it is hardly
    ever small. low, high, share: the means of the two groups that split the outcomes best, and the part in the high
    one; separation is the distance of these means over the root mean square of the groups' deviations. They are given
    whatever the p_value says.
    key: of the simulation, `jax.random.key(0)` if None. status 2, NaN: all outcomes are equal; 3, NaN: less than eight.
    """
    key = jax.random.key(0) if key is None else key
    outcomes = _as_outcomes(outcomes)
    lead = outcomes.shape[:-1]
    result = _bimodality(outcomes.reshape(-1, outcomes.shape[-1]), key)
    return jax.tree.map(lambda field: field.reshape(lead), result)


@jax.jit
def _bimodality(outcomes, key):
    def null(grid):
        present, weight, key = grid
        draws = jax.random.uniform(key, (DRAWS, len(weight)))
        ordered = jnp.sort(jnp.where(present, draws, jnp.inf), axis=1)
        return jnp.sort(jax.vmap(_excess_mass, (0, None))(ordered, weight))

    judge = once_per_grid(null, share_above)

    def one(values):
        present = jnp.isfinite(values)
        count = jnp.sum(present)
        ordered = jnp.sort(jnp.where(present, values, jnp.inf))
        weight = (jnp.arange(len(values)) < count).astype(values.dtype)
        mass = _excess_mass(ordered, weight)
        low, high, share, within = _two_groups(ordered, weight)
        result = Bimodality(
            excess_mass=mass,
            p_value=judge((weight > 0, weight, key), mass),
            low=low,
            high=high,
            share=share,
            separation=(high - low) / jnp.sqrt(jnp.maximum(within, jnp.finfo(values.dtype).tiny)),
            status=first_true(
                (count < LEAST_HEAPS, TOO_FEW_POINTS),
                (~(ordered[jnp.maximum(count - 1, 0)] > ordered[0]), NOT_IDENTIFIED),
            ),
        )
        return answered(result, result.status == OK)

    return jax.vmap(one)(outcomes)


def _excess_mass(ordered, weight):
    """Most that two intervals hold beyond one, over all levels: the share of the outcomes in them less the level times
    their length. outcomes [n] in rising order, the missing ones last with weight 0."""
    count = jnp.maximum(jnp.sum(weight), 1)
    last = jnp.maximum(count - 1, 0).astype(int)
    span = ordered[last] - ordered[0]
    gap = jnp.diff(jnp.where(weight > 0, ordered, ordered[last]), prepend=ordered[:1]) / jnp.where(span > 0, span, 1)
    level, one = jnp.asarray(LEVELS, ordered.dtype), weight / count

    def extend(carry, point):
        first, between, second, best_one = carry
        gap, mass = point
        between = jnp.maximum(between, first)  # of the intervals that have ended before this point
        second = mass + jnp.maximum(second - level * gap, between)
        first = mass + jnp.maximum(first - level * gap, 0)
        return (first, between, second, jnp.maximum(best_one, first)), second

    none = jnp.zeros_like(level)
    (_, _, _, best_one), two = jax.lax.scan(extend, (none, none - jnp.inf, none - jnp.inf, none), (gap, one))
    return jnp.max(jnp.maximum(jnp.max(two, axis=0), best_one) - best_one)


def _two_groups(ordered, weight):
    """Of the split into low and high with the least variance within: means, share of the high ones, that variance."""
    values = jnp.where(weight > 0, ordered, 0)
    center = jnp.sum(values) / jnp.maximum(jnp.sum(weight), 1)
    values = jnp.where(weight > 0, values - center, 0)
    below, total = jnp.cumsum(weight), jnp.sum(weight)
    sum_below = jnp.cumsum(values)
    above = total - below
    low, high = sum_below / jnp.maximum(below, 1), (jnp.sum(values) - sum_below) / jnp.maximum(above, 1)
    between = jnp.where(above > 0, below * low**2 + above * high**2, -jnp.inf)
    best = jnp.argmax(between)
    within = (jnp.sum(values**2) - between[best]) / jnp.maximum(total, 1)
    return center + low[best], center + high[best], above[best] / jnp.maximum(total, 1), within


class _Jackknife(NamedTuple):
    """A statistic of all outcomes, its standard error, the number of outcomes and their unit, all [...]."""

    whole: jax.Array
    error: jax.Array
    count: jax.Array
    scale: jax.Array
    blocks: jax.Array


def _jackknife(statistic, outcomes, blocks, *, centered) -> _Jackknife:
    """statistic(first four moments [4]) of outcomes in units of their largest; centered: about their mean."""
    outcomes = _as_outcomes(outcomes)
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


def _as_outcomes(outcomes):
    outcomes = jnp.asarray(outcomes)
    if outcomes.ndim == 0 or outcomes.shape[-1] < 2:
        raise ValueError(f"outcomes must have shape [..., seeds] with at least two seeds, got {outcomes.shape}")
    return outcomes.astype(jnp.promote_types(jnp.result_type(outcomes, float), jnp.float32))


def _moment(jack: _Jackknife, offset, factor) -> Moment:
    """offset + factor * exp(logarithm), with the ends of the interval where the logarithm's are."""
    size = factor * jnp.exp(jack.whole)
    reach = student_t_975(jack.blocks - 1) * jack.error
    ends = offset + size[..., None] * jnp.exp(jnp.stack([-reach, reach], axis=-1))
    status = jnp.where(jnp.isfinite(jack.whole), OK, NOT_IDENTIFIED)
    status = jnp.where(jack.count < LEAST_SEEDS, TOO_FEW_POINTS, status)
    known = status == OK
    value, se = (jnp.where(known, field, jnp.nan) for field in (offset + size, jnp.abs(size) * jack.error))
    return Moment(value, se, jnp.where(known[..., None], jnp.sort(ends, axis=-1), jnp.nan), status)
