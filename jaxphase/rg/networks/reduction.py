"""Fewer coordinates for many, and the way back: what a coarse-graining of hidden units is made of.

Behind a nonlinearity only units themselves can be kept (`select`); where any rotation is a symmetry, the principal axes
are the best there is (`principal_axes`). Coordinates that are padding come last, and are never kept.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

# A unit of whose variance less than this share remains is a combination of others, up to rounding.
_ROUNDING = 1e-6


class Reduction(NamedTuple):
    """Maps `coarse = fine @ down` and `fine ~ coarse @ up + offset`.

    down [w, k], up [k, w], offset [w]; kept is the share of the variance, or of the mean square, that the way back
    explains. Columns of `down` beyond what a padded model keeps are zero, as are the rows of `up`.
    """

    down: Array
    up: Array
    offset: Array
    kept: Array


def identity(size: int, dtype=jnp.float32) -> Reduction:
    """All coordinates."""
    eye = jnp.eye(size, dtype=dtype)
    return Reduction(eye, eye, jnp.zeros(size, dtype), jnp.ones((), dtype))


def select(fine: Array, keep: Array, size: int, *, group: int = 1, centre: bool = True) -> Reduction:
    """Units from which the others follow best by linear maps, one after the other: interpolative decomposition.

    fine [n, w]: samples of all units; keep: how many of them are kept, at most `size`, which is the number of columns
    that come back. Each next unit is the one of the largest remaining variance after those before it have explained
    what they can, as in the pivoted QR decomposition of `fine` (Cheng et al. 2005; Chee et al. 2022, NeurIPS). Units
    come and go in groups of `group` neighbours. With centre=True constants are for free: whatever reads the units can
    hold them. 2 n w^2 operations for the covariance, 4 w^2 for every unit kept.
    """
    mean, moment = _moments(fine, centre)
    width = len(moment)

    def add(i: Array, state):
        rest, up, chosen, free = state
        # Nothing is below 0, not by rounding either: the first of equals is then no padding.
        share = jnp.where(free, jnp.maximum(jnp.diagonal(rest), 0), -1).reshape(-1, group).sum(1)
        first = group * jnp.argmax(share)
        for place in range(group):
            unit = jnp.where(group * i + place < keep, first + place, width)
            rest, up = _sweep(rest, up, moment, unit, group * i + place)
            chosen = chosen.at[group * i + place].set(unit)
            free = free & (jnp.arange(width) != unit)
        return rest, up, chosen, free

    start = moment, jnp.zeros((size, width), fine.dtype), jnp.full(size, width), jnp.ones(width, bool)
    rest, up, chosen, _ = jax.lax.fori_loop(0, size // group, add, start)
    down = jax.nn.one_hot(chosen, width, dtype=fine.dtype).T
    return Reduction(down, up, mean - mean @ down @ up, _explained(jnp.trace(rest), jnp.trace(moment)))


def read(fine: Array, down: Array, *, centre: bool = True) -> Reduction:
    """The way back from units that are chosen already, by samples `fine` [n, w]; down [w, k] has one unit a column."""
    mean, moment = _moments(fine, centre)
    chosen = jnp.where(down.any(axis=0), jnp.argmax(down, axis=0), len(moment))
    start = moment, jnp.zeros(down.T.shape, fine.dtype)
    rest, up = jax.lax.fori_loop(0, len(chosen), lambda i, state: _sweep(*state, moment, chosen[i], i), start)
    return Reduction(down, up, mean - mean @ down @ up, _explained(jnp.trace(rest), jnp.trace(moment)))


def principal_axes(second_moment: Array, live: Array, keep: Array, size: int) -> Reduction:
    """The `keep` directions of the largest mean square, of `live` coordinates: second_moment [w, w].

    down is orthonormal, so that with all directions kept nothing but a rotation is done (SliceGPT, Ashkboos et al.
    2024). About 9 w^3 operations.
    """
    width = len(second_moment)
    padding = jnp.arange(width) >= live
    total = jnp.trace(second_moment)
    # Below all live directions, those of no variance among them.
    values, vectors = jnp.linalg.eigh(second_moment - jnp.diag(jnp.where(padding, total + 1, 0)))
    used = jnp.arange(size) < keep
    down = jnp.where(used, vectors[:, ::-1][:, :size], 0)
    lost = total - jnp.sum(jnp.where(used, values[::-1][:size], 0))
    return Reduction(down, down.T, jnp.zeros(width, down.dtype), _explained(lost, total))


def _moments(fine: Array, centre: bool) -> tuple[Array, Array]:
    """Mean [w], or zeros for it, and the second moment [w, w] about it."""
    mean = fine.mean(0) if centre else jnp.zeros_like(fine[0])
    return mean, (fine - mean).T @ (fine - mean) / len(fine)


def _sweep(rest: Array, up: Array, moment: Array, unit: Array, row: Array) -> tuple[Array, Array]:
    """One more unit (w for none): what it explains goes from `rest` to row `row` of `up` (Gauss-Jordan elimination)."""
    itself = (jnp.arange(len(rest)) == unit).astype(rest.dtype)
    column = rest @ itself
    variance = column @ itself
    independent = variance > _ROUNDING * (itself @ moment @ itself)
    along = jnp.where(independent, column / jnp.where(independent, variance, 1), 0)
    along = jnp.where(itself > 0, 1, along)
    rest = rest - jnp.outer(jnp.where(independent, column, 0), along)
    up = up - jnp.outer(up @ itself, along)
    others = jnp.outer(1 - itself, 1 - itself)
    return rest * others, up.at[row].set(jnp.where(itself.any(), along, 0))


def _explained(lost: Array, total: Array) -> Array:
    return jnp.where(total > 0, 1 - lost / jnp.where(total > 0, total, 1), 1)
