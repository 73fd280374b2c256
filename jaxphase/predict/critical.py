"""Critical sizes that were not measured, from those that were: a partially pooled regression with honest intervals.

    log10 N_c = intercept + a log10 D + c log10 H + family + objective + scatter + error of measurement

D is the data size and H the complexity of the data in bits a number; of a critical data size N is that of the data and
D the size of the model, and a critical time of training may depend on all three. Effects of families and objectives, or
of data, are normal with spreads that the measurements tell, as is the scatter of a measurement about the law; the error
of each measurement is that of its own 95 % interval. Exponents are taken to be those of all families: where they are
not, the scatter grows.
See `pooling` for how it is fitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from jaxphase.errors import InputError

from .measurements import GROUPS, Along, Measurements, standard_errors, words_of
from .pooling import Posterior, normals, of_deviations, posterior, spread
from .terms import Terms, check_name, check_number, columns_of, rows_of, terms_of

PRIORS = ("none", "article")
Group = Literal["family", "objective", "data"]


class Effects(NamedTuple):
    """Deviations of groups [k] in decades from the mean of those measured, standard errors, intervals [k, 2]."""

    value: np.ndarray
    se: np.ndarray
    interval: np.ndarray


@dataclass(frozen=True)
class CriticalModel:
    """What `fit` found, in decades of critical size, with intervals `[..., 2]` of 95 %; effects by name of `terms`.

    exponents [k] are d log10 N_c / d log10 of each covariate. effects, by the levels of groups, are deviations from the
    mean of those measured, and where prior is "article" of what its table leaves; family_effects and objective_effects,
    each with _se and _interval, are short for those. deviations are the standard deviations of the groups of each level
    (NaN where there is one alone), and of the scatter about the law: posterior medians.
    """

    terms: Terms
    exponents: np.ndarray
    exponents_se: np.ndarray
    exponents_interval: np.ndarray
    effects: Mapping[str, Effects]
    deviations: np.ndarray
    deviations_interval: np.ndarray
    prior: str
    measurements: Measurements = field(repr=False)
    posterior: Posterior = field(repr=False)

    family_effects = property(lambda self: self._of("family").value)
    family_effects_se = property(lambda self: self._of("family").se)
    family_effects_interval = property(lambda self: self._of("family").interval)
    objective_effects = property(lambda self: self._of("objective").value)
    objective_effects_se = property(lambda self: self._of("objective").se)
    objective_effects_interval = property(lambda self: self._of("objective").interval)

    def _of(self, level: str) -> Effects:
        return self.effects.get(level, Effects(np.empty(0), np.empty(0), np.empty((0, 2))))


class Prediction(NamedTuple):
    """The critical size of a condition, the median, and its 95 % interval of prediction `[..., 2]`, in `unit`.

    The interval is for the critical size itself, as measured without error. decades_se is the standard deviation of
    its log10. name: what it is called; along: of what it is a size (see `Measurements`).
    """

    size: np.ndarray
    interval: np.ndarray
    decades_se: np.ndarray
    family: str | None
    objective: str | None
    data_size: float | np.ndarray | None
    data_complexity: float | np.ndarray | None
    new_family: bool
    new_objective: bool
    prior: str
    model_size: float | np.ndarray | None = None
    data: str | None = None
    new_data: bool = False
    along: Along = "model"
    name: str = "critical size"
    unit: str = "parameters"


def fit(
    measurements: Measurements,
    *,
    prior: Literal["none", "article"] = "none",
    group_by: Group | Sequence[Group] = ("family", "objective"),
) -> CriticalModel:
    """The regression above, for measurements of `read_measurements` or `measured`.

    An exponent is fitted for data_size, data_complexity and model_size where it varies by more than a factor of 1.1.
    Needs three measurements more than coefficients (intercept and exponents); InputError for fewer, where a number is
    known of some measurements only, and where numbers always change together.

    group_by: the levels of groups that have effects, one or several of "family", "objective" and "data". What is left
    out of them is no part of the law, and adds to the scatter where it matters.

    prior="article" centers families, objectives and complexity on the source article's table, which was typed in there
    and rests on no measurement: `base * factor` of a family (1e7 for one it does not name), factor of the objective (1
    for others) and `1 + 0.5 log10(complexity) / 7`. The level is still that of the measurements, and how far families
    stray from the table is estimated; the model and all its predictions carry the name of the prior. It is of critical
    model sizes by family and objective only.
    """
    levels = _levels(group_by)
    if prior not in PRIORS:
        raise InputError(f"prior is {prior!r}: choose from {', '.join(PRIORS)}.")
    if prior == "article" and (measurements.along != "model" or not {"family", "objective"} <= set(levels)):
        raise InputError("prior is 'article', which is of model sizes by family and objective: leave it out.")
    terms, columns = terms_of(measurements, levels), measurements._asdict()
    rows, offset = rows_of(terms, columns, prior)
    y = np.log10(measurements.critical_size) - offset
    fitted = posterior(rows, y, standard_errors(measurements), *terms.counts)
    ends = 1 + len(terms.covariates) + np.cumsum([0, *(count + 1 for count in terms.counts)])
    parts = [slice(start, start + count) for start, count in zip(ends, terms.counts, strict=False)]
    contrasts = np.eye(rows.shape[1])
    for part, count in zip(parts, terms.counts, strict=True):
        # The mean of a population is told less well than how its members differ; one alone is held at zero.
        contrasts[part, part] -= (count > 1) / count
    middle, reach, se = spread(fitted.weight, *normals(fitted, contrasts))
    (deviations, deviations_interval), alone = of_deviations(fitted), np.array([*terms.counts, 0]) == 1
    exponents = slice(1, ends[0])
    return CriticalModel(
        terms,
        *(found[exponents] for found in (middle, se, reach)),
        {level: Effects(middle[part], se[part], reach[part]) for level, part in zip(levels, parts, strict=True)},
        np.where(alone, np.nan, deviations),
        np.where(alone[:, None], np.nan, deviations_interval),
        prior,
        measurements,
        fitted,
    )


def critical_size(
    model: CriticalModel,
    *,
    family: str | None = None,
    objective: str | None = None,
    data: str | None = None,
    data_complexity: float | None = None,
    data_size: float | None = None,
    model_size: float | None = None,
    new_family: bool = False,
    new_objective: bool = False,
    new_data: bool = False,
    beyond: float = 2.0,
) -> Prediction:
    """The critical size expected of a condition, and the interval in which 95 % of such conditions have theirs.

    family, objective and data are needed as far as the model is grouped by them. data_size, data_complexity and
    model_size may be arrays that broadcast. They may lie outside the range of the measurements by a factor of `beyond`,
    or of 1.1 where no exponent was fitted, and may be left out where no measurement has them. A name that was not
    measured is refused unless new_family, new_objective or new_data says that it is new: it is then drawn from the
    population of the others, of which there must be two at least, with the wider interval of that. InputError for all
    else.
    """
    names = {"family": (family, new_family), "objective": (objective, new_objective), "data": (data, new_data)}
    numbers = {"data_size": data_size, "data_complexity": data_complexity, "model_size": model_size}
    for name, (value, new) in names.items():
        check_name(model.terms, name, value, new)
    for name, value in numbers.items():
        check_number(model.terms, name, value, beyond)
    shape = np.broadcast_shapes(*map(np.shape, numbers.values()))
    columns = columns_of(family, objective, data=data, **numbers)
    middle, ends, se = spread(model.posterior.weight, *predictive(model, columns))
    size, interval = 10 ** middle.reshape(shape), 10 ** ends.reshape(*shape, 2)
    asked = family, objective, data_size, data_complexity, new_family, new_objective
    also, words = (model_size, data, new_data, model.measurements.along), words_of(model.measurements)
    return Prediction(size, interval, se.reshape(shape), *asked, model.prior, *also, words["name"], words["unit"])


def predictive(model: CriticalModel, columns: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances [g, m] of the log10 critical sizes of conditions, under each member of the posterior."""
    rows, offset = rows_of(model.terms, columns, model.prior)
    mean, variance = normals(model.posterior, rows)
    return mean + offset, variance + model.posterior.deviations[:, -1:] ** 2


def _levels(group_by: Group | Sequence[Group]) -> tuple[str, ...]:
    levels = (group_by,) if isinstance(group_by, str) else tuple(dict.fromkeys(group_by))
    for level in levels:
        if level not in GROUPS:
            raise InputError(f"group_by has {level!r}: choose from {', '.join(GROUPS)}.")
    if not levels:
        raise InputError(f"group_by is empty: choose one or several of {', '.join(GROUPS)}.")
    return levels
