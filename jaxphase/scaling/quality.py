"""How far scaled data are from one curve: the quality S of Houdayer & Hartmann (2004, Phys. Rev. B 70, 014418).

Every point is held against a straight line through its neighbours of every other size. S is about 1 where data fall on
one curve within their errors. It needs no model of the curve, so it finds where a fit may start; but it drops points
that no other size reaches, and so is nothing to estimate with.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

LEAST_COVERAGE = 0.5  # of the points, for a place in the grid to count
BANDS = 4
AT_ONCE = 64  # places of the grid


class Table(NamedTuple):
    """Points of one observable [sizes, points] in rising order of the control, infinite where there is none."""

    log_size: Array  # [sizes]
    control: Array
    value: Array
    error: Array


def quality(table: Table, critical: Array, inverse_nu: Array, exponent: Array) -> tuple[Array, Array]:
    """S, and the share of the points that lie between two points of another size."""
    present = jnp.isfinite(table.control)
    growth = jnp.exp(-exponent * table.log_size)[:, None]
    x = (table.control - critical) * jnp.exp(inverse_nu * table.log_size)[:, None]
    y, variance = table.value * growth, jnp.square(table.error * growth)

    def sums(x_row, y_row, variance_row):
        """Weighted sums of 1, x, y, x x and x y over the two points of a row that enclose each x."""
        right = jnp.searchsorted(x_row, x, side="right", method="compare_all")
        last = jnp.sum(jnp.isfinite(x_row))
        both = jnp.stack([jnp.clip(right - 1, 0, last - 1), jnp.clip(right, 0, last - 1)])
        weight = jnp.where((right > 0) & (right < last), 1 / variance_row[both], 0)
        a, b = x_row[both], y_row[both]
        return jnp.sum(jnp.stack([weight, weight * a, weight * b, weight * a * a, weight * a * b]), axis=1)

    of_row = jax.vmap(sums)(x, y, variance)  # [rows that lend, 5, rows, points]
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


def starts(tables: Table, fixed: Mapping[str, float], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where fits may start: critical [count], inverse_nu [count] and exponent [count, observables] of the least S in
    each band of inverse_nu, each there at another critical control; fewer where one is held.

    tables: of every observable, stacked. The grid goes over the range of the control, and in exponents as far as eight
    e-foldings over the range of sizes; `fixed` holds critical or inverse_nu at a number, and has one for the exponent
    of every observable [observables], NaN where it is free.
    """
    span = float(np.ptp(np.asarray(tables.log_size)))
    axes = {
        "critical": np.linspace(-0.95, 0.95, 25),
        "inverse_nu": np.geomspace(0.1, 8, 14) / span,
        "exponent": np.linspace(-8, 8, 33) / span,
    }
    held = fixed["exponent"]
    axes |= {name: np.array([value]) for name, value in fixed.items() if name != "exponent"}
    axes["exponent"] = np.unique([*(axes["exponent"] if np.isnan(held).any() else ()), *held[np.isfinite(held)]])
    shape = tuple(len(axis) for axis in axes.values())
    grid = np.stack(np.meshgrid(*axes.values(), indexing="ij"), axis=-1).reshape(-1, 3)
    found = np.asarray(_judge(tables, jnp.asarray(grid))).reshape(-1, *shape)
    allowed = np.isnan(held)[:, None] | (axes["exponent"] == held[:, None])
    found = np.where(allowed[:, None, None, :], found, np.inf)
    exponent = axes["exponent"][np.argmin(found, axis=3)]  # [observables, critical, inverse_nu]
    total = np.sum(np.min(found, axis=3), axis=0)
    # Where curves vanish on both sides a steep scaling makes zeros fall on zeros, so S alone may prefer it: every band
    # of 1/nu has its starts.
    bands = np.array_split(np.arange(total.shape[1]), min(BANDS, total.shape[1]))
    rows, columns = [], []
    for band in bands:
        best = np.argsort(np.min(total[:, band], axis=1), kind="stable")[: count // len(bands)]
        rows += best.tolist()
        columns += band[np.argmin(total[best][:, band], axis=1)].tolist()
    return axes["critical"][rows], axes["inverse_nu"][columns], exponent[:, rows, columns].T


@jax.jit
def _judge(tables: Table, grid: Array) -> Array:
    """S [observables, places], infinite where too few points are reached."""

    def one(table, place):
        value, coverage = quality(table, *place)
        return jnp.where(coverage >= LEAST_COVERAGE, value, jnp.inf)

    def of_table(table):
        return jax.lax.map(lambda place: one(table, place), grid, batch_size=AT_ONCE)

    return jax.lax.map(of_table, tables)
