"""When a curve learns: half times, plateaus, the delay from training to validation (grokking), times against size."""

from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc, stdtrit

DELAYS = ("no change", "no delay", "delay", "lead")
POWERS = ("too few sizes", "no power law", "power law")
# A curve changes if what it has crossed is this many times the noise between neighbouring points.
_CHANGE = 5.0
# A plateau is level to this many times the noise, has as many points, and moves on by so much on either side.
_LEVEL, _LEAST, _MOVES = 2.0, 3, 5.0
_RESAMPLES = 999


class Plateau(NamedTuple):
    """Where a curve rests between two faster stretches, see `plateaus`, and its mean level there."""

    begin: float
    end: float
    level: float


class Delay(NamedTuple):
    """ratio of the times and its 95 % interval, kind one of DELAYS, the times [seeds] of train and validation."""

    ratio: float
    interval: tuple[float, float]
    kind: str
    train_time: np.ndarray
    validation_time: np.ndarray


class TimeLaw(NamedTuple):
    """t = amplitude * size**exponent: kind is one of POWERS, p_value that of chi2 on dof degrees of freedom."""

    exponent: float
    exponent_se: float
    amplitude: float
    chi2: float
    dof: int
    p_value: float
    kind: str


def half_time(values, steps):
    """When a curve `[..., n]` over positive steps `[n]` has done half of its change, `[...]`: linear in ln(step).

    The change is from the mean of its first three points present to that of its last three, and the time is halfway
    between the first point beyond the middle from where on the curve is mostly beyond (the least number of points on
    the wrong side) and the one before, interpolated. NaN where the change is below 5 times the noise of the curve, the
    median distance of a point from the mean of its neighbours; steps <= 0 and points that are not finite are missing.
    """
    values, steps = np.asarray(values, float), np.asarray(steps, float)
    if values.ndim == 0 or steps.shape != values.shape[-1:]:
        raise ValueError(f"values must have shape [..., n] with steps [n], got {values.shape} and {steps.shape}")
    found = [_half_time(curve, steps) for curve in values.reshape(-1, len(steps))]
    return np.reshape(found, values.shape[:-1])


def plateaus(steps, values, noise: float) -> tuple[Plateau, ...]:
    """Where a smooth curve `[n]`, as `detect.fit_steps` fits it to points with `noise`, rests over steps `[n]`.

    From begin to end, three points or more, it changes by at most 2 times the noise, which is flat within it; and both
    before and after, over as long a time in ln(step) as the plateau lasts or to the end of the curve, it moves on by at
    least 5 times the noise, in one direction. Both sides are thus faster, 2.5 times at least. A slow steady fall has no
    such place, whatever its length, nor has a fall that only slows down; where a curve starts or ends level, or turns,
    is no plateau either. Steps <= 0 and values that are not finite are missing. In the order of time; of two that
    overlap the longer counts.

    With the curves and noise of `detect.fit_steps`, at 64 points, with noise of 1 and 2 % of the whole change and 250
    curves of each sort (`experiments/calibration_curves.py`): none in smooth falls (power laws and sums of two,
    exponential and stretched exponential, straight in ln(step), level), nor with a step or two on a fall that is not
    level within the noise; the one of a fast fall, a rest and a drop (grokking) in all. The one of a staircase is found
    in all, both of two in 99.6 and 98 %, and all of three in 93 and 75 %, at 1 and 2 % noise: in nearly all others
    `detect.fit_steps` misses steps.
    """
    steps, values = np.asarray(steps, float), np.asarray(values, float)
    if values.ndim != 1 or steps.shape != values.shape:
        raise ValueError(f"values must have shape [n] with steps [n], got {values.shape} and {steps.shape}")
    there = np.isfinite(values) & (steps > 0)
    order = np.argsort(steps[there])
    t, y = steps[there][order], values[there][order]
    log_t, chosen = np.log(t), []
    level = [(a, b) for a, b in _level(y, _LEVEL * noise) if _moves_on(log_t, y, a, b, _MOVES * noise)]
    for a, b in sorted(level, key=lambda ends: log_t[ends[0]] - log_t[ends[1]]):
        if all(b < other[0] or a > other[1] for other in chosen):
            chosen.append((a, b))
    return tuple(Plateau(float(t[a]), float(t[b]), float(y[a : b + 1].mean())) for a, b in sorted(chosen))


