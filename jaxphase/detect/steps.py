"""Steps of a learning curve: how many, when and how high, on top of a smooth decay.

The smooth part is `a + b ln t + c (1 + (t / tau)**beta / m)**-alpha` with beta <= 1: power laws with and without a
floor, the sum of two, exponential and stretched exponential decays (m and alpha large), or a logarithm. A step is
`h / (1 + exp(-r ((t / t0)**q - 1) / q))`: for q = 1 the course of one mode of a linear network (Saxe et al. 2014), for
q = 0 a logistic in ln t. Amplitudes are in closed form, and the rest is searched by variable projection (Golub &
Pereyra 1973, SIAM J. Numer. Anal. 10, 413), adding one step at a time.

The number of steps is the smallest one that no larger number improves on significantly: j steps more must reduce
`n_free ln(sse)` by `j (3 ln n + 3)`, where `n_free = (n - fitted parameters) (1 - phi) / (1 + phi)` and phi is the
correlation of the noise. Intervals of times are Wald intervals in ln t; for a step between two points the interval
contains both.
"""

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.batched import curve_detector
from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.least_squares import Theta, axis_unit, standard_errors, standard_values
from jaxphase.detect.points import Points, Scalar, count, group, pool_repeats, smallest_gap
from jaxphase.detect.status import Status, answered, first_true
from jaxphase.linalg import Expansion, levenberg_marquardt, orthonormalize, project_out

# theta: place, power and bend of the smooth part, the skew of all steps, then place and log rate of each step.
_SHARED = 4
# Rows of the smooth part: one, ln t, the bent part.
_ROWS = 3
# The slowest step takes a factor of about 9 in time from 10 to 90 %; slower ones resemble an exponential decay.
_SLOWEST = 2.0
# Rate times gap: of a jump, and of a step with a single point on its slope, for which Wald's interval fails.
_STEEPEST, _UNRESOLVED = 20.0, 4.0
# Least noise, as a share of the standard deviation of y: no real curve follows a formula exactly.
_MISFIT = 1e-3
_TRIALS = 24
_PLACES, _RATES = np.meshgrid(np.linspace(-0.97, 0.97, 49), np.log(np.geomspace(2.5, 60, 5)))


class Steps(NamedTuple):
    """The steps of each curve in the order of time, for K = `max_steps`; NaN beyond the first `n_steps`.

    Attributes:
        time: When half of the step is done, in units of x, `[..., K]`.
        log_time_se: Standard error of `ln time`, `[..., K]`.
        interval: 95 % interval of `time`, `[..., K, 2]`.
        begin: When 10 % of the step are done, `[..., K]`.
        end: When 90 % of the step are done, `[..., K]`.
        height: Height of the step, positive for a rise, in units of y, `[..., K]`.
        height_se: Its standard error, `[..., K]`.
        n_steps: Number of steps, `[...]`; -1 if there are too few points.
        sse: Weighted sum of squared errors with 0 to K steps, `[..., K + 1]`.
        noise_correlation: Correlation of the noise of neighboring points, 0 to 0.9, `[...]`.
        fitted: The fitted curve at the points, `[..., n]`, in the caller's order.
        status: `Status`, `[...]`; see `fit_steps`.
    """

    time: Float[Array, "*curves steps"]
    log_time_se: Float[Array, "*curves steps"]
    interval: Float[Array, "*curves steps 2"]
    begin: Float[Array, "*curves steps"]
    end: Float[Array, "*curves steps"]
    height: Float[Array, "*curves steps"]
    height_se: Float[Array, "*curves steps"]
    n_steps: Int[Array, "*curves"]
    sse: Float[Array, "*curves numbers"]
    noise_correlation: Float[Array, "*curves"]
    fitted: Float[Array, "*curves n"]
    status: Int[Array, "*curves"]


class _Curve(NamedTuple):
    """One curve in standard units.

    Attributes:
        log_t: ln t from the middle of its range, `[n]`.
        half: Half of that range.
        y: Values in units of their standard deviation, `[n]`.
        weight: Relative inverse variances, `[n]`.
        gap: The smallest gap of ln t.
    """

    log_t: Points
    half: Scalar
    y: Points
    weight: Points
    gap: Scalar


