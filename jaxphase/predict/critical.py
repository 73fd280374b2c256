"""Critical sizes that were not measured, from those that were: a partially pooled regression with honest intervals.

    log10 N_c = intercept + a log10 D + c log10 H + family + objective + scatter + error of measurement

D is the data size and H the complexity of the data in bits a number. Effects of families and objectives are normal with
spreads that the measurements tell, as is the scatter of a measurement about the law; the error of each measurement is
that of its own 95 % interval. Exponents are taken to be those of all families: where they are not, the scatter grows.
See `pooling` for how it is fitted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from jaxphase.errors import InputError

from .measurements import OPTIONAL, Measurements, standard_errors, subset
from .pooling import Posterior, design, normals, of_deviations, posterior, spread

SAME = 1.1  # a covariate that varies by less than this factor has no exponent
SPARE = 3  # measurements beyond the number of coefficients
PRIORS = ("none", "article")
ARTICLE_FAMILY = {"transformer": 1e7 * 1.0, "resnet": 1e6 * 0.8, "vit": 5e7 * 1.2}
ARTICLE_OBJECTIVE = {"contrastive": 1.0, "masked_modeling": 1.1, "autoencoding": 0.9}


class Terms(NamedTuple):
    """What the regression has effects of. domain: the lowest and highest data size and complexity measured, or NaN.

    center: mean log10 of each of `covariates`, the columns that have an exponent.
    """

    families: tuple[str, ...]
    objectives: tuple[str, ...]
    covariates: tuple[str, ...]
    center: np.ndarray
    domain: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class CriticalModel:
    """What `fit` found, in decades of critical size, with intervals `[..., 2]` of 95 %; effects by name of `terms`.

    exponents [k] are d log10 N_c / d log10 of each covariate. Effects are deviations from the mean of those measured,
    and where prior is "article" of what its table leaves. deviations [3] are the standard deviations of families, of
    objectives (NaN where there is one alone) and of the scatter about the law: posterior medians.
    """

    terms: Terms
    exponents: np.ndarray
    exponents_se: np.ndarray
    exponents_interval: np.ndarray
    family_effects: np.ndarray
    family_effects_se: np.ndarray
    family_effects_interval: np.ndarray
    objective_effects: np.ndarray
    objective_effects_se: np.ndarray
    objective_effects_interval: np.ndarray
    deviations: np.ndarray
    deviations_interval: np.ndarray
    prior: str
    measurements: Measurements = field(repr=False)
    posterior: Posterior = field(repr=False)


class Prediction(NamedTuple):
    """The critical size of a condition, the median, in parameters, and its 95 % interval of prediction `[..., 2]`.

    The interval is for the critical size itself, as measured without error. decades_se is the standard deviation of
    its log10.
    """

    size: np.ndarray
    interval: np.ndarray
    decades_se: np.ndarray
    family: str
    objective: str
    data_size: float | np.ndarray | None
    data_complexity: float | np.ndarray | None
    new_family: bool
    new_objective: bool
    prior: str


class FamilyErrors(NamedTuple):
    """Errors in predicting each family from the others, in decades: mean and root mean square of predicted - measured.

    covered: how many of the `count` measurements lie in their 95 % intervals of prediction, their errors of measurement
    included. NaN for a family without which too few measurements are left. overall: the root of the mean over families
    of rms**2; baseline: the same for predicting the mean of the other families' log10 critical sizes, without any law.
    """

    family: tuple[str, ...]
    count: np.ndarray
    covered: np.ndarray
    bias: np.ndarray
    rms: np.ndarray
    overall: float
    baseline: float


def fit(measurements: Measurements, *, prior: Literal["none", "article"] = "none") -> CriticalModel:
    """The regression above, for measurements of `read_measurements` or `measured`.

    An exponent is fitted for data_size and data_complexity where it varies by more than a factor of 1.1. Needs three
    measurements more than coefficients (intercept and exponents); InputError for fewer, where a data size or complexity
    is known of some measurements only, and where the two always change together.

    prior="article" centers families, objectives and complexity on the source article's table, which was typed in there
    and rests on no measurement: `base * factor` of a family (1e7 for one it does not name), factor of the objective (1
    for others) and `1 + 0.5 log10(complexity) / 7`. The level is still that of the measurements, and how far families
    stray from the table is estimated; the model and all its predictions carry the name of the prior.
    """
    if prior not in PRIORS:
        raise InputError(f"prior is {prior!r}: choose from {', '.join(PRIORS)}.")
    terms, columns = _terms(measurements), measurements._asdict()
    rows, offset = rows_of(terms, columns, prior)
    counts = len(terms.families), len(terms.objectives)
    y = np.log10(measurements.critical_size) - offset
    fitted = posterior(rows, y, standard_errors(measurements), *counts)
    start = 1 + len(terms.covariates)
    exponents, by_family, by_objective = slice(1, start), slice(start, start + counts[0]), slice(-1 - counts[1], -1)
    contrasts = np.eye(rows.shape[1])
    for part, number in zip((by_family, by_objective), counts, strict=True):
        # The mean of a population is told less well than how its members differ; one alone is held at zero.
        contrasts[part, part] -= (number > 1) / number
    middle, ends, se = spread(fitted.weight, *normals(fitted, contrasts))
    (deviations, deviations_interval), alone = of_deviations(fitted), np.array([*counts, 0]) == 1
    return CriticalModel(
        terms,
        *(found[part] for part in (exponents, by_family, by_objective) for found in (middle, se, ends)),
        np.where(alone, np.nan, deviations),
        np.where(alone[:, None], np.nan, deviations_interval),
        prior,
        measurements,
        fitted,
    )


def critical_size(
    model: CriticalModel,
    *,
    family: str,
    objective: str,
    data_complexity: float | None = None,
    data_size: float | None = None,
    new_family: bool = False,
    new_objective: bool = False,
    beyond: float = 2.0,
) -> Prediction:
    """The critical size expected of a condition, and the interval in which 95 % of such conditions have theirs.

    data_size and data_complexity may be arrays that broadcast. They may lie outside the range of the measurements by a
    factor of `beyond`, or of 1.1 where no exponent was fitted, and may be left out where no measurement has them. A
    family or objective that was not measured is refused unless new_family or new_objective says that it is new: it is
    then drawn from the population of the others, of which there must be two at least, with the wider interval of that.
    InputError for all else.
    """
    names = {"family": (family, new_family), "objective": (objective, new_objective)}
    numbers = {"data_size": data_size, "data_complexity": data_complexity}
    for name, (value, new) in names.items():
        _check_name(model.terms, name, value, new)
    for name, value in numbers.items():
        _check_number(model.terms, name, value, beyond)
    shape = np.broadcast_shapes(*map(np.shape, numbers.values()))
    mean, variance = predictive(model, columns_of(family, objective, data_size, data_complexity))
    middle, ends, se = spread(model.posterior.weight, mean, variance)
    size, interval = 10 ** middle.reshape(shape), 10 ** ends.reshape(*shape, 2)
    asked = family, objective, data_size, data_complexity, new_family, new_objective
    return Prediction(size, interval, se.reshape(shape), *asked, model.prior)


def leave_one_family_out(model: CriticalModel) -> FamilyErrors:
    """How well each family's measurements are predicted by a fit to all others, as of a new family.

    InputError for fewer than three families, as the others must be two. An objective that only that family has is
    predicted as a new one too; a data size or complexity outside those of the others is not refused here.
    """
    data, families = model.measurements, model.terms.families
    if len(families) < 3:
        raise InputError(f"there are {len(families)} families ({', '.join(families)}): measure three to leave one out.")
    names, y = np.array(data.family), np.log10(data.critical_size)
    table = []
    for family in families:
        own = names == family
        error, inside = _held_out(subset(data, ~own), subset(data, own), model.prior)
        plain = y[own] - y[~own].mean()
        table.append((own.sum(), inside.sum(), error.mean(), *(np.sqrt(np.mean(x**2)) for x in (error, plain))))
    count, covered, bias, rms, plain = np.array(table, float).T
    known = np.isfinite(rms)
    overall, baseline = (float(np.sqrt(np.mean(x[known] ** 2))) if known.any() else np.nan for x in (rms, plain))
    return FamilyErrors(families, count.astype(int), covered, bias, rms, overall, baseline)


def columns_of(family: str, objective: str, data_size, data_complexity) -> dict:
    """Conditions [m] as columns, of numbers that broadcast; NaN for None."""
    numbers = (np.nan if value is None else np.asarray(value, float) for value in (data_size, data_complexity))
    data_size, data_complexity = map(np.ravel, np.broadcast_arrays(*numbers))
    count = len(data_size)
    names = {"family": (family,) * count, "objective": (objective,) * count}
    return names | {"data_size": data_size, "data_complexity": data_complexity}


def rows_of(terms: Terms, columns: Mapping, prior: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows [m, q] for the coefficients, of conditions in columns, and what the prior adds [m]."""
    count = len(columns["family"])
    varied = [np.log10(columns[name]) - center for name, center in zip(terms.covariates, terms.center, strict=True)]
    indices = []
    for known, names in ((terms.families, columns["family"]), (terms.objectives, columns["objective"])):
        indices.append([known.index(name) if name in known else len(known) for name in names])
    rows = design(np.stack([np.ones(count), *varied], axis=1), *indices, len(terms.families), len(terms.objectives))
    return rows, _article(columns) if prior == "article" else np.zeros(count)


