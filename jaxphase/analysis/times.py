"""When a curve learns: half times, the delay from training to validation (grokking), and how times go with size."""

from enum import IntEnum
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import ArrayLike, Float, Key
from scipy.special import fdtrc, stdtrit

# A curve changes if its change is this many times the noise between neighboring points.
_CHANGE = 5.0
_RESAMPLES = 999


class DelayKind(IntEnum):
    """Whether validation learns later than training."""

    NO_CHANGE = 0
    NO_DELAY = 1
    DELAY = 2
    LEAD = 3


class TimeLawKind(IntEnum):
    """Whether times are a power of the size."""

    TOO_FEW_SIZES = 0
    NO_POWER_LAW = 1
    POWER_LAW = 2


class Delay(NamedTuple):
    """How much later validation learns than training.

    Attributes:
        ratio: Ratio of the half times; NaN where nothing changes.
        interval: Its 95 % interval.
        kind: The verdict.
        train_time: Half times of training, `[seeds]`, in steps.
        validation_time: Half times of validation, `[seeds]`, in steps.
    """

    ratio: float
    interval: tuple[float, float]
    kind: DelayKind
    train_time: Float[np.ndarray, " seeds"]
    validation_time: Float[np.ndarray, " seeds"]


class TimeLaw(NamedTuple):
    """The law `t = amplitude * size**exponent`.

    Attributes:
        exponent: The exponent; NaN unless the kind is `POWER_LAW`.
        exponent_se: Its standard error, from the scatter over seeds.
        amplitude: The factor, in steps.
        chi2: Chi-squared of the mean times about the law.
        dof: Its degrees of freedom.
        p_value: Probability of a larger misfit if the law holds.
        kind: The verdict.
    """

    exponent: float
    exponent_se: float
    amplitude: float
    chi2: float
    dof: int
    p_value: float
    kind: TimeLawKind


def half_time(steps: ArrayLike, values: ArrayLike) -> Float[np.ndarray, "..."]:
    """Time at which half of the change of a curve is done, by linear interpolation in ln(step).

    The change goes from the mean of the first three points to the mean of the last three. The curve crosses the middle
    between two neighboring points; of all such pairs, the one that leaves the fewest points on the wrong side is taken.

    Args:
        steps: Training steps, `[n]`; those that are not positive are left out.
        values: Curves, `[..., n]`; values that are not finite are left out.

    Returns:
        The times `[...]`, in steps. NaN with fewer than six points, or where the change is less than five times the
        noise of the curve (from the median distance of a point to the mean of its neighbors).

    Raises:
        ValueError: If the shapes do not match.
    """
    values, steps = np.asarray(values, float), np.asarray(steps, float)
    if values.ndim == 0 or steps.shape != values.shape[-1:]:
        raise ValueError(f"values must have shape [..., n] with steps [n], got {values.shape} and {steps.shape}")
    found = [_half_time(steps, curve) for curve in values.reshape(-1, len(steps))]
    return np.reshape(np.asarray(found, float), values.shape[:-1])


