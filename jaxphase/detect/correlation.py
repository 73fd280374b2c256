"""Autocorrelation of a series and the two lengths that summarize it: the correlation length and the integrated time."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.least_squares import standard_values
from jaxphase.detect.status import Status, first_true


class IntegratedTime(NamedTuple):
    """The integrated autocorrelation time of each series.

    Attributes:
        time: The time in steps, `[...]`.
        time_se: Its standard error, `[...]`.
        effective_size: How many of the points are independent, `n / time`, `[...]`.
        status: `Status`, `[...]`; see `integrated_time`.
    """

    time: Float[Array, "*series"]
    time_se: Float[Array, "*series"]
    effective_size: Float[Array, "*series"]
    status: Int[Array, "*series"]


def autocorrelation(y: ArrayLike, max_lag: int = 20) -> Float[Array, "*series lags"]:
    """Autocorrelation of each series at the lags 0 to `max_lag`.

    Each lag is the mean over the pairs in which both points are present, divided by the variance. Around an estimated
    mean every lag is biased by about -1 / n.

    Args:
        y: Values in order, one step apart, `[..., n]`; a value that is not finite is missing.
        max_lag: The largest lag, in steps.

    Returns:
        The autocorrelations, `[..., max_lag + 1]`; NaN at a lag without pairs, and at all lags for a constant series.

    Raises:
        ValueError: If y has no points or `max_lag` is negative.

    References:
        Box & Jenkins (1976), Time Series Analysis, 2.1.5.
    """
    if not isinstance(max_lag, int) or max_lag < 0:
        raise ValueError(f"max_lag must be a non-negative integer, got {max_lag!r}")
    sums, pairs = _lagged(_as_series(y), max_lag)
    return jnp.where(pairs > 0.5, sums / jnp.maximum(pairs, 1), jnp.nan) / (sums[..., :1] / pairs[..., :1])


def correlation_length(acf: ArrayLike) -> Float[Array, "*series"]:
    """Correlation length of each autocorrelation function, the length of the decay `exp(-lag / length)`.

    It is fitted by least squares of `-log(acf)` through the origin over the first lags, as far as they stay above 1/e.
    Lag 1 always counts, so a length below one step is found too.

    Args:
        acf: Autocorrelations from lag 0 on, `[..., lags]`, with two lags at least.

    Returns:
        Lengths in steps, `[...]`: 0 if lag 1 is not positive, infinite if nothing decays, NaN if lag 1 is NaN.

    Raises:
        ValueError: If there are fewer than two lags.
    """
    acf = jnp.asarray(acf)
    if acf.ndim == 0 or acf.shape[-1] < 2:
        raise ValueError(f"acf must have shape [..., lags] with lags 0 and 1 at least, got {acf.shape}")
    rho = acf[..., 1:] / acf[..., :1]
    lag = jnp.arange(1, acf.shape[-1])
    used = (jnp.cumsum(~(rho > jnp.exp(-1.0)), axis=-1) == 0) | (lag == 1)
    decay = -jnp.log(jnp.where(used & (rho > 0), rho, 1))
    rate = jnp.sum(lag * decay, axis=-1) / jnp.sum(jnp.where(used, lag**2, 0), axis=-1)
    length = jnp.where(rate > 0, 1 / jnp.where(rate > 0, rate, 1), jnp.inf)
    return jnp.where(jnp.isnan(rho[..., 0]), jnp.nan, jnp.where(rho[..., 0] > 0, length, 0))


def integrated_time(y: ArrayLike) -> IntegratedTime:
    """Integrated autocorrelation time of each series, `1 + 2 * (sum of the autocorrelations from lag 1 on)`.

    The sum stops at the first lag M that is at least five times the time summed so far. The standard error is
    `time * sqrt((4 M + 2) / n)`.

    Args:
        y: Values in order, one step apart, `[..., n]`; a value that is not finite is missing.

    Returns:
        An `IntegratedTime`. Its status is `AT_BOUND` if the series is shorter than 50 times the time, which is then
        underestimated; `NOT_IDENTIFIED` for a constant series and `TOO_FEW_POINTS` with fewer than four points, both
        with NaN throughout.

    References:
        Sokal (1997), Functional Integration, p. 131; Madras & Sokal (1988), J. Stat. Phys. 50, 109.
    """
    y = _as_series(y)
    n = y.shape[-1]
    sums, pairs = _lagged(y, n - 1)
    rho = sums / sums[..., :1]
    times = 2 * jnp.cumsum(rho, axis=-1) - 1
    window = jnp.arange(n)
    stop = jnp.argmax((window >= 5 * times) | (window == n - 1), axis=-1)
    time = jnp.take_along_axis(times, stop[..., None], axis=-1)[..., 0]
    present = pairs[..., 0]
    short, constant, few = present < 50 * time, ~jnp.isfinite(time), present < 4
    time = jnp.where(constant | few, jnp.nan, time)
    status = first_true((few, Status.TOO_FEW_POINTS), (constant, Status.NOT_IDENTIFIED), (short, Status.AT_BOUND))
    return IntegratedTime(time, time * jnp.sqrt((4 * stop + 2) / jnp.maximum(present, 1)), present / time, status)


def _as_series(y: ArrayLike) -> Float[Array, "*series n"]:
    """A floating array, or a `ValueError` with its shape."""
    y = jnp.asarray(y)
    if y.ndim == 0 or y.shape[-1] == 0:
        raise ValueError(f"y must have shape [..., n] with at least one point, got {y.shape}")
    return y.astype(jnp.promote_types(jnp.result_type(y, float), jnp.float32))


@functools.partial(jax.jit, static_argnames="max_lag")
def _lagged(
    y: Float[Array, "*series n"], max_lag: int
) -> tuple[Float[Array, "*series lags"], Float[Array, "*series lags"]]:
    """Sums of the products of the centered and scaled series at each lag, and the number of pairs in each sum."""
    present = jnp.isfinite(y)
    weight = present.astype(y.dtype)
    filled = jnp.where(present, y, 0)
    value = (
        jnp.vectorize(lambda *series: standard_values(*series)[0], signature="(n),(n)->(n)")(filled, weight) * weight
    )
    n, lags = y.shape[-1], min(max_lag + 1, y.shape[-1])
    size = 1 << (n + lags - 1).bit_length()

    def correlate(series):
        power = jnp.square(jnp.abs(jnp.fft.rfft(series, size)))
        return jnp.fft.irfft(power, size)[..., :lags]

    def all_pairs():
        return jnp.broadcast_to(n - jnp.arange(lags, dtype=y.dtype), (*y.shape[:-1], lags))

    pairs = jax.lax.cond(jnp.all(present), all_pairs, lambda: jnp.round(correlate(weight)))
    beyond = [(0, 0)] * (y.ndim - 1) + [(0, max_lag + 1 - lags)]
    return jnp.pad(correlate(value), beyond), jnp.pad(pairs, beyond)
