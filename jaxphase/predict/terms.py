"""The terms of the regression of critical sizes: factors, covariates, and the rows of the design matrix."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxphase.errors import InputError
from jaxphase.predict.measurements import COVARIATES, Factor, Measurements

_SAME = 1.1  # a covariate that varies by less than this factor has no exponent
_SPARE = 3  # measurements needed beyond the number of coefficients
_ARTICLE_FAMILY = {"transformer": 1e7 * 1.0, "resnet": 1e6 * 0.8, "vit": 5e7 * 1.2}
_ARTICLE_OBJECTIVE = {"contrastive": 1.0, "masked_modeling": 1.1, "autoencoding": 0.9}

Prior = Literal["none", "article"]


class Terms(NamedTuple):
    """The factors and covariates of a regression of critical sizes.

    Attributes:
        levels: Names of the levels of each factor, such as the families of "family".
        covariates: Names of the covariates that have an exponent.
        center: Mean log10 of each of these covariates, `[covariates]`.
        domain: Lowest and highest measured value of every covariate that is known, those without an exponent too.
    """

    levels: dict[Factor, tuple[str, ...]]
    covariates: tuple[str, ...]
    center: Float[np.ndarray, " covariates"]
    domain: dict[str, tuple[float, float]]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of levels of each factor."""
        return tuple(map(len, self.levels.values()))


def terms_of(measurements: Measurements, factors: Sequence[Factor]) -> Terms:
    """Find the terms that measurements can tell apart; InputError if they are too few or always change together."""
    domain, count = {}, len(measurements.family)
    for name in COVARIATES:
        values = getattr(measurements, name)
        known = np.isfinite(values)
        if known.any() and not known.all():
            raise InputError(f"{name} is missing in {count - known.sum()} of {count} measurements: give it for all.")
        if known.any():
            domain[name] = float(np.min(values)), float(np.max(values))
    covariates = tuple(name for name, (low, high) in domain.items() if high > _SAME * low)
    _check_enough(measurements, covariates)
    logs = np.array([np.log10(getattr(measurements, name)) for name in covariates]).reshape(-1, count).T
    center = logs.mean(axis=0)
    if np.linalg.matrix_rank(logs - center, tol=1e-3 * np.sqrt(count)) < len(covariates):
        raise InputError(f"{' and '.join(covariates)} change together in all measurements: vary one on its own.")
    for factor in factors:
        for level, source in zip(getattr(measurements, factor), measurements.source, strict=True):
            if not level:
                raise InputError(f"{source} has no name of its {factor}, by which to group: give it as {factor}.")
    levels: dict[Factor, tuple[str, ...]] = {
        factor: tuple(sorted(set(getattr(measurements, factor)))) for factor in factors
    }
    return Terms(levels, covariates, center, domain)


def condition_columns(
    *,
    family: str | None = None,
    objective: str | None = None,
    data: str | None = None,
    data_size: ArrayLike | None = None,
    data_complexity: ArrayLike | None = None,
    model_size: ArrayLike | None = None,
) -> dict[str, Any]:
    """Conditions as columns `[m]` that `design_matrix` takes: numbers broadcast, and None becomes NaN."""
    given = (data_size, data_complexity, model_size)
    broadcast = np.broadcast_arrays(*(np.nan if value is None else np.asarray(value, float) for value in given))
    numbers = dict(zip(COVARIATES, map(np.ravel, broadcast), strict=True))
    count = len(numbers["data_size"])
    return {"family": (family,) * count, "objective": (objective,) * count, "data": (data,) * count} | numbers


def design_matrix(
    terms: Terms, columns: Mapping[str, Any], prior: Prior
) -> tuple[Float[np.ndarray, "m coefficients"], Float[np.ndarray, " m"]]:
    """Rows of the regression for conditions in columns, and the offset of each that the prior sets."""
    count = len(columns["family"])
    slopes = [np.log10(columns[name]) - center for name, center in zip(terms.covariates, terms.center, strict=True)]
    blocks = [np.stack([np.ones(count), *slopes], axis=1)]
    for factor, levels in terms.levels.items():
        # The index after the last belongs to a level that was not measured.
        index = [levels.index(name) if name in levels else len(levels) for name in columns[factor]]
        blocks.append(np.eye(len(levels) + 1)[index])
    return np.hstack(blocks), _article_offset(columns) if prior == "article" else np.zeros(count)


def check_level(terms: Terms, factor: Factor, name: str | None, new: bool) -> None:
    """Refuse a level that was not measured and is not declared new, and a measured level that is declared new."""
    if factor not in terms.levels:
        if name is not None or new:
            by = " and ".join(terms.levels)
            raise InputError(f"{factor} is {name!r}, but measurements are grouped by {by}: leave {factor} out.")
        return
    known = terms.levels[factor]
    if name is None:
        raise InputError(f"{factor} is missing: choose from {', '.join(known)}, or name one and set new_{factor}.")
    if new and name in known:
        raise InputError(f"{factor} {name!r} has been measured: leave new_{factor} out.")
    if new and len(known) == 1:
        raise InputError(f"{known[0]!r} is the only {factor} measured: measure two before a new one is predicted.")
    if not new and name not in known:
        raise InputError(f"{factor} is {name!r}, not measured: choose from {', '.join(known)}, or set new_{factor}.")


def check_covariate(terms: Terms, name: str, value: ArrayLike | None, beyond: float) -> None:
    """Refuse a covariate that is missing, or farther outside of the measured range than a factor of `beyond`."""
    if name not in terms.domain:
        if value is not None:
            raise InputError(f"{name} is {value}, but no measurement has a {name}: leave it out.")
        return
    low, high = terms.domain[name]
    if value is None:
        raise InputError(f"{name} is missing: give a number from {low:g} to {high:g}.")
    if not beyond >= 1:
        raise InputError(f"beyond is {beyond}: give a factor of 1 or more.")
    factor = beyond if name in terms.covariates else min(beyond, _SAME)
    inside = (np.asarray(value) >= low / factor) & (np.asarray(value) <= high * factor)
    if not np.all(inside):
        range_ = f"outside the measured {low:g} to {high:g} by more than a factor of {factor:g}"
        raise InputError(f"{name} is {value}, {range_}: measure there.")


def _check_enough(measurements: Measurements, covariates: Sequence[str]) -> None:
    """Refuse fewer measurements than the coefficients need, and say what became of the curves without one."""
    count, needed, name = len(measurements.family), 1 + len(covariates) + _SPARE, measurements.labels["name"]
    if count >= needed:
        return
    reasons = ", ".join(f"{reason}: {curves}" for reason, curves in measurements.censored.items())
    others = f" (and {sum(measurements.censored.values())} curves without one; {reasons})" if reasons else ""
    if not count:
        raise InputError(f"there is no measured {name}{others} to predict from: measure where models change.")
    raise InputError(
        f"there are {count} measured {name}s{others}: the regression with {' and '.join(('intercept', *covariates))} "
        f"needs {needed}."
    )


def _article_offset(columns: Mapping[str, Any]) -> Float[np.ndarray, " m"]:
    """log10 of the article's formula, without its factor of complexity where that is unknown."""
    names = zip(columns["family"], columns["objective"], strict=True)
    sizes = [_ARTICLE_FAMILY.get(family, 1e7) * _ARTICLE_OBJECTIVE.get(objective, 1.0) for family, objective in names]
    bits = np.asarray(columns["data_complexity"], float)
    return np.log10(sizes) + np.log10(1 + 0.5 * np.where(np.isfinite(bits), np.log10(bits), 0) / 7)
