"""The step of phenomenological renormalization in real space: the most correlated units are paired and summed.

Meshulam, Gauthier, Brody, Tank & Bialek (2019), Phys. Rev. Lett. 123, 178103. Greedy pairing takes, again and again,
the two free units with the largest correlation. The same pairs come out if in each round all units are paired that are
each other's best free partner (Preis 1999, STACS, LNCS 1563, 259). This needs only about log2(units) rounds over
the whole matrix, each of which is fast on a vector machine.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.least_squares import index_of_largest


class Pairs(NamedTuple):
    """Pairs of units.

    Attributes:
        members: Indices of the two members of each pair, `[..., units // 2, 2]`; members and pairs in rising order.
        valid: Whether a row is a pair, `[..., units // 2]`; rows that are not come last.
    """

    members: Int[Array, "*batch pairs 2"]
    valid: Bool[Array, "*batch pairs"]


class CoarseUnits(NamedTuple):
    """Sums of pairs of units.

    Attributes:
        activations: Sums of the pairs, `[..., samples, units // 2]`; 0 where there is no pair.
        valid: Whether a column is a pair, `[..., units // 2]`.
    """

    activations: Float[Array, "*batch samples pairs"]
    valid: Bool[Array, "*batch pairs"]


@jax.jit
def pair(correlation: ArrayLike, live: ArrayLike | None = None) -> Pairs:
    """Pair units greedily by their correlation.

    Only the order of the correlations counts; among equal ones the lowest index goes first, and NaN counts as the
    lowest. Every live unit gets a partner, even an anticorrelated one; if their number is odd, one is left over. There
    are about log2(units) passes over the matrix, and at worst units / 2.

    Args:
        correlation: Correlations, `[..., units, units]`, symmetric.
        live: Which units to pair, `[..., units]`; None means all. The others have no influence.

    Returns:
        `Pairs` of the live units.

    Raises:
        ValueError: If correlation is not square, or of a single unit.
    """
    correlation = jnp.asarray(correlation)
    units = correlation.shape[-1]
    if correlation.ndim < 2 or correlation.shape[-2] != units or units < 2:
        raise ValueError(f"correlation must have shape [..., units, units], two units or more, got {correlation.shape}")
    lead = correlation.shape[:-2]
    live = jnp.broadcast_to(True if live is None else jnp.asarray(live, bool), (*lead, units))
    pairs = jax.vmap(_pair)(correlation.reshape(math.prod(lead), units, units), live.reshape(math.prod(lead), units))
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), pairs)


@jax.jit
def pair_and_sum(activations: ArrayLike, live: ArrayLike | None = None) -> CoarseUnits:
    """Do one step of coarse-graining: pair the units greedily by correlation and sum the pairs.

    The pairs are chosen by the correlations in these samples, so measuring the sums in the same samples is biased
    toward more correlation; `cluster_flow` avoids this.

    Args:
        activations: Activations, `[..., samples, units]`.
        live: Which units to pair, `[..., units]`; None means all. Units that do not vary are left out too.

    Returns:
        `CoarseUnits`; of an odd number of units, one is dropped.

    Raises:
        ValueError: If there are fewer than two units.
    """
    x = jnp.asarray(activations)
    if x.ndim < 2 or x.shape[-1] < 2:
        raise ValueError(f"activations must have shape [..., samples, units], two units or more, got {x.shape}")
    x = x.astype(jnp.promote_types(jnp.result_type(x, float), jnp.float32))
    mean = jnp.mean(x, axis=-2, keepdims=True)
    deviation = x - mean
    with jax.default_matmul_precision("highest"):
        covariance = jnp.matmul(jnp.swapaxes(deviation, -1, -2), deviation) / x.shape[-2]
    varies = jnp.diagonal(covariance, axis1=-2, axis2=-1) > jnp.square(8 * jnp.finfo(x.dtype).eps * mean[..., 0, :])
    paired = varies if live is None else varies & jnp.asarray(live, bool)
    members, valid = pair(to_correlation(covariance, paired), paired)
    first, second = (jnp.take_along_axis(x, members[..., None, :, i], axis=-1) for i in range(2))
    return CoarseUnits(jnp.where(valid[..., None, :], first + second, 0), valid)


def to_correlation(
    covariance: Float[Array, "*batch units units"], live: Bool[Array, "*batch units"]
) -> Float[Array, "*batch units units"]:
    """Correlation matrix, exactly symmetric; 0 for the units that are not live."""
    variance = jnp.diagonal(covariance, axis1=-2, axis2=-1)
    inverse = jnp.where(live & (variance > 0), 1 / jnp.sqrt(jnp.where(variance > 0, variance, 1)), 0)
    scaled = covariance * inverse[..., :, None] * inverse[..., None, :]
    return (scaled + jnp.swapaxes(scaled, -1, -2)) / 2


def _pair(correlation: Float[Array, "units units"], live: Bool[Array, " units"]) -> Pairs:
    """The pairs of one matrix."""
    units = len(correlation)
    index = jnp.arange(units)
    lowest = jnp.finfo(correlation.dtype).min
    correlation = jnp.where(jnp.isnan(correlation), lowest, jnp.maximum(correlation, lowest))
    correlation = jnp.where(index[:, None] == index, -jnp.inf, correlation)

    def round_of_pairs(state):
        partner, free, _ = state
        open_pairs = jnp.where(free[:, None] & free, correlation, -jnp.inf)
        best = index_of_largest(open_pairs)
        mutual = free & (best[best] == index) & free[best] & (best != index)
        return jnp.where(mutual, best, partner), free & ~mutual, jnp.any(mutual)

    # Equal correlations cannot block a round: the pair of the lowest index always chooses each other.
    partner, _, _ = jax.lax.while_loop(
        lambda state: state[2] & (jnp.sum(state[1]) > 1), round_of_pairs, (index, live, jnp.array(True))
    )
    leads = index < partner
    row = jnp.where(leads, jnp.cumsum(leads) - 1, units)
    members = jnp.zeros((units // 2, 2), int).at[row].set(jnp.stack([index, partner], axis=-1), mode="drop")
    return Pairs(members, jnp.arange(units // 2) < jnp.sum(leads))
