"""Gauss-Jordan elimination without pivots, unrolled: for symmetric matrices of a few rows."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def solve(matrix: Float[Array, "p p"], right: Float[Array, "p *columns"]) -> Float[Array, "p *columns"]:
    """Solve `matrix @ x = right` for a small positive definite matrix.

    Args:
        matrix: Symmetric and positive definite, `[p, p]`.
        right: One right-hand side `[p]` or several `[p, m]`.

    Returns:
        `x`, in the shape of `right`.
    """
    return eliminate(matrix, right)[0]


def eliminate(
    matrix: Float[Array, "p p"], right: Float[Array, "p *columns"]
) -> tuple[Float[Array, "p *columns"], Bool[Array, ""]]:
    """Solve `matrix @ x = right` for a small symmetric matrix, and say whether the matrix is positive definite.

    Args:
        matrix: Symmetric, `[p, p]`.
        right: One right-hand side `[p]` or several `[p, m]`.

    Returns:
        `x` in the shape of `right`, and whether all pivots are positive beyond rounding. Otherwise do not trust `x`.
    """
    size, positive = matrix.shape[-1], jnp.bool_(True)
    table = jnp.concatenate([matrix, right.reshape(size, -1)], axis=1)
    for i in range(size):
        positive &= table[i, i] > 4 * jnp.finfo(table.dtype).eps * matrix[i, i]
        row = table[i] / table[i, i]
        table = table - jnp.outer(table[:, i] - jnp.eye(size, dtype=table.dtype)[i], row)
    return table[:, size:].reshape(right.shape), positive
