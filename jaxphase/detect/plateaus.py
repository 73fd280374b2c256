"""Steps and plateaus of a learning curve: how many steps, when and how high, on the smooth decay that lies under them.

The smooth part is `a + b ln t + c (1 + (t / tau)**beta / m)**-alpha` with beta <= 1: power laws with and without a
floor, the sum of two, exponential and stretched exponential decays (m and alpha large), or a logarithm. A step is
`h / (1 + exp(-r ((t / t0)**q - 1) / q))`, with q = 1 what one mode of a linear network does (Saxe et al. 2014), with
q = 0 a logistic in ln t. Amplitudes are in closed form and the rest is searched: variable projection (Golub & Pereyra
1973, SIAM J. Numer. Anal. 10, 413), one step more at a time.
"""

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.linalg.orthonormal import off, orthonormal

from .batched import curve_detector
from .distributions import student_t_975
from .least_squares import Expansion, axis_unit, levenberg_marquardt, standard_errors, standard_values
from .points import count, group, pool_repeats, smallest_gap
from .status import NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

# theta: place, power and bend of the smooth part, the skew of all steps, then place and log rate of each step.
_SHARED = 4
# Rows that are there without any step: one, ln t, the bent part.
_ROWS = 3
# From 10 to 90 % of the slowest step is a factor of about 9 in time; a slower one is like an exponential decay.
_SLOWEST = 2.0
# Rate times gap: of a jump, and where a step has only one point on its slope, so that Wald's interval fails.
_STEEPEST, _UNRESOLVED = 20.0, 4.0
# Noise is never taken as less than this share of the standard deviation of y: no real curve has the shape of a formula.
_MISFIT = 1e-3
_TRIALS = 24
_PLACES, _RATES = np.meshgrid(np.linspace(-0.97, 0.97, 49), np.log(np.geomspace(2.5, 60, 5)))


class Steps(NamedTuple):
    """time, log_time_se, begin, end, height, height_se `[..., K]` and interval `[..., K, 2]` of the n_steps steps, in
    the order of time, then NaN; sse `[..., K + 1]` for 0 to K = max_steps steps; fitted `[..., n]` with the n_steps,
    in the caller's order."""

    time: jax.Array
    log_time_se: jax.Array
    interval: jax.Array
    begin: jax.Array
    end: jax.Array
    height: jax.Array
    height_se: jax.Array
    n_steps: jax.Array
    sse: jax.Array
    noise_correlation: jax.Array
    fitted: jax.Array
    status: jax.Array


class _Curve(NamedTuple):
    """ln t from the middle of its range and half of that, y in standard units, weight, smallest gap of ln t."""

    log_t: jax.Array
    half: jax.Array
    y: jax.Array
    weight: jax.Array
    gap: jax.Array


def fit_steps(x, y, *, weight=None, max_steps=4) -> Steps:
    """Find the steps of a learning curve, drops or rises, and how many of them the points can tell from noise.

    x, y, weight: `[..., n]`; x is the number of training steps, positive and not logged by the caller (points with
    x <= 0 count as missing), weight the relative inverse variance; points of one x (seeds) are averaged. The model is
    at the head of the file. A step is a change that first gathers speed and then loses it, from 10 to 90 % (begin, end)
    within a factor of about 9 in time: a power law, an exponential decay and what slows down all the way are none.
    time is when half of a height, positive for a rise, is done. Where the fitted curve rests between two steps, or on
    its way to one, `times.plateaus` tells.

    n_steps is the least number that none of the larger ones improves on significantly: j steps more must take
    `j (3 ln n + 3)` off `n_free ln(sse)`, with n_free = (n less the fitted numbers) (1 - phi) / (1 + phi) and phi =
    noise_correlation, that of neighbouring residuals. The noise is thus Gaussian, of one variance, and independent or
    that of an autoregression of first order from point to point, phi between 0 and 0.9. A spike of two points or more
    is two steps.

    Of smooth curves (constant, power laws, exponential and stretched exponential decays) at most 1 % get a step at 24
    and 60 points with noise of 3 % of their range, and at most 5 % with noise of 0.3 %; sums of two power laws 0 and 6
    to 12 %. With lag-one correlations of 0.5 and 0.8 and 3 % noise, 4 and 3 % of power laws. One step of 0.2 to 1 under
    noise of 0.03 is found in 96 % of curves, three under 0.02 and a factor of 2.5 apart at least, in 86 % (80 points).

    interval is the 95 % interval of a time (Wald in ln t with Student's t; where a step falls between two points it
    holds both, and log_time_se their distance / sqrt(12)). log_time_se and height_se suppose the number of steps that
    was found, and allow for phi: of the times of three steps the intervals hold 93 to 97 %, of two under noise with
    phi = 0.5 only 89 %. Noise is taken as at least 0.1 % of the standard deviation of y.

    status 2: y is constant, n_steps 0. status 3: fewer than 12 different x, n_steps -1. All else is NaN in both.
    """
    if max_steps < 1 or max_steps != int(max_steps):
        raise ValueError(f"max_steps must be an integer of at least 1, got {max_steps}")
    return _fit_steps(x, y, weight=weight, max_steps=int(max_steps))


