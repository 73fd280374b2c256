"""Whether outcomes over seeds are bimodal: the excess mass of two intervals over that of one.

At a first-order transition the same model trained again may end on either side of a jump, so that its outcomes have two
peaks with nothing between.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key

from jaxphase.detect.batched import once_per_grid
from jaxphase.detect.distributions import share_above
from jaxphase.detect.status import Status, answered, first_true
from jaxphase.scaling.moments import as_outcomes

LEAST_OUTCOMES = 8  # with fewer outcomes, two peaks cannot be told from chance
DRAWS = 1999
# Density levels that a peak may exceed, in units of the mean density over the range of the outcomes.
LEVELS = np.geomspace(0.1, 100, 48)


class Bimodality(NamedTuple):
    """Whether outcomes have two peaks.

    Attributes:
        excess_mass: Excess mass of two intervals over that of one, `[...]`.
        p_value: p-value of this excess mass for outcomes with one peak, `[...]`.
        low: Mean of the lower of the two groups that split the outcomes best, `[...]`.
        high: Mean of the upper group, `[...]`.
        share: Share of the outcomes in the upper group, `[...]`.
        separation: Distance of the two means over the root mean square deviation within the groups, `[...]`.
        status: `Status`, `[...]`; see `bimodality`.
    """

    excess_mass: Float[Array, "*batch"]
    p_value: Float[Array, "*batch"]
    low: Float[Array, "*batch"]
    high: Float[Array, "*batch"]
    share: Float[Array, "*batch"]
    separation: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


def bimodality(outcomes: ArrayLike, *, key: Key[Array, ""] | None = None) -> Bimodality:
    """Test for two peaks in outcomes, against every distribution with one.

    The statistic is the excess mass of two intervals over that of one, half of which is the dip statistic of Hartigan &
    Hartigan. Its p-value comes from as many uniform outcomes, which of all distributions with one peak are the hardest
    to tell from two peaks. For a normal scatter it is therefore hardly ever small.

    Args:
        outcomes: Outcomes, `[..., seeds]`; one that is not finite is missing.
        key: Key of the simulated uniform outcomes.

    Returns:
        A `Bimodality`. The two groups are given whatever the p-value is. The status is NOT_IDENTIFIED, with NaN, if all
        outcomes are equal, and TOO_FEW_POINTS, with NaN, for fewer than eight.

    Raises:
        ValueError: If there are fewer than two seeds.

    Example:
        >>> found = jaxphase.scaling.bimodality(accuracy)
        >>> found.p_value, found.low, found.high

    References:
        Muller & Sawitzki (1991), J. Am. Stat. Assoc. 86, 738; Hartigan & Hartigan (1985), Ann. Stat. 13, 70.
    """
    key = jax.random.key(0) if key is None else key
    values = as_outcomes(outcomes)
    lead = values.shape[:-1]
    result = _bimodality(values.reshape(-1, values.shape[-1]), key)
    return jax.tree.map(lambda field: field.reshape(lead), result)


@jax.jit
def _bimodality(outcomes: Float[Array, "curves seeds"], key: Key[Array, ""]) -> Bimodality:
    """The test of every row of outcomes."""

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
                (count < LEAST_OUTCOMES, Status.TOO_FEW_POINTS),
                (~(ordered[jnp.maximum(count - 1, 0)] > ordered[0]), Status.NOT_IDENTIFIED),
            ),
        )
        return answered(result, result.status == Status.OK)

    return jax.vmap(one)(outcomes)


def _excess_mass(ordered: Float[Array, " n"], weight: Float[Array, " n"]) -> Float[Array, ""]:
    """Largest excess mass of two intervals over that of one, over all density levels.

    The excess mass of intervals is the share of the outcomes in them less the level times their length. Outcomes come
    in rising order, the missing ones last with weight 0.
    """
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


def _two_groups(
    ordered: Float[Array, " n"], weight: Float[Array, " n"]
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """The split with the least variance within: mean of the lower and the upper group, share of the upper, variance."""
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
