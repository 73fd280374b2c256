"""One break at every possible place of one curve: how much each explains, and which places cannot be told apart."""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.points import Points, Scalar
from jaxphase.linalg import orthonormalize, project_out

Change = Literal["mean", "slope"]

# 95 % point of the likelihood ratio of a jump's place, P = (1 - exp(-c / 2))**2 (Hansen 2000, Table I).
_HANSEN_95 = 7.35
# Possible kinks in each gap between points: the sum of squares is a smooth function of a kink's place.
_KINKS_PER_GAP = 4


class Breaks(NamedTuple):
    """All breaks that a curve may have, in coordinates scaled by the square root of the weight.

    Attributes:
        null: The curve without a break as orthonormal rows, `[p, n]`.
        direction: The unit row that a break at each of the m places adds, `[m, n]`; zero where none is possible.
        possible: Whether enough points are on either side, `[m]`.
        place: Where the break is, `[m]`.
        left: Lower end of the range that a place stands for, `[m]`.
        right: Upper end of that range, `[m]`.
        parameters: Number of parameters with a break, not counting its place.
        jump: Whether a break is a jump of the level; else it is a kink of a line.
    """

    null: Float[Array, "p n"]
    direction: Float[Array, "m n"]
    possible: Bool[Array, " m"]
    place: Float[Array, " m"]
    left: Float[Array, " m"]
    right: Float[Array, " m"]
    parameters: int
    jump: bool


def design(u: Points, weight: Points, change: Change, least: Float[ArrayLike, ""] | int) -> Breaks:
    """Every break in a level ("mean") or in the slope of a line ("slope") with `least` points on either side."""
    root, jump = jnp.sqrt(weight), change == "mean"
    present, gap = weight > 0, jnp.diff(u, append=u[-1:])
    null, _ = orthonormalize(jnp.stack([root] if jump else [root, root * u]))
    fraction = jnp.array([0.5] if jump else jnp.arange(_KINKS_PER_GAP) / _KINKS_PER_GAP, u.dtype)
    place = (u[:, None] + gap[:, None] * fraction).ravel()
    after = u > place[:, None]
    column = project_out(null, root * (after if jump else jnp.where(after, u - place[:, None], 0)))
    norm = jnp.linalg.norm(column, axis=1, keepdims=True)
    size = jnp.sum(present)
    before = jnp.sum(present & ~after, axis=1)
    open_gap = jnp.repeat((gap > 0) & jnp.append(present[1:], False), len(fraction))
    possible = open_gap & (before >= least) & (size - before >= least) & (norm[:, 0] > 1e-4)
    half = jnp.repeat(gap, len(fraction)) * (0.5 if jump else 1 / _KINKS_PER_GAP)
    return Breaks(
        null,
        jnp.where(possible[:, None], column / jnp.where(norm > 0, norm, 1), 0),
        possible,
        place,
        place - half,
        place + half,
        len(null) + 1,
        jump,
    )


def break_gains(breaks: Breaks, values: Points) -> tuple[Scalar, Float[Array, " m"], Points]:
    """Sum of squares without a break, how much each break reduces it, and the residuals of the best break."""
    values = project_out(breaks.null, values)
    score = breaks.direction @ values
    best = jnp.argmax(jnp.square(score))
    return jnp.sum(jnp.square(values)), jnp.square(score), values - score[best] * breaks.direction[best]


def break_set(breaks: Breaks, sse: Float[Array, " m"], dof: Int[Array, ""]) -> tuple[Scalar, Float[Array, "2"]]:
    """The best place, and the outer ends of the 95 % set of places."""
    sse = jnp.where(breaks.possible, sse, jnp.inf)
    best = jnp.argmin(sse)
    critical = _HANSEN_95 if breaks.jump else jnp.square(student_t_975(dof - 1))
    kept = breaks.possible & (sse <= sse[best] * (1 + critical / jnp.maximum(dof - (not breaks.jump), 1)))
    # The best place belongs to the set even where the sum of squares is zero.
    kept = kept | (jnp.arange(len(sse)) == best)
    ends = jnp.min(jnp.where(kept, breaks.left, jnp.inf)), jnp.max(jnp.where(kept, breaks.right, -jnp.inf))
    return breaks.place[best], jnp.stack(ends)
