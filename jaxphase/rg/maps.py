"""Fixed points of an exact renormalization map and the directions that grow or shrink about them.

One step of renormalization by a length b maps couplings K to K' = R(K). A fixed point has R(K*) = K*, and about it
K' - K* = T (K - K*). A direction whose eigenvalue lambda = b**y of T exceeds 1 is relevant (y > 0), one that shrinks is
irrelevant (Wilson & Kogut 1974, Phys. Rep. 12, 75; Cardy 1996, Scaling and Renormalization in Statistical Physics,
ch. 3). A slow flow alone is no evidence of a fixed point.
"""

import enum
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Complex, Float, Int

from jaxphase.detect.status import Status
from jaxphase.rg.beta_function import check_scale

_ITERATIONS = 60
# A Newton step is shortened by the factor that lowers the residual most; 0 stays where every step raises it.
_FACTORS = (1.0, 0.5, 0.25, 0.125, 0.03, 0.004, 0.0)
# A fixed point must be mapped onto itself to this many units of rounding.
_TOLERANCE = 64
# A point is known, and an eigenvalue is told from 1, to rounding**0.4: at a double root not even 1/2 is possible.
_RESOLUTION_POWER = 0.4


class Direction(enum.IntEnum):
    """How a perturbation of a fixed point changes under renormalization; NOT_FOUND without a fixed point."""

    NOT_FOUND = -1
    IRRELEVANT = 0
    MARGINAL = 1
    RELEVANT = 2


class FixedPointKind(enum.IntEnum):
    """Whether perturbations shrink (STABLE), grow (UNSTABLE) or do both (SADDLE); MARGINAL if one does neither."""

    NOT_FOUND = 0
    STABLE = 1
    SADDLE = 2
    UNSTABLE = 3
    MARGINAL = 4


class FixedPoints(NamedTuple):
    """Where Newton's method ended from every start.

    Attributes:
        couplings: The fixed point K*, `[starts, k]`; NaN if none was found.
        eigenvalues: Eigenvalues of the linearized map T, `[starts, k]`, the largest modulus first; NaN if not found.
        y: `ln|lambda| / ln b` of each eigenvalue, `[starts, k]`; NaN if not found.
        directions: `Direction` of each eigenvalue, `[starts, k]`.
        kind: `FixedPointKind`, `[starts]`.
        trivial: Whether all couplings are zero there, `[starts]`.
        first: Index of the first start that ended in the same point, `[starts]`; -1 if none was found.
        status: `Status`, `[starts]`; NOT_IDENTIFIED if no fixed point was found.
    """

    couplings: Float[Array, "starts k"]
    eigenvalues: Complex[Array, "starts k"]
    y: Float[Array, "starts k"]
    directions: Int[Array, "starts k"]
    kind: Int[Array, " starts"]
    trivial: Bool[Array, " starts"]
    first: Int[Array, " starts"]
    status: Int[Array, " starts"]


def fixed_points(map: Callable[[Array], Array], start: ArrayLike, b: float) -> FixedPoints:
    """Find the fixed points of a map of couplings by Newton's method from every start.

    From each start it makes sixty damped steps on `map(K) - K`, in the precision of `start`, with the Jacobian of
    automatic differentiation. A point on a line of fixed points is found as it is, and so is a point so far out that
    map and identity differ by less than rounding. A fixed point at infinity is not found.

    Args:
        map: One step of renormalization by the length b, a JAX function from `[k]` to `[k]`.
        start: Couplings to start from, `[starts, k]`.
        b: Length of the step, greater than 1.

    Returns:
        `FixedPoints`, one entry for each start. The different points are `couplings[first == arange(starts)]`. The kind
        is MARGINAL if an eigenvalue has modulus 1 to within rounding**0.4, as the linear map does not decide then.

    Raises:
        ValueError: If start is not `[starts, k]`, the map changes the shape, or b is not greater than 1.

    Example:
        >>> ising = jaxphase.systems.renormalization_maps.migdal_kadanoff
        >>> found = jaxphase.rg.fixed_points(ising, jnp.array([[0.1], [0.5]]), b=2)
        >>> found.couplings, 1 / found.y  # couplings and the exponent nu
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
def _all_points(start: Float[Array, "starts k"], b: Float[Array, ""], *, map: Callable[[Array], Array]) -> FixedPoints:
    """Fixed points from every start, with their directions and kinds."""
    with jax.default_matmul_precision("highest"):
        couplings, matrix, found = jax.vmap(functools.partial(_newton, map))(start)
    resolution = jnp.finfo(start.dtype).eps ** _RESOLUTION_POWER
    eigenvalues = jnp.linalg.eigvals(jnp.where(found[:, None, None], matrix, 0))
    eigenvalues = jnp.take_along_axis(eigenvalues, jnp.argsort(-jnp.abs(eigenvalues), axis=1), 1)
    modulus = jnp.abs(eigenvalues)
    directions = jnp.where(modulus > 1, Direction.RELEVANT, Direction.IRRELEVANT)
    directions = jnp.where(jnp.abs(modulus - 1) <= resolution, Direction.MARGINAL, directions)

    # Two points are the same on the scale of the larger one.
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
        status=jnp.where(found, Status.OK, Status.NOT_IDENTIFIED).astype(jnp.int32),
    )


def _newton(
    map: Callable[[Array], Array], start: Float[Array, " k"]
) -> tuple[Float[Array, " k"], Float[Array, "k k"], Bool[Array, ""]]:
    """Where Newton's method ends, the Jacobian of the map there, and whether it is a fixed point."""
    eps = jnp.finfo(start.dtype).eps
    factors = jnp.asarray(_FACTORS, start.dtype)
    jacobian = jax.jacfwd(map)

    def residual(couplings):
        return map(couplings) - couplings

    def full_step(couplings):
        slope = jacobian(couplings) - jnp.eye(len(start), dtype=start.dtype)
        # Along a line of fixed points the slope is singular, and the pseudoinverse takes the shortest step.
        return -jnp.linalg.pinv(jnp.where(jnp.isfinite(slope), slope, 0), rtol=jnp.sqrt(eps)) @ residual(couplings)

    def step(_, couplings):
        trials = couplings + factors[:, None] * full_step(couplings)
        size = jnp.sum(jnp.square(jax.vmap(residual)(trials)), axis=1)
        return trials[jnp.argmin(jnp.where(jnp.isfinite(size), size, jnp.inf))]

    couplings = jax.lax.fori_loop(0, _ITERATIONS, step, start)
    size = 1 + jnp.max(jnp.abs(couplings))
    # Far out, where a map comes near to the identity, the residual vanishes but Newton's steps do not.
    mapped = jnp.max(jnp.abs(residual(couplings))) <= _TOLERANCE * eps * size
    settled = jnp.max(jnp.abs(full_step(couplings))) <= eps**_RESOLUTION_POWER * size
    matrix = jacobian(couplings)
    found = mapped & settled & jnp.all(jnp.isfinite(couplings)) & jnp.all(jnp.isfinite(matrix))
    return jnp.where(found, couplings, 0), matrix, found
