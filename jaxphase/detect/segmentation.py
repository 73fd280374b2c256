"""Exact segmentation: the best way to cut a curve into pieces, for every number of pieces, and how sure each cut is.

Dynamic programming finds the best cuts. The number of breaks is the smallest one that no larger number improves on
significantly: the ratio of the sums of squares is compared with its distribution for noise, corrected for the number of
ways to place the breaks. The posterior probability of a break has a prior that expects one break; levels are normal
about the mean of the curve with its standard deviation, and the noise variance is estimated.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.batched import curve_detector
from jaxphase.detect.least_squares import axis_unit, standard_values
from jaxphase.detect.points import Points, Scalar, count, distinct, new_x
from jaxphase.detect.status import Status, answered, first_true

_COSTS = ("constant", "linear")
# Probability that noise alone gets any break, before it is divided among the numbers of breaks that are tried.
_LEVEL = 0.05
# Breaks at neighboring places are correlated, so they count for fewer tests than there are (see `_log_tests`).
_OVERLAP = 0.09
Curve = tuple[Points, Points, Points]


class Segmentation(NamedTuple):
    """The best segmentations of each curve, for 0 to K = `max_breaks` breaks.

    Attributes:
        sse: Least sum of squared errors with k breaks, `[..., K + 1]`; NaN where `min_size` leaves no room.
        breaks: Places of the breaks, `[..., K + 1, K]`: row k has k rising places and then NaN.
        bic: `n (log(sse / n) + 1 + log(2 pi)) + (p + 1)(k + 1) log n`, `[..., K + 1]`, p = 1 for levels, 2 for lines.
        n_breaks: The number of breaks chosen, `[...]`; -1 if there are too few points.
        break_probability: Posterior probability of a break between the x of a point and the next larger x, `[..., n]`,
            in the caller's order.
        status: `Status`, `[...]`; see `segment`.
    """

    sse: Float[Array, "*curves numbers"]
    breaks: Float[Array, "*curves numbers breaks"]
    bic: Float[Array, "*curves numbers"]
    n_breaks: Int[Array, "*curves"]
    break_probability: Float[Array, "*curves n"]
    status: Int[Array, "*curves"]


class _Segments(NamedTuple):
    """The segments from each of n starts to one end.

    Attributes:
        weight: Sum of the weights, `[n]`.
        x: Weighted mean of x, `[n]`.
        y: Weighted mean of y, `[n]`.
        xx: Centered sum of squares of x, `[n]`.
        xy: Centered sum of products, `[n]`.
        sse: Sum of squared residuals, `[n]`.
    """

    weight: Points
    x: Points
    y: Points
    xx: Points
    xy: Points
    sse: Points


def segment(
    x: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    max_breaks: int = 5,
    cost: Literal["constant", "linear"] = "constant",
    min_size: int = 3,
    posterior: bool = True,
) -> Segmentation:
    """Cut each curve into 1 to `max_breaks + 1` pieces with the least possible sum of squared errors.

    A break is halfway between its two neighbors; points of one x stay together. The test for the number of breaks is
    not robust to autocorrelated noise; see `change_test`. Error rates: see the page How verdicts are made.

    Args:
        x: Positions, `[..., n]`, for sizes usually their log10. Any order; repeats allowed.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.
        max_breaks: The largest number of breaks.
        cost: A piece is a level ("constant") or its own straight line ("linear"); pieces are not joined.
        min_size: Least number of points in a piece.
        posterior: False saves the time of `break_probability` and leaves it NaN.

    Returns:
        A `Segmentation`. Its status is `NOT_IDENTIFIED`, with no breaks, for a constant y (or a straight line for
        "linear"), and `TOO_FEW_POINTS` if there is no room for a break; all floating-point numbers are then NaN.

    Raises:
        ValueError: If an option has no legal value, or the shapes do not broadcast.

    References:
        Bai & Perron (2003), J. Appl. Econom. 18, 1; Barry & Hartigan (1992), Ann. Stat. 20, 260; Fearnhead (2006),
        Stat. Comput. 16, 203.
    """
    for name, value, least in (("max_breaks", max_breaks, 0), ("min_size", min_size, 1)):
        if value < least or value != int(value):
            raise ValueError(f"{name} must be an integer of at least {least}, got {value}")
    options = {"max_breaks": int(max_breaks), "cost": cost, "min_size": int(min_size), "posterior": bool(posterior)}
    return _segment(x, y, weight=weight, **options)


@curve_detector(
    static=("max_breaks", "cost", "min_size", "posterior"),
    choices={"cost": _COSTS},
    per_point=("break_probability",),
    at_once=6400,
)
def _segment(
    x: Points, y: Points, weight: Points, *, max_breaks: int, cost: str, min_size: int, posterior: bool
) -> Segmentation:
    """The segmentations of one curve."""
    axis, (v, unit) = axis_unit(x, weight), standard_values(y, weight)
    curve = (x - axis.center) / axis.scale, v, weight
    n, parameters = count(weight), 1 + _COSTS.index(cost)

    sse, first_after = _shortest(curve, max_breaks, parameters, min_size)
    rounding = n * jnp.square(8 * jnp.finfo(x.dtype).eps * (1 + jnp.abs(unit.center) / unit.scale))
    sse = jnp.maximum(sse, rounding)
    n_breaks = _number_of_breaks(sse, n, distinct(x, weight), parameters, min_size)
    probability = jnp.full_like(x, jnp.nan)
    if posterior:
        # The posterior mean of the variance; each break counts as one parameter.
        noise = sse[n_breaks] / jnp.maximum(n - parameters * (n_breaks + 1) - n_breaks - 2, 1)
        probability = _break_probability(curve, noise, parameters, min_size)

    possible = jnp.isfinite(sse)
    exists = possible[:, None] & (jnp.arange(max_breaks) < jnp.arange(max_breaks + 1)[:, None])
    raw = sse * jnp.square(unit.scale)
    bic = n * (jnp.log(raw / n) + 1 + jnp.log(2 * jnp.pi)) + (parameters + 1) * jnp.arange(1, max_breaks + 2) * jnp.log(
        n
    )
    judged = possible[min(1, max_breaks)] & (n > parameters * min(2, max_breaks + 1))
    result = Segmentation(
        sse=jnp.where(possible, raw, jnp.nan),
        breaks=jnp.where(exists, (x[first_after - 1] + x[first_after]) / 2, jnp.nan),
        bic=jnp.where(possible, bic, jnp.nan),
        n_breaks=jnp.where(judged, n_breaks, -1).astype(jnp.int32),
        break_probability=probability,
        status=first_true((~judged, Status.TOO_FEW_POINTS), (sse[0] <= rounding, Status.NOT_IDENTIFIED)),
    )
    return answered(result, result.status < Status.NOT_IDENTIFIED)


def _shortest(
    curve: Curve, max_breaks: int, parameters: int, min_size: int
) -> tuple[Float[Array, " numbers"], Int[Array, "numbers breaks"]]:
    """Least sum of squares for each number of breaks, and the first point after each break."""
    index = jnp.arange(len(curve[0]))

    def shortest(table, segments, allowed, end):
        # table[k, s]: the least cost of the first s points with k breaks
        cost = jnp.where(allowed, segments.sse, jnp.inf)
        through = table[:-1, :-1] + cost
        least = jnp.min(through, axis=1)
        # XLA's argmin is slower on a CPU, and whole numbers are slower than floating ones.
        start = jnp.min(jnp.where(through <= least[:, None], index.astype(cost.dtype), len(index)), axis=1)
        return _put(table, end, jnp.append(cost[0], least)[:, None]), start.astype(index.dtype)

    table = jnp.full((max_breaks + 1, len(index) + 1), jnp.inf, curve[0].dtype)
    table, start = _over_ends(curve, table, shortest, parameters, min_size)
    rows, end, places = jnp.arange(max_breaks + 1), jnp.full(max_breaks + 1, len(index)), []
    for k in reversed(range(max_breaks)):
        end = jnp.where(rows > k, start[end - 1, k], end)
        places.insert(0, end)
    return table[:, -1], jnp.stack(places, axis=1) if places else jnp.zeros((1, 0), index.dtype)


def _break_probability(curve: Curve, noise: Scalar, parameters: int, min_size: int) -> Points:
    """Posterior probability of a break after the x of each point, by forward filtering and backward smoothing."""
    x, _, weight = curve
    odds = -jnp.log(jnp.maximum(distinct(x, weight) - 1, 1))

    def filtered(table, segments, allowed, end):
        # table[s]: the log of the summed evidence of all partitions of the first s points
        bent = segments.xx > 0
        explained, prior = segments.weight * jnp.square(segments.y), jax.lax.rsqrt(1 + segments.weight / noise)
        if parameters == 2:
            explained += jnp.where(bent, jnp.square(segments.xy) / jnp.where(bent, segments.xx, 1), 0)
            prior = jnp.where(bent, jnp.square(prior), prior)
        quadratic = segments.sse / noise + explained / (segments.weight + noise)
        through = jnp.where(allowed, table[:-1] - quadratic / 2, -jnp.inf)
        top = jnp.max(through)
        top = jnp.where(jnp.isfinite(top), top, 0)
        part = prior * jnp.exp(through - top)
        whole = jnp.sum(part)
        return _put(table, end, top + jnp.log(whole) + odds), (part, whole)

    table = jnp.full(len(x) + 1, -jnp.inf, x.dtype).at[0].set(0)
    _, starts = _over_ends(curve, table, filtered, parameters, min_size)

    def smoothed(ends, point):
        # ends[s]: the probability that a segment ends after the first s points
        end, part, whole = point
        return ends.at[:-1].add(ends[end] / jnp.where(whole > 0, whole, 1) * part), None

    index = jnp.arange(len(x))
    ends = jnp.zeros(len(x) + 1, x.dtype).at[-1].set(1)
    ends, _ = jax.lax.scan(smoothed, ends, (index + 1, *starts), reverse=True)
    last_of_x = jnp.append(new_x(x, weight)[1:], True)
    after = jnp.where(last_of_x & (index < count(weight) - 1), ends[1:], 0)
    return after[jax.lax.cummin(jnp.where(last_of_x, index, len(x) - 1), reverse=True)]


def _over_ends(
    curve: Curve,
    table: Float[Array, "*numbers ends"],
    extend: Callable[..., tuple[Array, Any]],
    parameters: int,
    min_size: int,
) -> tuple[Float[Array, "*numbers ends"], Any]:
    """Scan over the last points of segments by `extend(table, segments, allowed, end) -> table, output`.

    It gets the segments that end there from every start, which of these are allowed, and the number of points so far.
    """
    x, _, weight = curve
    index, missing = jnp.arange(len(x)), jnp.sum(weight <= 0)
    # Points before each; the missing ones are all at the end, or all at the beginning of a reversed curve.
    before = jnp.where(weight[0] > 0, jnp.minimum(index, len(x) - missing), jnp.maximum(index - missing, 0))
    opens = new_x(x, weight) | (index == 0)

    def step(carry, point):
        segments, table = carry
        end, size, added = point
        segments = _grow(segments, added, index < end, parameters)
        table, output = extend(table, segments, opens & (index < end) & (size - before >= min_size), end)
        return (segments, table), output

    zero = jnp.zeros_like(x)
    none = _Segments(zero, zero, zero, zero, zero, zero)
    (_, table), output = jax.lax.scan(step, (none, table), (index + 1, before + (weight > 0), curve))
    return table, output


def _put(
    table: Float[Array, "*numbers ends"], end: Int[Array, ""], value: Float[Array, "..."]
) -> Float[Array, "*numbers ends"]:
    """`table.at[..., end].set(value)` in one pass over the table, which a CPU would copy twice."""
    return jnp.where(jnp.arange(table.shape[-1]) == end, value, table)


def _grow(
    segments: _Segments, point: tuple[Scalar, Scalar, Scalar], begun: Bool[Array, " n"], parameters: int
) -> _Segments:
    """Add a point to the segments that have begun by Welford's update, so that no digits cancel (West 1979).

    The sum of squares grows by the squared error of the segment's forecast of the point.
    """
    x, y, weight = point
    added = jnp.where(begun, weight, 0)
    total = segments.weight + added
    share = added / jnp.where(total > 0, total, 1)
    dx, dy, pull = x - segments.x, y - segments.y, segments.weight * share
    mean = segments.y + share * dy
    if parameters == 1:
        return segments._replace(weight=total, y=mean, sse=segments.sse + pull * jnp.square(dy))
    xx = segments.xx + pull * jnp.square(dx)
    error = dy - segments.xy / jnp.where(segments.xx > 0, segments.xx, 1) * dx
    # A line through two different x has no residual; points of one x determine nothing but their mean.
    free = jnp.where(xx > 0, segments.xx / jnp.where(xx > 0, xx, 1), 1)
    return _Segments(
        total,
        segments.x + share * dx,
        mean,
        xx,
        segments.xy + pull * dx * dy,
        segments.sse + pull * free * jnp.square(error),
    )


def _number_of_breaks(
    sse: Float[Array, " numbers"], n: Int[Array, ""], distinct_x: Int[Array, ""], parameters: int, min_size: int
) -> Int[Array, ""]:
    """The least number of breaks against which no larger number is significant."""
    rejected, most = jnp.zeros(len(sse), bool), len(sse) - 1
    for more in range(1, most + 1):
        few, many = sse[:-more], sse[more:]
        dof = n - parameters * jnp.arange(more + 1, most + 2)
        testable = jnp.isfinite(many) & (dof >= 1)
        p = _ratio_cdf(jnp.where(testable, many / few, 1), jnp.maximum(dof, 1), parameters * more)
        level = _LEVEL * 0.5**more * jnp.exp(-_log_tests(n, distinct_x, more, parameters, min_size))
        rejected = rejected.at[:-more].set(rejected[:-more] | (testable & (p < level)))
    return jnp.argmin(rejected)


def _log_tests(n: Int[Array, ""], distinct_x: Int[Array, ""], breaks: int, parameters: int, min_size: int) -> Scalar:
    """Log of the effective number of ways to place the breaks, fitted to simulated noise."""
    least = jnp.ceil(min_size * distinct_x / jnp.maximum(n, 1))
    places = jnp.maximum(distinct_x - 1 - (breaks + 1) * (least - 1), breaks)
    ways = sum((jnp.log((places - i) / (i + 1)) for i in range(1, breaks)), jnp.log(places))
    return ways / (1 + _OVERLAP * ways / (parameters * breaks))


def _ratio_cdf(ratio: Float[Array, " k"], dof: Int[Array, " k"], extra: int) -> Float[Array, " k"]:
    """P(SSE with `extra` more columns / SSE without <= ratio) for noise: the Beta(dof / 2, extra / 2) distribution."""
    a, beta = dof / 2, 0.5 if extra % 2 else 1.0
    ratio = jnp.clip(ratio, jnp.finfo(ratio.dtype).tiny, 1)
    power = ratio**a
    if extra % 2:
        # Student's t by the normal deviate of Wallace (1959).
        total = jax.scipy.special.erfc((8 * dof + 1) / (8 * dof + 3) * jnp.sqrt(-a * jnp.log(ratio)))
        term = a * power * jnp.sqrt((1 - ratio) / (a + 0.25 + 1 / (32 * a))) * 2 / jnp.sqrt(jnp.pi)
    else:
        total, term = power, a * power * (1 - ratio)
    while 2 * beta < extra:
        total, term, beta = total + term, term * (1 - ratio) * (a + beta) / (beta + 1), beta + 1
    return total
