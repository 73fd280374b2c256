"""Prediction of critical sizes that were not measured from measured ones: a partially pooled regression.

    log10 N_c = intercept + a log10 D + c log10 H + family + objective + scatter + error of measurement

D is the data size and H the complexity of the data in bits per number. For a critical data size, N_c is the data size
and D the model size; a critical training time may depend on all three. The effects of the levels of a factor (families,
objectives, data sets) are normal, with a standard deviation that is estimated from the measurements, as is the scatter
of a measurement about the law. The error of each measurement is taken from its own 95 % interval. Exponents are taken
to be the same for all families; if they differ, the scatter grows. `pooling` holds the method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxphase.errors import InputError
from jaxphase.predict.measurements import FACTORS, Along, Factor, Measurements, standard_errors
from jaxphase.predict.pooling import Posterior, posterior, project, summarize, summarize_deviations
from jaxphase.predict.terms import (
    Prior,
    Terms,
    check_covariate,
    check_level,
    condition_columns,
    design_matrix,
    terms_of,
)


class Effects(NamedTuple):
    """Effects of the levels of one factor on log10 of the critical size, relative to their mean.

    Attributes:
        value: Effects in decades, `[levels]`.
        se: Their standard errors, `[levels]`.
        interval: Their 95 % intervals, `[levels, 2]`.
    """

    value: Float[np.ndarray, " levels"]
    se: Float[np.ndarray, " levels"]
    interval: Float[np.ndarray, "levels 2"]


@dataclass(frozen=True)
class CriticalModel:
    """A fitted regression of critical sizes, see `fit`.

    Attributes:
        terms: The factors with their levels, and the covariates.
        exponents: d log10 N_c / d log10 of each covariate, `[covariates]`.
        exponents_se: Their standard errors, `[covariates]`.
        exponents_interval: Their 95 % intervals, `[covariates, 2]`.
        effects: Effects by factor. With the prior "article" they are relative to its table.
        deviations: Standard deviations in decades, posterior medians: of the effects of each factor, then of the
            scatter about the law, `[factors + 1]`. NaN for a factor with one level.
        deviations_interval: Their 95 % intervals, `[factors + 1, 2]`.
        prior: "none" or "article".
        measurements: What the model was fitted to.
        posterior: Distribution of the coefficients.
    """

    terms: Terms
    exponents: Float[np.ndarray, " covariates"]
    exponents_se: Float[np.ndarray, " covariates"]
    exponents_interval: Float[np.ndarray, "covariates 2"]
    effects: Mapping[Factor, Effects]
    deviations: Float[np.ndarray, " deviations"]
    deviations_interval: Float[np.ndarray, "deviations 2"]
    prior: Prior
    measurements: Measurements = field(repr=False)
    posterior: Posterior = field(repr=False)


class Prediction(NamedTuple):
    """The critical size expected under some conditions, see `critical_size`.

    Attributes:
        size: Median of the predictive distribution, of the shape of the conditions, in `unit`.
        interval: 95 % interval of the critical size itself, as measured without error, `[..., 2]`.
        decades_se: Standard deviation of log10 of the critical size.
        family: Family of the condition.
        objective: Objective of the condition.
        data_size: Data size in rows.
        data_complexity: Complexity of the data in bits per number.
        new_family: Whether the family was not measured.
        new_objective: Whether the objective was not measured.
        prior: Prior of the model, "none" or "article".
        model_size: Model size in parameters.
        data: Name of the data set.
        new_data: Whether the data set was not measured.
        along: The kind of critical size: "model_size", "data_size" or "steps".
        name: Its name in words.
        unit: What it counts.
    """

    size: Float[np.ndarray, "*conditions"]
    interval: Float[np.ndarray, "*conditions 2"]
    decades_se: Float[np.ndarray, "*conditions"]
    family: str | None
    objective: str | None
    data_size: ArrayLike | None
    data_complexity: ArrayLike | None
    new_family: bool
    new_objective: bool
    prior: Prior
    model_size: ArrayLike | None = None
    data: str | None = None
    new_data: bool = False
    along: Along = "model_size"
    name: str = "critical size"
    unit: str = "parameters"


def fit(
    measurements: Measurements,
    *,
    prior: Prior = "none",
    group_by: Factor | Sequence[Factor] = ("family", "objective"),
) -> CriticalModel:
    """Fit the regression of critical sizes.

    A covariate (data_size, data_complexity, model_size) has an exponent if it varies by more than a factor of 1.1.

    The prior "article" centers the effects on a table of the source article that rests on no measurement: for a family
    `base * factor` (1e7 if the table does not name it), for an objective a factor (1 if not named), and for the
    complexity `1 + 0.5 log10(complexity) / 7`. The overall level still comes from the measurements, and how far the
    families stray from the table is estimated. The model and all its predictions carry the name of the prior.

    Args:
        measurements: From `read_measurements` or `measured`.
        prior: "none" or "article"; the latter only for critical model sizes grouped by family and objective.
        group_by: The factors that have effects. A factor that is left out adds to the scatter if it matters.

    Returns:
        The fitted model.

    Raises:
        InputError: If there are fewer than three measurements more than coefficients (intercept and exponents), if a
            covariate is known for some measurements only, or if covariates always change together.

    Example:
        >>> model = jaxphase.predict.fit(jaxphase.predict.read_measurements(["runs/mlp", "others.csv"]))
    """
    factors = _checked_factors(group_by)
    if prior not in get_args(Prior):
        raise InputError(f"prior is {prior!r}: choose from {', '.join(get_args(Prior))}.")
    if prior == "article" and (measurements.along != "model_size" or not {"family", "objective"} <= set(factors)):
        raise InputError("prior is 'article', which is of model sizes by family and objective: leave it out.")
    terms = terms_of(measurements, factors)
    design, offset = design_matrix(terms, measurements._asdict(), prior)
    y = np.log10(measurements.critical_size) - offset
    fitted = posterior(design, y, standard_errors(measurements), terms.counts)
    return _summary(terms, fitted, prior, measurements)


def critical_size(
    model: CriticalModel,
    *,
    family: str | None = None,
    objective: str | None = None,
    data: str | None = None,
    data_complexity: ArrayLike | None = None,
    data_size: ArrayLike | None = None,
    model_size: ArrayLike | None = None,
    new_family: bool = False,
    new_objective: bool = False,
    new_data: bool = False,
    beyond: float = 2.0,
) -> Prediction:
    """Predict the critical size under some conditions.

    Args:
        model: From `fit`.
        family: Name of the family; needed if the model is grouped by it. The same holds for the other two names.
        objective: Name of the objective.
        data: Name of the data set.
        data_complexity: In bits per number; needed if the measurements have one. The same holds for the sizes. The
            three numbers broadcast.
        data_size: In rows.
        model_size: In parameters.
        new_family: The family was not measured: it is drawn from the population of the others, of which there must be
            at least two, and its interval is wider accordingly.
        new_objective: The same for the objective.
        new_data: The same for the data set.
        beyond: Factor by which a number may lie outside the measured range; 1.1 at most where it has no exponent.

    Returns:
        The median and an interval that holds 95 % of the critical sizes of such conditions. Coverage: see the page How
        verdicts are made.

    Raises:
        InputError: If a name or a number is missing, not part of the model, not measured, or out of range.

    Example:
        >>> found = jaxphase.predict.critical_size(model, family="vit", objective="contrastive", data_size=4096)
        >>> found.size, found.interval
    """
    names: dict[Factor, tuple[str | None, bool]] = {
        "family": (family, new_family),
        "objective": (objective, new_objective),
        "data": (data, new_data),
    }
    numbers = {"data_size": data_size, "data_complexity": data_complexity, "model_size": model_size}
    for factor, (name, new) in names.items():
        check_level(model.terms, factor, name, new)
    for name, value in numbers.items():
        check_covariate(model.terms, name, value, beyond)
    shape = np.broadcast_shapes(*(() if value is None else np.shape(value) for value in numbers.values()))
    columns = condition_columns(family=family, objective=objective, data=data, **numbers)
    median, interval, se = summarize(model.posterior.weight, *predictive(model, columns))
    return Prediction(
        size=np.reshape(10**median, shape),
        interval=np.reshape(10**interval, (*shape, 2)),
        decades_se=np.reshape(se, shape),
        family=family,
        objective=objective,
        **numbers,
        new_family=new_family,
        new_objective=new_objective,
        prior=model.prior,
        data=data,
        new_data=new_data,
        along=model.measurements.along,
        name=model.measurements.labels["name"],
        unit=model.measurements.labels["unit"],
    )


def predictive(
    model: CriticalModel, columns: Mapping[str, Any]
) -> tuple[Float[np.ndarray, "members m"], Float[np.ndarray, "members m"]]:
    """Means and variances of log10 critical sizes under each member of the posterior, for conditions in columns."""
    design, offset = design_matrix(model.terms, columns, model.prior)
    mean, variance = project(model.posterior, design)
    return mean + offset, variance + model.posterior.deviations[:, -1:] ** 2


def _summary(terms: Terms, fitted: Posterior, prior: Prior, measurements: Measurements) -> CriticalModel:
    """The model of a posterior: medians, standard errors and intervals of its coefficients."""
    ends = 1 + len(terms.covariates) + np.cumsum([0, *(count + 1 for count in terms.counts)])
    blocks = [slice(start, start + count) for start, count in zip(ends, terms.counts, strict=False)]
    contrasts = np.eye(fitted.mean.shape[1])
    for block, count in zip(blocks, terms.counts, strict=True):
        # How the levels differ is known better than the mean of their population. A single level is held at zero.
        contrasts[block, block] -= (count > 1) / count
    median, interval, se = summarize(fitted.weight, *project(fitted, contrasts))
    deviations, deviations_interval = summarize_deviations(fitted)
    single = np.array([*terms.counts, 0]) == 1
    exponents = slice(1, ends[0])
    return CriticalModel(
        terms=terms,
        exponents=median[exponents],
        exponents_se=se[exponents],
        exponents_interval=interval[exponents],
        effects={
            factor: Effects(median[block], se[block], interval[block])
            for factor, block in zip(terms.levels, blocks, strict=True)
        },
        deviations=np.where(single, np.nan, deviations),
        deviations_interval=np.where(single[:, None], np.nan, deviations_interval),
        prior=prior,
        measurements=measurements,
        posterior=fitted,
    )


def _checked_factors(group_by: Factor | Sequence[Factor]) -> tuple[Factor, ...]:
    """The factors to group by, each once."""
    factors: tuple[Factor, ...] = (group_by,) if isinstance(group_by, str) else tuple(dict.fromkeys(group_by))
    for factor in factors:
        if factor not in FACTORS:
            raise InputError(f"group_by has {factor!r}: choose from {', '.join(FACTORS)}.")
    if not factors:
        raise InputError(f"group_by is empty: choose one or several of {', '.join(FACTORS)}.")
    return factors
