"""Measured critical sizes of models, of data or in training steps, from analyzed sweeps and from tables."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from jaxphase.curves.files import read_csv_table
from jaxphase.curves.table import absent, number
from jaxphase.errors import InputError
from jaxphase.predict.sweeps import critical_sizes

Along = Literal["model_size", "data_size", "steps"]
Factor = Literal["family", "objective", "data"]

NORMAL_95 = 1.959963984540054
FACTORS: tuple[Factor, ...] = ("family", "objective", "data")
COVARIATES = ("data_size", "data_complexity", "model_size")
_REQUIRED, _ENDS = ("family", "objective"), ("low", "high")


class Quantity(NamedTuple):
    """A kind of critical size.

    Attributes:
        name: Its name in words.
        unit: What it counts.
        column: Its column in a table.
        covariates: The members of `COVARIATES` that it may depend on.
    """

    name: str
    unit: str
    column: str
    covariates: tuple[str, ...]


_OF_MODELS, _OF_DATA = ("data_size", "data_complexity"), ("model_size", "data_complexity")
QUANTITIES = {
    "model_size": Quantity("critical size", "parameters", "critical_size", _OF_MODELS),
    "data_size": Quantity("critical data size", "rows", "critical_data_size", _OF_DATA),
    "steps": Quantity("critical training time", "steps", "critical_steps", COVARIATES),
}
_LABELS = {"data_size": "data size", "data_complexity": "complexity of the data", "model_size": "model size"}


class Measurements(NamedTuple):
    """Critical sizes with their 95 % intervals, and the conditions under which they were measured.

    Attributes:
        family: Names of the model families, `[n]`.
        objective: Names of the objectives, `[n]`.
        data_size: Data sizes in rows, `[n]`; NaN where unknown.
        data_complexity: Complexities of the data in bits per number, `[n]`; NaN where unknown.
        critical_size: The critical sizes, `[n]`.
        low: Lower ends of their 95 % intervals, `[n]`.
        high: Upper ends of their 95 % intervals, `[n]`.
        source: Where each measurement comes from, `[n]`.
        censored: Number of curves that gave no critical size, by reason. The regression does not use them.
        model_size: Model sizes in parameters, `[n]`; NaN where unknown.
        data: Names of the data sets, `[n]`; empty where unknown.
        along: The kind of critical size: "model_size" (in parameters), "data_size" (in rows) or "steps" (of training).
        labels: Names for tables and figures: of the critical size ("name"), of its unit ("unit"), and of data_size,
            data_complexity and model_size.
    """

    family: tuple[str, ...]
    objective: tuple[str, ...]
    data_size: Float[np.ndarray, " n"]
    data_complexity: Float[np.ndarray, " n"]
    critical_size: Float[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]
    source: tuple[str, ...]
    censored: Mapping[str, int]
    model_size: Float[np.ndarray, " n"]
    data: tuple[str, ...]
    along: Along
    labels: Mapping[str, str]


def measured(
    family: Iterable[str],
    objective: Iterable[str],
    data_size: ArrayLike | None,
    data_complexity: ArrayLike | None,
    critical_size: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    source: Iterable[str] | None = None,
    censored: Mapping[str, int] | None = None,
    *,
    model_size: ArrayLike | None = None,
    data: Iterable[str] | None = None,
    along: Along = "model_size",
    labels: Mapping[str, str] | None = None,
) -> Measurements:
    """Check columns of measurements and put them together.

    Args:
        family: Names of the model families, `[n]`.
        objective: Names of the objectives, `[n]`.
        data_size: Data sizes in rows, `[n]`; NaN where unknown, None if all are.
        data_complexity: Complexities of the data in bits per number, `[n]`; NaN where unknown, None if all are.
        critical_size: The critical sizes, `[n]`: positive, finite, and within their intervals.
        low: Lower ends of their 95 % intervals, `[n]`.
        high: Upper ends of their 95 % intervals, `[n]`.
        source: Where each measurement comes from, `[n]`, for messages.
        censored: Number of curves that gave no critical size, by reason.
        model_size: Model sizes in parameters, `[n]`; NaN where unknown, None if all are.
        data: Names of the data sets, `[n]`.
        along: The kind of critical size: "model_size", "data_size" or "steps".
        labels: Names for tables and figures that replace those of `Measurements.labels`, such as {"unit": "strings"}.

    Returns:
        The columns as `Measurements`.

    Raises:
        InputError: If the columns differ in length, or a name or number is not valid.

    Example:
        >>> jaxphase.predict.measured(["mlp"], ["vicreg"], [1024], None, [2e4], [1.5e4], [3e4])
    """
    quantity = _quantity(along)
    names = {"family": tuple(map(str, family)), "objective": tuple(map(str, objective))}
    count = len(names["family"])
    given = {"data_size": data_size, "data_complexity": data_complexity, "model_size": model_size}
    covariates = {
        name: np.full(count, np.nan) if values is None else np.array(values, float) for name, values in given.items()
    }
    size, lowest, highest = (np.array(values, float) for values in (critical_size, low, high))
    where = tuple(source) if source is not None else tuple(f"measurement {i + 1}" for i in range(count))
    data_names = tuple(map(str, data)) if data is not None else ("",) * count
    numbers = covariates | {quantity.column: size, "low": lowest, "high": highest}
    for name, column in (names | numbers | {"source": where, "data": data_names}).items():
        if np.shape(column) != (count,):
            raise InputError(f"{name} has shape {np.shape(column)}: give one value for each of the {count} families.")
    _check_values(quantity, where, names, numbers)
    for name, values in covariates.items():
        if name not in quantity.covariates and not np.isnan(values).all():
            axis = along.replace("_", " ")
            raise InputError(f"{name} is given, but the critical sizes are along {axis}: leave {name} out.")
    return Measurements(
        family=names["family"],
        objective=names["objective"],
        **covariates,
        critical_size=size,
        low=lowest,
        high=highest,
        source=where,
        censored=dict(censored or {}),
        data=data_names,
        along=along,
        labels=_all_labels(quantity, labels or {}),
    )


def read_measurements(
    paths: str | Path | Iterable[str | Path],
    *,
    metric: str | None = None,
    complexity: Literal["data_entropy_bits", "data_compressed_bits"] = "data_entropy_bits",
    along: Along = "model_size",
    labels: Mapping[str, str] | None = None,
) -> Measurements:
    """Read the critical sizes of analyzed sweeps and of tables.

    The folder of a sweep holds sweep.nc, which says what was trained, and analysis.json; without the latter the sweep
    is analyzed here. A table has the columns family, objective, data_size, data_complexity, critical_size, low and
    high, and optionally data. A critical data size is in the column critical_data_size, with model_size in place of
    data_size; a critical training time is in critical_steps, with both sizes. Sizes of conditions may be empty.

    Args:
        paths: Folders of sweeps and .csv files, in any mixture.
        metric: The metric whose transitions are used, by default the order parameter of each analysis. There is one per
            curve, since several metrics of the same models are not independent.
        complexity: The attribute of sweep.nc that measures the complexity of the data.
        along: "model_size", "data_size" (the sweeps must be analyzed along data size) or "steps" (the time of the
            largest step of each learning curve, see `jaxphase.analyze_time`).
        labels: As in `measured`.

    Returns:
        The measurements. Curves without a transition or without a finite interval are counted in `censored`.

    Raises:
        InputError: If a path cannot be read as one of these.

    Example:
        >>> measurements = jaxphase.predict.read_measurements(["runs/mlp", "runs/vit", "others.csv"])
    """
    quantity = _quantity(along)
    rows, censored = [], Counter()
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        if path.suffix == ".csv":
            rows += _table_rows(path, quantity)
        else:
            sizes = critical_sizes(path, metric, complexity, along)
            rows += sizes.rows
            censored += sizes.censored
    names = *FACTORS, *COVARIATES, "critical_size", *_ENDS, "source"
    columns = {name: [row.get(name, math.nan) for row in rows] for name in names}
    return measured(**columns, censored=censored, along=along, labels=labels)


def standard_errors(measurements: Measurements) -> Float[np.ndarray, " n"]:
    """Standard errors of the log10 critical sizes, from intervals that are 3.92 standard errors wide."""
    return np.log10(measurements.high / measurements.low) / (2 * NORMAL_95)


def subset(measurements: Measurements, chosen: Bool[np.ndarray, " n"]) -> Measurements:
    """The measurements where `chosen` is true."""
    kept, columns = np.flatnonzero(chosen), {}
    for name, column in measurements._asdict().items():
        if isinstance(column, tuple):
            columns[name] = tuple(column[i] for i in kept)
        elif isinstance(column, np.ndarray):
            columns[name] = column[kept]
    return measurements._replace(**columns)


def _quantity(along: str) -> Quantity:
    """The kind of critical size along an axis."""
    if along not in QUANTITIES:
        raise InputError(f"along is {along!r}: choose from {', '.join(QUANTITIES)}.")
    return QUANTITIES[along]


def _all_labels(quantity: Quantity, own: Mapping[str, str]) -> dict[str, str]:
    """The labels of a kind of critical size, with the user's own in place of ours."""
    known = {"name": quantity.name, "unit": quantity.unit} | _LABELS
    for name in own:
        if name not in known:
            raise InputError(f"labels has {name!r}: choose from {', '.join(known)}.")
    return known | dict(own)


