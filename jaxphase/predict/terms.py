"""What a regression of critical sizes has effects of: groups, and numbers with an exponent; and rows of conditions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxphase.errors import InputError

from .measurements import GROUPS, OPTIONAL, Measurements, words_of
from .pooling import design

SAME = 1.1  # a covariate that varies by less than this factor has no exponent
SPARE = 3  # measurements beyond the number of coefficients
ARTICLE_FAMILY = {"transformer": 1e7 * 1.0, "resnet": 1e6 * 0.8, "vit": 5e7 * 1.2}
ARTICLE_OBJECTIVE = {"contrastive": 1.0, "masked_modeling": 1.1, "autoencoding": 0.9}


class Terms(NamedTuple):
    """What the regression has effects of. levels: the names of each group level, such as those of "family".

    domain: the lowest and highest of each number that was measured. center: mean log10 of each of `covariates`, the
    numbers that have an exponent.
    """

    levels: dict[str, tuple[str, ...]]
    covariates: tuple[str, ...]
    center: np.ndarray
    domain: dict[str, tuple[float, float]]

    @property
    def families(self) -> tuple[str, ...]:
        """The families that have an effect of their own."""
        return self.levels.get("family", ())

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives that have an effect of their own."""
        return self.levels.get("objective", ())

    @property
    def counts(self) -> tuple[int, ...]:
        """How many names each level has."""
        return tuple(map(len, self.levels.values()))


def terms_of(data: Measurements, levels: Sequence[str]) -> Terms:
    """What measurements can tell; InputError where they are too few or do not tell it apart."""
    domain, count = {}, len(data.family)
    for name in OPTIONAL:
        values = getattr(data, name)
        known = np.isfinite(values)
        if known.any() and not known.all():
            raise InputError(f"{name} is missing in {count - known.sum()} of {count} measurements: give it for all.")
        if known.any():
            domain[name] = float(np.min(values)), float(np.max(values))
    covariates = tuple(name for name, (low, high) in domain.items() if high > SAME * low)
    _check_enough(data, covariates)
    logs = np.stack([np.zeros(count), *(np.log10(getattr(data, name)) for name in covariates)], axis=1)[:, 1:]
    center = logs.mean(axis=0)
    if np.linalg.matrix_rank(logs - center, tol=1e-3 * np.sqrt(count)) < len(covariates):
        together = " and ".join(filter(None, (", ".join(covariates[:-1]), *covariates[-1:])))
        raise InputError(f"{together} change together in all measurements: vary one on its own.")
    for name in levels:
        for value, where in zip(getattr(data, name), data.source, strict=True):
            if not value:
                raise InputError(f"{where} has no name of its {name}, by which to group: give it as {name}.")
    return Terms({name: tuple(sorted(set(getattr(data, name)))) for name in levels}, covariates, center, domain)


def columns_of(
    family: str | None, objective: str | None, data_size, data_complexity, model_size=None, data: str | None = None
) -> dict:
    """Conditions [m] as columns, of numbers that broadcast; NaN for None."""
    numbers = (
        np.nan if value is None else np.asarray(value, float) for value in (data_size, data_complexity, model_size)
    )
    numbers = [np.ravel(column) for column in np.broadcast_arrays(*numbers)]
    names = {name: (value,) * len(numbers[0]) for name, value in zip(GROUPS, (family, objective, data), strict=True)}
    return names | dict(zip(OPTIONAL, numbers, strict=True))


def rows_of(terms: Terms, columns: Mapping, prior: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows [m, q] for the coefficients, of conditions in columns, and what the prior adds [m]."""
    count = len(columns["family"])
    varied = [np.log10(columns[name]) - center for name, center in zip(terms.covariates, terms.center, strict=True)]
    indices = [
        [known.index(name) if name in known else len(known) for name in columns[level]]
        for level, known in terms.levels.items()
    ]
    rows = design(np.stack([np.ones(count), *varied], axis=1), indices, terms.counts)
    return rows, _article(columns) if prior == "article" else np.zeros(count)


def check_name(terms: Terms, level: str, value: str | None, new: bool) -> None:
    """InputError for a name that was not measured and is not new, or the other way round."""
    if level not in terms.levels:
        if value is not None or new:
            by = " and ".join(terms.levels)
            raise InputError(f"{level} is {value!r}, but measurements are grouped by {by}: leave {level} out.")
        return
    known = terms.levels[level]
    if value is None:
        raise InputError(f"{level} is missing: choose from {', '.join(known)}, or ask for a new_{level} by its name.")
    if new and value in known:
        raise InputError(f"{level} {value!r} has been measured: leave new_{level} out.")
    if new and len(known) < 2:
        raise InputError(f"{known[0]!r} is the only {level} measured: measure two before a new one is predicted.")
    if not new and value not in known:
        raise InputError(f"{level} is {value!r}, not measured: choose from {', '.join(known)}, or ask for new_{level}.")


def check_number(terms: Terms, name: str, value, beyond: float) -> None:
    """InputError for a number that is missing, or too far outside of those measured."""
    if name not in terms.domain:
        if value is not None:
            raise InputError(f"{name} is {value}, but no measurement says its own: leave it out.")
        return
    low, high = terms.domain[name]
    if value is None:
        raise InputError(f"{name} is missing: give a number from {low:g} to {high:g}.")
    if not beyond >= 1:
        raise InputError(f"beyond is {beyond}: give a factor of 1 or more.")
    factor = beyond if name in terms.covariates else min(beyond, SAME)
    inside = (np.asarray(value) >= low / factor) & (np.asarray(value) <= high * factor)
    if not np.all(inside):
        words = f"outside the measured {low:g} to {high:g} by more than a factor of {factor:g}"
        raise InputError(f"{name} is {value}, {words}: measure there.")


def _check_enough(data: Measurements, covariates: Sequence[str]) -> None:
    count, needed, name = len(data.family), 1 + len(covariates) + SPARE, words_of(data)["name"]
    if count >= needed:
        return
    reasons = ", ".join(f"{why}: {curves}" for why, curves in data.censored.items())
    also = f" (and {sum(data.censored.values())} curves without one; {reasons})" if reasons else ""
    if not count:
        raise InputError(f"there is no measured {name}{also} to predict from: measure where models change.")
    raise InputError(
        f"there are {count} measured {name}s{also}: the regression with {' and '.join(('intercept', *covariates))} "
        f"needs {needed}."
    )


def _article(columns: Mapping) -> np.ndarray:
    """log10 of the article's formula; without a complexity its factor is left out."""
    names = zip(columns["family"], columns["objective"], strict=True)
    sizes = [ARTICLE_FAMILY.get(family, 1e7) * ARTICLE_OBJECTIVE.get(objective, 1.0) for family, objective in names]
    bits = np.asarray(columns["data_complexity"], float)
    return np.log10(sizes) + np.log10(1 + 0.5 * np.where(np.isfinite(bits), np.log10(bits), 0) / 7)
