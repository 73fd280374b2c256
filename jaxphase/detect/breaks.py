"""One break at every possible place of one curve: what each would explain, and which places cannot be told apart."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxphase.linalg.orthonormal import off, orthonormal

from .distributions import student_t_975

# 95 % point of the likelihood ratio of a jump's place, P = (1 - exp(-c / 2))**2 (Hansen 2000, Table I).
_HANSEN_95 = 7.35
# Possible kinks in each gap between points: the sum of squares is a smooth function of a kink's place.
_KINKS_PER_GAP = 4


class Breaks(NamedTuple):
    """The curve without a break as orthonormal rows `null [p, n]`, and the unit rows `direction [m, n]` that a break at
    each place would add to it, all in coordinates scaled by the root of the weight."""

    null: jax.Array
    direction: jax.Array
    possible: jax.Array
    place: jax.Array
    left: jax.Array
    right: jax.Array
    parameters: int
    jump: bool


def design(u, weight, change, least) -> Breaks:
    """Every break in a level ("mean") or in the slope of a line ("slope") with `least` points on either side."""
    root, jump = jnp.sqrt(weight), change == "mean"
    present, gap = weight > 0, jnp.diff(u, append=u[-1:])
    null, _ = orthonormal(jnp.stack([root] if jump else [root, root * u]))
    fraction = jnp.array([0.5] if jump else jnp.arange(_KINKS_PER_GAP) / _KINKS_PER_GAP, u.dtype)
    place = (u[:, None] + gap[:, None] * fraction).ravel()
    after = u > place[:, None]
    column = off(null, root * (after if jump else jnp.where(after, u - place[:, None], 0)))
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


def break_gains(breaks: Breaks, values):
    """Sum of squares without a break, what each break takes off it, and the residuals of the best."""
    for _ in range(2):
        values = values - (breaks.null @ values) @ breaks.null
    score = breaks.direction @ values
    best = jnp.argmax(jnp.square(score))
    return jnp.sum(jnp.square(values)), jnp.square(score), values - score[best] * breaks.direction[best]


def break_set(breaks: Breaks, sse, dof):
    """The best place and the 95 % set of places, as its outer ends."""
    sse = jnp.where(breaks.possible, sse, jnp.inf)
    best = jnp.argmin(sse)
    critical = _HANSEN_95 if breaks.jump else jnp.square(student_t_975(dof - 1))
    kept = breaks.possible & (sse <= sse[best] * (1 + critical / jnp.maximum(dof - (not breaks.jump), 1)))
    # The best is kept where the sum of squares is zero, too.
    kept = kept | (jnp.arange(len(sse)) == best)
    ends = jnp.min(jnp.where(kept, breaks.left, jnp.inf)), jnp.max(jnp.where(kept, breaks.right, -jnp.inf))
    return breaks.place[best], jnp.stack(ends)
