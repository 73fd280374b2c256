"""Cumulative sums of residuals about one level: does the level of y drift or jump along x?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .batched import curve_detector, once_per_grid
from .distributions import brownian_crossing_sf, kolmogorov_sf, share_above
from .least_squares import standard_values, weighted_mean
from .points import count, distinct, group, new_x, pool_repeats
from .status import NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true


class Cusum(NamedTuple):
    """path `[..., n]` in the caller's order; index of the last point before the change the path speaks for."""

    path: jax.Array
    statistic: jax.Array
    p_value: jax.Array
    index: jax.Array
    status: jax.Array


def cusum(x, y, *, weight=None, kind="ols", null="iid", key=None, draws=9999) -> Cusum:
    """Test the hypothesis that y has one level, `y = constant + noise`.

    kind="ols": cumulative sum of the residuals from the mean over `s sqrt(n)`, a Brownian bridge under the hypothesis
    (Ploberger & Kraemer 1992, Econometrica 60, 271); statistic is its largest absolute value.
    kind="recursive": cumulative sum of one-step-ahead forecast errors, a Brownian motion; statistic is its largest
    ratio to the boundary 1 + 2 t (Brown, Durbin & Evans 1975, J. R. Stat. Soc. B 37, 149). Not the same path from the
    right.
    null="iid": independent Gaussian noise, exact whatever n is up to the error of `draws`, as the distribution of the
    statistic depends on x and weight alone and is simulated once for all curves on one set of x. null="limit": the
    limit of many points; at 0.05 its tests have size 0.000 (ols) and 0.044 (recursive) with 8 points, 0.034 and 0.041
    with 100. Neither is robust to autocorrelated noise (see `change_test`), and a trend is a changing level too.

    x, y, weight: `[..., n]`; x only orders the points, those of equal x enter together. key: a `jax.random` key,
    `key(0)` if None, so that equal calls give equal answers. draws: number of simulated curves; p_value is at least
    1 / (draws + 1). path is NaN at missing points. status 2: y is constant, p_value NaN. status 3: fewer than four
    points or three different x, NaN.
    """
    key = jax.random.key(0) if key is None else key
    return _cusum(x, y, weight=weight, kind=kind, null=null, key=key, draws=draws)


@curve_detector(
    static=("kind", "null", "draws"),
    choices={"kind": ("ols", "recursive"), "null": ("iid", "limit")},
    per_point=("path",),
    positions=("index",),
)
def _cusum(x, y, weight, *, kind, null, key, draws):
    sums, limit = {"ols": (_bridge, kolmogorov_sf), "recursive": (_forecast, brownian_crossing_sf)}[kind]

    def simulated(grid):
        x, weight, key = grid
        noise = jax.random.normal(key, (draws, len(x)), x.dtype) / jnp.sqrt(jnp.where(weight > 0, weight, 1))
        path, boundary = jax.vmap(sums, (None, 0, None))(x, noise, weight)
        return jnp.sort(jnp.max(jnp.abs(path) / boundary, axis=1))

    value, _ = standard_values(y, weight)
    if kind == "recursive":
        at, points = group(x, weight), pool_repeats(x, value, weight)
    else:
        at, points = jnp.arange(len(x)), (x, value, weight)
    path, boundary = (of_points[at] for of_points in sums(*points))
    ratio = jnp.abs(path) / boundary
    index = jnp.argmax(ratio)
    if null == "iid":
        p_value = once_per_grid(simulated, share_above)((points[0], points[2], key), ratio[index])
    else:
        p_value = limit(ratio[index])
    result = Cusum(
        path=path,
        statistic=ratio[index],
        p_value=p_value,
        index=index,
        status=first_true(
            ((count(weight) < 4) | (distinct(x, weight) < 3), TOO_FEW_POINTS),
            (jnp.all(value * (weight > 0) == 0), NOT_IDENTIFIED),
        ),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def _bridge(x, value, weight):
    """OLS: path and boundary, infinite between points of one x, which enter together."""
    centered = value - weighted_mean(value, weight)
    variance = jnp.sum(weight * jnp.square(centered)) / jnp.maximum(count(weight) - 1, 1)
    path = jnp.cumsum(weight * centered) / jnp.sqrt(jnp.sum(weight) * variance)
    present = weight > 0
    last_of_x = present & jnp.append(new_x(x, weight)[1:] | ~present[1:], True)
    return path, jnp.where(last_of_x, 1, jnp.inf)


def _forecast(x, value, weight):
    """Recursive: both for the sums of forecast errors, for points of different x; the first has no forecast."""
    seen = jnp.cumsum(weight)
    mean = jnp.cumsum(weight * value) / jnp.maximum(seen, 1)
    forecast = (weight > 0) & (jnp.arange(len(x)) > 0)
    noise = jnp.sqrt(1 / jnp.where(forecast, weight, 1) + 1 / jnp.where(forecast, jnp.roll(seen, 1), 1))
    error = jnp.where(forecast, (value - jnp.roll(mean, 1)) / noise, 0)
    steps = jnp.maximum(jnp.sum(forecast), 1)
    spread = jnp.where(forecast, error - jnp.sum(error) / steps, 0)
    deviation = jnp.sqrt(jnp.sum(jnp.square(spread)) / jnp.maximum(steps - 1, 1))
    return jnp.cumsum(error) / (jnp.sqrt(steps) * deviation), 1 + 2 * jnp.cumsum(forecast) / steps
