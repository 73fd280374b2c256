"""Flows of couplings under renormalization by a length b: fixed points of a map, and of a flow that was measured.

A step maps couplings K to K' = R(K), and beta(K) = dK / d ln b is the speed of the flow. A fixed point has R(K*) = K*,
and about it K' - K* = T (K - K*): a direction whose eigenvalue lambda = b**y of T exceeds 1 is relevant (y > 0), one
that shrinks is irrelevant (Wilson & Kogut 1974, Phys. Rep. 12, 75; Cardy 1996, Scaling and Renormalization in
Statistical Physics, ch. 3). That a speed is small makes no fixed point.
"""

import enum
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..detect.status import NOT_IDENTIFIED, OK, TOO_FEW_POINTS

_ITERATIONS = 60
# A step of Newton's method is shortened to what lowers the residual most; 0 stays where every step raises it.
_SHORTENED = (1.0, 0.5, 0.25, 0.125, 0.03, 0.004, 0.0)
# In units of the rounding: how nearly a fixed point must be mapped onto itself.
_MAPPED = 64
# Power of the rounding to which a point is known, and an eigenvalue told from 1: at a double root no better than 1/2.
_RESOLVED = 0.4


class Direction(enum.IntEnum):
    """What a perturbation of a fixed point does under repeated renormalization."""

    NOT_FOUND = -1
    IRRELEVANT = 0
    MARGINAL = 1
    RELEVANT = 2


class FixedPointKind(enum.IntEnum):
    """What all directions of a fixed point together make of it."""

    NOT_FOUND = 0
    STABLE = 1
    SADDLE = 2
    UNSTABLE = 3
    MARGINAL = 4


class FixedPoints(NamedTuple):
    """couplings `[starts, k]`; eigenvalues of T there, complex, largest modulus first, and y = ln|lambda| / ln b, both
    `[starts, k]`; directions `[starts, k]` of `Direction`; kind `[starts]` of `FixedPointKind`.

    trivial: all couplings are zero. first: the first start that ended in the same point, -1 if none did.
    """

    couplings: jax.Array
    eigenvalues: jax.Array
    y: jax.Array
    directions: jax.Array
    kind: jax.Array
    trivial: jax.Array
    first: jax.Array
    status: jax.Array


class Flow(NamedTuple):
    """Speed beta of the mean flow at the midpoints of the steps, `[..., steps - 1, k]`, with errors over the seeds."""

    midpoint: jax.Array
    midpoint_se: jax.Array
    beta: jax.Array
    beta_se: jax.Array
    status: jax.Array


def fixed_points(map: Callable, start, b) -> FixedPoints:
    """Fixed points of a map of couplings, from every start by Newton's method on map(K) - K.

    map: a function of `[k]` to `[k]` in JAX, one step of renormalization by the length b > 1. start: `[starts, k]`.
    Sixty damped steps are made from each, with the Jacobian of automatic differentiation, in the precision of start.
    couplings[first == arange(starts)] are the different points.

    kind: "stable" if all directions are irrelevant, "unstable" if all are relevant, "saddle" if some are, "marginal" if
    an eigenvalue has modulus 1 up to rounding**0.4 and the linear map does not decide. Points that lie on a line are
    all fixed points, told apart; so is a point far out where map and identity differ by less than rounding.
    status 2 and NaN: no fixed point was found from this start, as where the flow has none but at infinity.
    """
    start = jnp.asarray(start)
    start = start.astype(jnp.promote_types(jnp.result_type(start, float), jnp.float32))
    if start.ndim != 2 or 0 in start.shape:
        raise ValueError(f"start must have shape [starts, k], got {start.shape}")
    check_scale(b)
    mapped = jax.eval_shape(map, start[0])
    if mapped.shape != start.shape[1:]:
        raise ValueError(f"map gives shape {mapped.shape} for couplings of shape {start.shape[1:]}")
    return _all_points(start, float(b), map=map)


@functools.partial(jax.jit, static_argnames="map")
def _all_points(start, b, *, map):
    with jax.default_matmul_precision("highest"):
        couplings, matrix, found = jax.vmap(functools.partial(_newton, map))(start)
    resolution = jnp.finfo(start.dtype).eps ** _RESOLVED
    eigenvalues = jnp.linalg.eigvals(jnp.where(found[:, None, None], matrix, 0))
    eigenvalues = jnp.take_along_axis(eigenvalues, jnp.argsort(-jnp.abs(eigenvalues), axis=1), 1)
    modulus = jnp.abs(eigenvalues)
    directions = jnp.where(modulus > 1, Direction.RELEVANT, Direction.IRRELEVANT)
    directions = jnp.where(jnp.abs(modulus - 1) <= resolution, Direction.MARGINAL, directions)

    # Repeats are looked for on the scale of the larger of two points.
    size = 1 + jnp.max(jnp.abs(couplings), axis=1)
    distance = jnp.max(jnp.abs(couplings[:, None] - couplings), axis=2) / jnp.maximum(size[:, None], size)
    same = (distance <= resolution) & found[:, None] & found
    kind = jnp.select(
        [
            ~found,
            jnp.any(directions == Direction.MARGINAL, axis=1),
            jnp.all(directions == Direction.IRRELEVANT, axis=1),
            jnp.all(directions == Direction.RELEVANT, axis=1),
        ],
        [FixedPointKind.NOT_FOUND, FixedPointKind.MARGINAL, FixedPointKind.STABLE, FixedPointKind.UNSTABLE],
        FixedPointKind.SADDLE,
    )
    known = found[:, None]
    return FixedPoints(
        couplings=jnp.where(known, couplings, jnp.nan),
        eigenvalues=jnp.where(known, eigenvalues, jnp.nan),
        y=jnp.where(known, jnp.log(modulus) / jnp.log(b), jnp.nan),
        directions=jnp.where(known, directions, Direction.NOT_FOUND).astype(jnp.int32),
        kind=kind.astype(jnp.int32),
        trivial=found & jnp.all(jnp.abs(couplings) <= resolution, axis=1),
        first=jnp.where(found, jnp.argmax(same, axis=1), -1).astype(jnp.int32),
        status=jnp.where(found, OK, NOT_IDENTIFIED).astype(jnp.int32),
    )


