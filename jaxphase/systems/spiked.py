"""One spike in a covariance: when the top eigenvector of a sample covariance begins to see it.

`samples` vectors of `dimension` p have covariance 1 + strength u u^T. With p / samples = g fixed and p large, the top
eigenvalue leaves the bulk, and its eigenvector turns to u, where strength > sqrt(g): Baik, Ben Arous & Peche (2005),
Ann. Probab. 33, 1643; overlaps of Paul (2007), Stat. Sinica 17, 1617. The window of p is wide, ~ p**(-1/3).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Spike(NamedTuple):
    """The top eigenvalue of the sample covariance, and the squared overlap of its unit eigenvector with u."""

    eigenvalue: jax.Array
    overlap: jax.Array


def critical_strength(ratio):
    """Strength above which the spike is seen, sqrt(ratio), ratio = dimension / samples."""
    return np.sqrt(ratio)


def limit(strength, ratio) -> Spike:
    """Top eigenvalue and squared overlap as dimension and samples grow at this ratio."""
    seen = np.asarray(strength) > critical_strength(ratio)
    strength = np.where(seen, strength, critical_strength(ratio))
    eigenvalue = (1 + strength) * (1 + ratio / strength)
    return Spike(eigenvalue, (1 - ratio / strength**2) / (1 + ratio / strength))


@functools.partial(jax.jit, static_argnames=("dimension", "samples", "replicas"))
def sample(key, strength, dimension, samples, replicas) -> Spike:
    """Independent draws at strengths `[k]`, each field `[k, replicas]`.

    No matrix is drawn: Householder reflections that keep u bring Gaussian data to a bidiagonal form of independent chi
    variables, so the covariance has the law of a tridiagonal matrix and u is its first axis (Bloemendal & Virag 2013,
    Probab. Theory Relat. Fields 156, 795). A draw costs O(dimension).
    """
    shape = (len(strength), replicas)
    to_diagonal, to_side = jax.random.split(key)
    freedom = samples - jnp.arange(dimension)
    diagonal = _chi(to_diagonal, freedom, (*shape, dimension))
    side = _chi(to_side, jnp.where(freedom > 0, dimension - 1 - jnp.arange(dimension), 0), (*shape, dimension))
    diagonal = diagonal.at[..., 0].multiply(jnp.sqrt(1 + jnp.asarray(strength))[:, None])
    main = (jnp.square(diagonal) + jnp.square(jnp.roll(side, 1, -1))) / samples
    beside = diagonal * side / samples
    return _top(jnp.moveaxis(main, -1, 0), jnp.moveaxis(beside, -1, 0))


def _chi(key, freedom, shape):
    """Roots of chi squared with these degrees of freedom, 0 for none."""
    return jnp.sqrt(jnp.where(freedom > 0, 2 * jax.random.gamma(key, jnp.maximum(freedom, 1) / 2, shape), 0))


def _top(main, beside) -> Spike:
    """Of symmetric tridiagonal matrices: main `[n, ...]`, and beside of the same shape, whose last is 0.

    Of the pivots of elimination those above 0 count the eigenvalues above x (Sturm), so the top is found by halving.
    Its vector follows from the pivots from both ends, which meet where it is largest: small components are right too,
    as they are not from inverting the whole (Fernando 1997, SIAM J. Matrix Anal. Appl. 18, 1013).
    """
    before = jnp.roll(beside, 1, 0)

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        above = jnp.any(_pivots(main - middle, before) > 0, axis=0)
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    ends = jnp.max(main, axis=0), jnp.max(main + beside + before, axis=0)  # Rayleigh, Gershgorin
    _, top = jax.lax.fori_loop(0, jnp.finfo(main.dtype).nmant + 4, halve, ends)

    down = _pivots(main - top, before)
    up = _pivots((main - top)[::-1], beside[::-1])[::-1]
    turn = jnp.argmin(jnp.abs(down + up - (main - top)), axis=0)
    log = lambda values: jnp.log(jnp.maximum(jnp.abs(values), jnp.finfo(main.dtype).tiny))  # noqa: E731
    # Logarithms of z_i / z_{i + 1} above the turn and of z_i / z_{i - 1} below it, with their sums.
    above = jnp.cumsum(log(beside) - log(down), axis=0)
    below = jnp.cumsum(log(before) - log(up), axis=0)
    above = jnp.concatenate([jnp.zeros_like(above[:1]), above[:-1]])
    at_turn = lambda sums: jnp.take_along_axis(sums, turn[None], axis=0)  # noqa: E731
    row = jnp.arange(len(main)).reshape(-1, *[1] * turn.ndim)
    log_vector = jnp.where(row < turn, at_turn(above) - above, below - at_turn(below))
    return Spike(top, jax.nn.softmax(2 * log_vector, axis=0)[0])


def _pivots(main, before):
    """Pivots `[n, ...]` of elimination from the first row on, none 0; before is what joins a row to the one above."""

    def eliminate(pivot, row):
        diagonal, joined = row
        pivot = diagonal - jnp.square(joined) / pivot
        pivot = jnp.where(pivot == 0, -jnp.finfo(main.dtype).tiny, pivot)
        return pivot, pivot

    return jax.lax.scan(eliminate, -jnp.ones_like(main[0]), (main, before))[1]
