"""Inverse and determinant of a small positive definite matrix, by sweeping (Goodnight 1979, Am. Stat. 33, 149).

A loop of rank-one updates, which runs over a batch as fast as over one. XLA's triangular solves on a CPU are forty
times slower than LAPACK's in double precision, and derivatives would go through them again and again; here they are
matrix products with the inverse.
"""

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_jvp
def inverse_and_log_determinant(matrix: Array) -> tuple[Array, Array]:
    """Of a symmetric positive definite matrix [m, m], without pivots: its least eigenvalue should not be tiny."""

    def sweep(k, carry):
        a, log_determinant = carry
        pivot, row = a[k, k], a[k]
        a = a - jnp.outer(row, row) / pivot
        a = a.at[k].set(row / pivot).at[:, k].set(row / pivot).at[k, k].set(-1 / pivot)
        return a, log_determinant + jnp.log(pivot)

    swept, log_determinant = jax.lax.fori_loop(0, len(matrix), sweep, (matrix, jnp.zeros((), matrix.dtype)))
    return -swept, log_determinant


@inverse_and_log_determinant.defjvp
def _(primals, tangents):
    (matrix,), (change,) = primals, tangents
    inverse, log_determinant = inverse_and_log_determinant(matrix)
    return (inverse, log_determinant), (-inverse @ change @ inverse, jnp.sum(inverse * change))