def delay(steps: ArrayLike, train: ArrayLike, validation: ArrayLike, *, key: Key[jax.Array, ""] | None = None) -> Delay:
    """Measure how much later validation learns than training, as the ratio of their half times.

    The ratio is the geometric mean over the seeds in which both curves change. Its interval is the wider one of
    Student's t for ln(ratio) over seeds and of a bootstrap over seeds, and it is widened by the spacing of the steps
    around the half times, since a time between two steps is not known any better.

    Args:
        steps: Training steps, `[n]`, positive.
        train: Training curves, `[seeds, n]` or `[n]`.
        validation: Validation curves of the same seeds, of the same shape.
        key: Key of the bootstrap, by default always the same.

    Returns:
        A `Delay` of kind `DELAY` or `LEAD` where the interval excludes 1, else `NO_DELAY`; `NO_CHANGE`, with NaN, where
        no seed has both curves changing. With one seed the interval is the spacing of the steps alone.

    Raises:
        ValueError: If the shapes do not match.

    References:
        Power et al. (2022), Grokking, arXiv:2201.02177.
    """
    train, validation = np.atleast_2d(np.asarray(train, float)), np.atleast_2d(np.asarray(validation, float))
    if train.shape != validation.shape:
        raise ValueError(f"train {train.shape} and validation {validation.shape} must have one shape [seeds, n]")
    times = half_time(steps, train), half_time(steps, validation)
    change = np.log(times[1]) - np.log(times[0])
    change = change[np.isfinite(change)]
    if not len(change):
        return Delay(np.nan, (np.nan, np.nan), DelayKind.NO_CHANGE, *times)
    half = _log_gap(np.asarray(steps, float), np.concatenate(times)) / 2
    low = high = middle = change.mean()
    if len(change) > 1:
        reach = stdtrit(len(change) - 1, 0.975) * change.std(ddof=1) / len(change) ** 0.5
        random = np.random.default_rng(0 if key is None else np.asarray(jax.random.key_data(key)))
        drawn = random.choice(change, (_RESAMPLES, len(change))).mean(axis=1)
        low, high = min(middle - reach, np.quantile(drawn, 0.025)), max(middle + reach, np.quantile(drawn, 0.975))
    low, high = low - half, high + half
    kind = DelayKind.DELAY if low > 0 else DelayKind.LEAD if high < 0 else DelayKind.NO_DELAY
    return Delay(float(np.exp(middle)), (float(np.exp(low)), float(np.exp(high))), kind, *times)


def fit_time_law(sizes: ArrayLike, times: ArrayLike) -> TimeLaw:
    """Fit the exponent z of `t ~ size**z` by weighted least squares in logarithms.

    A few seeds say little about their own spread, so the spread of ln t is taken to be the same at all sizes and
    pooled. The law is tested by F = chi2 / dof, with its degrees of freedom and those of the spread.

    Args:
        sizes: Sizes, `[k]`.
        times: Times, `[k, seeds]`; those that are not positive and finite are left out.

    Returns:
        A `TimeLaw`. Its kind is `NO_POWER_LAW`, with a NaN exponent, where the p-value is below 0.01, and
        `TOO_FEW_SIZES`, with NaN everywhere, with fewer than three sizes or no size with two seeds.

    Raises:
        ValueError: If the shapes do not match.
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
        return TimeLaw(np.nan, np.nan, np.nan, np.nan, max(dof, 0), np.nan, TimeLawKind.TOO_FEW_SIZES)
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
        return TimeLaw(np.nan, np.nan, np.nan, chi2, dof, p, TimeLawKind.NO_POWER_LAW)
    return TimeLaw(
        float(slope), float(norm**-0.5), float(np.exp(level - slope * center)), chi2, dof, p, TimeLawKind.POWER_LAW
    )


def _half_time(steps: Float[np.ndarray, " n"], curve: Float[np.ndarray, " n"]) -> float:
    """The half time of one curve."""
    present = np.isfinite(curve) & (steps > 0) & np.isfinite(steps)
    order = np.argsort(steps[present])
    y, log_t = curve[present][order], np.log(steps[present][order])
    if len(y) < 6:
        return np.nan
    change = y[-3:].mean() - y[:3].mean()
    # The median of |N(0, 3/2)|, the distance of a point from the mean of its neighbors in units of the noise.
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


def _log_gap(steps: Float[np.ndarray, " n"], times: Float[np.ndarray, " seeds"]) -> float:
    """The largest logarithm of the ratio of the two steps about any of the times."""
    log_t = np.log(np.sort(steps[steps > 0]))
    at = np.clip(np.searchsorted(log_t, np.log(times[np.isfinite(times)])), 1, len(log_t) - 1)
    return float(np.max(log_t[at] - log_t[at - 1]))
