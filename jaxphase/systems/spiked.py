"""One spike in a covariance: when the top eigenvector of a sample covariance begins to point to it.

`samples` vectors of `dimension` p have the covariance 1 + strength u u^T. With p / samples = g fixed and p large, the
top eigenvalue leaves the bulk, and its eigenvector turns to u, where strength > sqrt(g) (Baik, Ben Arous & Peche 2005,
Ann. Probab. 33, 1643; overlaps of Paul 2007, Stat. Sinica 17, 1617). The window of the transition is wide, ~ p**(-1/3).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key


class Spike(NamedTuple):
    """The top eigenvalue and eigenvector of a sample covariance.

    Attributes:
        eigenvalue: The top eigenvalue.
        overlap: The squared overlap of its unit eigenvector with u.
    """

    eigenvalue: Float[Array | np.ndarray, "*draws"]
    overlap: Float[Array | np.ndarray, "*draws"]


def critical_strength(ratio: ArrayLike) -> Float[np.ndarray, "*ratios"]:
    """Compute the strength above which the spike is seen, sqrt(ratio).

    Args:
        ratio: `dimension / samples`, any shape.

    Returns:
        The strength, of the same shape.
    """
    return np.asarray(np.sqrt(ratio))


def limit(strength: ArrayLike, ratio: ArrayLike) -> Spike:
    """Compute the top eigenvalue and its overlap as dimension and samples grow at a fixed ratio.

    Args:
        strength: Strength of the spike, any shape.
        ratio: `dimension / samples`; broadcasts with `strength`.

    Returns:
        A `Spike` of the broadcast shape.
    """
    seen = np.asarray(strength) > critical_strength(ratio)
    strength = np.where(seen, strength, critical_strength(ratio))
    ratio = np.asarray(ratio)
    eigenvalue = (1 + strength) * (1 + ratio / strength)
    return Spike(np.asarray(eigenvalue), np.asarray((1 - ratio / strength**2) / (1 + ratio / strength)))


@functools.partial(jax.jit, static_argnames=("dimension", "samples", "replicas"))
def sample(
    strength: Float[ArrayLike, " strengths"], dimension: int, samples: int, replicas: int, *, key: Key[Array, ""]
) -> Spike:
    """Draw sample covariances without drawing a matrix, in O(dimension) operations each.

    Householder reflections that keep u bring Gaussian data to a bidiagonal form of independent chi variables, so the
    covariance has the law of a tridiagonal matrix and u is its first axis.

    Args:
        strength: Strengths of the spike, `[strengths]`.
        dimension: Length p of the vectors.
        samples: Number of vectors.
        replicas: Draws at each strength.
        key: Decides the draws.

    Returns:
        A `Spike`, each field `[strengths, replicas]`.

    References:
        Bloemendal & Virag (2013), Probab. Theory Relat. Fields 156, 795.
    """
    strength = jnp.asarray(strength)
    shape = (len(strength), replicas)
    diagonal_key, side_key = jax.random.split(key)
    freedom = samples - jnp.arange(dimension)
    diagonal = _chi(diagonal_key, freedom, (*shape, dimension))
    side = _chi(side_key, jnp.where(freedom > 0, dimension - 1 - jnp.arange(dimension), 0), (*shape, dimension))
    diagonal = diagonal.at[..., 0].multiply(jnp.sqrt(1 + strength)[:, None])
    main = (jnp.square(diagonal) + jnp.square(jnp.roll(side, 1, -1))) / samples
    beside = diagonal * side / samples
    return _top(jnp.moveaxis(main, -1, 0), jnp.moveaxis(beside, -1, 0))


def _chi(key: Key[Array, ""], freedom: Int[Array, " p"], shape: tuple[int, ...]) -> Float[Array, "*draws p"]:
    """Chi variables, roots of chi squared, with these degrees of freedom; 0 for none."""
    return jnp.sqrt(jnp.where(freedom > 0, 2 * jax.random.gamma(key, jnp.maximum(freedom, 1) / 2, shape), 0))


def _top(main: Float[Array, "p *draws"], beside: Float[Array, "p *draws"]) -> Spike:
    """Top eigenvalue of symmetric tridiagonal matrices, and the first component of its vector, squared.

    `beside` joins each row to the next, so its last entry is 0. The number of positive pivots of elimination is the
    number of eigenvalues above x (Sturm), so the top is found by bisection. Its vector follows from the pivots from
    both ends, which meet where it is largest, so that small components are precise too (Fernando 1997, SIAM J. Matrix
    Anal. Appl. 18, 1013).
    """
    before = jnp.roll(beside, 1, 0)

    def halve(_: Int[Array, ""], ends: tuple[Float[Array, "*draws"], Float[Array, "*draws"]]):
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


def _pivots(main: Float[Array, "p *draws"], before: Float[Array, "p *draws"]) -> Float[Array, "p *draws"]:
    """Pivots of elimination from the first row on, none of them 0; `before` joins each row to the one above."""

    def eliminate(pivot: Float[Array, "*draws"], row: tuple[Float[Array, "*draws"], Float[Array, "*draws"]]):
        diagonal, joined = row
        pivot = diagonal - jnp.square(joined) / pivot
        pivot = jnp.where(pivot == 0, -jnp.finfo(main.dtype).tiny, pivot)
        return pivot, pivot

    return jax.lax.scan(eliminate, -jnp.ones_like(main[0]), (main, before))[1]
