"""The power law in the tail of a spectrum: where it begins, its exponent, and whether a log-normal fits better."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, ndtr
from jaxtyping import Array, Bool, Float, Int

from jaxphase.detect.status import Status, answered, first_true

Scalar = Float[Array, ""]

LEAST_TAIL = 10
# Number of lengths of the tail that are tried, in equal ratios from the least one to all eigenvalues.
_CUTS = 32
_RESAMPLES = 64
# The p-value below which a power law is rejected.
_REJECTED = 0.01


class PowerTail(NamedTuple):
    """The power law `density ~ eigenvalue**-alpha` in the tail of a spectrum, each field `[...]`.

    Attributes:
        alpha: The exponent; NaN if the power law is rejected.
        alpha_se: Its standard error.
        start: The eigenvalue above which the power law holds.
        tail: Number of eigenvalues above `start`.
        distance: Kolmogorov-Smirnov distance of the tail from its power law.
        log_ratio: Log-likelihood of the power law less that of the best log-normal; never positive.
        p_value: Probability of a lower `log_ratio` for a power law.
        status: `Status`; see `spectral_exponent`.
    """

    alpha: Float[Array, "*batch"]
    alpha_se: Float[Array, "*batch"]
    start: Float[Array, "*batch"]
    tail: Int[Array, "*batch"]
    distance: Float[Array, "*batch"]
    log_ratio: Float[Array, "*batch"]
    p_value: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


def power_tail(values: Float[Array, " side"], short: Scalar, long: Scalar, finite: Bool[Array, ""]) -> PowerTail:
    """`spectral_exponent` of one matrix, by its singular values, the largest first, and its live sides."""
    del short
    top = jnp.where(values[0] > 0, values[0], 1)
    positive = values > 10 * jnp.finfo(values.dtype).eps * top
    live = jnp.sum(positive)
    logs = jnp.where(positive, 2 * jnp.log(jnp.where(positive, values, 1) / top), 0)
    rate, start, tail, distance = _nearest_tail(logs, live)

    # Sorted uniform draws are ratios of sums of exponential draws. Made like this, the first ones do not depend on the
    # padding.
    steps = np.random.default_rng(0).standard_exponential((len(logs) + 1, _RESAMPLES)).T
    sums = jnp.asarray(np.cumsum(steps, axis=1), logs.dtype)
    chosen = jnp.minimum(jnp.floor(sums[:, :-1] / sums[:, live][:, None] * live), live - 1).astype(int)
    rates = jax.vmap(lambda order: _nearest_tail(logs[order], live)[0])(jnp.maximum(chosen, 0))

    excess = jnp.where(jnp.arange(len(logs)) < tail, logs - start, 0)
    mean = jnp.sum(excess) / tail
    log_ratio = -tail * _gain_of_log_normal(jnp.sum(jnp.square(excess / mean)) / tail)
    p_value = jnp.where(log_ratio < 0, ndtr(-jnp.sqrt(-2 * jnp.minimum(log_ratio, 0))), 1)
    few, flat = live < 2 * LEAST_TAIL, ~(mean > 0) | ~finite
    rejected = p_value < _REJECTED
    result = PowerTail(
        alpha=jnp.where(rejected, jnp.nan, 1 + rate),
        alpha_se=jnp.where(rejected, jnp.nan, jnp.std(rates, ddof=1)),
        start=jnp.exp(start) * jnp.square(top) / long,
        tail=jnp.where(few | flat, 0, tail).astype(jnp.int32),
        distance=distance,
        log_ratio=log_ratio,
        p_value=p_value,
        status=first_true(
            (few & finite, Status.TOO_FEW_POINTS),
            (flat | rejected, Status.NOT_IDENTIFIED),
            (tail < LEAST_TAIL, Status.AT_BOUND),
        ),
    )
    return answered(result, ~few & ~flat)


def _nearest_tail(logs: Float[Array, " side"], live: Int[Array, ""]) -> tuple[Scalar, Scalar, Int[Array, ""], Scalar]:
    """Rate, start, length and distance of the most exponential tail of logarithms, sorted with the largest first."""
    length = jnp.round(LEAST_TAIL * (live / LEAST_TAIL) ** jnp.linspace(0, 1, _CUTS)).astype(int)
    start, above = logs[length - 1][:, None], length[:, None] - 1  # the last of a tail is its start
    rank = jnp.arange(1, len(logs) + 1)
    excess = jnp.where(rank <= above, logs - start, 0)
    total = jnp.sum(excess, axis=1, keepdims=True)
    rate = above / jnp.where(total > 0, total, 1)
    higher = jnp.exp(-rate * excess)
    gap = jnp.maximum(jnp.abs(higher - rank / above), jnp.abs(higher - (rank - 1) / above))
    distance = jnp.max(jnp.where(rank <= above, gap, 0), axis=1)
    distance = jnp.where(total[:, 0] > 0, distance, 1)
    best = jnp.argmin(distance)
    return rate[best, 0], start[best, 0], above[best, 0], distance[best]


def _gain_of_log_normal(ratio: Scalar) -> Scalar:
    """Mean log-likelihood that a normal law cut at 0 gains over an exponential one.

    `ratio` is the mean square of the data over their squared mean. Bisection finds the cut h = -mean / deviation of the
    best normal law. From ratio = 2 on the best one is the exponential law itself, and the gain is 0.
    """

    def moments(h):
        # Mean over deviation; far out Laplace's continued fraction avoids cancellation.
        far = jax.lax.fori_loop(0, 30, lambda i, tail: h + (31.0 - i) / tail, h + jnp.sqrt(31.0 + h * h))
        mean = jnp.where(
            h > 2, 1 / jnp.where(h > 2, far, 1), jnp.exp(-h * h / 2 - log_ndtr(-h)) / math.sqrt(2 * math.pi) - h
        )
        return mean, (1 - h * mean) / jnp.square(mean)

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        low = moments(middle)[1] < ratio
        return jnp.where(low, middle, ends[0]), jnp.where(low, ends[1], middle)

    low, high = jax.lax.fori_loop(0, 30, halve, (jnp.full_like(ratio, -20), jnp.full_like(ratio, 30)))
    h = (low + high) / 2
    mean, _ = moments(h)
    gain = jnp.log(mean * (h + mean)) - ratio * jnp.square(mean) / 2 - h * mean + 1
    return jnp.where(ratio < 2, jnp.maximum(gain, 0), 0)
