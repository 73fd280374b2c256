"""Is there a change at all, over a whole batch of curves, and how sure are we?"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from jaxphase.detect.batched import curve_detector, once_per_grid
from jaxphase.detect.breaks import Change, break_gains, break_set, design
from jaxphase.detect.distributions import share_above
from jaxphase.detect.least_squares import axis_unit, standard_values
from jaxphase.detect.points import Points, Scalar, count, pool_repeats
from jaxphase.detect.status import Status, answered, first_true

# Andrews (1993): a break is looked for in the middle 70 % of the points.
_TRIM = 0.15


class ChangeTest(NamedTuple):
    """A test for one change at an unknown place.

    Attributes:
        statistic: The largest F over the possible places, `[...]`.
        p_value: Its p-value, `[...]`.
        location: Where F is largest, in units of x, `[...]`.
        interval: 95 % interval of the place, `[..., 2]`; it supposes independent noise.
        status: `Status`, `[...]`; see `change_test`.
    """

    statistic: Float[Array, "*curves"]
    p_value: Float[Array, "*curves"]
    location: Float[Array, "*curves"]
    interval: Float[Array, "*curves 2"]
    status: Int[Array, "*curves"]


class Bootstrap(NamedTuple):
    """How a detector's answer varies with the seeds; every attribute is a result of the detector.

    Attributes:
        estimate: The answer for the means over all seeds.
        standard_error: Standard deviation of each floating field over resamples of the seeds.
        interval: Its 95 % interval, with a last axis of 2.
        agreement: The share of resamples that give the same integer as `estimate`, for integer fields.
    """

    estimate: Any
    standard_error: Any
    interval: Any
    agreement: Any


def change_test(
    x: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    change: Change = "slope",
    null: Literal["iid", "ar1"] = "iid",
    key: Key[Array, ""] | None = None,
    draws: int | None = None,
) -> ChangeTest:
    """Test each curve for one change at an unknown x, with a p-value that is right even for few points.

    The statistic is the largest F over the possible places. Its distribution for Gaussian noise is simulated. Error
    rates: see the page How verdicts are made.

    Args:
        x: Positions, `[..., n]`, for sizes usually their log10. Any order; repeats allowed.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.
        change: "mean" tests two levels against one; "slope" tests a line with one kink against a straight line.
        null: "iid" is independent noise, exact for any n. "ar1" is autoregressive, and averages points of one x first.
        key: A `jax.random` key; `jax.random.key(0)` if None.
        draws: Number of simulated curves, by default 9,999 (iid) or 499 (ar1); a p-value is at least `1 / (draws + 1)`.

    Returns:
        A `ChangeTest`. Its status is `NOT_IDENTIFIED` if y is constant, or a straight line for "slope", and
        `TOO_FEW_POINTS` if no break is possible; all numbers are then NaN.

    Raises:
        ValueError: If an option has no legal value, or the shapes do not broadcast.

    References:
        Andrews (1993), Econometrica 61, 821; Hansen (1996), Econometrica 64, 413, and (2000), 68, 575.
    """
    key = jax.random.key(0) if key is None else key
    draws = {"iid": 9999, "ar1": 499}.get(null) if draws is None else draws
    return _change_test(x, y, weight=weight, change=change, null=null, key=key, draws=draws)


@curve_detector(static=("change", "null", "draws"), choices={"change": ("mean", "slope"), "null": ("iid", "ar1")})
def _change_test(
    x: Points, y: Points, weight: Points, *, change: Change, null: str, key: Key[Array, ""], draws: int
) -> ChangeTest:
    """The test of one curve."""
    if null == "ar1":
        x, y, weight = pool_repeats(x, y, weight)
    axis, (v, _) = axis_unit(x, weight), standard_values(y, weight)
    u = (x - axis.center) / axis.scale

    breaks = design(u, weight, change, least=_least(weight))
    total, gain, residual = break_gains(breaks, jnp.sqrt(weight) * v)
    dof = count(weight) - breaks.parameters
    best = jnp.argmax(gain)
    statistic = _largest_f(total, gain[best], dof)
    phi = _autocorrelation_of(residual, weight, breaks.parameters) if null == "ar1" else jnp.zeros((), u.dtype)

    def simulated(grid):
        u, weight, phi, key = grid
        breaks = design(u, weight, change, least=_least(weight))
        shock = jax.random.normal(key, (draws, len(u)), u.dtype)
        lag = jnp.arange(len(u))[:, None] - jnp.arange(len(u))
        response = jnp.where(lag >= 0, phi ** jnp.maximum(lag, 0), 0)
        response = response.at[:, 0].divide(jnp.sqrt(1 - phi**2))
        total, gain, _ = jax.vmap(break_gains, (None, 0))(breaks, (shock @ response.T) * (weight > 0))
        return jnp.sort(_largest_f(total, jnp.max(gain, axis=1), count(weight) - breaks.parameters))

    p_value = once_per_grid(simulated, share_above)((u, weight, phi, key), statistic)
    place, interval = break_set(breaks, total - gain, dof)
    result = ChangeTest(
        statistic=statistic,
        p_value=p_value,
        location=axis.center + axis.scale * place,
        interval=axis.center + axis.scale * interval,
        status=first_true(
            ((dof < 2) | ~jnp.any(breaks.possible), Status.TOO_FEW_POINTS),
            (total <= len(u) * jnp.square(32 * jnp.finfo(u.dtype).eps), Status.NOT_IDENTIFIED),
        ),
    )
    return answered(result, result.status < Status.NOT_IDENTIFIED)


def _least(weight: Points) -> Scalar:
    """Least number of points on either side of a break."""
    return jnp.maximum(2, jnp.ceil(_TRIM * count(weight)))


def _largest_f(
    total: Float[Array, "*draws"], gain: Float[Array, "*draws"], dof: Int[Array, ""]
) -> Float[Array, "*draws"]:
    """F of the best break: its gain in the sum of squares, divided by the residual variance."""
    return gain / jnp.maximum(total - gain, jnp.finfo(total.dtype).tiny) * jnp.maximum(dof, 1)


def _autocorrelation_of(residual: Points, weight: Points, parameters: int) -> Scalar:
    """Lag-one autocorrelation of the noise; each fitted parameter has lowered it by (1 + 3 phi) / n (Kendall 1954)."""
    n = count(weight)
    raw = jnp.sum(residual[1:] * residual[:-1]) / jnp.maximum(jnp.sum(jnp.square(residual)), 1e-30)
    return jnp.clip((n * raw + parameters) / jnp.maximum(n - 3 * parameters, 1), 0, 0.97)


def benjamini_hochberg(p: ArrayLike, rate: float = 0.05) -> Bool[Array, "..."]:
    """Choose discoveries among p-values so that at most the share `rate` of them is expected to be false.

    Args:
        p: p-values of one family, `[...]`; NaN is no test and never a discovery.
        rate: The false discovery rate, between 0 and 1.

    Returns:
        Whether each is a discovery, `[...]`.

    Raises:
        ValueError: If `rate` is not between 0 and 1.

    References:
        Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must be between 0 and 1, got {rate}")
    p = jnp.asarray(p)
    ordered = jnp.sort(p.ravel())
    tests = jnp.sum(~jnp.isnan(ordered))
    passes = ordered <= rate * jnp.arange(1, p.size + 1) / jnp.maximum(tests, 1)
    return p <= jnp.max(jnp.where(passes, ordered, -jnp.inf), initial=-jnp.inf)


