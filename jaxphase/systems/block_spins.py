"""Block spins of an Ising configuration, and the operators that Monte Carlo renormalization measures on it.

Spins are int8, -1 or 1, on tori `[..., L, L]`. Operators are sums over the lattice of products of spins, each the
derivative of -H / T by its coupling; even ones do not change when all spins flip, odd ones change their sign.
"""

import functools
import itertools

import jax
import jax.numpy as jnp

EVEN = ("nearest neighbors", "second neighbors", "plaquette", "third neighbors", "fourth neighbors")
ODD = ("magnetization", "corner", "row", "diagonal")


@functools.partial(jax.jit, static_argnames="b")
def majority(key, spins, b=2):
    """The majority of each b x b block of spins `[..., L, L]`, `[..., L / b, L / b]`; a tie is a random sign."""
    spins = jnp.asarray(spins)
    *lead, rows, columns = spins.shape
    if rows % b or columns % b:
        raise ValueError(f"blocks of b = {b} do not fill spins of shape {spins.shape}")
    total = jnp.sum(spins.reshape(*lead, rows // b, b, columns // b, b), axis=(-3, -1), dtype=jnp.int32)
    if b % 2:
        return jnp.sign(total).astype(jnp.int8)
    tie = 2 * (jax.random.bits(key, total.shape, jnp.uint8) & 1).astype(jnp.int32) - 1
    return jnp.sign(2 * total + tie).astype(jnp.int8)


@jax.jit
def even_operators(spins):
    """The operators EVEN of spins `[..., L, L]`: int32 `[..., 5]`.

    Pairs at distances (1, 0), (1, 1), (2, 0) and (2, 1) with all their images under the symmetries of the square, and
    the product of four around a plaquette in the third place.
    """
    right = spins * _moved(spins, 0, 1)
    plaquette = right * _moved(right, 1, 0)
    pairs = [_pairs(spins, *offset) for offset in ((1, 0), (1, 1), (2, 0), (2, 1))]
    return jnp.stack([*pairs[:2], _total(plaquette), *pairs[2:]], axis=-1)


@jax.jit
def odd_operators(spins):
    """The operators ODD of spins `[..., L, L]`: int32 `[..., 4]`.

    All spins; three at a corner (one and a neighbor along each axis), three in a row and three along a diagonal.
    """
    up, down, left, right = (_moved(spins, *offset) for offset in ((-1, 0), (1, 0), (0, -1), (0, 1)))
    corner = spins * (up + down) * (left + right)
    row = spins * (up * down + left * right)
    diagonals = _moved(spins, 1, 1) * _moved(spins, -1, -1) + _moved(spins, 1, -1) * _moved(spins, -1, 1)
    return jnp.stack([_total(part) for part in (spins, corner, row, spins * diagonals)], axis=-1)


def _moved(spins, rows, columns):
    return jnp.roll(spins, (rows, columns), (-2, -1))


def _total(field):
    return jnp.sum(field, axis=(-2, -1), dtype=jnp.int32)


def _pairs(spins, far, near):
    """Sum over pairs at this distance and its images under the symmetries of the square, each pair once."""
    images = {(a, b) for c, d in ((far, near), (near, far)) for a, b in itertools.product((c, -c), (d, -d))}
    once = [image for image in images if image > (0, 0)]
    return sum(_total(spins * _moved(spins, *image)) for image in sorted(once))