def _check_values(
    quantity: Quantity,
    source: tuple[str, ...],
    names: Mapping[str, tuple[str, ...]],
    numbers: Mapping[str, Float[np.ndarray, " n"]],
) -> None:
    """Refuse the first measurement with an empty name, or a number that is not positive or out of its interval."""
    for i, where in enumerate(source):
        for name, column in names.items():
            if not column[i].strip():
                raise InputError(f"{where} has no {name}: name it.")
        for name, column in numbers.items():
            unknown = name in COVARIATES and math.isnan(column[i])
            if not unknown and not 0 < column[i] < math.inf:
                raise InputError(f"{name} of {where} is {column[i]:g}: give a positive, finite number.")
        size, low, high = (numbers[name][i] for name in (quantity.column, *_ENDS))
        if not low <= size <= high:
            raise InputError(f"{where} has a {quantity.name} of {size:g} outside [{low:g}, {high:g}]: correct it.")


def _table_rows(path: Path, quantity: Quantity) -> list[dict[str, Any]]:
    """The measurements in a .csv file, by the columns of `measured`."""
    table = read_csv_table(path)
    numbers = *quantity.covariates, quantity.column, *_ENDS
    for name in (*_REQUIRED, *numbers):
        if name not in table.columns:
            others = [kind for kind, other in QUANTITIES.items() if other.column in table.columns]
            remedy = f"; or ask along {others[0]}" if others and QUANTITIES[others[0]] != quantity else ""
            raise InputError(f"{path} has no column {name}: give columns {', '.join((*_REQUIRED, *numbers))}{remedy}.")
    rows = []
    for row in table.rows:
        entry: dict[str, Any] = {name: str(row.cells.get(name) or "").strip() for name in FACTORS}
        for name in numbers:
            required = name not in COVARIATES or not absent(row.cells[name])
            entry[name] = number(row.cells[name], name, row.where, positive=required)
        entry["critical_size"] = entry.pop(quantity.column)
        rows.append(entry | {"source": row.where})
    return rows
