"""Is there a change at all, over a whole batch of curves, and how sure are we?"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .batched import curve_detector, once_per_grid
from .breaks import break_gains, break_set, design
from .distributions import share_above
from .least_squares import axis_unit, standard_values
from .points import count, pool_repeats
from .status import NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

# Andrews (1993): a break is looked for in the middle 70 % of the points.
_TRIM = 0.15


class ChangeTest(NamedTuple):
    """sup-F statistic, its p-value, where the change is and its 95 % interval `[..., 2]`."""

    statistic: jax.Array
    p_value: jax.Array
    location: jax.Array
    interval: jax.Array
    status: jax.Array


class Bootstrap(NamedTuple):
    """A detector's answer for all seeds, and over resamples of the seeds the standard deviation and the 95 % interval
    `[..., 2]` of its fields and, for integer fields, the share that gives the same integer. All four have its fields.
    """

    estimate: Any
    standard_error: Any
    interval: Any
    agreement: Any


def change_test(x, y, *, weight=None, change="slope", null="iid", key=None, draws=None) -> ChangeTest:
    """Test for one change at an unknown x, with a p-value that is right for few points.

    change="mean": two levels against one. change="slope": a continuous line with one kink against a straight one.
    The statistic is the largest F over the possible places (Andrews 1993, Econometrica 61, 821; Hansen 1996, ibid. 64,
    413), whose distribution for Gaussian noise depends on x and weight alone, so it is simulated once for all curves
    on one set of x.
    null="iid": independent noise, exact whatever n is. null="ar1": noise with the autocorrelation of the residuals
    about the best change, corrected for its bias (Kendall 1954, Biometrika 41, 403) and never taken as negative; points
    of one x are first averaged. Its test at 0.05 has size 0.035 to 0.066 at n = 200, and up to 0.14 at n = 20.

    x, y, weight: `[..., n]`. key: a `jax.random` key, `key(0)` if None, so that equal calls give equal answers. draws:
    number of simulated curves, 9,999 (iid) or 499 (ar1) if None; p_value is at least 1 / (draws + 1).
    interval: the places that cannot be rejected, by Hansen (2000, Econometrica 68, 575) for a level, by the profile F
    for a kink; both suppose independent noise. status 2: y is constant, or a straight line if a kink is asked for; NaN.
    status 3: too few points for any break, NaN.
    """
    key = jax.random.key(0) if key is None else key
    draws = {"iid": 9999, "ar1": 499}.get(null) if draws is None else draws
    return _change_test(x, y, weight=weight, change=change, null=null, key=key, draws=draws)


@curve_detector(static=("change", "null", "draws"), choices={"change": ("mean", "slope"), "null": ("iid", "ar1")})
def _change_test(x, y, weight, *, change, null, key, draws):
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
            ((dof < 2) | ~jnp.any(breaks.possible), TOO_FEW_POINTS),
            (total <= len(u) * jnp.square(32 * jnp.finfo(u.dtype).eps), NOT_IDENTIFIED),
        ),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def _least(weight):
    return jnp.maximum(2, jnp.ceil(_TRIM * count(weight)))


def _largest_f(total, gain, dof):
    """F of the best break: gain in the sum of squares over the variance that is left."""
    return gain / jnp.maximum(total - gain, jnp.finfo(total.dtype).tiny) * jnp.maximum(dof, 1)


def _autocorrelation_of(residual, weight, parameters):
    """Lag-one autocorrelation of the noise; each parameter of the fitted mean has pulled it down by (1 + 3 phi) / n."""
    n = count(weight)
    raw = jnp.sum(residual[1:] * residual[:-1]) / jnp.maximum(jnp.sum(jnp.square(residual)), 1e-30)
    return jnp.clip((n * raw + parameters) / jnp.maximum(n - 3 * parameters, 1), 0, 0.97)


def benjamini_hochberg(p, rate=0.05):
    """Which p-values `[...]` to call discoveries so that at most the share `rate` of them is expected to be false.

    All entries are one family; NaN is no test and never a discovery. Benjamini & Hochberg (1995, J. R. Stat. Soc. B
    57, 289).
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must be between 0 and 1, got {rate}")
    p = jnp.asarray(p)
    ordered = jnp.sort(p.ravel())
    tests = jnp.sum(~jnp.isnan(ordered))
    passes = ordered <= rate * jnp.arange(1, p.size + 1) / jnp.maximum(tests, 1)
    return p <= jnp.max(jnp.where(passes, ordered, -jnp.inf), initial=-jnp.inf)


def bootstrap(detector, x, y_repeats, key, n=200) -> Bootstrap:
    """How a detector's answer varies with the seeds: `detector(x, y)` on means over seeds drawn anew at each x.

    detector: a function of (x, y) from this package, or any other with a NamedTuple of arrays as its answer, options
    bound by `functools.partial`; x `[..., points]`; y_repeats `[..., repeats, points]`, seeds that are not finite are
    left out. n: number of resamples. Resamples in which a field is NaN are left out of that field; a field without
    two finite ones is NaN. Efron & Tibshirani (1993), ch. 6 and 13.
    """
    y_repeats = jnp.asarray(y_repeats)
    if y_repeats.ndim < 2:
        raise ValueError(f"y_repeats must have shape [..., repeats, points], got {y_repeats.shape}")
    estimate = detector(x, jnp.nanmean(y_repeats, axis=-2))
    repeats, points = y_repeats.shape[-2:]
    chosen = jax.random.randint(key, (n, repeats, points), 0, repeats)
    chosen = chosen.reshape(n, *(1,) * (y_repeats.ndim - 2), repeats, points)
    drawn = jnp.take_along_axis(y_repeats[None], chosen, axis=-2)
    resampled = detector(x, jnp.nanmean(drawn, axis=-2))

    def of_numbers(summary):
        return jax.tree.map(lambda f: summary(f) if f.dtype.kind == "f" else jnp.full(f.shape[1:], jnp.nan), resampled)

    def interval(field):
        return jnp.moveaxis(jnp.nanquantile(field, jnp.array([0.025, 0.975], field.dtype), axis=0), 0, -1)

    def agreement(field, draws):
        return jnp.full(field.shape, jnp.nan) if field.dtype.kind == "f" else jnp.mean(draws == field, axis=0)

    return Bootstrap(
        estimate,
        of_numbers(lambda field: jnp.nanstd(field, axis=0, ddof=1)),
        of_numbers(interval),
        jax.tree.map(agreement, estimate, resampled),
    )