def fit_steps(x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None, max_steps: int = 4) -> Steps:
    """Find the steps of each learning curve, drops or rises, and how many of them can be told from noise.

    A step is a change that first accelerates and then slows down, with most of it within a factor of about 9 in time; a
    power law or an exponential decay only slows down and is no step. A spike of two points or more is two steps. The
    noise is taken as Gaussian with one variance, independent or autoregressive. `analysis.find_plateaus` says where the
    fitted curve rests. Error rates: see the page How verdicts are made.

    Args:
        x: Numbers of training steps, `[..., n]`, positive and not logged; points with `x <= 0` are missing.
        y: Values, `[..., n]`; a value that is not finite is missing. Points of one x (seeds) are averaged.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.
        max_steps: The largest number of steps.

    Returns:
        `Steps`, with errors that suppose the number of steps to be right. The status is `NOT_IDENTIFIED`, with no
        steps, if y is constant, and `TOO_FEW_POINTS` with fewer than 12 different x; all other numbers are then NaN.

    Raises:
        ValueError: If `max_steps` is not a positive integer, or the shapes do not broadcast.

    References:
        Saxe, McClelland & Ganguli (2014), arXiv 1312.6120.
    """
    if max_steps < 1 or max_steps != int(max_steps):
        raise ValueError(f"max_steps must be an integer of at least 1, got {max_steps}")
    return _fit_steps(x, y, weight=weight, max_steps=int(max_steps))


@curve_detector(static=("max_steps",), per_point=("fitted",), at_once=6400)
def _fit_steps(x: Points, y: Points, weight: Points, *, max_steps: int) -> Steps:
    """The steps of one curve."""
    weight = jnp.where(x > 0, weight, 0)
    log_t = jnp.log(jnp.where(weight > 0, x, jnp.where(x[-1] > 0, x[-1], 1)))
    at = group(log_t, weight)
    known = weight > 0
    t, y, weight = pool_repeats(log_t, y, weight)
    weight = weight * count(weight) / jnp.maximum(jnp.sum(weight), 1e-6)
    axis, (v, unit) = axis_unit(t, weight), standard_values(y, weight)
    curve = _Curve(t - axis.center, axis.scale, v, weight, smallest_gap(t, weight))
    n, k = count(weight), jnp.arange(max_steps + 1)

    thetas, sse = _one_by_one(curve, max_steps + 1)
    # One more step than asked for is fitted, as real steps then replace spurious ones.
    thetas, sse = thetas[: max_steps + 1, : _SHARED + 2 * max_steps], sse[: max_steps + 1]
    sse = jnp.maximum(sse, n * jnp.square(_MISFIT))
    numbers = jnp.where(k == 0, _ROWS + _SHARED - 1, _ROWS + _SHARED + 3 * k)
    alone = _number_of_steps(sse, n, numbers, 0.0)
    phi = _autocorrelation(curve, thetas[alone], alone, numbers[alone])
    n_steps = _number_of_steps(sse, n, numbers, phi)

    theta, dof = thetas[n_steps], n - numbers[n_steps]
    active = jnp.arange(max_steps) < n_steps
    amounts, fitted = _amounts(theta, curve, n_steps)
    place_se, height_se = _errors(theta, amounts, curve, n_steps, sse[n_steps] * (1 + phi) / (1 - phi), dof)
    place, rate = theta[_SHARED::2], jnp.exp(theta[_SHARED + 1 :: 2])
    reach = student_t_975(dof)
    below = jnp.max(jnp.where((weight > 0) & (curve.log_t <= place[:, None]), curve.log_t, -curve.half), axis=1)
    above = jnp.min(jnp.where((weight > 0) & (curve.log_t > place[:, None]), curve.log_t, curve.half), axis=1)
    gap = above - below
    jump = rate * gap >= _UNRESOLVED
    # A jump is only known to lie between two points; with one point on its slope it reaches a gap to either side.
    half = jnp.where(jump, jnp.minimum(reach * place_se, gap), reach * place_se)
    low = jnp.where(jump, jnp.minimum(place - half, below), place - half)
    high = jnp.where(jump, jnp.maximum(place + half, above), place + half)
    place_se = jnp.where(jump, jnp.clip(place_se, gap / 12**0.5, gap), place_se)
    skew = jnp.maximum(theta[_SHARED - 1], 1e-3)
    begin, end = (place + jnp.log(jnp.maximum(1 + skew * w / rate, 1e-6)) / skew for w in (-np.log(9), np.log(9)))

    order = jnp.argsort(jnp.where(active, place, jnp.inf))
    given = lambda field: jnp.where(active.reshape(-1, *[1] * (field.ndim - 1)), field, jnp.nan)[order]  # noqa: E731
    in_time = lambda log_time: given(jnp.exp(axis.center + log_time))  # noqa: E731
    result = Steps(
        time=in_time(place),
        log_time_se=given(place_se),
        interval=in_time(jnp.stack([low, high], axis=1)),
        begin=in_time(begin),
        end=in_time(end),
        height=given(unit.scale * amounts[_ROWS:]),
        height_se=given(unit.scale * height_se),
        n_steps=jnp.where(n < numbers[1] + 2, -1, n_steps).astype(jnp.int32),
        sse=jnp.square(unit.scale) * sse,
        noise_correlation=phi,
        fitted=jnp.where(known, (unit.center + unit.scale * fitted)[at], jnp.nan),
        status=first_true((n < numbers[1] + 2, Status.TOO_FEW_POINTS), (jnp.all(v == 0), Status.NOT_IDENTIFIED)),
    )
    return answered(result, result.status < Status.NOT_IDENTIFIED)


