"""Kinks of a straight line, exactly: the best one, the best two, and the places that cannot be told apart.

All hinges `max(u - place, 0)` whose place lies in one gap between neighboring points lie in one plane: that of the
hinge at the left end of the gap and of a step across the gap. The best place in a gap is therefore in closed form
(Hudson 1966, J. Am. Stat. Assoc. 61, 1097), and the best of all gaps and points is the global optimum. All coordinates
are scaled by the square root of the weight, so that sums of squares are plain.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.points import Points, Scalar, new_x
from jaxphase.linalg import largest, orthonormalize, project_out

# A hinge that adds no more than this share to the other rows is rounding.
_SAME = 1e-5
# Distances from the best place at which the sum of squares is computed, for u in [-1, 1].
_NEAR = np.geomspace(1e-4, 2, 48)
# Number of places within an interval at which the slopes are computed.
_BETWEEN = 33


class Kinks(NamedTuple):
    """For the gap to the right of each of the n points, the plane of its hinges, orthogonal to the curve without kinks.

    The hinge at `offset` from the left end is `(height - offset * along) * hinge - offset * across * step`.

    Attributes:
        null: The curve without a kink as orthonormal rows, `[p, n]`.
        hinge: First orthonormal row of each plane, `[n, n]`.
        step: Second orthonormal row of each plane, `[n, n]`.
        height: Length of the hinge at the left end, `[n]`.
        along: Component of the step along `hinge`, `[n]`.
        across: Component of the step along `step`, `[n]`.
        gap: Length of the gap, `[n]`.
        knot: Whether a kink may be at the point, `[n]`.
        open: Whether a kink may be inside the gap, `[n]`.
        rank: Number of different u up to the point, `[n]`.
    """

    null: Float[Array, "p n"]
    hinge: Float[Array, "n n"]
    step: Float[Array, "n n"]
    height: Points
    along: Points
    across: Points
    gap: Points
    knot: Bool[Array, " n"]
    open: Bool[Array, " n"]
    rank: Int[Array, " n"]


def kinks_off(null: Float[Array, "p n"], u: Points, weight: Points) -> Kinks:
    """All kinks that have two different u on either side; points at the kink itself count on both sides."""
    root, after = jnp.sqrt(weight), u > u[:, None]
    rank = jnp.cumsum(new_x(u, weight))
    right = rank[-1] - rank
    hinge, height, step, along, across = _planes(null, root * jnp.where(after, u - u[:, None], 0), root * after)
    gap = jnp.diff(u, append=u[-1:])
    knot = (weight > 0) & (rank >= 2) & (right >= 1) & (height > _SAME * jnp.max(height))
    return Kinks(null, hinge, step, height, along, across, gap, knot, knot & (gap > 0) & (right >= 2), rank)


def best_kink(kinks: Kinks, values: Points) -> tuple[Scalar, Int[Array, ""], Scalar]:
    """How much the best kink reduces the sum of squares, the point on its left, and its offset from that point."""
    score = kinks.hinge @ values, kinks.step @ values
    offset, inside = _place(kinks, *score)
    gain = jnp.square(score[0]) + jnp.where(inside, jnp.square(score[1]), 0)
    best, at = largest(jnp.where(kinks.knot, gain, 0))
    return best, at, jnp.where(inside, offset, 0)[at]


def best_two_of(points: Int[Array, " k"], kinks: Kinks, values: Points) -> Scalar:
    """How much the best two kinks at the given points reduce the sum of squares."""
    hinge = jnp.where(kinks.knot[:, None], kinks.hinge, 0)[points]
    both = hinge @ hinge.T
    second = jnp.sum(jnp.square(hinge - both[:, :, None] * hinge[:, None]), axis=2)
    score = hinge @ values
    more = jnp.where(second > _SAME, jnp.square(score - both * score[:, None]) / jnp.maximum(second, _SAME), 0)
    return jnp.max(jnp.square(score)[:, None] + more)


def best_two_kinks(kinks: Kinks, values: Points) -> tuple[Int[Array, "2"], Float[Array, "2"]]:
    """The best pair of kinks: the points on their left, and their offsets from these.

    The first kink is tried at each point and in each gap, each time with all places of the second. In the span of the
    plane of one gap and of the hinge or plane of another, least squares is linear. Its solution counts if both kinks
    lie inside their gaps; if not, the best pair of these gaps has a kink at a point.
    """
    n = len(values)
    by_hinge, by_step = kinks.hinge @ values, kinks.step @ values

    def with_first(candidate):
        i, in_gap = candidate
        plane = jnp.stack([kinks.hinge[i], jnp.where(in_gap, kinks.step[i], 0)])
        own = jnp.stack([by_hinge[i], jnp.where(in_gap, by_step[i], 0)])
        hinge_on, step_on = kinks.hinge @ plane.T, kinks.step @ plane.T
        null = jnp.concatenate([kinks.null, plane])
        _, height, _, along, across = _planes(null, kinks.hinge, kinks.step)
        later = kinks.knot & (kinks.rank > kinks.rank[i] + in_gap) & (height > _SAME)
        height, across = jnp.where(later, height, 1), jnp.where(across > 0, across, 1)
        score = (by_hinge - hinge_on @ own) / height
        side = (by_step - step_on @ own - along * score) / across

        def pair(hinge, step, gain):
            """Gain and first offset for second hinges of known coefficients, if the first is inside its gap."""
            left = own - hinge[:, None] * hinge_on - step[:, None] * step_on
            offset, inside = _place(jax.tree.map(lambda field: field[i], kinks), left[:, 0], left[:, 1])
            return jnp.where(later & (inside | ~in_gap), gain, -jnp.inf), jnp.where(in_gap, offset, 0)

        zero = jnp.zeros_like(values)
        at_point = *pair(score / height, zero, jnp.square(score)), zero
        step = side / across
        hinge = (score - along * step) / height
        offset, inside = _place(kinks, hinge, step)
        gain, first_offset = pair(hinge, step, jnp.square(score) + jnp.square(side))
        in_its_gap = jnp.where(inside, gain, -jnp.inf), first_offset, offset
        gain, *offsets = (jnp.concatenate(both) for both in zip(at_point, in_its_gap, strict=True))
        best, j = largest(gain)
        possible = jnp.where(in_gap, kinks.open[i], kinks.knot[i])
        gain = jnp.where(possible, best + jnp.sum(jnp.square(own)), -jnp.inf)
        return gain, jnp.stack([i, j % n]), jnp.stack([offset[j] for offset in offsets])

    gain, points, offsets = jax.lax.map(with_first, (jnp.tile(jnp.arange(n), 2), jnp.arange(2 * n) >= n))
    _, best = largest(gain)
    return points[best], offsets[best]


def kink_intervals(
    rows: Float[Array, "p n"],
    u: Points,
    weight: Points,
    place: Scalar,
    within: tuple[Scalar, Scalar],
    values: Points,
    noise: Scalar,
    dof: Int[Array, ""],
) -> tuple[tuple[Scalar, Scalar], Float[Array, "2"], Float[Array, "2"]]:
    """95 % intervals of the place of the best kink, and of the slopes before and after it.

    An interval reaches to the outer ends of all places that have nearly the least sum of squares. The bound is that of
    the F ratio, widened by the share 4 / F with the F of the kink itself, as the ratio alone makes intervals of weak
    kinks too narrow. Coverage: see the page How verdicts are made.

    Args:
        rows: What is fitted together with the kink, `[p, n]`; `rows[1]` is the line whose slope changes.
        u: Positions, `[n]`.
        weight: Relative inverse variances, `[n]`.
        place: The best place.
        within: The ends of the range of possible places.
        values: The curve times the square root of the weight, `[n]`.
        noise: Variance of the noise.
        dof: Its degrees of freedom.

    Returns:
        The ends of the interval of the place, and the intervals of both slopes.
    """
    root = jnp.sqrt(weight)
    null, inverse = orthonormalize(rows)
    kink, height = _unit(project_out(null, root * jnp.maximum(u - place, 0)))
    fitted = jnp.concatenate([null, kink[None]])
    amount, error = kink @ values, project_out(fitted, values)
    slack = noise * jnp.square(student_t_975(dof)) * (1 + 8 * noise / jnp.square(amount))

    def moved_to(places):
        """How much a move of the kink adds to the sum of squares, and three numbers of the hinge there.

        These are its squared norm orthogonal to the other rows (infinite if it depends on them), its coefficient, and
        the coefficient of the line in it. A difference of two sums of squares would lose digits.
        """
        hinge = root * jnp.maximum(u - places[:, None], 0)
        move = hinge - root * jnp.maximum(u - place, 0)
        along, across = height + move @ kink, project_out(fitted, move)
        seen, bent = across @ error, jnp.sum(jnp.square(across), axis=1)
        size = jnp.square(along) + bent
        excess = (jnp.square(amount) * bent - (2 * amount * along + seen) * seen) / size
        new = size > jnp.square(32 * jnp.finfo(u.dtype).eps) * jnp.sum(jnp.square(hinge), axis=1)
        excess, size = jnp.where(new, excess, jnp.square(amount)), jnp.where(new, size, jnp.inf)
        return excess, size, (amount * along + seen) / size, (hinge @ null.T) @ inverse[1]

    near = jnp.asarray(_NEAR, u.dtype)
    places = jnp.sort(jnp.clip(jnp.concatenate([u, place - near, place[None], place + near]), *within))
    excess, *_ = moved_to(places)
    # Near the best place the excess grows as the square of the distance.
    kept, far = excess <= slack, jnp.sqrt(jnp.maximum(excess, 0) / slack)
    crossing = places[:-1] + jnp.diff(places) * (1 - far[:-1]) / jnp.diff(far)
    reached = jnp.concatenate([jnp.where(kept, places, place), jnp.where(kept[1:] != kept[:-1], crossing, place)])
    low, high = jnp.min(reached), jnp.max(reached)

    excess, size, change, shared = moved_to(jnp.append(jnp.linspace(low, high, _BETWEEN), place))
    before = inverse[1] @ (null @ values) - shared * change

    def ends(slope, share):
        variance = jnp.sum(jnp.square(inverse[1])) + jnp.square(share) / size
        half, kept = jnp.sqrt(jnp.maximum(slack - excess, 0) * variance), excess <= slack
        slopes = jnp.where(kept, jnp.stack([slope - half, slope + half]), slope[-1])
        return jnp.stack([jnp.min(slopes[0]), jnp.max(slopes[1])])

    return (low, high), ends(before, shared), ends(before + change, 1 - shared)


def _planes(
    null: Float[Array, "p n"], hinge: Float[Array, "m n"], step: Float[Array, "m n"]
) -> tuple[Float[Array, "m n"], Float[Array, " m"], Float[Array, "m n"], Float[Array, " m"], Float[Array, " m"]]:
    """Orthonormal rows for the plane of each hinge and step off `null`, and the coordinates of both in it."""
    hinge, step = project_out(null, jnp.stack([hinge, step]))
    hinge, height = _unit(hinge)
    along = jnp.sum(hinge * step, axis=1)
    step, across = _unit(step - along[:, None] * hinge)
    return hinge, height, step, along, across


def _place(
    kinks: Kinks, hinge: Float[Array, " m"], step: Float[Array, " m"]
) -> tuple[Float[Array, " m"], Bool[Array, " m"]]:
    """The offset at which a hinge has the direction `(hinge, step)` in its plane, and whether it is inside the gap."""
    turn = kinks.along * step - kinks.across * hinge
    offset = kinks.height * step / jnp.where(kinks.open & (turn != 0), turn, 1)
    return offset, kinks.open & (offset >= 0) & (offset <= kinks.gap)


def _unit(rows: Float[Array, "*m n"]) -> tuple[Float[Array, "*m n"], Float[Array, "*m"]]:
    """Rows of length one, and the lengths that they had; zeros stay zeros."""
    square = jnp.sum(jnp.square(rows), axis=-1)
    norm = jnp.sqrt(jnp.where(square > 0, square, 1))
    return rows / norm[..., None], jnp.where(square > 0, norm, 0)
