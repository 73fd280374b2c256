"""Autocorrelation of a series and the two lengths that summarise it: the correlation length and the integrated time."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from .least_squares import standard_values


class IntegratedTime(NamedTuple):
    """Integrated autocorrelation time in steps, its error and the number of independent points, each `[...]`."""

    time: jax.Array
    time_se: jax.Array
    effective_size: jax.Array
    status: jax.Array


def autocorrelation(y, max_lag=20):
    """Autocorrelation at lags 0 to max_lag, `[..., n] -> [..., max_lag + 1]`.

    The series is in the order given, one step from point to point. A point that is not finite is missing: each lag is
    the mean over the pairs in which both are present, divided by the variance. NaN at a lag without pairs, and at all
    lags for a constant series. Around the estimated mean every lag is biased by about -1/n (Box & Jenkins 1976, 2.1.5).
    """
    if not isinstance(max_lag, int) or max_lag < 0:
        raise ValueError(f"max_lag must be a non-negative int, got {max_lag!r}")
    sums, pairs = _lagged(_as_series(y), max_lag)
    return jnp.where(pairs > 0.5, sums / jnp.maximum(pairs, 1), jnp.nan) / (sums[..., :1] / pairs[..., :1])


def correlation_length(acf):
    """Correlation length of `acf` `[..., lags]` (lag 0 first) in steps: the decay rate of `exp(-lag / length)`.

    Least squares of -log(acf) through the origin over the first lags, as far as they stay above 1/e; lag 1 always
    counts, so a length below one step is found too. 0 if lag 1 is not positive, infinite if nothing decays.
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


def integrated_time(y):
    """Integrated autocorrelation time `1 + 2 sum rho(lag)` of the series y `[..., n]`, in steps.

    The sum stops at the first window M >= 5 time(M) (Sokal 1997, Functional Integration, 131); its error is
    `time * sqrt((4 M + 2) / n)` (Madras & Sokal 1988, J. Stat. Phys. 50, 109); of n points n / time are
    independent. status 1: fewer than 50 times in the series, so that time is too small rather than uncertain.
    status 2: constant, NaN. status 3: fewer than four points, NaN.
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
    status = jnp.where(few, 3, jnp.where(constant, 2, jnp.where(short, 1, 0))).astype(jnp.int32)
    return IntegratedTime(time, time * jnp.sqrt((4 * stop + 2) / jnp.maximum(present, 1)), present / time, status)


def _as_series(y):
    y = jnp.asarray(y)
    if y.ndim == 0 or y.shape[-1] == 0:
        raise ValueError(f"y must have shape [..., n] with at least one point, got {y.shape}")
    return y.astype(jnp.promote_types(jnp.result_type(y, float), jnp.float32))


@functools.partial(jax.jit, static_argnames="max_lag")
def _lagged(y, max_lag):
    """Sums of the products at each lag, of the centred and scaled series, and the number of pairs in each."""
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