def _newton(map, start):
    """Where Newton's method ends, the Jacobian of the map there, and whether it is a fixed point."""
    eps = jnp.finfo(start.dtype).eps
    shortened = jnp.asarray(_SHORTENED, start.dtype)
    jacobian = jax.jacfwd(map)

    def residual(couplings):
        return map(couplings) - couplings

    def full_step(couplings):
        slope = jacobian(couplings) - jnp.eye(len(start), dtype=start.dtype)
        # Along a line of fixed points the slope is singular, and the shortest step is taken.
        return -jnp.linalg.pinv(jnp.where(jnp.isfinite(slope), slope, 0), rtol=jnp.sqrt(eps)) @ residual(couplings)

    def step(_, couplings):
        trials = couplings + shortened[:, None] * full_step(couplings)
        size = jnp.sum(jnp.square(jax.vmap(residual)(trials)), axis=1)
        return trials[jnp.argmin(jnp.where(jnp.isfinite(size), size, jnp.inf))]

    couplings = jax.lax.fori_loop(0, _ITERATIONS, step, start)
    size = 1 + jnp.max(jnp.abs(couplings))
    # Where a map comes near to the identity far out, the residual vanishes but Newton's steps do not.
    mapped = jnp.max(jnp.abs(residual(couplings))) <= _MAPPED * eps * size
    settled = jnp.max(jnp.abs(full_step(couplings))) <= eps**_RESOLVED * size
    matrix = jacobian(couplings)
    found = mapped & settled & jnp.all(jnp.isfinite(couplings)) & jnp.all(jnp.isfinite(matrix))
    return jnp.where(found, couplings, 0), matrix, found


def flow(couplings, b) -> Flow:
    """beta = (K_{n + 1} - K_n) / ln b of a flow measured at successive steps, at the midpoints (K_{n + 1} + K_n) / 2.

    couplings: `[..., seeds, steps, k]`, those of repeats of one family after 0, 1, ... steps of scale b. Mean and
    standard error are over the seeds, of the differences of each, so that what a seed keeps through a step is no error.
    A finite difference is the beta function to second order in the step, and as long as the flow does not depend on
    other couplings than these. A seed that is not finite before or after a step is missing there.

    status `[..., steps - 1, k]`, 3: fewer than two seeds, the errors are NaN, and the rest if there is none.
    """
    couplings = as_couplings(couplings, "[..., seeds, steps, k]", 3)
    check_scale(b)
    before, after = couplings[..., :-1, :], couplings[..., 1:, :]
    present = jnp.isfinite(before) & jnp.isfinite(after)
    count = jnp.sum(present, axis=-3)

    def over_seeds(values):
        mean = jnp.sum(jnp.where(present, values, 0), axis=-3) / jnp.where(count > 0, count, jnp.nan)
        off = jnp.where(present, values - mean[..., None, :, :], 0)
        spread = jnp.sum(jnp.square(off), axis=-3) / jnp.where(count > 1, count - 1, jnp.nan)
        return mean, jnp.sqrt(spread / count)

    midpoint, midpoint_se = over_seeds((before + after) / 2)
    beta, beta_se = over_seeds((after - before) / math.log(b))
    return Flow(midpoint, midpoint_se, beta, beta_se, jnp.where(count < 2, TOO_FEW_POINTS, OK).astype(jnp.int32))


def as_couplings(couplings, shape, axes):
    """Floating couplings of at least so many axes and two steps, or a `ValueError`."""
    couplings = jnp.asarray(couplings)
    if couplings.ndim < axes or 0 in couplings.shape[-axes:] or couplings.shape[-2] < 2:
        raise ValueError(f"couplings must have shape {shape} with at least two steps, got {couplings.shape}")
    return couplings.astype(jnp.promote_types(jnp.result_type(couplings, float), jnp.float32))


def check_scale(b):
    """`ValueError` if b does not make a system coarser."""
    if not b > 1:
        raise ValueError(f"b must be greater than 1, got {b!r}")