@curve_detector(static=("max_steps",), per_point=("fitted",), at_once=6400)
def _fit_steps(x, y, weight, *, max_steps):
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
    # With one step more than is asked for, real ones are found first where a spurious one was.
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
    # Of a jump between two points only these are known; one of them on its slope leaves a gap on either side.
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
        status=first_true((n < numbers[1] + 2, TOO_FEW_POINTS), (jnp.all(v == 0), NOT_IDENTIFIED)),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def _rows(theta, curve, n_steps):
    """One, ln t, the bent part and each step as weighted rows [3 + K, n], zero for the steps that are not there."""
    place, log_power, log_bend, skew = theta[:_SHARED]
    power = jnp.sinh(log_power)
    power = jnp.where(power == 0, 1e-6, power)
    # With the last term tau is where the bend is whatever the power, also in the limit of an exponential.
    grown = jax.nn.softplus(jnp.exp(log_bend) * (curve.log_t - place) - jnp.log1p(jnp.square(power)) / 2)
    bent = jnp.expm1(power * (grown - grown[0])) / power
    smooth = jnp.stack([jnp.ones_like(curve.log_t), curve.log_t, bent])
    later = curve.log_t - theta[_SHARED::2, None]
    skew = jnp.maximum(skew, 1e-3)
    grown = jnp.expm1(skew * jnp.minimum(later, 20)) / skew
    steps = jax.nn.sigmoid(jnp.exp(theta[_SHARED + 1 :: 2, None]) * grown)
    there = jnp.arange(len(steps)) < n_steps
    return jnp.sqrt(curve.weight) * jnp.concatenate([smooth, jnp.where(there[:, None], steps, 0)])


def _amounts(theta, curve, n_steps):
    """The amplitudes of all rows by least squares, and the fitted curve."""
    rows = _rows(theta, curve, n_steps)
    basis, inverse = orthonormal(rows)
    amounts = inverse @ (basis @ (jnp.sqrt(curve.weight) * curve.y))
    return amounts, amounts @ _rows(theta, curve._replace(weight=jnp.ones_like(curve.y)), n_steps)


def _one_by_one(curve, max_steps):
    """theta [K + 1, p] and sum of squares [K + 1] of the best fit that was found with each number of steps."""
    low, high = _bounds(curve, max_steps)
    values = jnp.sqrt(curve.weight) * curve.y
    candidates = jnp.stack([jnp.asarray(_PLACES.ravel(), values.dtype) * curve.half, _RATES.ravel()], axis=1)
    candidates = jnp.clip(candidates, low[_SHARED : _SHARED + 2], high[_SHARED : _SHARED + 2])
    groups = _smooth_starts(curve.half)
    ends = np.cumsum([0, 1 + len(groups[0]), *(len(starts) for starts in groups[1:])])
    smooth = jnp.concatenate(groups)

    def expansion(theta, k):
        rows = _rows(theta, curve, k)
        basis, inverse = orthonormal(rows)
        error, amounts = off(basis, values), inverse @ (basis @ values)
        tangent = off(basis, jax.jacfwd(lambda theta: amounts @ _rows(theta, curve, k))(theta).T)
        return Expansion(jnp.sum(jnp.square(error)), -tangent @ error, (tangent @ tangent.T)[None])

    def refined(starts, k):
        model = lambda theta: expansion(theta, k)  # noqa: E731
        found, left = jax.vmap(lambda theta: levenberg_marquardt(model, theta, low, high, steps=_TRIALS))(starts)
        best = jnp.argmin(left)
        return found[best], left[best]

    def extend(theta, k):
        """One step more: the best that can be added with each smooth part, of each group of these the best refined."""

        def start(shared):
            here = theta.at[:_SHARED].set(shared)
            basis, _ = orthonormal(_rows(here, curve, k - 1))
            rows = off(basis, _rows(jnp.concatenate([shared, candidates.ravel()]), curve, len(candidates))[_ROWS:])
            norm = jnp.sum(jnp.square(rows), axis=1)
            gain = jnp.where(norm > 1e-4, jnp.square(rows @ values) / jnp.maximum(norm, 1e-4), 0)
            best = jnp.argmax(gain)
            added = here.at[_SHARED + 2 * (k - 1) + jnp.arange(2)].set(candidates[best])
            left = jnp.sum(jnp.square(off(basis, values)))
            return jnp.where(k > 0, left - gain[best], left), jnp.where(k > 0, added, here)

        left, starts = jax.lax.map(start, jnp.concatenate([theta[None, :_SHARED], smooth]))
        chosen = jnp.stack([a + jnp.argmin(left[a:b]) for a, b in pairwise(ends)])
        theta, left = refined(starts[chosen], k)
        return theta, (theta, left)

    def reduce(theta, forward):
        """One step less than a fit has: each left out in turn, where that ends lower than what adding has found."""
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