def _rows(theta: Theta, curve: _Curve, n_steps: Int[ArrayLike, ""]) -> Float[Array, "rows n"]:
    """One, ln t, the bent part and each of K steps as weighted rows; zero beyond the first n_steps."""
    place, log_power, log_bend, skew = theta[:_SHARED]
    power = jnp.sinh(log_power)
    power = jnp.where(power == 0, 1e-6, power)
    # The last term keeps the bend at tau for any power, also in the limit of an exponential.
    grown = jax.nn.softplus(jnp.exp(log_bend) * (curve.log_t - place) - jnp.log1p(jnp.square(power)) / 2)
    bent = jnp.expm1(power * (grown - grown[0])) / power
    smooth = jnp.stack([jnp.ones_like(curve.log_t), curve.log_t, bent])
    later = curve.log_t - theta[_SHARED::2, None]
    skew = jnp.maximum(skew, 1e-3)
    grown = jnp.expm1(skew * jnp.minimum(later, 20)) / skew
    steps = jax.nn.sigmoid(jnp.exp(theta[_SHARED + 1 :: 2, None]) * grown)
    there = jnp.arange(len(steps)) < n_steps
    return jnp.sqrt(curve.weight) * jnp.concatenate([smooth, jnp.where(there[:, None], steps, 0)])


def _amounts(theta: Theta, curve: _Curve, n_steps: Int[ArrayLike, ""]) -> tuple[Float[Array, " rows"], Points]:
    """The amplitudes of all rows by least squares, and the fitted curve."""
    rows = _rows(theta, curve, n_steps)
    basis, inverse = orthonormalize(rows)
    amounts = inverse @ (basis @ (jnp.sqrt(curve.weight) * curve.y))
    return amounts, amounts @ _rows(theta, curve._replace(weight=jnp.ones_like(curve.y)), n_steps)


