"""Power laws that change their exponent at a few places: a continuous broken line in log x and log y.

For one break and for two, the F ratio against no break is divided by its 95 % point. The p-value compares the larger of
both with the same number in simulated Gaussian noise. There are breaks if the p-value is at most 0.05, and two if F for
the second exceeds its own 95 % point. Intervals are profiles of the sum of squares.
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Key

from jaxphase.detect.batched import curve_detector, once_per_grid
from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.kinks import Kinks, best_kink, best_two_kinks, best_two_of, kink_intervals, kinks_off
from jaxphase.detect.least_squares import axis_unit, standard_values, weighted_mean
from jaxphase.detect.points import Points, Scalar, count, distinct
from jaxphase.detect.status import Status, first_true
from jaxphase.linalg import orthonormalize, project_out

# A break is reported if noise alone would show as much in one of twenty curves.
_LEVEL = 0.05
# The test against two breaks tries this many points at most; the fit tries all points and all places between them.
_TESTED_POINTS = 24
# With fewer simulated curves no p-value is below _LEVEL.
_FEWEST_DRAWS = 19


class PiecewisePowerLaw(NamedTuple):
    """`y = amplitude * x**exponents[0]` up to `breaks[0]`, continued with `exponents[1]`, and so on.

    Attributes:
        amplitude: Value of the first piece at x = 1, `[...]`.
        exponents: Exponents, `[..., max_breaks + 1]`; NaN beyond `n_breaks`.
        exponent_interval: Their 95 % intervals, `[..., max_breaks + 1, 2]`.
        breaks: Places in the unit of x, `[..., max_breaks]`; NaN beyond `n_breaks`.
        break_interval: Their 95 % intervals, `[..., max_breaks, 2]`.
        n_breaks: Number of breaks, `[...]`; -1 if there are too few points.
        p_value: p-value of the hypothesis that there is no break, `[...]`.
        bic: `n log(sse / n) + (2 + 2 k) log n` for k = 0, 1, ... breaks in natural logs, `[..., max_breaks + 1]`.
        sse: Weighted sum of squared errors of ln y, with weights of mean one, `[...]`.
        r2: Share of the variance of ln y that the fit explains, `[...]`.
        status: `Status`, `[...]`.
    """

    amplitude: Float[Array, "*curves"]
    exponents: Float[Array, "*curves pieces"]
    exponent_interval: Float[Array, "*curves pieces 2"]
    breaks: Float[Array, "*curves breaks"]
    break_interval: Float[Array, "*curves breaks 2"]
    n_breaks: Int[Array, "*curves"]
    p_value: Float[Array, "*curves"]
    bic: Float[Array, "*curves pieces"]
    sse: Float[Array, "*curves"]
    r2: Float[Array, "*curves"]
    status: Int[Array, "*curves"]


class Chance(NamedTuple):
    """The kinks on one grid, and how large F gets there by noise alone.

    Attributes:
        u: Positions, `[n]`.
        most: The largest number of kinks that the points allow.
        kinks: All kinks on the grid.
        level: 95 % points of F for one kink and for two, `[k]`.
        statistic: The largest ratio of an F to its level in each simulated curve, `[draws]`, in rising order.
        second_level: 95 % point of F for a second kink of a curve that has one in the middle.
    """

    u: Points
    most: Int[Array, ""]
    kinks: Kinks
    level: Float[Array, " k"]
    statistic: Float[Array, " draws"]
    second_level: Float[ArrayLike, ""]


def fit_piecewise_power_law(
    x: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    max_breaks: Literal[1, 2] = 2,
    key: Key[Array, ""] | None = None,
    draws: int = 9999,
) -> PiecewisePowerLaw:
    """Fit a continuous power law whose exponent changes at up to two places, by least squares in log y.

    The fits are global optima, and the test for breaks is exact for Gaussian noise. Errors and intervals suppose that
    the number of breaks is right. A floor bends a curve in log-log without a break and shows as one: use
    `fit_broken_power_law` there. Error rates and coverage: see the page How verdicts are made.

    Args:
        x: Positions, `[..., n]`, positive and not logged; other points are missing.
        y: Values, `[..., n]`, likewise.
        weight: Relative inverse variances of log y, `[..., n]`.
        max_breaks: The largest number of breaks.
        key: A `jax.random` key; `jax.random.key(0)` if None.
        draws: Number of simulated curves, shared by all curves on one set of x.

    Returns:
        A `PiecewisePowerLaw`. Its status is `AT_BOUND` if the interval of a break reaches the end of the data, where a
        break cannot be told from an outlier; `NOT_IDENTIFIED` for a jump between neighboring points, given as breaks at
        both; `TOO_FEW_POINTS`, all NaN, with fewer than five points or four different x. Two breaks need seven and six.
        Intervals have no derivatives.

    References:
        Hudson (1966), J. Am. Stat. Assoc. 61, 1097; Bai & Perron (1998), Econometrica 66, 47.
    """
    log_x, log_y = jnp.log(jnp.asarray(x)), jnp.log(jnp.asarray(y))
    line = fit_broken_line(log_x, log_y, weight=weight, max_breaks=max_breaks, key=key, draws=draws)
    return line._replace(
        amplitude=jnp.exp(line.amplitude), breaks=jnp.exp(line.breaks), break_interval=jnp.exp(line.break_interval)
    )


def fit_broken_line(
    x: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    max_breaks: Literal[1, 2] = 2,
    key: Key[Array, ""] | None = None,
    draws: int = 9999,
) -> PiecewisePowerLaw:
    """The same on axes that are logs already: exponents are slopes, and the amplitude is the intercept."""
    if draws < _FEWEST_DRAWS:
        raise ValueError(f"draws must be at least {_FEWEST_DRAWS}, got {draws}")
    key = jax.random.key(0) if key is None else key
    return _fit_broken_line(x, y, weight=weight, max_breaks=max_breaks, key=key, draws=draws)


@curve_detector(static=("max_breaks", "draws"), choices={"max_breaks": (1, 2)})
def _fit_broken_line(
    x: Points, y: Points, weight: Points, *, max_breaks: int, key: Key[Array, ""], draws: int
) -> PiecewisePowerLaw:
    """The broken line of one curve."""
    axis, (v, unit) = axis_unit(x, weight), standard_values(y, weight)
    u, n, different = (x - axis.center) / axis.scale, count(weight), distinct(x, weight)
    few, most = (n < 5) | (different < 4), jnp.where((n >= 7) & (different >= 6), max_breaks, 1)
    v = jnp.sqrt(weight) * v
    simulated = functools.partial(simulate, max_breaks=max_breaks, draws=draws)
    p_value, second_level, places = once_per_grid(simulated, judge)((u, weight, most, key), v)

    # Each fit is repeated from its columns, as a difference of sums of squares loses digits.
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
    # Rounding may put the breaks of a jump a little before and beyond its two points.
    near = jnp.finfo(u.dtype).eps ** 0.75
    jump = (n_breaks == 2) & ~jnp.any((u > breaks[0] + near) & (u < breaks[-1] - near))

    def known(field, where: Array | bool = True):
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
        status=first_true((few, Status.TOO_FEW_POINTS), (jump, Status.NOT_IDENTIFIED), (at_end, Status.AT_BOUND)),
    )


def judge(chance: Chance, v: Points) -> tuple[Scalar, Float[ArrayLike, ""], Float[Array, "pieces breaks"]]:
    """p-value, the level for a second break, and the places of 0, 1, ... breaks, infinite where there is none."""
    u, most, kinks, level, statistic, second_level = chance
    v, max_breaks, draws = project_out(kinks.null, v), len(level), len(statistic)
    as_large = draws - jnp.searchsorted(statistic, jnp.max(statistics(kinks, v, most, max_breaks) / level))
    _, at, offset = best_kink(kinks, v)
    places = jnp.full((max_breaks + 1, max_breaks), jnp.inf, v.dtype).at[1, 0].set(u[at] + offset)
    if max_breaks == 2:
        at, offset = best_two_kinks(kinks, v)
        places = places.at[2].set(u[at] + offset)
    return (1 + as_large).astype(v.dtype) / (1 + draws), second_level, places


def simulate(grid: tuple[Points, Points, Int[Array, ""], Key[Array, ""]], *, max_breaks: int, draws: int) -> Chance:
    """Kinks and noise on one grid `(u, weight, most, key)`."""
    u, weight, most, key = grid
    kinks = kinks_off(orthonormalize(columns(u, weight, u[:0]))[0], u, weight)
    noise = project_out(kinks.null, jax.random.normal(key, (draws, len(u)), u.dtype) * (weight > 0))
    found = jax.vmap(lambda v: statistics(kinks, v, most, max_breaks))(noise)
    level = jnp.maximum(upper(found), jnp.finfo(u.dtype).tiny)
    statistic = jnp.sort(jnp.max(found / level, axis=1))
    second_level = level_of_second(kinks, u, weight, noise) if max_breaks == 2 else jnp.inf
    return Chance(u, most, kinks, level, statistic, second_level)


def level_of_second(kinks: Kinks, u: Points, weight: Points, noise: Float[Array, "draws n"]) -> Scalar:
    """95 % point of F for a second kink of a curve with one in the middle, whose place is free within its gap."""
    middle = (count(weight) - 1) // 2
    null = jnp.concatenate([kinks.null, kinks.hinge[middle][None], kinks.step[middle][None]])
    others, noise = kinks_off(null, u, weight), project_out(null, noise)
    return upper(jax.vmap(lambda v: f_ratio(best_kink(others, v)[0], jnp.sum(jnp.square(v))))(noise))


def upper(sample: Float[Array, "draws *k"]) -> Float[Array, "*k"]:
    """The value that a share of _LEVEL exceeds."""
    return jnp.sort(sample, axis=0)[-int(_LEVEL * len(sample)) - 1]


def statistics(kinks: Kinks, v: Points, most: Int[ArrayLike, ""], max_breaks: int) -> Float[Array, " k"]:
    """F of the best kink, and of the best two at some of the points."""
    gain = [best_kink(kinks, v)[0]]
    if max_breaks == 2:
        points = jnp.linspace(2, kinks.rank[-1] - 1, min(len(v), _TESTED_POINTS))
        points = jnp.searchsorted(kinks.rank, jnp.round(points))
        gain.append(jnp.where(most == 2, best_two_of(points, kinks, v), 0))
    return f_ratio(jnp.stack(gain), jnp.sum(jnp.square(v)))


def f_ratio(gain: Float[Array, "*k"], total: Scalar) -> Float[Array, "*k"]:
    """F without its degrees of freedom, which are the same wherever two are compared."""
    return gain / jnp.maximum(total - gain, jnp.finfo(total.dtype).tiny)


def intervals(
    u: Points,
    weight: Points,
    breaks: Float[Array, " breaks"],
    v: Points,
    slopes: Float[Array, " pieces"],
    noise: Scalar,
    dof: Int[Array, ""],
) -> tuple[Float[Array, "breaks 2"], Float[Array, "pieces 2"]]:
    """95 % intervals of breaks and slopes, with the place of the other break free to first order."""
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
    # If a break may be at the second point, the points cannot exclude any place before it.
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


def columns(u: Points, weight: Points, breaks: Float[Array, " breaks"]) -> Float[Array, "p n"]:
    """A level, a slope, and its change at each break; a break at infinity is none."""
    hinges = jnp.maximum(u - breaks[:, None], 0)
    return jnp.sqrt(weight) * jnp.concatenate([jnp.ones_like(u)[None], u[None], hinges])


def regress(columns: Float[Array, "p n"], v: Points) -> tuple[Scalar, Float[Array, " pieces"], Scalar]:
    """Intercept and slopes of the line with these columns, and the sum of squared residuals."""
    basis, inverse = orthonormalize(columns)
    intercept, *changes = inverse @ (basis @ v)
    return intercept, jnp.cumsum(jnp.stack(changes)), jnp.sum(jnp.square(project_out(basis, v)))
