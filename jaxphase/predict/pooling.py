"""Partially pooled linear regression, exact for given standard deviations, which are averaged over on a grid.

    y_i = x_i . b + u_family(i) + v_objective(i) + ... + r_i + e_i
    u ~ N(0, t_u^2),  v ~ N(0, t_v^2),  r ~ N(0, s^2),  e_i ~ N(0, error_i^2)

The prior of b is flat; there is one random effect (u, v, ...) for each factor. For given (t_u, t_v, ..., s) the
coefficients are normal, with the precision of Henderson's mixed-model equations. Their restricted likelihood (Patterson
& Thompson 1971, Biometrika 58, 545), times half-Cauchy priors (Gelman 2006, Bayesian Analysis 1, 515), is the weight of
each point of a grid, so that a prediction is a mixture of normals. The usual plug-in of one estimate of t, as by REML,
is often 0 if a factor has few levels, and its intervals are then too narrow.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

_LOWEST, _HIGHEST = 0.01, 5.0  # range of a standard deviation
_NODES, _STAGES = 12, 3
_TYPICAL_EFFECT, _TYPICAL_SCATTER = 0.5, 0.2  # prior medians of the standard deviations


class Posterior(NamedTuple):
    """A mixture of normal distributions of the coefficients, one for each point of the grid of standard deviations.

    The coefficients are b, then for each factor the effects of its levels and the effect of a level not yet measured.

    Attributes:
        weight: Weight of each member, `[members]`; the sum is 1.
        mean: Means of the coefficients, `[members, coefficients]`.
        covariance: Their covariances, `[members, coefficients, coefficients]`.
        deviations: Standard deviations of the effects of each factor, then of the scatter, `[members, factors + 1]`.
    """

    weight: Float[np.ndarray, " members"]
    mean: Float[np.ndarray, "members coefficients"]
    covariance: Float[np.ndarray, "members coefficients coefficients"]
    deviations: Float[np.ndarray, "members deviations"]


def posterior(
    design: Float[np.ndarray, "n coefficients"],
    y: Float[np.ndarray, " n"],
    error: Float[np.ndarray, " n"],
    counts: Sequence[int],
) -> Posterior:
    """Fit the regression above.

    Args:
        design: One row of regressors per measurement, ending with the indicators of the levels of each factor, with one
            more level per factor for one that was not measured.
        y: The measurements.
        error: Their standard errors.
        counts: Number of measured levels of each factor. A single level cannot be told apart from the intercept: its
            effect is held at zero.

    Returns:
        The posterior distribution of the coefficients.
    """
    free = np.array([*(count > 1 for count in counts), True])
    low, high = np.where(free, np.log(_LOWEST), -7.0), np.where(free, np.log(_HIGHEST), -7.0)
    nodes = np.where(free, _NODES, 1)
    fitted = _on_grid(design, y, error, counts, low, high, nodes)
    for _ in range(_STAGES - 1):
        # The next grid reaches four standard deviations to either side, as far as this one can resolve them.
        logs = np.log(fitted.deviations)
        middle = fitted.weight @ logs
        half = 4 * np.maximum(np.sqrt(fitted.weight @ (logs - middle) ** 2), (high - low) / (2 * _NODES))
        low, high = np.maximum(low, middle - half), np.minimum(high, middle + half)
        fitted = _on_grid(design, y, error, counts, low, high, nodes)
    return fitted


def project(
    fitted: Posterior, design: Float[np.ndarray, "m coefficients"]
) -> tuple[Float[np.ndarray, "members m"], Float[np.ndarray, "members m"]]:
    """Means and variances of `design @ coefficients` under each member of the posterior."""
    return fitted.mean @ design.T, np.sum(design @ fitted.covariance * design, axis=-1)


def summarize(
    weight: Float[np.ndarray, " members"],
    mean: Float[np.ndarray, "members m"],
    variance: Float[np.ndarray, "members m"],
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m 2"], Float[np.ndarray, " m"]]:
    """Medians, 95 % intervals and standard deviations of mixtures of normals."""
    middle = weight @ mean
    se = np.sqrt(weight @ (variance + (mean - middle) ** 2))
    median, low, high = (quantile(weight, mean, variance, p) for p in (0.5, 0.025, 0.975))
    return median, np.stack([low, high], axis=-1), se


def summarize_deviations(
    fitted: Posterior,
) -> tuple[Float[np.ndarray, " deviations"], Float[np.ndarray, "deviations 2"]]:
    """Medians and 95 % intervals of the standard deviations, to within a step of the grid."""
    rows = []
    for column in fitted.deviations.T:
        values, index = np.unique(column, return_inverse=True)
        weight = np.bincount(index, fitted.weight)
        rows.append(np.exp(np.interp([0.5, 0.025, 0.975], np.cumsum(weight) - weight / 2, np.log(values))))
    table = np.array(rows)
    return table[:, 0], table[:, 1:]


def quantile(
    weight: Float[np.ndarray, " members"],
    mean: Float[np.ndarray, "members #m"],
    variance: Float[np.ndarray, "members #m"],
    p: float,
) -> Float[np.ndarray, " m"]:
    """Quantiles of mixtures of normals at probability p, by bisection."""
    sd = np.sqrt(variance)
    low, high = np.min(mean - 5 * sd, axis=0), np.max(mean + 5 * sd, axis=0)
    for _ in range(24):
        middle = (low + high) / 2
        above = weight @ ndtr((middle - mean) / sd) > p
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def _on_grid(
    design: Float[np.ndarray, "n coefficients"],
    y: Float[np.ndarray, " n"],
    error: Float[np.ndarray, " n"],
    counts: Sequence[int],
    low: Float[np.ndarray, " deviations"],
    high: Float[np.ndarray, " deviations"],
    nodes: Sequence[int] | np.ndarray,
) -> Posterior:
    """The posterior on a grid of standard deviations, even in their logarithms between `low` and `high`."""
    grids = [np.exp(np.linspace(*ends)) for ends in zip(low, high, nodes, strict=True)]
    deviations = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, len(grids))
    # Sums over the measurements depend on the scatter alone, which is the fastest index of the grid.
    weight = 1 / (grids[-1][:, None] ** 2 + error**2)
    scatter = np.tile(np.arange(len(weight)), len(deviations) // len(weight))
    precision, moment = (design.T * weight[:, None]) @ design, weight * y @ design
    effects = np.array(counts, int) + 1
    shrink = np.repeat(deviations[:, :-1] ** -2.0, effects, axis=1)
    shrink = np.pad(shrink, ((0, 0), (design.shape[1] - effects.sum(), 0)))
    precision = precision[scatter] + shrink[:, None] * np.eye(design.shape[1])
    covariance = np.linalg.inv(precision)
    mean = (covariance @ moment[scatter][..., None])[..., 0]
    squares = weight[scatter] * (y - mean @ design.T) ** 2
    deviance = (
        np.sum(squares - np.log(weight[scatter]), axis=1)
        + np.sum(shrink * mean**2, axis=1)
        + 2 * np.log(deviations[:, :-1]) @ effects
        + np.linalg.slogdet(precision)[1]
    )
    typical = np.array([_TYPICAL_EFFECT] * len(counts) + [_TYPICAL_SCATTER])
    # Half-Cauchy densities of the logarithms of the standard deviations.
    log_prior = np.log(deviations / (1 + (deviations / typical) ** 2)).sum(axis=1)
    log_weight = log_prior - deviance / 2
    share = np.exp(log_weight - log_weight.max())
    kept = share > 1e-6
    return Posterior(share[kept] / share[kept].sum(), mean[kept], covariance[kept], deviations[kept])
