"""Reductions of many coordinates to few, with the way back: the building blocks of coarse-graining hidden units.

Behind a nonlinearity only whole units can be kept (`select`). Where any rotation is a symmetry, the principal axes keep
the most (`principal_axes`). Coordinates that are padding come last, and are never kept.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, ArrayLike, Float, Int

# The parameters of a model are NumPy arrays until the first program has run.
AnyArray = Array | np.ndarray

# A unit is a combination of others, up to rounding, if less than this share of its variance is unexplained.
_ROUNDING = 1e-6


class Reduction(NamedTuple):
    """The maps `coarse = fine @ down` and `fine ~ coarse @ up + offset`.

    Attributes:
        down: From fine to coarse, `[w, k]`; columns are zero beyond the number that a padded model keeps.
        up: From coarse to fine, `[k, w]`; rows are zero beyond that number.
        offset: Constant of the way back, `[w]`.
        kept: Share of the variance, or of the mean square without centering, that the way back explains.
    """

    down: Float[Array, "w k"]
    up: Float[Array, "k w"]
    offset: Float[Array, " w"]
    kept: Float[Array, ""]


def identity(size: int, dtype: DTypeLike = jnp.float32) -> Reduction:
    """The reduction that keeps all coordinates."""
    eye = jnp.eye(size, dtype=dtype)
    return Reduction(eye, eye, jnp.zeros(size, dtype), jnp.ones((), dtype))


def select(
    fine: Float[AnyArray, "n w"], keep: ArrayLike, size: int, *, group: int = 1, center: bool = True
) -> Reduction:
    """Select units from which the others follow best by linear maps (interpolative decomposition).

    Each next unit is the one with the largest variance that the units before it do not explain, as in the pivoted QR
    decomposition of the samples. The cost is 2 n w**2 operations for the covariance and 4 w**2 for every unit kept.

    Args:
        fine: Samples of all units, `[n, w]`.
        keep: Number of units to keep, at most `size`.
        size: Number of coarse coordinates of the result.
        group: Units are kept in groups of this many neighbors.
        center: Whether the layer that reads the units has a bias, so that constants need no unit.

    Returns:
        The `Reduction` to the selected units.

    References:
        Cheng et al. (2005), SIAM J. Sci. Comput. 26, 1389; Chee et al. (2022), NeurIPS.
    """
    fine = jnp.asarray(fine)
    mean, moment = _moments(fine, center)
    width = len(moment)

    def add(i: Array, state):
        rest, up, chosen, free = state
        # No share is negative by rounding, so that among equals the first is taken, which is not padding.
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


def way_back(fine: Float[AnyArray, "n w"], down: Float[AnyArray, "w k"], *, center: bool = True) -> Reduction:
    """The reduction to units that are already chosen, with the way back from samples of all units.

    `down` has a one for the chosen unit in each column, and columns of zeros for padding.
    """
    fine, down = jnp.asarray(fine), jnp.asarray(down)
    mean, moment = _moments(fine, center)
    chosen = jnp.where(down.any(axis=0), jnp.argmax(down, axis=0), len(moment))

    def add(i: Array, state):
        rest, up = state
        return _sweep(rest, up, moment, chosen[i], i)

    rest, up = jax.lax.fori_loop(0, len(chosen), add, (moment, jnp.zeros(down.T.shape, fine.dtype)))
    return Reduction(down, up, mean - mean @ down @ up, _explained(jnp.trace(rest), jnp.trace(moment)))


def principal_axes(second_moment: Float[AnyArray, "w w"], live: ArrayLike, keep: ArrayLike, size: int) -> Reduction:
    """Keep the directions of the largest mean square.

    `down` is orthonormal, so that with all directions kept the reduction is a rotation (SliceGPT, Ashkboos et al.
    2024). The cost is about 9 w**3 operations.

    Args:
        second_moment: Mean products of the coordinates, `[w, w]`.
        live: Number of coordinates that are not padding.
        keep: Number of directions to keep, at most `size`.
        size: Number of coarse coordinates of the result.

    Returns:
        The `Reduction` to the kept directions.
    """
    second_moment, width = jnp.asarray(second_moment), len(second_moment)
    padding = jnp.arange(width) >= live
    total = jnp.trace(second_moment)
    # Padding gets eigenvalues below those of all live directions, even of those without variance.
    values, vectors = jnp.linalg.eigh(second_moment - jnp.diag(jnp.where(padding, total + 1, 0)))
    used = jnp.arange(size) < keep
    down = jnp.where(used, vectors[:, ::-1][:, :size], 0)
    lost = total - jnp.sum(jnp.where(used, values[::-1][:size], 0))
    return Reduction(down, down.T, jnp.zeros(width, down.dtype), _explained(lost, total))


def _moments(fine: Float[Array, "n w"], center: bool) -> tuple[Float[Array, " w"], Float[Array, "w w"]]:
    """The mean, or zeros without centering, and the second moment about it."""
    mean = fine.mean(0) if center else jnp.zeros_like(fine[0])
    return mean, (fine - mean).T @ (fine - mean) / len(fine)


def _sweep(
    rest: Float[Array, "w w"],
    up: Float[Array, "k w"],
    moment: Float[Array, "w w"],
    unit: Int[Array, ""],
    row: Int[Array, ""] | int,
) -> tuple[Float[Array, "w w"], Float[Array, "k w"]]:
    """Move what one more unit explains (w for no unit) from `rest` to a row of `up`, by Gauss-Jordan elimination."""
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


def _explained(lost: Float[Array, ""], total: Float[Array, ""]) -> Float[Array, ""]:
    """The share of the total that is not lost; 1 if there is none."""
    return jnp.where(total > 0, 1 - lost / jnp.where(total > 0, total, 1), 1)