def _one_by_one(curve: _Curve, max_steps: int) -> tuple[Float[Array, "numbers p"], Float[Array, " numbers"]]:
    """theta and sum of squares of the best fit that was found with each number of steps, from 0 on."""
    low, high = _bounds(curve, max_steps)
    values = jnp.sqrt(curve.weight) * curve.y
    candidates = jnp.stack([jnp.asarray(_PLACES.ravel(), values.dtype) * curve.half, _RATES.ravel()], axis=1)
    candidates = jnp.clip(candidates, low[_SHARED : _SHARED + 2], high[_SHARED : _SHARED + 2])
    groups = _smooth_starts(curve.half)
    ends = np.cumsum([0, 1 + len(groups[0]), *(len(starts) for starts in groups[1:])])
    smooth = jnp.concatenate(groups)

    def expansion(theta, k):
        rows = _rows(theta, curve, k)
        basis, inverse = orthonormalize(rows)
        error, amounts = project_out(basis, values), inverse @ (basis @ values)
        tangent = project_out(basis, jax.jacfwd(lambda theta: amounts @ _rows(theta, curve, k))(theta).T)
        return Expansion(jnp.sum(jnp.square(error)), -tangent @ error, (tangent @ tangent.T)[None])

    def refined(starts, k):
        model = lambda theta: expansion(theta, k)  # noqa: E731
        found, left = jax.vmap(lambda theta: levenberg_marquardt(model, theta, low, high, steps=_TRIALS))(starts)
        best = jnp.argmin(left)
        return found[best], left[best]

    def extend(theta, k):
        """Add the best step for each smooth part, and refine the best of each group of these."""

        def start(shared):
            here = theta.at[:_SHARED].set(shared)
            basis, _ = orthonormalize(_rows(here, curve, k - 1))
            rows = project_out(
                basis, _rows(jnp.concatenate([shared, candidates.ravel()]), curve, len(candidates))[_ROWS:]
            )
            norm = jnp.sum(jnp.square(rows), axis=1)
            gain = jnp.where(norm > 1e-4, jnp.square(rows @ values) / jnp.maximum(norm, 1e-4), 0)
            best = jnp.argmax(gain)
            added = here.at[_SHARED + 2 * (k - 1) + jnp.arange(2)].set(candidates[best])
            left = jnp.sum(jnp.square(project_out(basis, values)))
            return jnp.where(k > 0, left - gain[best], left), jnp.where(k > 0, added, here)

        left, starts = jax.lax.map(start, jnp.concatenate([theta[None, :_SHARED], smooth]))
        chosen = jnp.stack([a + jnp.argmin(left[a:b]) for a, b in pairwise(ends)])
        theta, left = refined(starts[chosen], k)
        return theta, (theta, left)

    def reduce(theta, forward):
        """Leave out each step in turn, and keep the result where it is better than what adding has found."""
        k, found, least = forward
        last = theta[_SHARED + 2 * k + jnp.arange(2)]
        without = jnp.stack([theta.at[_SHARED + 2 * j : _SHARED + 2 * j + 2].set(last) for j in range(max_steps)])
        other, left = refined(without, k)
        theta, least = jax.tree.map(lambda a, b: jnp.where(left < least, a, b), (other, left), (found, least))
        return theta, (theta, least)

    first = jnp.concatenate([smooth[0], jnp.tile(candidates[len(candidates) // 2], max_steps)])
    k = jnp.arange(max_steps + 1)
    _, (thetas, sse) = jax.lax.scan(extend, first, k)
    _, better = jax.lax.scan(reduce, thetas[-1], (k[1:-1], thetas[1:-1], sse[1:-1]), reverse=True)
    return jax.tree.map(lambda a, b: a.at[1:-1].set(b), (thetas, sse), better)


def _bounds(curve: _Curve, max_steps: int) -> tuple[Theta, Theta]:
    """The box in which theta is searched."""
    steepest = jnp.log(jnp.maximum(_STEEPEST / curve.gap, 2 * _SLOWEST))
    step_low = [-curve.half, np.log(_SLOWEST)] * max_steps
    step_high = [curve.half, steepest] * max_steps
    low = jnp.stack([jnp.asarray(a, curve.y.dtype) for a in (-curve.half - 10, -6.4, -1.2, 0, *step_low)])
    high = jnp.stack([jnp.asarray(a, curve.y.dtype) for a in (curve.half + 5, 1.4, 0, 1, *step_high)])
    return low, high


def _smooth_starts(half: Scalar) -> list[Float[Array, "m 4"]]:
    """Power laws, bent ones, exponential and stretched exponential decays, each with steps of either skew."""
    sets = (
        ((-3,), (-0.9, -0.4, -0.1, 0.3), (0,)),
        ((-0.6, 0, 0.6, 1), (-0.5, -1.5), (0,)),
        (np.arange(-1, 1.5, 0.25), (-4,), (0,)),
        (np.arange(-1, 1.5, 0.25), (-4,), (-0.7,)),
    )
    unit = jnp.stack([half, *[jnp.ones_like(half)] * (_SHARED - 1)])
    return [unit * np.stack(np.meshgrid(*axes, (0, 1)), axis=-1).reshape(-1, _SHARED) for axes in sets]


def _number_of_steps(
    sse: Float[Array, " numbers"], n: Int[Array, ""], numbers: Int[Array, " numbers"], phi: Float[ArrayLike, ""]
) -> Int[Array, ""]:
    """The least number of steps that no larger one improves on by more than noise does."""
    rejected, asked = jnp.zeros(len(sse), bool), 3 * jnp.log(jnp.maximum(n, 1)) + 3
    for more in range(1, len(sse)):
        dof = n - numbers[more:]
        gain = dof * (1 - phi) / (1 + phi) * jnp.log(sse[:-more] / sse[more:])
        rejected = rejected.at[:-more].set(rejected[:-more] | ((dof >= 2) & (gain > more * asked)))
    return jnp.argmin(rejected)


def _autocorrelation(curve: _Curve, theta: Theta, n_steps: Int[Array, ""], numbers: Int[Array, ""]) -> Scalar:
    """Lag-one correlation of the residuals; each fitted parameter has lowered it by (1 + 3 phi) / n (Kendall 1954)."""
    error = jnp.sqrt(curve.weight) * (curve.y - _amounts(theta, curve, n_steps)[1])
    n = count(curve.weight)
    raw = jnp.sum(error[1:] * error[:-1]) / jnp.maximum(jnp.sum(jnp.square(error)), jnp.finfo(error.dtype).tiny)
    return jnp.clip((n * raw + numbers) / jnp.maximum(n - 3 * numbers, 0.75 * n), 0, 0.9)


def _errors(
    theta: Theta,
    amounts: Float[Array, " rows"],
    curve: _Curve,
    n_steps: Int[Array, ""],
    sse: Scalar,
    dof: Int[Array, ""],
) -> tuple[Float[Array, " steps"], Float[Array, " steps"]]:
    """Standard errors of the places and heights, with all other parameters free, also those at a bound."""
    rows = _rows(theta, curve, n_steps)
    tangent = jax.jacfwd(lambda theta: amounts @ _rows(theta, curve, n_steps))(theta)
    error = standard_errors(jnp.concatenate([rows.T, tangent], axis=1), sse, dof)
    return error[len(rows) + _SHARED :: 2], error[_ROWS : len(rows)]
