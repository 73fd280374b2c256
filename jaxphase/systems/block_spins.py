"""Block spins of an Ising configuration, and the operators that Monte Carlo renormalization measures on it.

Spins are int8, -1 or 1, on tori `[..., L, L]`. An operator is a sum over the lattice of products of spins, the
derivative of -H / T with respect to its coupling. Even operators do not change when all spins flip; odd ones change
their sign.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Int, Key

EVEN_OPERATORS = ("nearest neighbors", "second neighbors", "plaquette", "third neighbors", "fourth neighbors")
ODD_OPERATORS = ("magnetization", "corner", "row", "diagonal")


@functools.partial(jax.jit, static_argnames="b")
def majority(
    spins: Int[ArrayLike, "*lead rows columns"], b: int = 2, *, key: Key[Array, ""]
) -> Int[Array, "*lead i j"]:
    """Replace each block of b x b spins by the sign of its majority.

    Args:
        spins: -1 or 1, `[..., L, L]`; b must divide L.
        b: Side of a block.
        key: Decides ties, which only blocks of an even side have, by a random sign.

    Returns:
        Block spins, int8 `[..., L / b, L / b]`.

    Raises:
        ValueError: If the blocks do not fill the lattice.
    """
    spins = jnp.asarray(spins)
    *lead, rows, columns = spins.shape
    if rows % b or columns % b:
        raise ValueError(f"blocks of b = {b} do not fill spins of shape {spins.shape}: give a divisor of both sides.")
    total = jnp.sum(spins.reshape(*lead, rows // b, b, columns // b, b), axis=(-3, -1), dtype=jnp.int32)
    if b % 2:
        return jnp.sign(total).astype(jnp.int8)
    tie = 2 * (jax.random.bits(key, total.shape, jnp.uint8) & 1).astype(jnp.int32) - 1
    return jnp.sign(2 * total + tie).astype(jnp.int8)


@jax.jit
def even_operators(spins: Int[ArrayLike, "*lead L L"]) -> Int[Array, "*lead operators"]:
    """Sum the products of spins that do not change when all spins flip.

    They are the pairs at distances (1, 0), (1, 1), (2, 0) and (2, 1) in every direction of the square lattice, and the
    product of the four spins around a plaquette in the third place.

    Args:
        spins: -1 or 1, `[..., L, L]`.

    Returns:
        Sums over the lattice, int32 `[..., 5]`, in the order of `EVEN_OPERATORS`.
    """
    spins = jnp.asarray(spins)
    right = spins * _shifted(spins, 0, 1)
    plaquette = right * _shifted(right, 1, 0)
    pairs = [_pairs(spins, *offset) for offset in ((1, 0), (1, 1), (2, 0), (2, 1))]
    return jnp.stack([*pairs[:2], _total(plaquette), *pairs[2:]], axis=-1)


@jax.jit
def odd_operators(spins: Int[ArrayLike, "*lead L L"]) -> Int[Array, "*lead operators"]:
    """Sum the products of spins that change their sign when all spins flip.

    They are single spins; three at a corner (a site and a neighbor along each axis); three in a row; three along a
    diagonal.

    Args:
        spins: -1 or 1, `[..., L, L]`.

    Returns:
        Sums over the lattice, int32 `[..., 4]`, in the order of `ODD_OPERATORS`.
    """
    spins = jnp.asarray(spins)
    up, down, left, right = (_shifted(spins, *offset) for offset in ((-1, 0), (1, 0), (0, -1), (0, 1)))
    corner = spins * (up + down) * (left + right)
    row = spins * (up * down + left * right)
    diagonals = _shifted(spins, 1, 1) * _shifted(spins, -1, -1) + _shifted(spins, 1, -1) * _shifted(spins, -1, 1)
    return jnp.stack([_total(field) for field in (spins, corner, row, spins * diagonals)], axis=-1)


def _shifted(spins: Int[Array, "*lead L L"], rows: int, columns: int) -> Int[Array, "*lead L L"]:
    """Move spins around the torus."""
    return jnp.roll(spins, (rows, columns), (-2, -1))


def _total(field: Int[Array, "*lead L L"]) -> Int[Array, "*lead"]:
    """Sum over the lattice, without overflow of small integers."""
    return jnp.sum(field, axis=(-2, -1), dtype=jnp.int32)


def _pairs(spins: Int[Array, "*lead L L"], far: int, near: int) -> Int[Array, "*lead"]:
    """Sum over all pairs at the distance (far, near) in any direction of the lattice, each pair once."""
    offsets = {(a, b) for c, d in ((far, near), (near, far)) for a, b in itertools.product((c, -c), (d, -d))}
    once = sorted(offset for offset in offsets if offset > (0, 0))
    return jnp.asarray(sum(_total(spins * _shifted(spins, *offset)) for offset in once))
