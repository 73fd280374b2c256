"""The step of phenomenological renormalization in real space: the most correlated units are paired and summed.

Meshulam, Gauthier, Brody, Tank & Bialek (2019), Phys. Rev. Lett. 123, 178103. Of all units that are still free the two
with the largest correlation become a pair, again and again: strictly greedy. The same pairs come out if in each round
every two units that are each other's best free partner are paired at once (Preis 1999, STACS, LNCS 1563, 259), and a
few rounds over the whole matrix, as many as about the logarithm of the units, are what a vector machine is good at.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ...detect.least_squares import index_of_largest


class Pairs(NamedTuple):
    """Indices of the two members `[..., units // 2, 2]` of each pair, both they and the pairs in rising order, and
    whether the row is a pair, `[..., units // 2]`; rows that are none come last."""

    members: jax.Array
    valid: jax.Array


class CoarseUnits(NamedTuple):
    """Sums of pairs `[..., samples, units // 2]`, and which of them are one `[..., units // 2]`; the others are 0."""

    activations: jax.Array
    valid: jax.Array


@jax.jit
def pair(correlation, live=None) -> Pairs:
    """Greedy pairs of units by their correlation.

    correlation: `[..., units, units]`, symmetric; only its order counts. live: `[..., units]`, units to be paired, all
    if None; the others change nothing. Of equal correlations the one of the lowest index goes first. Every live unit
    gets a partner, be it an anticorrelated one, except that of an odd number the last one is left over. An entry that
    is not a number counts as the lowest. The work is that of a pass over the matrix for each round, of which there are
    about as many as binary digits in the number of units, and half as many as units at the very worst.
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
def pair_and_sum(activations, live=None) -> CoarseUnits:
    """One step: the units of `activations` `[..., samples, units]` in greedy pairs, and the pairs summed.

    live: `[..., units]`, which units there are, all if None; units that do not vary are left out besides. Of an odd
    number one is dropped, as is usual. The pairs are those of the correlation in these very samples: what is measured
    of the sums afterwards in the same samples is biased towards more correlation (see `cluster_flow`).
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
    live = varies if live is None else varies & jnp.asarray(live, bool)
    members, valid = pair(to_correlation(covariance, live), live)
    first, second = (jnp.take_along_axis(x, members[..., None, :, i], axis=-1) for i in range(2))
    return CoarseUnits(jnp.where(valid[..., None, :], first + second, 0), valid)


def to_correlation(covariance, live):
    """Correlation matrix `[..., units, units]`, exactly symmetric; 0 for the units that are not live."""
    variance = jnp.diagonal(covariance, axis1=-2, axis2=-1)
    inverse = jnp.where(live & (variance > 0), 1 / jnp.sqrt(jnp.where(variance > 0, variance, 1)), 0)
    scaled = covariance * inverse[..., :, None] * inverse[..., None, :]
    return (scaled + jnp.swapaxes(scaled, -1, -2)) / 2


def _pair(correlation, live):
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

    # A tie between equal best pairs is no deadlock: the pair of the lowest index is each other's first choice.
    partner, _, _ = jax.lax.while_loop(
        lambda state: state[2] & (jnp.sum(state[1]) > 1), round_of_pairs, (index, live, jnp.array(True))
    )
    leads = index < partner
    row = jnp.where(leads, jnp.cumsum(leads) - 1, units)
    members = jnp.zeros((units // 2, 2), int).at[row].set(jnp.stack([index, partner], axis=-1), mode="drop")
    return Pairs(members, jnp.arange(units // 2) < jnp.sum(leads))
