"""Cumulative sums of residuals about one level: does the level of y drift or jump along x?

For a curve of one level, the "ols" sums of residuals divided by `s sqrt(n)` tend to a Brownian bridge, and the
"recursive" sums of forecast errors to a Brownian motion. The "recursive" path depends on the direction in which the
curve is read.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Key

from jaxphase.detect.batched import curve_detector, once_per_grid
from jaxphase.detect.distributions import brownian_crossing_sf, kolmogorov_sf, share_above
from jaxphase.detect.least_squares import standard_values, weighted_mean
from jaxphase.detect.points import Points, count, distinct, group, new_x, pool_repeats
from jaxphase.detect.status import Status, answered, first_true


class Cusum(NamedTuple):
    """A test of one level by cumulative sums.

    Attributes:
        path: The cumulative sum after each point, `[..., n]`, in the caller's order; NaN at missing points.
        statistic: Its largest ratio to the boundary, `[...]`.
        p_value: Its p-value, `[...]`.
        index: Where the ratio is largest, `[...]`: the index of the last point before the change, if there is one.
        status: `Status`, `[...]`; see `cusum`.
    """

    path: Float[Array, "*curves n"]
    statistic: Float[Array, "*curves"]
    p_value: Float[Array, "*curves"]
    index: Int[Array, "*curves"]
    status: Int[Array, "*curves"]


def cusum(
    x: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    kind: Literal["ols", "recursive"] = "ols",
    null: Literal["iid", "limit"] = "iid",
    key: Key[Array, ""] | None = None,
    draws: int = 9999,
) -> Cusum:
    """Test the hypothesis that each curve has one level, `y = constant + noise`.

    A trend changes the level too. Autocorrelated noise needs `change_test`. Error rates: see the page How verdicts are
    made.

    Args:
        x: Positions, `[..., n]`, which only order the points; equal x enter together.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.
        kind: "ols" sums residuals from the mean; the statistic is the largest absolute value of the sum. "recursive"
            sums one-step-ahead forecast errors; the statistic is the largest ratio to the boundary `1 + 2 t`.
        null: "iid" simulates Gaussian noise, exact for any n. "limit" takes the limit of many points, which is
            conservative for few.
        key: A `jax.random` key; `jax.random.key(0)` if None.
        draws: Number of simulated curves; a p-value is at least `1 / (draws + 1)`.

    Returns:
        A `Cusum`. Its status is `NOT_IDENTIFIED` if y is constant, and `TOO_FEW_POINTS` with fewer than four points or
        three different x; all floating-point numbers are then NaN.

    Raises:
        ValueError: If an option has no legal value, or the shapes do not broadcast.

    References:
        Ploberger & Kraemer (1992), Econometrica 60, 271; Brown, Durbin & Evans (1975), J. R. Stat. Soc. B 37, 149.
    """
    key = jax.random.key(0) if key is None else key
    return _cusum(x, y, weight=weight, kind=kind, null=null, key=key, draws=draws)


@curve_detector(
    static=("kind", "null", "draws"),
    choices={"kind": ("ols", "recursive"), "null": ("iid", "limit")},
    per_point=("path",),
    positions=("index",),
)
def _cusum(x: Points, y: Points, weight: Points, *, kind: str, null: str, key: Key[Array, ""], draws: int) -> Cusum:
    """The test of one curve."""
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
            ((count(weight) < 4) | (distinct(x, weight) < 3), Status.TOO_FEW_POINTS),
            (jnp.all(value * (weight > 0) == 0), Status.NOT_IDENTIFIED),
        ),
    )
    return answered(result, result.status < Status.NOT_IDENTIFIED)


def _bridge(x: Points, value: Points, weight: Points) -> tuple[Points, Points]:
    """OLS: the path, and a boundary that is infinite between points of one x, as these enter together."""
    centered = value - weighted_mean(value, weight)
    variance = jnp.sum(weight * jnp.square(centered)) / jnp.maximum(count(weight) - 1, 1)
    path = jnp.cumsum(weight * centered) / jnp.sqrt(jnp.sum(weight) * variance)
    present = weight > 0
    last_of_x = present & jnp.append(new_x(x, weight)[1:] | ~present[1:], True)
    return path, jnp.where(last_of_x, 1, jnp.inf)


def _forecast(x: Points, value: Points, weight: Points) -> tuple[Points, Points]:
    """Recursive: path and boundary of the sums of forecast errors at points of different x; the first has none."""
    seen = jnp.cumsum(weight)
    mean = jnp.cumsum(weight * value) / jnp.maximum(seen, 1)
    forecast = (weight > 0) & (jnp.arange(len(x)) > 0)
    noise = jnp.sqrt(1 / jnp.where(forecast, weight, 1) + 1 / jnp.where(forecast, jnp.roll(seen, 1), 1))
    error = jnp.where(forecast, (value - jnp.roll(mean, 1)) / noise, 0)
    steps = jnp.maximum(jnp.sum(forecast), 1)
    spread = jnp.where(forecast, error - jnp.sum(error) / steps, 0)
    deviation = jnp.sqrt(jnp.sum(jnp.square(spread)) / jnp.maximum(steps - 1, 1))
    return jnp.cumsum(error) / (jnp.sqrt(steps) * deviation), 1 + 2 * jnp.cumsum(forecast) / steps