def delay(train, validation, steps, *, seed=0) -> Delay:
    """How much later validation learns than training, as the ratio of their half times (see `half_time`).

    train, validation: `[seeds, n]` or `[n]`, the same seeds in both; steps: `[n]`, positive. ratio is the geometric
    mean over the seeds in which both change. Its 95 % interval is that of Student's t for ln(ratio) over seeds, or if
    wider that of a bootstrap over them with the random `seed`; to both is added half the logarithm of the largest ratio
    of neighbouring steps about the half times, as a time between two points is not known better. kind: "delay" or
    "lead" where the interval excludes 1, else "no delay"; "no change", all NaN, where no seed has both curves changing.
    With one seed the interval is that of the steps alone. Power et al. (2022),
    arXiv:2201.02177.
    """
    train, validation = np.atleast_2d(train), np.atleast_2d(validation)
    if train.shape != validation.shape:
        raise ValueError(f"train {train.shape} and validation {validation.shape} must have one shape [seeds, n]")
    times = half_time(train, steps), half_time(validation, steps)
    change = np.log(times[1]) - np.log(times[0])
    change = change[np.isfinite(change)]
    if not len(change):
        return Delay(np.nan, (np.nan, np.nan), DELAYS[0], *times)
    half = _log_gap(np.asarray(steps, float), np.concatenate(times)) / 2
    low = high = middle = change.mean()
    if len(change) > 1:
        reach = stdtrit(len(change) - 1, 0.975) * change.std(ddof=1) / len(change) ** 0.5
        drawn = np.random.default_rng(seed).choice(change, (_RESAMPLES, len(change))).mean(axis=1)
        low, high = min(middle - reach, np.quantile(drawn, 0.025)), max(middle + reach, np.quantile(drawn, 0.975))
    low, high = low - half, high + half
    kind = DELAYS[2] if low > 0 else DELAYS[3] if high < 0 else DELAYS[1]
    return Delay(float(np.exp(middle)), (float(np.exp(low)), float(np.exp(high))), kind, *times)


def fit_time_law(sizes, times) -> TimeLaw:
    """The exponent z of t ~ size**z, by least squares in logarithms, weighted with the errors over seeds.

    sizes `[k]`, times `[k, seeds]`; what is not positive and finite is missing. As few seeds say little of their own
    spread, that of ln t is taken as the same at all sizes and pooled over them. chi2 is about the line, on dof degrees
    of freedom; p_value is that of F = chi2 / dof, on those and the ones of the spread. exponent_se is from the spread
    over seeds. kind: "no power law" where p_value < 0.01, exponent then NaN; "too few sizes" (all NaN) with fewer than
    three sizes or no two seeds of one.
    """
    sizes, times = np.asarray(sizes, float), np.asarray(times, float)
    if times.ndim != 2 or sizes.shape != times.shape[:1]:
        raise ValueError(f"sizes must have shape [k] and times [k, seeds], got {sizes.shape} and {times.shape}")
    log_t = np.log(np.where(times > 0, times, np.nan))
    log_t = np.where(np.isfinite(log_t), log_t, np.nan)
    count = np.isfinite(log_t).sum(axis=1)
    used = (count > 0) & (sizes > 0) & np.isfinite(sizes)
    log_t, count, log_n = log_t[used], count[used], np.log(sizes[used])
    spread_dof, dof = int((count - 1).sum()), len(count) - 2
    if dof < 1 or spread_dof < 1 or len(set(log_n)) < 3:
        return TimeLaw(*[np.nan] * 4, max(dof, 0), np.nan, POWERS[0])
    mean = np.nanmean(log_t, axis=1)
    variance = np.nansum((log_t - mean[:, None]) ** 2) / spread_dof
    # Seeds that agree to the last digit would reject every law.
    variance = max(variance, np.finfo(np.float32).eps ** 2)
    weight = count / variance
    center, level = (np.average(values, weights=weight) for values in (log_n, mean))
    norm = np.sum(weight * (log_n - center) ** 2)
    slope = np.sum(weight * (log_n - center) * (mean - level)) / norm
    chi2 = float(np.sum(weight * (mean - level - slope * (log_n - center)) ** 2))
    p = float(fdtrc(dof, spread_dof, chi2 / dof))
    if p < 0.01:
        return TimeLaw(np.nan, np.nan, np.nan, chi2, dof, p, POWERS[1])
    return TimeLaw(float(slope), float(norm**-0.5), float(np.exp(level - slope * center)), chi2, dof, p, POWERS[2])


