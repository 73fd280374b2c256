"""Orthonormal rows for the columns of a least-squares problem, and what they leave of others."""

import jax
import jax.numpy as jnp


def orthonormal(rows):
    """Orthonormal rows `basis [p, n]` with the span of the given ones, and `inverse [p, p]`, so that the coefficients
    of least squares are `inverse @ (basis @ values)`; zero for a row of zeros.

    Gram-Schmidt, every row twice (Giraud et al. 2005, Numer. Math. 101, 87). 4 p^2 n operations. Not by LAPACK: on a
    CPU two of its calls on many matrices at once, which XLA makes in the threads that they wait for, hang for ever if
    it has no third thread (jax 0.10.2, 2,000 curves on two cores).
    """
    own = jnp.eye(len(rows), dtype=rows.dtype)

    def add(state, k):
        (basis, inverse), rest = state, rows[k]
        along = jnp.zeros_like(own[0])
        for _ in range(2):
            part = basis @ rest
            along, rest = along + part, rest - part @ basis
        length = jnp.sqrt(jnp.where(jnp.all(rows[k] == 0), 1, jnp.sum(jnp.square(rest))))
        column = (own[k] - inverse @ along) / length
        return (basis.at[k].set(rest / length), inverse.at[:, k].set(column)), None

    return jax.lax.scan(add, (jnp.zeros_like(rows), jnp.zeros_like(own)), jnp.arange(len(rows)))[0]


def off(null, rows):
    """What the orthonormal rows of `null` leave of other rows; twice, for once leaves the rounding of the first."""
    for _ in range(2):
        rows = rows - (rows @ null.T) @ null
    return rows