def predictive(model: CriticalModel, columns: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances [g, m] of the log10 critical sizes of conditions, under each member of the posterior."""
    rows, offset = rows_of(model.terms, columns, model.prior)
    mean, variance = normals(model.posterior, rows)
    return mean + offset, variance + model.posterior.deviations[:, 2:] ** 2


def _terms(data: Measurements) -> Terms:
    """What measurements can tell; InputError where they are too few or do not tell it apart."""
    domain, count = {}, len(data.family)
    for name in OPTIONAL:
        known = np.isfinite(getattr(data, name))
        if known.any() and not known.all():
            raise InputError(f"{name} is missing in {count - known.sum()} of {count} measurements: give it for all.")
        values = getattr(data, name) if count else [np.nan]
        domain[name] = float(np.min(values)), float(np.max(values))
    covariates = tuple(name for name, (low, high) in domain.items() if high > SAME * low)
    needed = 1 + len(covariates) + SPARE
    if count < needed:
        reasons = ", ".join(f"{why}: {curves}" for why, curves in data.censored.items())
        also = f" (and {sum(data.censored.values())} curves without one; {reasons})" if reasons else ""
        if not count:
            raise InputError(f"there is no measured critical size{also} to predict from: measure where models change.")
        raise InputError(
            f"there are {count} measured critical sizes{also}: the regression with "
            f"{' and '.join(('intercept', *covariates))} needs {needed}."
        )
    logs = np.stack([np.zeros(count), *(np.log10(getattr(data, name)) for name in covariates)], axis=1)[:, 1:]
    center = logs.mean(axis=0)
    if np.linalg.matrix_rank(logs - center, tol=1e-3 * np.sqrt(count)) < len(covariates):
        raise InputError("data_size and data_complexity change together in all measurements: vary one on its own.")
    families, objectives = (tuple(sorted(set(names))) for names in (data.family, data.objective))
    return Terms(families, objectives, covariates, center, domain)


def _check_name(terms: Terms, name: str, value: str, new: bool) -> None:
    known = {"family": terms.families, "objective": terms.objectives}[name]
    if new and value in known:
        raise InputError(f"{name} {value!r} has been measured: leave new_{name} out.")
    if new and len(known) < 2:
        raise InputError(f"{known[0]!r} is the only {name} measured: measure two before a new one is predicted.")
    if not new and value not in known:
        raise InputError(f"{name} is {value!r}, not measured: choose from {', '.join(known)}, or ask for new_{name}.")


def _check_number(terms: Terms, name: str, value, beyond: float) -> None:
    low, high = terms.domain[name]
    if not np.isfinite(low):
        if value is not None:
            raise InputError(f"{name} is {value}, but no measurement says its own: leave it out.")
        return
    if value is None:
        raise InputError(f"{name} is missing: give a number from {low:g} to {high:g}.")
    if not beyond >= 1:
        raise InputError(f"beyond is {beyond}: give a factor of 1 or more.")
    factor = beyond if name in terms.covariates else min(beyond, SAME)
    inside = (np.asarray(value) >= low / factor) & (np.asarray(value) <= high * factor)
    if not np.all(inside):
        words = f"outside the measured {low:g} to {high:g} by more than a factor of {factor:g}"
        raise InputError(f"{name} is {value}, {words}: measure there.")


def _article(columns: Mapping) -> np.ndarray:
    """log10 of the article's formula; without a complexity its factor is left out."""
    names = zip(columns["family"], columns["objective"], strict=True)
    sizes = [ARTICLE_FAMILY.get(family, 1e7) * ARTICLE_OBJECTIVE.get(objective, 1.0) for family, objective in names]
    bits = np.asarray(columns["data_complexity"], float)
    return np.log10(sizes) + np.log10(1 + 0.5 * np.where(np.isfinite(bits), np.log10(bits), 0) / 7)


def _held_out(others: Measurements, own: Measurements, prior: str) -> tuple[np.ndarray, np.ndarray]:
    """Predicted - measured log10 sizes of `own`, and whether they are in their intervals; NaN where there are none."""
    nothing = np.full((2, len(own.family)), np.nan)
    try:
        model = fit(others, prior=prior)
    except InputError:
        return tuple(nothing)
    if len(model.terms.objectives) < 2 and set(own.objective) - set(model.terms.objectives):
        return tuple(nothing)
    mean, variance = predictive(model, own._asdict())
    middle, ends, _ = spread(model.posterior.weight, mean, variance + standard_errors(own) ** 2)
    y = np.log10(own.critical_size)
    return middle - y, (ends[:, 0] <= y) & (y <= ends[:, 1])