def _level(y: np.ndarray, most: float) -> list[tuple[int, int]]:
    """First and last index of the longest stretches, from each beginning, over which y spans no more than `most`."""
    found, last = [], -1
    for first in range(len(y)):
        end = max(first, last)
        while end + 1 < len(y) and np.ptp(y[first : end + 2]) <= most:
            end += 1
        if end > last and end - first + 1 >= _LEAST:
            found.append((first, end))
        last = end
    return found


def _moves_on(log_t: np.ndarray, y: np.ndarray, first: int, last: int, least: float) -> bool:
    """Whether y moves by `least`, in one direction, over as long before and after a stretch as it lasts."""
    length = (log_t[last] - log_t[first]) * (1 + 1e-9)
    before = y[first] - y[:first][log_t[:first] >= log_t[first] - length]
    after = y[last + 1 :][log_t[last + 1 :] <= log_t[last] + length] - y[last]
    if not (before.size and after.size):
        return False
    into, out = (side[np.argmax(np.abs(side))] for side in (before, after))
    return bool(into * out > 0 and min(abs(into), abs(out)) >= least)


def _half_time(curve: np.ndarray, steps: np.ndarray) -> float:
    present = np.isfinite(curve) & (steps > 0) & np.isfinite(steps)
    order = np.argsort(steps[present])
    y, log_t = curve[present][order], np.log(steps[present][order])
    if len(y) < 6:
        return np.nan
    change = y[-3:].mean() - y[:3].mean()
    # The median of |N(0, 3/2)|, which a point is from the mean of its neighbours in units of the noise.
    noise = np.median(np.abs(y[1:-1] - (y[2:] + y[:-2]) / 2)) / 0.8261
    # A curve that is constant up to the rounding of float32 has no change.
    if not abs(change) > max(_CHANGE * noise, 1e-6 * np.abs(y).max()):
        return np.nan
    share = (y - y[:3].mean()) / change - 0.5
    wrong = np.concatenate([[0], np.cumsum(share > 0)]) + np.concatenate([np.cumsum(share[::-1] <= 0)[::-1], [0]])
    after = int(np.clip(wrong[1:-1].argmin() + 1, 1, len(y) - 1))
    low, high = share[after - 1], share[after]
    part = -low / (high - low) if low <= 0 < high else 0.5
    return float(np.exp(log_t[after - 1] + part * (log_t[after] - log_t[after - 1])))


def _log_gap(steps: np.ndarray, times: np.ndarray) -> float:
    """The largest logarithm of the ratio of the two steps about any of the times."""
    log_t = np.log(np.sort(steps[steps > 0]))
    at = np.clip(np.searchsorted(log_t, np.log(times[np.isfinite(times)])), 1, len(log_t) - 1)
    return float(np.max(log_t[at] - log_t[at - 1]))