def _bounds(curve, max_steps):
    steepest = jnp.log(jnp.maximum(_STEEPEST / curve.gap, 2 * _SLOWEST))
    step_low = [-curve.half, np.log(_SLOWEST)] * max_steps
    step_high = [curve.half, steepest] * max_steps
    low = jnp.stack([jnp.asarray(a, curve.y.dtype) for a in (-curve.half - 10, -6.4, -1.2, 0, *step_low)])
    high = jnp.stack([jnp.asarray(a, curve.y.dtype) for a in (curve.half + 5, 1.4, 0, 1, *step_high)])
    return low, high


def _smooth_starts(half):
    """Power laws, bent ones, exponential and stretched exponential decays, with steps of either skew, [m, 4] each."""
    sets = (
        ((-3,), (-0.9, -0.4, -0.1, 0.3), (0,)),
        ((-0.6, 0, 0.6, 1), (-0.5, -1.5), (0,)),
        (np.arange(-1, 1.5, 0.25), (-4,), (0,)),
        (np.arange(-1, 1.5, 0.25), (-4,), (-0.7,)),
    )
    unit = jnp.stack([half, *[jnp.ones_like(half)] * (_SHARED - 1)])
    return [unit * np.stack(np.meshgrid(*axes, (0, 1)), axis=-1).reshape(-1, _SHARED) for axes in sets]


def _number_of_steps(sse, n, numbers, phi):
    """The least number of steps that no larger one improves on by more than noise does."""
    rejected, asked = jnp.zeros(len(sse), bool), 3 * jnp.log(jnp.maximum(n, 1)) + 3
    for more in range(1, len(sse)):
        dof = n - numbers[more:]
        gain = dof * (1 - phi) / (1 + phi) * jnp.log(sse[:-more] / sse[more:])
        rejected = rejected.at[:-more].set(rejected[:-more] | ((dof >= 2) & (gain > more * asked)))
    return jnp.argmin(rejected)


def _autocorrelation(curve, theta, n_steps, numbers):
    """Lag-one correlation of the residuals; each fitted number has pulled it down by (1 + 3 phi) / n (Kendall 1954)."""
    error = jnp.sqrt(curve.weight) * (curve.y - _amounts(theta, curve, n_steps)[1])
    n = count(curve.weight)
    raw = jnp.sum(error[1:] * error[:-1]) / jnp.maximum(jnp.sum(jnp.square(error)), jnp.finfo(error.dtype).tiny)
    return jnp.clip((n * raw + numbers) / jnp.maximum(n - 3 * numbers, 0.75 * n), 0, 0.9)


def _errors(theta, amounts, curve, n_steps, sse, dof):
    """Standard errors [K] of the places and heights, with all else as unknown as they are, also what is at a bound."""
    rows = _rows(theta, curve, n_steps)
    tangent = jax.jacfwd(lambda theta: amounts @ _rows(theta, curve, n_steps))(theta)
    error = standard_errors(jnp.concatenate([rows.T, tangent], axis=1), sse, dof)
    return error[len(rows) + _SHARED :: 2], error[_ROWS : len(rows)]
