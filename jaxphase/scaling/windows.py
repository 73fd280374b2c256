"""A collapse fitted to parts of the data: narrower windows of the control, without the smallest sizes, with new noise.

The fit of all points has small statistical errors about a wrong place, since far from the critical point and at small
sizes there are corrections to scaling. So the answers of all parts are averaged with weights of exp(-AIC / 2), where
every point left out costs as much as two units of chi-squared (Jay & Neil 2021, Phys. Rev. D 103, 114502). Their
scatter, and what the answer moves by without the smallest sizes, is the systematic error.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np

from jaxphase.scaling import master

FRACTIONS = (1.0, 0.6, 0.35, 0.2)  # of the range of x
DROPPED = (0, 1, 2)  # smallest sizes
AT_ONCE = len(FRACTIONS) * len(DROPPED)  # fits
NEAR_ENOUGH = 1e-3  # of a fit to new noise: its last step begins .03 standard errors from the optimum, if not less
MARGIN = 1.3  # the master curve is written on this much more than the range of x
LEAST_SIZES = 3
LEAST_POINTS = 12  # of a window


class Windows(NamedTuple):
    """The fits that an answer is averaged over, every field [windows]: which part of the range of x and how many of the
    smallest sizes were left out, the points that remained, what came out, and its weight in the average."""

    fraction: np.ndarray
    dropped: np.ndarray
    points: np.ndarray
    critical: np.ndarray
    critical_se: np.ndarray
    inverse_nu: np.ndarray
    inverse_nu_se: np.ndarray
    exponent: np.ndarray  # [windows, observables]
    exponent_se: np.ndarray
    chi2: np.ndarray
    dof: np.ndarray
    weight: np.ndarray


def fit_many(
    begun: master.Theta, free: tuple[int, ...], rows: master.Rows, inside: np.ndarray, near: float = master.ARRIVED
) -> master.Fit:
    """Fits from several starts [fits, ...] of the points that are 1 in `inside` [fits, observables, points], as NumPy
    arrays; values may be others in each fit. Few are filled up to one number, for one program."""
    count, devices = len(inside), jax.local_device_count()
    fits = -(-max(count, AT_ONCE) // devices) * devices
    value = np.broadcast_to(rows.value, inside.shape)
    begun, inside, value = jax.tree.map(
        lambda leaf: np.concatenate([leaf, repeated(leaf[0], fits - count)]), (begun, inside, value)
    )
    x = _scaled(*(leaf[:, None, None] for leaf in (begun.critical, begun.inverse_nu)), rows)
    reach = MARGIN * np.max(np.abs(x) * inside, axis=(1, 2))
    result = _program(free, near)(begun, rows._replace(weight=inside, value=value), reach)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], result)


def _scaled(critical: np.ndarray, inverse_nu: np.ndarray, rows: master.Rows) -> np.ndarray:
    return (rows.control - critical) * np.exp(inverse_nu * rows.log_size)


@functools.cache
def _program(free: tuple[int, ...], near: float):
    """Many fits at once, over the devices; on a CPU the first level of optimisation compiles in half the time."""
    options = {"xla_backend_optimization_level": 1} if jax.default_backend() == "cpu" else {}
    each = 0, master.Rows(None, None, value=0, error=None, weight=0), 0
    fits, all_of = jax.P("fits"), jax.P()
    spread = fits, master.Rows(all_of, all_of, value=fits, error=all_of, weight=fits), fits
    many = jax.vmap(functools.partial(master.fit, free=free, near=near), each)
    mesh = jax.sharding.Mesh(np.array(jax.local_devices()), ("fits",))
    many = jax.shard_map(many, mesh=mesh, in_specs=spread, out_specs=fits, check_vma=False)
    return jax.jit(many, compiler_options=options)


def repeated(leaves, count: int):
    """Arrays [...] so many times, [count, ...]."""
    return jax.tree.map(lambda leaf: np.repeat(leaf[None], count, axis=0), leaves)


def over_windows(
    theta: master.Theta, free: tuple[int, ...], rows: master.Rows
) -> tuple[Windows, np.ndarray, master.Fit]:
    """The fits within parts of the range of x and without the smallest sizes, and their covariances [windows, p, p]."""
    x, present = np.abs(_scaled(theta.critical, theta.inverse_nu, rows)), rows.weight > 0
    reach, sizes, chosen = x[present].max(), np.unique(rows.log_size[present]), []
    for fraction in FRACTIONS:
        for dropped in DROPPED:
            inside = present & (x <= fraction * reach) & (rows.log_size >= sizes[min(dropped, len(sizes) - 1)])
            if len(np.unique(rows.log_size[inside])) >= LEAST_SIZES and inside.sum() >= LEAST_POINTS:
                chosen.append((fraction, dropped, inside))
    fraction, dropped, inside = (np.array(column) for column in zip(*chosen, strict=True))
    fits = fit_many(repeated(theta, len(inside)), free, rows, inside.astype(float))

    exponent, points = fits.theta.curve.exponent, inside.sum(axis=(1, 2))
    main = slice(2 + exponent.shape[1])
    covariance = fits.covariance[:, main, main]
    deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    aic = fits.chi2 + 2 * (points - fits.dof) + 2 * (present.sum() - points)
    aic = np.where(np.isfinite(deviation).all(1) & np.isfinite(aic) & (fits.dof > 1), aic, np.inf)
    weight = np.exp(-(aic - aic.min()) / 2) if np.isfinite(aic).any() else np.zeros(len(aic))
    table = Windows(
        fraction,
        dropped,
        points,
        fits.theta.critical,
        deviation[:, 0],
        fits.theta.inverse_nu,
        deviation[:, 1],
        exponent,
        deviation[:, 2:],
        fits.chi2,
        fits.dof,
        weight / max(weight.sum(), 1e-300),
    )
    return table, covariance, fits


def resampled(of: master.Fit, free: tuple[int, ...], rows: master.Rows, resamples: int, rng) -> np.ndarray:
    """Covariance [p, p] of fits of a master curve with new noise on it, of the size of errors and jitter together."""
    noise = np.sqrt(rows.error**2 + np.exp(2 * of.theta.curve.log_jitter)[:, None])
    value = rows.value - of.residual + noise * rng.standard_normal((resamples, *rows.value.shape))
    inside = repeated(rows.weight * (of.residual != 0), resamples)
    # What is left of the way is small beside the scatter that is asked for.
    theta = fit_many(repeated(of.theta, resamples), free, rows._replace(value=value), inside, NEAR_ENOUGH).theta
    return np.cov(np.column_stack([theta.critical, theta.inverse_nu, theta.curve.exponent]).T)


def drift(
    answers: np.ndarray, covariances: np.ndarray, windows: Windows, mean: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Covariance that accounts for what the answer moves by without the smallest sizes, as far as that is not chance.

    A correction to scaling need not spoil the fit, as the exponents can take it up; but then they move. One that falls
    as 1 / L moves them by the share 1 - L / L' of their error when L' is the smallest size that is left. By chance
    answers of part of the data and of all differ by the difference of their variances (Hausman 1978, Econometrica 46,
    1251), so that the square of the move less that is an unbiased estimate of the error's square. The part that tells
    most counts.
    """
    whole = np.flatnonzero((windows.fraction == 1) & (windows.dropped == 0))
    parts = np.flatnonzero((windows.fraction == 1) & (windows.dropped > 0) & np.isfinite(covariances).all(axis=(1, 2)))
    if not len(whole) or not len(parts):
        return np.zeros((len(mean), len(mean)))
    share = 1 - sizes[0] / sizes[windows.dropped[parts]][:, None]
    moved = (answers[parts] - mean) / share
    of_parts = np.diagonal(covariances[parts], axis1=1, axis2=2)
    # Variances may come in the wrong order, or the whole have none; a part's own noise is at least its share.
    chance = np.fmax(of_parts - np.diag(covariances[whole[0]]), share * of_parts) / share**2
    best = np.argmin(chance, axis=0), np.arange(len(mean))
    return np.diag(np.maximum(moved[best] ** 2 - chance[best], 0))
