"""How far scaled data are from one curve: the quality S of Houdayer & Hartmann (2004, Phys. Rev. B 70, 014418).

Every point is compared with a straight line through its neighbors of every other size. S is about 1 where data fall on
one curve within their errors. S needs no model of the curve, so it finds starting points for a fit. But it drops points
that no other size reaches, and should not be used as an estimate.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

LEAST_COVERAGE = 0.5  # share of the points that a place of the grid must cover to count
BANDS = 4  # of 1/nu, each with its own starts
AT_ONCE = 64  # places of the grid


class Table(NamedTuple):
    """Points of one observable (or of several, with a leading axis), in rising order of the control.

    Attributes:
        log_size: Logarithm of each size, `[sizes]`.
        control: Control of each point, `[sizes, points]`; infinite where there is no point.
        value: Value of each point, `[sizes, points]`.
        error: Standard error of each value, `[sizes, points]`.
    """

    log_size: Float[Array | np.ndarray, "*observables sizes"]
    control: Float[Array | np.ndarray, "*observables sizes points"]
    value: Float[Array | np.ndarray, "*observables sizes points"]
    error: Float[Array | np.ndarray, "*observables sizes points"]


def quality(
    table: Table, critical: ArrayLike, inverse_nu: ArrayLike, exponent: ArrayLike
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """S of one observable, and the share of its points that lie between two points of another size."""
    log_size, control, value, error = map(jnp.asarray, table)
    present = jnp.isfinite(control)
    growth = jnp.exp(-(exponent * log_size))[:, None]
    x = (control - critical) * jnp.exp(inverse_nu * log_size)[:, None]
    y, variance = value * growth, jnp.square(error * growth)

    def sums(x_row, y_row, variance_row):
        """Weighted sums of 1, x, y, x x and x y over the two points of a row that enclose each x."""
        right = jnp.searchsorted(x_row, x, side="right", method="compare_all")
        last = jnp.sum(jnp.isfinite(x_row))
        both = jnp.stack([jnp.clip(right - 1, 0, last - 1), jnp.clip(right, 0, last - 1)])
        weight = jnp.where((right > 0) & (right < last), 1 / variance_row[both], 0)
        a, b = x_row[both], y_row[both]
        return jnp.sum(jnp.stack([weight, weight * a, weight * b, weight * a * a, weight * a * b]), axis=1)

    of_row = jax.vmap(sums)(x, y, variance)  # [rows that are compared with, 5, rows, points]
    others = 1 - jnp.eye(len(x))
    k, kx, ky, kxx, kxy = jnp.einsum("asrp,ar->srp", of_row, others)
    determinant = k * kxx - kx * kx
    reached = present & (determinant > 1e-9 * k * kxx)
    determinant = jnp.where(reached, determinant, 1)
    line = (kxx * ky - kx * kxy + x * (k * kxy - kx * ky)) / determinant
    spread = (kxx - 2 * x * kx + x * x * k) / determinant
    terms = jnp.where(reached, jnp.square(y - line) / (variance + spread), 0)
    count = jnp.sum(reached)
    return jnp.sum(terms) / jnp.maximum(count, 1), count / jnp.sum(present)


def starts(
    tables: Table, fixed: Mapping[str, float], exponent: Float[np.ndarray, " observables"], count: int
) -> tuple[Float[np.ndarray, " starts"], Float[np.ndarray, " starts"], Float[np.ndarray, "starts observables"]]:
    """Values of critical, inverse_nu and the exponents at which fits may start.

    The grid covers the range of the control, and exponents up to eight e-foldings over the range of sizes. In each band
    of inverse_nu the starts are the places of least S, each at another critical control.

    Args:
        tables: The points of every observable, stacked, with the same sizes.
        fixed: Values at which "critical" or "inverse_nu" are held.
        exponent: Value at which the exponent of each observable is held, NaN where it is free.
        count: How many starts to look for; there are fewer if critical is held.
    """
    span = float(np.ptp(np.asarray(tables.log_size)))
    grid_exponent = np.linspace(-8, 8, 33) / span if np.isnan(exponent).any() else np.zeros(0)
    axes = {
        "critical": np.linspace(-0.95, 0.95, 25),
        "inverse_nu": np.geomspace(0.1, 8, 14) / span,
        **{name: np.array([value]) for name, value in fixed.items()},
        "exponent": np.unique([*grid_exponent, *exponent[np.isfinite(exponent)]]),
    }
    shape = tuple(len(axis) for axis in axes.values())
    grid = np.stack(np.meshgrid(*axes.values(), indexing="ij"), axis=-1).reshape(-1, 3)
    found = np.asarray(_qualities(tables, jnp.asarray(grid))).reshape(-1, *shape)
    allowed = np.isnan(exponent)[:, None] | (axes["exponent"] == exponent[:, None])
    found = np.where(allowed[:, None, None, :], found, np.inf)
    best_exponent = axes["exponent"][np.argmin(found, axis=3)]  # [observables, critical, inverse_nu]
    total = np.sum(np.min(found, axis=3), axis=0)
    # Where curves vanish on both sides a steep scaling maps zeros onto zeros, so S alone may prefer it: every band of
    # 1/nu has its starts.
    bands = np.array_split(np.arange(total.shape[1]), min(BANDS, total.shape[1]))
    rows, columns = [], []
    for band in bands:
        best = np.argsort(np.min(total[:, band], axis=1), kind="stable")[: count // len(bands)]
        rows += best.tolist()
        columns += band[np.argmin(total[best][:, band], axis=1)].tolist()
    return axes["critical"][rows], axes["inverse_nu"][columns], best_exponent[:, rows, columns].T


@jax.jit
def _qualities(tables: Table, grid: Float[Array, "places 3"]) -> Float[Array, "observables places"]:
    """S at every place of the grid, infinite where too few points are compared."""

    def at_place(table, place):
        value, coverage = quality(table, *place)
        return jnp.where(coverage >= LEAST_COVERAGE, value, jnp.inf)

    def of_table(table):
        return jax.lax.map(lambda place: at_place(table, place), grid, batch_size=AT_ONCE)

    return jax.lax.map(of_table, tables)
