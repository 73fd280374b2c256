"""Cumulative sums of residuals about one level: does the level of y drift or jump along x?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .batched import curve_detector
from .distributions import brownian_crossing_sf, kolmogorov_sf
from .least_squares import standard_values
from .points import count, distinct, group, new_x, pool_repeats
from .status import NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

# Mean overshoot of a random walk over a level, in steps (Siegmund 1985, Sequential Analysis, eq. 8.50): a Brownian
# path crosses between points as well, the sums are seen at the points only.
_BETWEEN_POINTS = 0.5826


class Cusum(NamedTuple):
    """path `[..., n]` in the caller's order; index of the last point before the change the path speaks for."""

    path: jax.Array
    statistic: jax.Array
    p_value: jax.Array
    index: jax.Array
    status: jax.Array


@curve_detector(static=("kind",), choices={"kind": ("ols", "recursive")}, per_point=("path",), positions=("index",))
def cusum(x, y, weight, *, kind="ols") -> Cusum:
    """Test the hypothesis that y has one level, `y = constant + noise`.

    "ols": cumulative sum of the residuals from the mean over `s sqrt(n)`, a Brownian bridge under the hypothesis
    (Ploberger & Kraemer 1992, Econometrica 60, 271); statistic is its largest absolute value.
    "recursive": cumulative sum of one-step-ahead forecast errors, a Brownian motion; statistic is its largest ratio to
    the boundary 1 + 2 t (Brown, Durbin & Evans 1975, J. R. Stat. Soc. B 37, 149). Not the same path from the right.

    x, y, weight: `[..., n]`; x only orders the points, those of equal x enter together. path is NaN at missing points.
    p_value comes from the limit distribution, with the path turned into normal scores and the boundary moved by what a
    walk seen only at the points misses: a test at 0.05 has size 0.050 to 0.065 from ten points on if the noise is
    independent. It is not robust to autocorrelated noise (see `change_test`), and a trend is a changing level too.
    status 2: y is constant, p_value NaN. status 3: fewer than four points or three different x, NaN.
    """
    value, _ = standard_values(y, weight)
    path, score, boundary, steps = (_bridge if kind == "ols" else _forecast)(x, value, weight)
    # Points of one x enter together, so the sums between them say nothing.
    present = weight > 0
    last_of_x = present & jnp.append(new_x(x, weight)[1:] | ~present[1:], True)
    ratio = jnp.where(last_of_x, jnp.abs(path) / boundary, 0)
    index = jnp.argmax(ratio)
    seen = jnp.max(jnp.where(last_of_x, (score + _BETWEEN_POINTS / jnp.sqrt(steps)) / boundary, 0))
    result = Cusum(
        path=path,
        statistic=ratio[index],
        p_value=(kolmogorov_sf if kind == "ols" else brownian_crossing_sf)(seen),
        index=index,
        status=first_true(
            ((count(weight) < 4) | (distinct(x, weight) < 3), TOO_FEW_POINTS),
            (jnp.all(value * present == 0), NOT_IDENTIFIED),
        ),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def _bridge(x, value, weight):
    """OLS: path, its normal score, the boundary 1 and the number of steps."""
    n = count(weight)
    total = jnp.maximum(jnp.sum(weight), 1)
    time = jnp.cumsum(weight) / total
    variance = jnp.sum(weight * jnp.square(value)) / jnp.maximum(n - 1, 1)
    path = jnp.cumsum(weight * value) / jnp.sqrt(total * variance)
    spread = jnp.maximum(time * (1 - time), 0)
    return path, _normal_score(path, spread, n - 1), jnp.ones_like(path), jnp.maximum(distinct(x, weight), 1)


def _forecast(x, value, weight):
    """Recursive: the same four for the sums of forecast errors of the means at each x; the first x has no forecast."""
    _, value_at, weight_at = pool_repeats(x, value, weight)
    seen = jnp.cumsum(weight_at)
    mean = jnp.cumsum(weight_at * value_at) / jnp.maximum(seen, 1)
    forecast = (weight_at > 0) & (jnp.arange(len(x)) > 0)
    noise = jnp.sqrt(1 / jnp.where(forecast, weight_at, 1) + 1 / jnp.where(forecast, jnp.roll(seen, 1), 1))
    error = jnp.where(forecast, (value_at - jnp.roll(mean, 1)) / noise, 0)
    steps = jnp.maximum(jnp.sum(forecast), 1)
    time = jnp.cumsum(forecast) / steps
    variance = jnp.sum(jnp.square(error)) / steps
    deviation = jnp.sum(jnp.where(forecast, jnp.square(error - jnp.sum(error) / steps), 0)) / jnp.maximum(steps - 1, 1)
    sums = jnp.cumsum(error) / jnp.sqrt(steps)
    score = _normal_score(sums / jnp.sqrt(variance), time, steps)
    at = group(x, weight)
    return (sums / jnp.sqrt(deviation))[at], score[at], 1 + 2 * time[at], steps


def _normal_score(path, variance, dof):
    """The Gaussian path that is as unlikely, point by point, as one studentised by the variance of its own points.

    `path**2 / (variance * dof)` is a Beta(1/2, (dof - 1)/2) variate at every point, as the direction of the residuals
    is uniform on a sphere; Student's t from it, and Wallace's (1959) normal deviate from that.
    """
    known = variance > 1e-6
    share = jnp.square(path) / jnp.where(known, variance * dof, 1)
    v = jnp.maximum(dof - 1, 1)
    deviate = (8 * v + 1) / (8 * v + 3) * jnp.sqrt(-v * jnp.log1p(-jnp.clip(share, 0, 1 - jnp.finfo(path.dtype).eps)))
    return jnp.where(known, jnp.sqrt(variance) * deviate, 0)