def bootstrap(
    detector: Callable[[ArrayLike, Array], Any],
    x: ArrayLike,
    y_repeats: ArrayLike,
    *,
    key: Key[Array, ""] | None = None,
    draws: int = 200,
) -> Bootstrap:
    """Resample the seeds at each x and apply a detector to their means, to see how its answer varies.

    Args:
        detector: A function `(x, y) -> NamedTuple` of arrays, such as those of this package; bind options by
            `functools.partial`.
        x: Positions, `[..., points]`.
        y_repeats: Values of each seed, `[..., repeats, points]`; a value that is not finite is left out.
        key: A `jax.random` key; `jax.random.key(0)` if None.
        draws: Number of resamples.

    Returns:
        A `Bootstrap`. Resamples in which a field is NaN are left out of that field; a field with fewer than two
        resamples left is NaN.

    Raises:
        ValueError: If `y_repeats` has fewer than two axes.

    Example:
        >>> jaxphase.detect.bootstrap(jaxphase.detect.fit_sigmoid, x, accuracy_of_seeds).interval.center

    References:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, ch. 6 and 13.
    """
    key = jax.random.key(0) if key is None else key
    y_repeats = jnp.asarray(y_repeats)
    if y_repeats.ndim < 2:
        raise ValueError(f"y_repeats must have shape [..., repeats, points], got {y_repeats.shape}")
    estimate = detector(x, jnp.nanmean(y_repeats, axis=-2))
    repeats, points = y_repeats.shape[-2:]
    chosen = jax.random.randint(key, (draws, repeats, points), 0, repeats)
    chosen = chosen.reshape(draws, *(1,) * (y_repeats.ndim - 2), repeats, points)
    drawn = jnp.take_along_axis(y_repeats[None], chosen, axis=-2)
    resampled = detector(x, jnp.nanmean(drawn, axis=-2))

    def of_numbers(summary):
        return jax.tree.map(lambda f: summary(f) if f.dtype.kind == "f" else jnp.full(f.shape[1:], jnp.nan), resampled)

    def interval(field):
        return jnp.moveaxis(jnp.nanquantile(field, jnp.array([0.025, 0.975], field.dtype), axis=0), 0, -1)

    def agreement(field, resampled):
        return jnp.full(field.shape, jnp.nan) if field.dtype.kind == "f" else jnp.mean(resampled == field, axis=0)

    return Bootstrap(
        estimate,
        of_numbers(lambda field: jnp.nanstd(field, axis=0, ddof=1)),
        of_numbers(interval),
        jax.tree.map(agreement, estimate, resampled),
    )
