"""Partially pooled linear regression: exact given the standard deviations, which are averaged over on a grid.

    y_i = x_i . b + u_group(i) + v_other(i) + ... + r_i + e_i
    u ~ N(0, t_u^2),  v ~ N(0, t_v^2),  r ~ N(0, s^2),  e_i ~ N(0, se_i^2)

with b flat, for one level of groups or several (families, objectives, ...). Given (t_u, t_v, ..., s), coefficients are
normal with the precision of Henderson's mixed-model equations, and their restricted likelihood (Patterson & Thompson
1971, Biometrika 58, 545) weighs the points of a grid, times half-Cauchy priors (Gelman 2006, Bayesian Analysis 1, 515).
A prediction is the mixture of the normals. With few groups an estimate of t that is put in for t, as by REML, is often
0, and its intervals are too narrow.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

LEAST, MOST = 0.01, 5.0  # of a deviation
NODES, STAGES = 12, 3
TYPICAL, SCATTER = 0.5, 0.2  # the prior medians of the deviations of groups, and of the scatter


class Posterior(NamedTuple):
    """Normals of the q coefficients: weight [g], mean [g, q], covariance [g, q, q], deviations [g, levels + 1] = t, s.

    Coefficients are b, then those of each level of groups, followed by a group that was not measured.
    """

    weight: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    deviations: np.ndarray


def design(fixed: np.ndarray, groups: Sequence, counts: Sequence[int]) -> np.ndarray:
    """Rows [n, q] of the regression, of fixed [n, p] and for each level indices [n] of its groups and their number,
    which is the index of a new one."""
    return np.hstack([fixed, *(np.eye(count + 1)[of] for of, count in zip(groups, counts, strict=True))])


def posterior(rows: np.ndarray, y: np.ndarray, se: np.ndarray, *counts: int) -> Posterior:
    """The posterior of rows [n, q] of `design`, y [n] and its standard errors se [n]; counts: groups of each level.

    One group alone cannot be told from the intercept: its effect is held at zero.
    """
    free = np.array([*(count > 1 for count in counts), True])
    low, high = np.where(free, np.log(LEAST), -7.0), np.where(free, np.log(MOST), -7.0)
    for _ in range(STAGES):
        # The next grid reaches four standard deviations to either side, as far as this one can tell them.
        grids = [np.linspace(*ends, NODES if some else 1) for *ends, some in zip(low, high, free, strict=True)]
        fitted = _on_grid(rows, y, se, counts, [np.exp(grid) for grid in grids])
        logs = np.log(fitted.deviations)
        middle = fitted.weight @ logs
        half = 4 * np.maximum(np.sqrt(fitted.weight @ (logs - middle) ** 2), (high - low) / (2 * NODES))
        low, high = np.maximum(low, middle - half), np.minimum(high, middle + half)
    return fitted


def _on_grid(rows, y, se, counts, grids) -> Posterior:
    """The posterior where the deviations can be those of grids alone, even in the logarithm."""
    deviations = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, len(grids))
    # What depends on the scatter alone, [nodes, ...]; it is the fastest index.
    weight = 1 / (grids[-1][:, None] ** 2 + se**2)
    again = np.tile(np.arange(len(weight)), len(deviations) // len(weight))
    precision, moment = (rows.T * weight[:, None]) @ rows, weight * y @ rows
    effects = np.array(counts, int) + 1
    shrink = np.repeat(deviations[:, :-1] ** -2.0, effects, axis=1)
    shrink = np.pad(shrink, ((0, 0), (rows.shape[1] - effects.sum(), 0)))
    precision = precision[again] + shrink[:, None] * np.eye(rows.shape[1])
    covariance = np.linalg.inv(precision)
    mean = (covariance @ moment[again][..., None])[..., 0]
    misfit = weight[again] * (y - mean @ rows.T) ** 2
    deviance = (
        np.sum(misfit - np.log(weight[again]), axis=1)
        + np.sum(shrink * mean**2, axis=1)
        + 2 * np.log(deviations[:, :-1]) @ effects
        + np.linalg.slogdet(precision)[1]
    )
    typical = np.array([TYPICAL] * len(counts) + [SCATTER])
    prior = np.log(deviations / (1 + (deviations / typical) ** 2)).sum(axis=1)  # of the logarithms
    log_weight = prior - deviance / 2
    share = np.exp(log_weight - log_weight.max())
    kept = share > 1e-6
    return Posterior(share[kept] / share[kept].sum(), mean[kept], covariance[kept], deviations[kept])


def normals(fitted: Posterior, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances [g, m] of rows [m, q] times the coefficients."""
    return fitted.mean @ rows.T, np.sum(rows @ fitted.covariance * rows, axis=-1)


def spread(weight: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median [m], 95 % interval [m, 2] and standard deviation [m] of mixtures of normals [g, m]."""
    middle = weight @ mean
    se = np.sqrt(weight @ (variance + (mean - middle) ** 2))
    median, low, high = (quantile(weight, mean, variance, p) for p in (0.5, 0.025, 0.975))
    return median, np.stack([low, high], axis=-1), se


def of_deviations(fitted: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """Medians [levels + 1] and 95 % intervals [..., 2] of the deviations, to within a step of the grid."""
    ends = []
    for column in fitted.deviations.T:
        values, which = np.unique(column, return_inverse=True)
        weight = np.bincount(which, fitted.weight)
        ends.append(np.exp(np.interp([0.5, 0.025, 0.975], np.cumsum(weight) - weight / 2, np.log(values))))
    ends = np.array(ends)
    return ends[:, 0], ends[:, 1:]


def quantile(weight: np.ndarray, mean: np.ndarray, variance: np.ndarray, p: float) -> np.ndarray:
    """Quantile p of mixtures of normals [g, m], by bisection."""
    sd = np.sqrt(variance)
    low, high = np.min(mean - 5 * sd, axis=0), np.max(mean + 5 * sd, axis=0)
    for _ in range(24):
        middle = (low + high) / 2
        above = weight @ ndtr((middle - mean) / sd) > p
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2
