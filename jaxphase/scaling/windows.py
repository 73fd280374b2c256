"""A collapse fitted to parts of the data: narrower windows of the control, without the smallest sizes, with new noise.

Far from the critical point and at small sizes there are corrections to scaling, so a fit of all points has small
statistical errors about a biased answer. Therefore the answers of all parts are averaged with weights of
exp(-AIC / 2), where every point left out costs two units of chi-squared (Jay & Neil 2021, Phys. Rev. D 103, 114502).
The systematic error is the scatter of these answers and the shift of the answer without the smallest sizes.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import ArrayLike, Float, Int, PyTree, Shaped

from jaxphase.scaling import master_curve
from jaxphase.scaling.master_curve import Fit, Numbers, Rows, Theta

FRACTIONS = (1.0, 0.6, 0.35, 0.2)  # of the range of x
DROPPED = (0, 1, 2)  # smallest sizes
AT_ONCE = len(FRACTIONS) * len(DROPPED)  # fits
NEAR_ENOUGH = 1e-3  # for fits to new noise: the last step begins at most 0.03 standard errors from the optimum
MARGIN = 1.3  # the reach of the master curve over the range of x
LEAST_SIZES = 3
LEAST_POINTS = 12  # of a window


class Windows(NamedTuple):
    """The fits whose average is the answer of a collapse.

    Attributes:
        fraction: Part of the range of x that was fitted, `[windows]`.
        dropped: How many of the smallest sizes were left out, `[windows]`.
        points: Number of points that remained, `[windows]`.
        critical: Critical control, `[windows]`.
        critical_se: Its standard error, `[windows]`.
        inverse_nu: 1/nu, `[windows]`.
        inverse_nu_se: Its standard error, `[windows]`.
        exponent: Exponent of each observable, `[windows, observables]`.
        exponent_se: Its standard error, `[windows, observables]`.
        chi2: Chi-squared in units of the measured errors, `[windows]`.
        dof: Its degrees of freedom, `[windows]`.
        weight: Weight of the fit in the average, `[windows]`; they sum to one.
    """

    fraction: Float[np.ndarray, " windows"]
    dropped: Int[np.ndarray, " windows"]
    points: Int[np.ndarray, " windows"]
    critical: Float[np.ndarray, " windows"]
    critical_se: Float[np.ndarray, " windows"]
    inverse_nu: Float[np.ndarray, " windows"]
    inverse_nu_se: Float[np.ndarray, " windows"]
    exponent: Float[np.ndarray, "windows observables"]
    exponent_se: Float[np.ndarray, "windows observables"]
    chi2: Float[np.ndarray, " windows"]
    dof: Float[np.ndarray, " windows"]
    weight: Float[np.ndarray, " windows"]


def fit_many(
    begun: Theta,
    free: tuple[int, ...],
    rows: Rows,
    inside: Float[np.ndarray, "fits observables n"],
    near: float = master_curve.ARRIVED,
) -> Fit:
    """Fit a collapse many times at once, each time to different points or values.

    Args:
        begun: Where the parameters of each fit start, `[fits, ...]`.
        free: Places of the parameters that are fitted; see `master_curve.fit`.
        rows: The points, `[observables, n]`; the values may have a leading axis of fits.
        inside: 1 for the points that enter each fit, else 0.
        near: When a fit has arrived; see `master_curve.fit`.

    Returns:
        The fits as NumPy arrays, `[fits, ...]`. A small number of fits is padded, so that all use one program.
    """
    count, devices = len(inside), jax.local_device_count()
    fits = -(-max(count, AT_ONCE) // devices) * devices
    value = np.broadcast_to(rows.value, inside.shape)
    begun, inside, value = jax.tree.map(
        lambda leaf: np.concatenate([leaf, repeated(leaf[0], fits - count)]), (begun, inside, value)
    )
    x = _scaled(begun.critical[:, None, None], begun.inverse_nu[:, None, None], rows)
    reach = MARGIN * np.max(np.abs(x) * inside, axis=(1, 2))
    result = _program(free, near)(begun, inside, value, reach, rows)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], result)


def _scaled(critical: ArrayLike, inverse_nu: ArrayLike, rows: Rows) -> Float[np.ndarray, "*fits observables n"]:
    """x = (g - critical) L**inverse_nu on the host."""
    return np.asarray(rows.control - critical) * np.exp(inverse_nu * rows.log_size)


@functools.cache
def _program(free: tuple[int, ...], near: float) -> Callable[..., Fit]:
    """Many fits at once, over the devices; on a CPU the first level of optimization compiles in half the time."""
    options = {"xla_backend_optimization_level": 1} if jax.default_backend() == "cpu" else {}

    def fit(begun, inside, value, reach, rows):
        return master_curve.fit(begun, rows._replace(weight=inside, value=value), reach, free=free, near=near)

    fits = jax.P("fits")
    mesh = jax.sharding.Mesh(np.array(jax.local_devices()), ("fits",))
    many = jax.vmap(fit, (0, 0, 0, 0, None))
    many = jax.shard_map(many, mesh=mesh, in_specs=(*[fits] * 4, jax.P()), out_specs=fits, check_vma=False)
    return jax.jit(many, compiler_options=options)


def repeated(leaves: PyTree[Shaped[Numbers | np.number, "..."]], count: int) -> Any:
    """Copies of arrays [...], stacked as [count, ...]."""
    return jax.tree.map(lambda leaf: np.repeat(leaf[None], count, axis=0), leaves)


def over_windows(
    theta: Theta, free: tuple[int, ...], rows: Rows
) -> tuple[Windows, Float[np.ndarray, "windows p p"], Fit]:
    """The fits within parts of the range of x and without the smallest sizes, their covariances, and the fits whole."""
    x, present = np.abs(_scaled(theta.critical, theta.inverse_nu, rows)), np.asarray(rows.weight > 0)
    log_size = np.asarray(rows.log_size)
    reach, sizes, chosen = x[present].max(), np.unique(log_size[present]), []
    for fraction in FRACTIONS:
        for dropped in DROPPED:
            inside = present & (x <= fraction * reach) & (log_size >= sizes[min(dropped, len(sizes) - 1)])
            if len(np.unique(log_size[inside])) >= LEAST_SIZES and inside.sum() >= LEAST_POINTS:
                chosen.append((fraction, dropped, inside))
    fraction, dropped, inside = (np.array(column) for column in zip(*chosen, strict=True))
    fits = fit_many(repeated(theta, len(inside)), free, rows, inside.astype(float))

    critical, inverse_nu, exponent = map(np.asarray, (*fits.theta[:2], fits.theta.curve.exponent))
    chi2, dof, covariance = map(np.asarray, (fits.chi2, fits.dof, fits.covariance))
    points, main = inside.sum(axis=(1, 2)), slice(2 + exponent.shape[1])
    covariance = covariance[:, main, main]
    deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    aic = chi2 + 2 * (points - dof) + 2 * (present.sum() - points)
    aic = np.where(np.isfinite(deviation).all(1) & np.isfinite(aic) & (dof > 1), aic, np.inf)
    weight = np.exp(-(aic - aic.min()) / 2) if np.isfinite(aic).any() else np.zeros(len(aic))
    table = Windows(
        fraction=fraction,
        dropped=dropped,
        points=points,
        critical=critical,
        critical_se=deviation[:, 0],
        inverse_nu=inverse_nu,
        inverse_nu_se=deviation[:, 1],
        exponent=exponent,
        exponent_se=deviation[:, 2:],
        chi2=chi2,
        dof=dof,
        weight=weight / max(weight.sum(), 1e-300),
    )
    return table, covariance, fits


def resampled(
    of: Fit, free: tuple[int, ...], rows: Rows, resamples: int, random: np.random.Generator
) -> Float[np.ndarray, "p p"]:
    """Covariance of fits to a master curve with new noise, whose size is that of errors and jitter together."""
    noise = np.sqrt(rows.error**2 + np.exp(2 * of.theta.curve.log_jitter)[:, None])
    value = rows.value - of.residual + noise * random.standard_normal((resamples, *rows.value.shape))
    inside = repeated(rows.weight * (of.residual != 0), resamples)
    # The remaining distance to the optimum is small compared with the scatter that is asked for.
    theta = fit_many(repeated(of.theta, resamples), free, rows._replace(value=value), inside, NEAR_ENOUGH).theta
    return np.cov(np.column_stack([theta.critical, theta.inverse_nu, theta.curve.exponent]).T)


def drift(
    answers: Float[np.ndarray, "windows p"],
    covariances: Float[np.ndarray, "windows p p"],
    windows: Windows,
    mean: Float[np.ndarray, " p"],
    sizes: Float[np.ndarray, " sizes"],
) -> Float[np.ndarray, "p p"]:
    """Covariance for the shift of the answer without the smallest sizes, as far as the shift is not chance.

    The exponents can take up a correction to scaling without a worse fit, but then they shift. A correction that falls
    as 1 / L shifts them by the share 1 - L / L' of their error if L' is the smallest size left. By chance, answers of
    part of the data and of all data differ with a variance that is the difference of their variances (Hausman 1978,
    Econometrica 46, 1251). The square of the shift less this variance is thus an unbiased estimate of the squared
    error. For each parameter the part of the data with the least chance variance counts.
    """
    whole = np.flatnonzero((windows.fraction == 1) & (windows.dropped == 0))
    parts = np.flatnonzero((windows.fraction == 1) & (windows.dropped > 0) & np.isfinite(covariances).all(axis=(1, 2)))
    if not len(whole) or not len(parts):
        return np.zeros((len(mean), len(mean)))
    share = 1 - sizes[0] / sizes[windows.dropped[parts]][:, None]
    shift = (answers[parts] - mean) / share
    of_parts = np.diagonal(covariances[parts], axis1=1, axis2=2)
    # The variance of the whole may exceed that of a part, or be unknown; a part's own noise is at least its share.
    chance = np.fmax(of_parts - np.diag(covariances[whole[0]]), share * of_parts) / share**2
    best = np.argmin(chance, axis=0), np.arange(len(mean))
    return np.diag(np.maximum(shift[best] ** 2 - chance[best], 0))
