"""Power laws that change their exponent at a few places: a continuous broken line in log x and log y."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxphase.linalg.orthonormal import off, orthonormal

from .batched import curve_detector, once_per_grid
from .distributions import student_t_975
from .kinks import Kinks, best_kink, best_two_kinks, best_two_of, kink_intervals, kinks_off
from .least_squares import axis_unit, standard_values, weighted_mean
from .points import count, distinct
from .status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, first_true

# A break is reported if noise alone would show as much in one of twenty curves.
_LEVEL = 0.05
# The test against two breaks looks at this many points at most; the fit looks at all of them and between them.
_TESTED_POINTS = 24
# Fewer simulated curves have no p-value below _LEVEL.
_FEWEST_DRAWS = 19


class PiecewisePowerLaw(NamedTuple):
    """`y = amplitude * x**exponents[0]` up to breaks[0], and on from there with exponents[1], and so on.

    With K for max_breaks: exponents, bic `[..., K + 1]`, exponent_interval `[..., K + 1, 2]`, breaks `[..., K]`,
    break_interval `[..., K, 2]`.
    """

    amplitude: jax.Array
    exponents: jax.Array
    exponent_interval: jax.Array
    breaks: jax.Array
    break_interval: jax.Array
    n_breaks: jax.Array
    p_value: jax.Array
    bic: jax.Array
    sse: jax.Array
    r2: jax.Array
    status: jax.Array


class Chance(NamedTuple):
    """The kinks on one grid, and what noise alone shows there: `level [K]`, the 95 % points of F for one kink and for
    two; `statistic`, the largest ratio of an F to its level in each simulated curve, in rising order; `second_level`,
    the 95 % point of F for a second kink of a curve that has one in the middle."""

    u: jax.Array
    most: jax.Array
    kinks: Kinks
    level: jax.Array
    statistic: jax.Array
    second_level: jax.Array


def fit_piecewise_power_law(x, y, *, weight=None, max_breaks=2, key=None, draws=9999) -> PiecewisePowerLaw:
    """Fit a power law with at most `max_breaks` (1 or 2) breaks of its exponent, continuous, by least squares in log y.

    x, y, weight: `[..., n]`; x and y are taken as they are, points that are not positive count as missing; weight is
    the relative inverse variance of log y. The fits with 0, 1 and 2 breaks are global optima, with breaks at points or
    between them (Hudson 1966, J. Am. Stat. Assoc. 61, 1097).

    p_value: of no break at all, against one and against two (the larger of both F, each over its 95 % point, as in Bai
    & Perron 1998, Econometrica 66, 47), exact for Gaussian noise in log y whatever n is, as the distribution depends on
    x and weight alone and is simulated once for all curves on one set of x: `draws` curves, with the `jax.random` key
    (`key(0)` if None). n_breaks is 0 where it is above 0.05: of curves of noise, 4.6 to 5.6 % get a break (n = 8 to
    100). There are two rather than one if F for the second is above the 95 % point that it has if there is one in the
    middle: of curves with one break, 1.5 to 5.1 % get two.

    breaks, exponents and their 95 % intervals are those of n_breaks, NaN beyond; they suppose that this number is
    right. Intervals are profiles of the sum of squares, see `kink_intervals`. With 40 points over three decades, a
    change of exponent by 0.35 in the middle and noise of 0.02, 0.05, 0.08 and 0.15 decades, where a break is seen in
    100, 100, 100 and 76 % of the curves, they hold that break in 94.9, 95.1, 95.0 and 95.2 % of these, and the
    exponents in 94.9 to 96.2 %. Breaks that are seen by luck fare worse: 92 % if one in three is seen, and 85 % at
    n = 10 if one in four is. sse, r2 and bic, `n log(sse / n) + (2 + 2 k) log n` for k breaks, are in natural logs.

    A floor under the curve bends it in log-log without any break, and shows as one: `fit_broken_power_law` has a floor.
    It is no option here, as log(y - floor) gives the points nearest to the floor the largest noise, and least squares
    on it can be made as good as one likes by a floor next to the lowest point.

    status 1: the interval of a break reaches the end of the data, where a break cannot be told from an outlier.
    status 2: a jump between two neighbouring points, given as two breaks at these; the exponent between them is the
    least possible. status 3: fewer than five points or four different x, all NaN and n_breaks -1; two breaks need seven
    and six. Derivatives with respect to x and y are those of the exact minimum; the intervals have none (NaN).

    1,000 curves of 40 points on one set of x take 0.05 s on a CPU core, 0.11 s with two breaks; each further set of x,
    such as that of a curve with a missing point, takes 7 and 19 ms.
    """
    log_x, log_y = jnp.log(jnp.asarray(x)), jnp.log(jnp.asarray(y))
    line = fit_broken_line(log_x, log_y, weight=weight, max_breaks=max_breaks, key=key, draws=draws)
    return line._replace(
        amplitude=jnp.exp(line.amplitude), breaks=jnp.exp(line.breaks), break_interval=jnp.exp(line.break_interval)
    )


def fit_broken_line(x, y, *, weight=None, max_breaks=2, key=None, draws=9999) -> PiecewisePowerLaw:
    """The same on axes that are logs already: slopes for exponents, and the intercept for the amplitude."""
    if draws < _FEWEST_DRAWS:
        raise ValueError(f"draws must be at least {_FEWEST_DRAWS}, got {draws}")
    key = jax.random.key(0) if key is None else key
    return _fit_broken_line(x, y, weight=weight, max_breaks=max_breaks, key=key, draws=draws)


@curve_detector(static=("max_breaks", "draws"), choices={"max_breaks": (1, 2)})
def _fit_broken_line(x, y, weight, *, max_breaks, key, draws):
    axis, (v, unit) = axis_unit(x, weight), standard_values(y, weight)
    u, n, different = (x - axis.center) / axis.scale, count(weight), distinct(x, weight)
    few, most = (n < 5) | (different < 4), jnp.where((n >= 7) & (different >= 6), max_breaks, 1)
    v = jnp.sqrt(weight) * v
    simulated = functools.partial(simulate, max_breaks=max_breaks, draws=draws)
    p_value, second_level, places = once_per_grid(simulated, judge)((u, weight, most, key), v)

    # Each fit once more from its columns, for a difference of sums of squares loses digits.
    intercept, slopes, sse = jax.vmap(lambda breaks: regress(columns(u, weight, breaks), v))(places)
    second = (most == 2) & (f_ratio(sse[1] - sse[-1], sse[1]) > second_level)
    rounding = (1 + jnp.max(jnp.abs(y))) / unit.scale + (1 + jnp.max(jnp.abs(x))) / axis.scale
    rounding = n * jnp.square(4 * jnp.finfo(u.dtype).eps * rounding)
    n_breaks = jnp.minimum(jnp.where(p_value <= _LEVEL, 1 + second, 0), jnp.sum(sse > rounding))
    breaks, slopes, dof = places[n_breaks], slopes[n_breaks], n - 2 - 2 * n_breaks
    seen = jnp.maximum(sse, rounding)
    noise = seen[n_breaks] / jnp.maximum(dof, 1)
    break_interval, slope_interval = intervals(u, weight, breaks, v, slopes, noise, dof)

    k, exponent, found = jnp.arange(max_breaks + 1), unit.scale / axis.scale, jnp.isfinite(breaks)
    bic = n * jnp.log(jnp.square(unit.scale) * seen / n) + (2 + 2 * k) * jnp.log(n)
    at_end = jnp.any(found & ((break_interval[:, 0] <= u[0]) | (break_interval[:, 1] >= u[-1])))
    # Breaks at two neighbouring points are that to rounding, which may put them a little before and beyond.
    near = jnp.finfo(u.dtype).eps ** 0.75
    jump = (n_breaks == 2) & ~jnp.any((u > breaks[0] + near) & (u < breaks[-1] - near))

    def known(field, where=True):
        return jnp.where(where & ~few, field, jnp.nan)

    return PiecewisePowerLaw(
        amplitude=known(unit.center + unit.scale * intercept[n_breaks] - exponent * slopes[0] * axis.center),
        exponents=known(exponent * slopes, k <= n_breaks),
        exponent_interval=known(exponent * slope_interval, (k <= n_breaks)[:, None]),
        breaks=known(axis.center + axis.scale * jnp.where(found, breaks, 0), found),
        break_interval=known(axis.center + axis.scale * break_interval, found[:, None]),
        n_breaks=jnp.where(few, -1, n_breaks).astype(jnp.int32),
        p_value=known(jnp.where(sse[0] > rounding, p_value, 1)),
        bic=known(bic, k <= most),
        sse=known(jnp.square(unit.scale) * sse[n_breaks]),
        r2=known(1 - sse[n_breaks] / jnp.sum(jnp.square(v))),
        status=first_true((few, TOO_FEW_POINTS), (jump, NOT_IDENTIFIED), (at_end, AT_BOUND)),
    )


def judge(chance, v):
    """p-value, the level for a second break, and the places of 0, 1, ... breaks, infinite for none."""
    u, most, kinks, level, statistic, second_level = chance
    v, max_breaks, draws = off(kinks.null, v), len(level), len(statistic)
    as_large = draws - jnp.searchsorted(statistic, jnp.max(statistics(kinks, v, most, max_breaks) / level))
    _, at, offset = best_kink(kinks, v)
    places = jnp.full((max_breaks + 1, max_breaks), jnp.inf, v.dtype).at[1, 0].set(u[at] + offset)
    if max_breaks == 2:
        at, offset = best_two_kinks(kinks, v)
        places = places.at[2].set(u[at] + offset)
    return (1 + as_large).astype(v.dtype) / (1 + draws), second_level, places


def simulate(grid, *, max_breaks, draws) -> Chance:
    """Kinks and noise on one grid of x."""
    u, weight, most, key = grid
    kinks = kinks_off(orthonormal(columns(u, weight, u[:0]))[0], u, weight)
    noise = off(kinks.null, jax.random.normal(key, (draws, len(u)), u.dtype) * (weight > 0))
    found = jax.vmap(lambda v: statistics(kinks, v, most, max_breaks))(noise)
    level = jnp.maximum(upper(found), jnp.finfo(u.dtype).tiny)
    statistic = jnp.sort(jnp.max(found / level, axis=1))
    second_level = level_of_second(kinks, u, weight, noise) if max_breaks == 2 else jnp.inf
    return Chance(u, most, kinks, level, statistic, second_level)


def level_of_second(kinks, u, weight, noise):
    """95 % point of F for a second kink if one is in the middle, whose place frees the step in its gap."""
    middle = (count(weight) - 1) // 2
    null = jnp.concatenate([kinks.null, kinks.hinge[middle][None], kinks.step[middle][None]])
    others, noise = kinks_off(null, u, weight), off(null, noise)
    return upper(jax.vmap(lambda v: f_ratio(best_kink(others, v)[0], jnp.sum(jnp.square(v))))(noise))


def upper(sample):
    """The value that a share of _LEVEL exceeds."""
    return jnp.sort(sample, axis=0)[-int(_LEVEL * len(sample)) - 1]


def statistics(kinks, v, most, max_breaks):
    """F of the best kink, and of the best two at some of the points."""
    gain = [best_kink(kinks, v)[0]]
    if max_breaks == 2:
        points = jnp.linspace(2, kinks.rank[-1] - 1, min(len(v), _TESTED_POINTS))
        points = jnp.searchsorted(kinks.rank, jnp.round(points))
        gain.append(jnp.where(most == 2, best_two_of(points, kinks, v), 0))
    return f_ratio(jnp.stack(gain), jnp.sum(jnp.square(v)))


def f_ratio(gain, total):
    """F but for its degrees of freedom, which are the same for all that it is compared with."""
    return gain / jnp.maximum(total - gain, jnp.finfo(total.dtype).tiny)


def intervals(u, weight, breaks, v, slopes, noise, dof):
    """95 % intervals of breaks `[K, 2]` and slopes `[K + 1, 2]`, the place of the other break free to first order."""
    second, last_but_one = jnp.min(jnp.where(u > u[0], u, u[-1])), jnp.max(jnp.where(u < u[-1], u, u[0]))
    root = jnp.sqrt(weight)

    def of_break(place, other, is_second):
        # The other break moves away from this one.
        right, step = jnp.maximum(u - other, 0), jnp.where(is_second, u >= other, u > other)
        line, rest = jnp.where(is_second, right, u), jnp.where(is_second, u - right, right)
        rows = root * jnp.stack([jnp.ones_like(u), line, rest, step])
        low, high = jnp.where(is_second, other, -jnp.inf), jnp.where(is_second, jnp.inf, other)
        within = jnp.maximum(low, second), jnp.minimum(high, last_but_one)
        return kink_intervals(rows, u, weight, place, within, v, noise, dof)

    others = breaks[::-1] if len(breaks) == 2 else jnp.full_like(breaks, jnp.inf)
    (low, high), before, after = jax.vmap(of_break)(breaks, others, jnp.arange(len(breaks)) == 1)
    # A break that may be at the second point may be anywhere before it, for all that the points can tell.
    ends = jnp.where(low <= second, u[0], low), jnp.where(high >= last_but_one, u[-1], high)
    place = jnp.stack(ends, axis=1)
    spread = jnp.sum(weight * jnp.square(u - weighted_mean(u, weight)))
    straight = slopes[0] + jnp.array([-1, 1]) * student_t_975(dof) * jnp.sqrt(noise / spread)
    first, last = jnp.where(jnp.isfinite(breaks[0]), before[0], straight), after[-1]
    if len(breaks) == 1:
        return place, jnp.stack([first, last])
    both = jnp.stack([jnp.minimum(after[0, 0], before[1, 0]), jnp.maximum(after[0, 1], before[1, 1])])
    between = jnp.where(jnp.isfinite(breaks[1]), both, after[0])
    return place, jnp.stack([first, between, last])


def columns(u, weight, breaks):
    """A level, a slope, and its change at each break; a break at infinity is none."""
    hinges = jnp.maximum(u - breaks[:, None], 0)
    return jnp.sqrt(weight) * jnp.concatenate([jnp.ones_like(u)[None], u[None], hinges])


def regress(columns, v):
    """Intercept and slopes of the line with these columns, and the sum of squares that is left."""
    basis, inverse = orthonormal(columns)
    intercept, *changes = inverse @ (basis @ v)
    return intercept, jnp.cumsum(jnp.stack(changes)), jnp.sum(jnp.square(off(basis, v)))
