"""Measured critical sizes of models, of data or in steps, from analysed sweeps and from tables of others' results."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from jaxphase.curves.files import read_csv_table
from jaxphase.curves.table import absent, number
from jaxphase.errors import InputError

from .sweeps import critical_sizes

NORMAL_95 = 1.959963984540054
NAMES, GROUPS = ("family", "objective"), ("family", "objective", "data")
OPTIONAL = ("data_size", "data_complexity", "model_size")
ENDS = ("low", "high")


class Quantity(NamedTuple):
    """A critical quantity: its name and unit in words, its column in a table, the axis of an analysis along which it is
    found, and which of `OPTIONAL` it may depend on."""

    name: str
    unit: str
    column: str
    axis: str
    covariates: tuple[str, ...]


QUANTITIES = {
    "model": Quantity("critical size", "parameters", "critical_size", "model size", OPTIONAL[:2]),
    "data": Quantity("critical data size", "rows", "critical_data_size", "data size", ("model_size", OPTIONAL[1])),
    "steps": Quantity("critical training time", "steps", "critical_steps", "training steps", OPTIONAL),
}
# Words for what it depends on; units are rows, bits a number, and parameters.
COVARIATES = {"data_size": "data size", "data_complexity": "complexity of the data", "model_size": "model size"}
Along = Literal["model", "data", "steps"]


class Measurements(NamedTuple):
    """Critical sizes `critical_size` with 95 % intervals from `low` to `high`, and what they were measured on: [n].

    They are sizes along `along`: of the "model" in parameters, of the "data" in rows, or "steps" of training.
    data_complexity is in bits a number. source says where each comes from. censored counts, by reason, the curves that
    were looked at and gave no critical size: no model of critical sizes can learn from them, but how many there are is
    to be known. data_size, data_complexity and model_size are NaN where they are not known, and the name of the data is
    empty. words: what the caller calls the critical size ("name"), its "unit", and the numbers it depends on.
    """

    family: tuple[str, ...]
    objective: tuple[str, ...]
    data_size: np.ndarray
    data_complexity: np.ndarray
    critical_size: np.ndarray
    low: np.ndarray
    high: np.ndarray
    source: tuple[str, ...]
    censored: Mapping[str, int]
    model_size: np.ndarray
    data: tuple[str, ...]
    along: Along = "model"
    words: Mapping[str, str] = {}


def measured(
    family,
    objective,
    data_size,
    data_complexity,
    critical_size,
    low,
    high,
    source=None,
    censored=None,
    *,
    model_size=None,
    data=None,
    along: Along = "model",
    words: Mapping[str, str] | None = None,
) -> Measurements:
    """Measurements of columns of equal length; InputError for names or numbers that cannot be such.

    low and high are the ends of the 95 % interval, critical_size between them, all positive and finite; what is not
    known of the other numbers is NaN, a column of them or the names of data may be left out (None). along: what the
    critical sizes are sizes of (see `Measurements`). words: other names for "name", "unit", "data_size",
    "data_complexity" or "model_size" in tables and figures, such as {"unit": "strings"}.
    """
    quantity = _quantity(along)
    names = [tuple(map(str, column)) for column in (family, objective)]
    count = len(names[0])
    unknown = np.full(count, np.nan)
    optional = [unknown if column is None else column for column in (data_size, data_complexity, model_size)]
    numbers = [np.array(column, float) for column in (*optional, critical_size, low, high)]
    source = tuple(source) if source is not None else tuple(f"measurement {i + 1}" for i in range(count))
    data = tuple(map(str, data)) if data is not None else ("",) * count
    labels = *NAMES, *OPTIONAL, quantity.column, *ENDS
    for name, column in zip((*labels, "source", "data"), (*names, *numbers, source, data), strict=True):
        if np.shape(column) != (count,):
            raise InputError(f"{name} has shape {np.shape(column)}: give one value for each of the {count} families.")
    for i, where in enumerate(source):
        for name, column in zip(NAMES, names, strict=True):
            if not column[i].strip():
                raise InputError(f"{where} has no {name}: name it.")
        for name, column in zip(labels[len(NAMES) :], numbers, strict=True):
            if not (name in OPTIONAL and math.isnan(column[i])) and not 0 < column[i] < math.inf:
                raise InputError(f"{name} of {where} is {column[i]:g}: give a positive, finite number.")
        size, lowest, highest = (column[i] for column in numbers[len(OPTIONAL) :])
        if not lowest <= size <= highest:
            raise InputError(
                f"{where} has a {quantity.name} of {size:g} outside [{lowest:g}, {highest:g}]: correct it."
            )
    for name, column in zip(OPTIONAL, numbers, strict=False):
        if name not in quantity.covariates and not np.isnan(column).all():
            raise InputError(f"{name} is given, but the critical sizes are along {quantity.axis}: leave {name} out.")
    for name in words or {}:
        if name not in ("name", "unit", *OPTIONAL):
            raise InputError(f"words has {name!r}: choose from {', '.join(('name', 'unit', *OPTIONAL))}.")
    columns = *names, *numbers[:2], *numbers[3:], source
    return Measurements(*columns, dict(censored or {}), numbers[2], data, along, dict(words or {}))


def words_of(data: Measurements) -> dict[str, str]:
    """Words for the critical size ("name"), its "unit", and the numbers it depends on."""
    quantity = QUANTITIES[data.along]
    return {"name": quantity.name, "unit": quantity.unit} | COVARIATES | dict(data.words)


def read_measurements(
    paths: str | Path | Iterable[str | Path],
    *,
    metric: str | None = None,
    complexity: Literal["data_entropy_bits", "data_compressed_bits"] = "data_entropy_bits",
    along: Along = "model",
    words: Mapping[str, str] | None = None,
) -> Measurements:
    """Critical sizes of analysed sweeps and of tables, any number of either.

    A path is the folder of a sweep, with sweep.nc, whose spec gives family, objective and data and whose attribute
    `complexity` the complexity of the data, and analysis.json, without which it is analyzed here; or a .csv with
    columns family, objective, data_size, data_complexity (these two may be empty), critical_size, low and high, the
    last two the ends of a 95 % interval. A column data, of names, is read if there is one.

    along: "data" for critical data sizes, in rows, by the size of the model: a sweep is then to be analyzed along data
    (`jaxphase analyze --along data`), and a table has the columns model_size instead of data_size and
    critical_data_size. "steps" for the time of the largest step of each learning curve (`analyze_time`), by both sizes,
    in a table critical_steps. words: as in `measured`.

    metric: which metric's transitions to take, by default the order parameter of each analysis; one per curve, as those
    of several metrics of the same models are not independent. Curves without a transition, or with one whose interval
    is not finite, are counted in `censored`. InputError for anything that cannot be read so.
    """
    quantity = _quantity(along)
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    rows, censored = [], Counter()
    for path in map(Path, paths):
        if path.suffix == ".csv":
            rows += _of_table(path, quantity)
        else:
            found = critical_sizes(path, metric, complexity, quantity.axis)
            rows += found.rows
            censored += found.censored
    names = *NAMES, "data", *OPTIONAL, "critical_size", *ENDS, "source"
    columns = {name: [row.get(name, math.nan) for row in rows] for name in names}
    return measured(**columns, censored=censored, along=along, words=words)


def standard_errors(data: Measurements) -> np.ndarray:
    """Standard errors [n] in decades, of intervals that are 3.92 of them wide."""
    return np.log10(data.high / data.low) / (2 * NORMAL_95)


def subset(data: Measurements, chosen: np.ndarray) -> Measurements:
    """The measurements where `chosen` [n] is true."""
    kept, columns = np.flatnonzero(chosen), {}
    for name, column in data._asdict().items():
        if isinstance(column, tuple | np.ndarray):
            columns[name] = tuple(column[i] for i in kept) if isinstance(column, tuple) else column[kept]
    return data._replace(**columns)


def _quantity(along: str) -> Quantity:
    if along not in QUANTITIES:
        raise InputError(f"along is {along!r}: choose from {', '.join(QUANTITIES)}.")
    return QUANTITIES[along]


def _of_table(path: Path, quantity: Quantity) -> list[dict]:
    table = read_csv_table(path)
    numbers = *quantity.covariates, quantity.column, *ENDS
    for name in (*NAMES, *numbers):
        if name not in table.columns:
            others = [kind for kind, other in QUANTITIES.items() if other.column in table.columns]
            remedy = f"; or ask along {others[0]}" if others and QUANTITIES[others[0]] != quantity else ""
            raise InputError(f"{path} has no column {name}: give columns {', '.join((*NAMES, *numbers))}{remedy}.")
    rows = []
    for row in table.rows:
        cells = {name: str(row.cells.get(name) or "").strip() for name in GROUPS} | {"source": row.where}
        for name in numbers:
            known = name not in OPTIONAL or not absent(row.cells[name])
            cells[name] = number(row.cells[name], name, row.where, positive=known)
        rows.append(cells | {"critical_size": cells[quantity.column]})
    return rows
