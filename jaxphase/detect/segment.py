"""Exact segmentation: the best way to cut a curve into pieces, for every number of pieces, and how sure each cut is."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .batched import curve_detector
from .least_squares import axis_unit, standard_values
from .points import count, distinct, new_x
from .status import NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

_COSTS = ("constant", "linear")
# Chance that noise alone gets any break, before it is shared among the numbers of breaks that are tried.
_LEVEL = 0.05
# The places of a break overlap, so they count for fewer tests than there are (see `_log_tests`).
_OVERLAP = 0.09


class Segmentation(NamedTuple):
    """sse and bic `[..., K + 1]` and breaks `[..., K + 1, K]` for 0 to K = max_breaks breaks; row k of breaks holds k
    rising places and then NaN. n_breaks is the number chosen, break_probability `[..., n]` in the caller's order."""

    sse: jax.Array
    breaks: jax.Array
    bic: jax.Array
    n_breaks: jax.Array
    break_probability: jax.Array
    status: jax.Array


class _Segments(NamedTuple):
    """Weight, means, centred sums and the sum of squared residuals of the segments that start at each point [n]."""

    weight: jax.Array
    x: jax.Array
    y: jax.Array
    xx: jax.Array
    xy: jax.Array
    sse: jax.Array


def segment(x, y, *, weight=None, max_breaks=5, cost="constant", min_size=3, posterior=True) -> Segmentation:
    """Cut a curve into 1 to max_breaks + 1 pieces, each of them with the least sum of squared errors there is.

    x, y, weight: `[..., n]`, weight the relative inverse variance. cost: a level ("constant") or a straight line of its
    own ("linear") for every piece; pieces are not joined. min_size: least number of points present in a piece. Points
    of one x (seeds) stay together. A break is given as the x halfway between its two neighbours, so that `x < break`
    are the points before it. Dynamic programming is exact: no other breaks have a smaller sse (Bai & Perron 2003,
    J. Appl. Econom. 18, 1). Numbers of breaks that min_size has no room for are NaN.

    bic is `n (log(sse / n) + 1 + log(2 pi)) + (p + 1)(k + 1) log n` with p = 1 for a level and 2 for a line, as
    R's strucchange has it. Its minimum finds breaks in noise: n_breaks is instead the least number k of breaks that
    none of the larger ones improves on significantly. k + j breaks against k is a ratio of sums of squares, for noise
    a Beta variate, whose probability times the effective number of ways to place j breaks must be below 0.05 / 2**j.
    Of curves that are Gaussian noise 1.4 to 4.3 % get any break: n = 8 to 200 and min_size 1 to 5 with either cost (on
    straight lines for "linear"); at n = 30 or 48 also with 30 % of the points missing, seeds or uneven weights. Of true
    1 to 3 breaks at most 5 % get more; small changes of lines are missed more often than by BIC. It is not robust to
    autocorrelated noise (19 % at n = 30 for AR(1) with 0.3; see `change_test`), and t noise with 5 degrees of freedom
    gives 3 % ("constant") and 6 % ("linear").

    break_probability is the posterior probability of a break between the x of a point and the next larger x, summed
    over all partitions, not only those of up to max_breaks (Barry & Hartigan 1992, Ann. Stat. 20, 260; Fearnhead 2006,
    Stat. Comput. 16, 203). The prior expects one break: each of the m places has odds 1 / m. A level is normal about
    the mean of the curve with its standard deviation, so is a line at the mean x of its piece and, independently, its
    rise over one standard deviation of x there. The noise variance is not integrated but put in, `sse / (n - p (k + 1)
    - k - 2)` at k = n_breaks. On curves drawn from this prior places of probability 0.95 are
    breaks in 0.89 to 0.97 of the cases for n = 50 and 100, in 0.83 to 0.95 for n = 8 to 20.

    posterior=False leaves it NaN and takes six tenths of the time.

    status 2: y is constant, or a straight line if cost is "linear"; n_breaks 0, the rest NaN. status 3: too few points
    for one break, n_breaks -1, the rest NaN. Two scans over the points take about (5 max_breaks + 40) n**2 operations
    and, for the posterior, 4 n**2 bytes for a curve in float32.
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
def _segment(x, y, weight, *, max_breaks, cost, min_size, posterior):
    axis, (v, unit) = axis_unit(x, weight), standard_values(y, weight)
    curve = (x - axis.center) / axis.scale, v, weight
    n, parameters = count(weight), 1 + _COSTS.index(cost)

    sse, first_after = _shortest(curve, max_breaks, parameters, min_size)
    rounding = n * jnp.square(8 * jnp.finfo(x.dtype).eps * (1 + jnp.abs(unit.center) / unit.scale))
    sse = jnp.maximum(sse, rounding)
    n_breaks = _number_of_breaks(sse, n, distinct(x, weight), parameters, min_size)
    probability = jnp.full_like(x, jnp.nan)
    if posterior:
        # The posterior mean of the variance, with a break counted as one number more.
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
        status=first_true((~judged, TOO_FEW_POINTS), (sse[0] <= rounding, NOT_IDENTIFIED)),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def _shortest(curve, max_breaks, parameters, min_size):
    """Least sum of squares [K + 1] for each number of breaks, and the first point after each of them [K + 1, K]."""
    index = jnp.arange(len(curve[0]))

    def shortest(table, segments, allowed, end):
        # table[k, s]: the least cost of the first s points with k breaks
        cost = jnp.where(allowed, segments.sse, jnp.inf)
        through = table[:-1, :-1] + cost
        least = jnp.min(through, axis=1)
        # XLA's argmin takes six times as long on a CPU, and whole numbers are slower than floating ones.
        start = jnp.min(jnp.where(through <= least[:, None], index.astype(cost.dtype), len(index)), axis=1)
        return _put(table, end, jnp.append(cost[0], least)[:, None]), start.astype(index.dtype)

    table = jnp.full((max_breaks + 1, len(index) + 1), jnp.inf, curve[0].dtype)
    table, start = _over_ends(curve, table, shortest, parameters, min_size)
    rows, end, places = jnp.arange(max_breaks + 1), jnp.full(max_breaks + 1, len(index)), []
    for k in reversed(range(max_breaks)):
        end = jnp.where(rows > k, start[end - 1, k], end)
        places.insert(0, end)
    return table[:, -1], jnp.stack(places, axis=1) if places else jnp.zeros((1, 0), index.dtype)


def _break_probability(curve, noise, parameters, min_size):
    """Posterior probability of a break after the x of each point: forward filtering, backward smoothing."""
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


def _over_ends(curve, table, extend, parameters, min_size):
    """Scan over the last points of segments: `extend(table, segments, allowed, end) -> table, output` learns at each
    of them the segments from every start [n], which of these are allowed, and the number of points so far."""
    x, _, weight = curve
    index, missing = jnp.arange(len(x)), jnp.sum(weight <= 0)
    # Points before each: the missing ones are all at the end, or all at the beginning of a curve that is reversed.
    before = jnp.where(weight[0] > 0, jnp.minimum(index, len(x) - missing), jnp.maximum(index - missing, 0))
    opens = new_x(x, weight) | (index == 0)

    def step(carry, point):
        segments, table = carry
        end, size, *values = point
        segments = _grow(segments, *values, index < end, parameters)
        table, output = extend(table, segments, opens & (index < end) & (size - before >= min_size), end)
        return (segments, table), output

    none = _Segments(*[jnp.zeros_like(x)] * len(_Segments._fields))
    (_, table), output = jax.lax.scan(step, (none, table), (index + 1, before + (weight > 0), *curve))
    return table, output


def _put(table, end, value):
    """`table.at[..., end].set(value)` as one pass over the table, which a CPU would copy twice."""
    return jnp.where(jnp.arange(table.shape[-1]) == end, value, table)


def _grow(segments, x, y, weight, begun, parameters):
    """One more point in the segments that have begun: Welford's update, so that no digits cancel (West 1979).

    The sum of squares grows by the squared error of the forecast that the segment makes of the point.
    """
    weight = jnp.where(begun, weight, 0)
    total = segments.weight + weight
    share = weight / jnp.where(total > 0, total, 1)
    dx, dy, pull = x - segments.x, y - segments.y, segments.weight * share
    mean = segments.y + share * dy
    if parameters == 1:
        return segments._replace(weight=total, y=mean, sse=segments.sse + pull * jnp.square(dy))
    xx = segments.xx + pull * jnp.square(dx)
    error = dy - segments.xy / jnp.where(segments.xx > 0, segments.xx, 1) * dx
    # Two different x fix a line whatever their y; points of one x have their mean only.
    free = jnp.where(xx > 0, segments.xx / jnp.where(xx > 0, xx, 1), 1)
    return _Segments(
        total,
        segments.x + share * dx,
        mean,
        xx,
        segments.xy + pull * dx * dy,
        segments.sse + pull * free * jnp.square(error),
    )


def _number_of_breaks(sse, n, distinct_x, parameters, min_size):
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


def _log_tests(n, distinct_x, breaks, parameters, min_size):
    """Log of the number of independent tests that the ways to place the breaks amount to, fitted to simulated noise."""
    least = jnp.ceil(min_size * distinct_x / jnp.maximum(n, 1))
    places = jnp.maximum(distinct_x - 1 - (breaks + 1) * (least - 1), breaks)
    ways = sum(jnp.log((places - i) / (i + 1)) for i in range(breaks))
    return ways / (1 + _OVERLAP * ways / (parameters * breaks))


def _ratio_cdf(ratio, dof, extra):
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
