"""The true errors of predicted critical sizes: every group predicted from all others."""

from typing import NamedTuple

import numpy as np

from jaxphase.errors import InputError

from .critical import CriticalModel, Group, fit, predictive
from .measurements import GROUPS, Measurements, standard_errors, subset
from .pooling import spread

PLURAL = {"family": "families", "objective": "objectives", "data": "data sets"}


class GroupErrors(NamedTuple):
    """Errors in predicting each group from the others, in decades: mean and root mean square of predicted - measured.

    by: what the groups are; names: theirs. covered: how many of the `count` measurements lie in their 95 % intervals of
    prediction, their errors of measurement included. NaN for a group without which too few measurements are left.
    overall: the root of the mean over groups of rms**2; baseline: the same for predicting the mean of the other groups'
    log10 critical sizes, without any law.
    """

    by: Group
    names: tuple[str, ...]
    count: np.ndarray
    covered: np.ndarray
    bias: np.ndarray
    rms: np.ndarray
    overall: float
    baseline: float


def leave_one_group_out(model: CriticalModel, by: Group | None = None) -> GroupErrors:
    """How well each group's measurements are predicted by a fit to all others, as of a new one.

    by: "family", "objective" or "data", by default the first that the model is grouped by. If it is grouped by others
    only, predictions are those of a law without such groups. InputError for fewer than three groups, as the others must
    be two. A name of another level that only this group has is predicted as a new one too; a number outside those of
    the others is not refused here.
    """
    by = by or next(iter(model.terms.levels))
    if by not in GROUPS:
        raise InputError(f"by is {by!r}: choose from {', '.join(GROUPS)}.")
    data = model.measurements
    column, y = np.array(getattr(data, by)), np.log10(data.critical_size)
    names = tuple(sorted(set(column.tolist())))
    if len(names) < 3:
        listed = ", ".join(filter(None, names)) or "none"
        raise InputError(f"there are {len(names)} {PLURAL[by]} ({listed}): measure three to leave one out.")
    table = []
    for name in names:
        own = column == name
        error, inside = _predicted(model, subset(data, ~own), subset(data, own))
        plain = y[own] - y[~own].mean()
        table.append((own.sum(), inside.sum(), error.mean(), *(np.sqrt(np.mean(x**2)) for x in (error, plain))))
    count, covered, bias, rms, plain = np.array(table, float).T
    known = np.isfinite(rms)
    overall, baseline = (float(np.sqrt(np.mean(x[known] ** 2))) if known.any() else np.nan for x in (rms, plain))
    return GroupErrors(by, names, count.astype(int), covered, bias, rms, overall, baseline)


def leave_one_family_out(model: CriticalModel) -> GroupErrors:
    """`leave_one_group_out` by family."""
    return leave_one_group_out(model, "family")


def _predicted(model: CriticalModel, others: Measurements, own: Measurements) -> tuple[np.ndarray, np.ndarray]:
    """Predicted - measured log10 sizes of `own`, and whether they are in their intervals; NaN where there are none."""
    nothing = np.full((2, len(own.family)), np.nan)
    try:
        fitted = fit(others, prior=model.prior, group_by=tuple(model.terms.levels))
    except InputError:
        return tuple(nothing)
    for level, known in fitted.terms.levels.items():
        if len(known) < 2 and set(getattr(own, level)) - set(known):
            return tuple(nothing)
    mean, variance = predictive(fitted, own._asdict())
    middle, ends, _ = spread(fitted.posterior.weight, mean, variance + standard_errors(own) ** 2)
    y = np.log10(own.critical_size)
    return middle - y, (ends[:, 0] <= y) & (y <= ends[:, 1])
