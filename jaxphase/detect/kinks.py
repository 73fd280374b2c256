"""Kinks of a straight line, exactly: the best one, the best two, and which places cannot be told apart.

Every hinge `max(u - place, 0)` whose place is in one gap between neighbouring points lies in one plane, that of the
hinge at the gap's left end and of a step across the gap. The best place in a gap is therefore in closed form (Hudson
1966, J. Am. Stat. Assoc. 61, 1097), and the best of all gaps and points is the global optimum. Everything is in
coordinates scaled by the root of the weight, so that sums of squares are plain.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.linalg.orthonormal import off, orthonormal

from .distributions import student_t_975
from .points import new_x

# A hinge of which no more than this share is new is rounding.
_SAME = 1e-5
# Distances from the best place at which its neighbourhood is looked at, for u in [-1, 1].
_NEAR = np.geomspace(1e-4, 2, 48)
# Places within an interval at which the slopes are looked at.
_BETWEEN = 33


class Kinks(NamedTuple):
    """For the gap to the right of each point, the plane of its hinges, off the curve without a kink.

    null [p, n]: orthonormal rows, the curve without a kink. hinge, step [n, n]: orthonormal rows for each gap; the
    hinge at `offset` is `(height - offset * along) * hinge - offset * across * step`. gap [n]: lengths. knot, open [n]:
    whether a kink may be at the point, and in the gap. rank [n]: number of different u up to the point.
    """

    null: jax.Array
    hinge: jax.Array
    step: jax.Array
    height: jax.Array
    along: jax.Array
    across: jax.Array
    gap: jax.Array
    knot: jax.Array
    open: jax.Array
    rank: jax.Array


def kinks_off(null, u, weight) -> Kinks:
    """All kinks that have two different u on either side, the points at the kink itself counted on both."""
    root, after = jnp.sqrt(weight), u > u[:, None]
    rank = jnp.cumsum(new_x(u, weight))
    right = rank[-1] - rank
    hinge, height, step, along, across = _planes(null, root * jnp.where(after, u - u[:, None], 0), root * after)
    gap = jnp.diff(u, append=u[-1:])
    knot = (weight > 0) & (rank >= 2) & (right >= 1) & (height > _SAME * jnp.max(height))
    return Kinks(null, hinge, step, height, along, across, gap, knot, knot & (gap > 0) & (right >= 2), rank)


def best_kink(kinks: Kinks, values):
    """What the best kink takes off the sum of squares, the point on its left, and its offset from there."""
    score = kinks.hinge @ values, kinks.step @ values
    offset, inside = _place(kinks, *score)
    gain = jnp.square(score[0]) + jnp.where(inside, jnp.square(score[1]), 0)
    best, at = _largest(jnp.where(kinks.knot, gain, 0))
    return best, at, jnp.where(inside, offset, 0)[at]


def best_two_of(points, kinks: Kinks, values):
    """What the best two kinks at the given points take off the sum of squares."""
    hinge = jnp.where(kinks.knot[:, None], kinks.hinge, 0)[points]
    both = hinge @ hinge.T
    second = jnp.sum(jnp.square(hinge - both[:, :, None] * hinge[:, None]), axis=2)
    score = hinge @ values
    more = jnp.where(second > _SAME, jnp.square(score - both * score[:, None]) / jnp.maximum(second, _SAME), 0)
    return jnp.max(jnp.square(score)[:, None] + more)


def best_two_kinks(kinks: Kinks, values):
    """The best pair: the points on their left [2], and their offsets from there.

    The first kink is tried at each point and in each gap, with all places of the second at once, from left to right.
    In the span of a gap's plane and of another's hinge or plane, least squares is linear, and counts if the hinges that
    it is made of are inside their gaps. If they are not, the optimum of the two gaps has a kink at a point.
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
        best, j = _largest(gain)
        possible = jnp.where(in_gap, kinks.open[i], kinks.knot[i])
        gain = jnp.where(possible, best + jnp.sum(jnp.square(own)), -jnp.inf)
        return gain, jnp.stack([i, j % n]), jnp.stack([offset[j] for offset in offsets])

    gain, points, offsets = jax.lax.map(with_first, (jnp.tile(jnp.arange(n), 2), jnp.arange(2 * n) >= n))
    _, best = _largest(gain)
    return points[best], offsets[best]


def kink_intervals(rows, u, weight, place, within, values, noise, dof):
    """95 % intervals of the best kink's place, and of the slopes before and after it.

    rows [p, n]: what is fitted together with the kink, rows[1] the line whose slope changes at it; within: the ends of
    the range of possible places; noise: its variance, with dof degrees of freedom. An interval goes to the outer ends
    of all that has nearly the least sum of squares: the bound is that of the F ratio, wider by the share 4 / F with the
    F of the kink itself. The ratio alone holds 94.9, 94.1, 93.3 and 91.2 % of the places where this holds 95.1, 95.1,
    95.1 and 96.4 %, for kinks of F = 300, 48, 19 and 5 among 40 points.
    """
    root = jnp.sqrt(weight)
    null, inverse = orthonormal(rows)
    kink, height = _unit(off(null, root * jnp.maximum(u - place, 0)))
    fitted = jnp.concatenate([null, kink[None]])
    amount, error = kink @ values, off(fitted, values)
    slack = noise * jnp.square(student_t_975(dof)) * (1 + 8 * noise / jnp.square(amount))

    def moved_to(places):
        """What the move adds to the sum of squares (a difference of sums would lose digits); and the hinge there: its
        norm squared off the other rows, infinite if nothing of it is, its coefficient, and that of the line in it."""
        hinge = root * jnp.maximum(u - places[:, None], 0)
        move = hinge - root * jnp.maximum(u - place, 0)
        along, across = height + move @ kink, off(fitted, move)
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


def _planes(null, hinge, step):
    """Orthonormal rows for the plane of each hinge and step off `null`, and the coordinates of these in it."""
    hinge, step = off(null, jnp.stack([hinge, step]))
    hinge, height = _unit(hinge)
    along = jnp.sum(hinge * step, axis=1)
    step, across = _unit(step - along[:, None] * hinge)
    return hinge, height, step, along, across


def _place(kinks, hinge, step):
    """The offset at which a hinge is in the direction `(hinge, step)` of its plane, and if that is in the gap."""
    turn = kinks.along * step - kinks.across * hinge
    offset = kinks.height * step / jnp.where(kinks.open & (turn != 0), turn, 1)
    return offset, kinks.open & (offset >= 0) & (offset <= kinks.gap)


def _unit(rows):
    square = jnp.sum(jnp.square(rows), axis=-1)
    norm = jnp.sqrt(jnp.where(square > 0, square, 1))
    return rows / norm[..., None], jnp.where(square > 0, norm, 0)


def _largest(values):
    """The largest value and its index; faster than argmax on a CPU."""
    best = jnp.max(values)
    # A compiler may compute the values twice, and round differently.
    close = values >= best * (1 - 8 * jnp.finfo(values.dtype).eps)
    return best, jnp.min(jnp.where(close, jnp.arange(len(values)), len(values) - 1))
