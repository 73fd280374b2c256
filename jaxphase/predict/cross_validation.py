"""The true errors of predicted critical sizes: each level of a factor is predicted from all others."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxphase.errors import InputError
from jaxphase.predict.measurements import FACTORS, Factor, Measurements, standard_errors, subset
from jaxphase.predict.pooling import summarize
from jaxphase.predict.regression import CriticalModel, fit, predictive

PLURAL = {"family": "families", "objective": "objectives", "data": "data sets"}


class GroupErrors(NamedTuple):
    """Errors in predicting each group from the others, in decades.

    Attributes:
        by: The factor whose levels are the groups.
        names: Names of the groups, `[groups]`.
        count: Number of measurements of each, `[groups]`.
        covered: Number of them in their 95 % intervals of prediction, which here include the error of measurement,
            `[groups]`. This and the next two are NaN if too few measurements are left without the group.
        bias: Mean of predicted - measured, `[groups]`.
        rms: Root mean square of predicted - measured, `[groups]`.
        overall: Root of the mean of `rms**2` over groups.
        baseline: The same if the mean log10 critical size of the other groups is the prediction, without any law.
    """

    by: Factor
    names: tuple[str, ...]
    count: Int[np.ndarray, " groups"]
    covered: Float[np.ndarray, " groups"]
    bias: Float[np.ndarray, " groups"]
    rms: Float[np.ndarray, " groups"]
    overall: float
    baseline: float


def leave_one_group_out(model: CriticalModel, by: Factor | None = None) -> GroupErrors:
    """Predict the measurements of each group, as a new group, by a fit to all others.

    A level of another factor that only this group has counts as new too. A covariate outside the range of the others is
    allowed here.

    Args:
        model: From `fit`.
        by: "family", "objective" or "data", by default the first factor that the model is grouped by. If the model is
            not grouped by it, predictions are those of a law without such groups.

    Returns:
        The errors of each group, NaN where too few measurements are left.

    Raises:
        InputError: If there are fewer than three groups, since two must remain.

    Example:
        >>> jaxphase.predict.leave_one_group_out(model, "family").overall
    """
    by = by or next(iter(model.terms.levels))
    if by not in FACTORS:
        raise InputError(f"by is {by!r}: choose from {', '.join(FACTORS)}.")
    measurements = model.measurements
    column, y = np.array(getattr(measurements, by)), np.log10(measurements.critical_size)
    names = tuple(sorted(set(column.tolist())))
    if len(names) < 3:
        listed = ", ".join(filter(None, names)) or "none"
        raise InputError(f"there are {len(names)} {PLURAL[by]} ({listed}): measure three to leave one out.")
    table = []
    for name in names:
        own = column == name
        error, inside = _predict(model, subset(measurements, ~own), subset(measurements, own))
        plain = y[own] - y[~own].mean()
        table.append((own.sum(), inside.sum(), error.mean(), *(np.sqrt(np.mean(x**2)) for x in (error, plain))))
    count, covered, bias, rms, plain = np.array(table, float).T
    known = np.isfinite(rms)
    overall, baseline = (float(np.sqrt(np.mean(x[known] ** 2))) if known.any() else np.nan for x in (rms, plain))
    return GroupErrors(by, names, count.astype(int), covered, bias, rms, overall, baseline)


def _predict(
    model: CriticalModel, others: Measurements, own: Measurements
) -> tuple[Float[np.ndarray, " own"], Float[np.ndarray, " own"] | Bool[np.ndarray, " own"]]:
    """Predicted - measured log10 sizes of `own`, and whether they are in their intervals; NaN if no fit is possible."""
    unknown = np.full(len(own.family), np.nan)
    try:
        fitted = fit(others, prior=model.prior, group_by=tuple(model.terms.levels))
    except InputError:
        return unknown, unknown
    for factor, known in fitted.terms.levels.items():
        if len(known) < 2 and set(getattr(own, factor)) - set(known):
            return unknown, unknown
    mean, variance = predictive(fitted, own._asdict())
    median, interval, _ = summarize(fitted.posterior.weight, mean, variance + standard_errors(own) ** 2)
    y = np.log10(own.critical_size)
    return median - y, (interval[:, 0] <= y) & (y <= interval[:, 1])
