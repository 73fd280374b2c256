"""Measured critical sizes, from analysed sweeps and from tables of others' results."""

import json
import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from jaxphase.errors import InputError
from jaxphase.readers import read_csv_table
from jaxphase.readers.table import absent, number

if TYPE_CHECKING:
    import xarray as xr

NORMAL_95 = 1.959963984540054
NAMES, OPTIONAL = ("family", "objective"), ("data_size", "data_complexity")
NUMBERS = (*OPTIONAL, "critical_size", "low", "high")


class Measurements(NamedTuple):
    """Critical sizes `critical_size` with 95 % intervals from `low` to `high`, and what they were measured on: [n].

    data_complexity is in bits a number. source says where each comes from. censored counts, by reason, the curves that
    were looked at and gave no critical size: no model of critical sizes can learn from them, but how many there are is
    to be known. data_size and data_complexity are NaN where they are not known.
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


def measured(
    family, objective, data_size, data_complexity, critical_size, low, high, source=None, censored=None
) -> Measurements:
    """Measurements of columns of equal length; InputError for names or numbers that cannot be such.

    low and high are the ends of the 95 % interval, critical_size between them, all positive and finite.
    """
    names = [tuple(map(str, column)) for column in (family, objective)]
    numbers = [np.array(column, float) for column in (data_size, data_complexity, critical_size, low, high)]
    count = len(names[0])
    source = tuple(source) if source is not None else tuple(f"measurement {i + 1}" for i in range(count))
    for name, column in zip((*NAMES, *NUMBERS, "source"), (*names, *numbers, source), strict=True):
        if np.shape(column) != (count,):
            raise InputError(f"{name} has shape {np.shape(column)}: give one value for each of the {count} families.")
    for i, where in enumerate(source):
        for name, column in zip(NAMES, names, strict=True):
            if not column[i].strip():
                raise InputError(f"{where} has no {name}: name it.")
        for name, column in zip(NUMBERS, numbers, strict=True):
            unknown = name in OPTIONAL and math.isnan(column[i])
            if not unknown and not 0 < column[i] < math.inf:
                raise InputError(f"{name} of {where} is {column[i]:g}: give a positive, finite number.")
        _, _, size, lowest, highest = (column[i] for column in numbers)
        if not lowest <= size <= highest:
            raise InputError(f"{where} has a critical size of {size:g} outside [{lowest:g}, {highest:g}]: correct it.")
    return Measurements(*names, *numbers, source, dict(censored or {}))


def read_measurements(
    paths: str | Path | Iterable[str | Path],
    *,
    metric: str | None = None,
    complexity: Literal["data_entropy_bits", "data_compressed_bits"] = "data_entropy_bits",
) -> Measurements:
    """Critical sizes of analysed sweeps and of tables, any number of either.

    A path is the folder of a sweep, with sweep.nc, whose spec gives family and objective and whose attribute
    `complexity` the complexity of the data, and analysis.json, without which it is analyzed here; or a .csv with
    columns family, objective, data_size, data_complexity (these two may be empty), critical_size, low and high, the
    last two the ends of a 95 % interval.

    metric: which metric's transitions to take, by default the order parameter of each analysis; one per curve, as those
    of several metrics of the same models are not independent. Curves without a transition, or with one whose interval
    is not finite, are counted in `censored`. InputError for anything that cannot be read so.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    rows, censored = [], Counter()
    for path in map(Path, paths):
        if path.suffix == ".csv":
            rows += _of_table(path)
        else:
            _of_folder(path, metric, complexity, rows, censored)
    columns = zip(*rows, strict=True) if rows else [()] * (len(NAMES) + len(NUMBERS) + 1)
    return measured(*columns, censored=censored)


def standard_errors(data: Measurements) -> np.ndarray:
    """Standard errors [n] in decades, of intervals that are 3.92 of them wide."""
    return np.log10(data.high / data.low) / (2 * NORMAL_95)


def subset(data: Measurements, chosen: np.ndarray) -> Measurements:
    """The measurements where `chosen` [n] is true."""
    kept = np.flatnonzero(chosen)
    columns = [tuple(c[i] for i in kept) if isinstance(c, tuple) else c[kept] for c in data[:-1]]
    return Measurements(*columns, data.censored)


def _of_table(path: Path) -> list[tuple]:
    table = read_csv_table(path)
    for name in (*NAMES, *NUMBERS):
        if name not in table.columns:
            raise InputError(f"{path} has no column {name}: give columns {', '.join((*NAMES, *NUMBERS))}.")
    return [
        (
            *(str(row.cells[name]).strip() for name in NAMES),
            *(
                number(cell, name, row.where, positive=name not in OPTIONAL or not absent(cell))
                for name in NUMBERS
                for cell in [row.cells[name]]
            ),
            row.where,
        )
        for row in table.rows
    ]


def open_sweep(folder: Path) -> "xr.Dataset":
    """The sweep.nc of a folder, that says what was trained."""
    import xarray as xr

    path = folder / "sweep.nc"
    if not path.exists():
        what = f"has no {path.name}, which says what was trained" if folder.is_dir() else "is no folder and no .csv"
        raise InputError(f"{folder} {what}: give the folder of a sweep, or family and objective in a .csv.")
    try:
        data = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as NetCDF ({error}): give the folder of a sweep.") from error
    if "spec" not in data.attrs:
        raise InputError(f"{path} does not say what was trained: give family and objective in a .csv instead.")
    return data


def _of_folder(folder: Path, metric: str | None, complexity: str, rows: list[tuple], censored: Counter) -> None:
    """Adds the critical sizes that a folder holds to rows, and the curves without one to censored."""
    sweep = open_sweep(folder)
    spec = tomllib.loads(sweep.attrs["spec"])["sweep"]
    bits = float(sweep.attrs.get(complexity, math.nan))
    found = _analysis(folder)
    if found.get("axis", "model size") != "model size":
        raise InputError(f"{folder} was analyzed along {found['axis']}: analyze it along model size.")
    metric = metric or found["order_parameter"]
    curves = [curve for curve in found["findings"] if curve["metric"] == metric]
    if not curves:
        listed = ", ".join(dict.fromkeys(curve["metric"] for curve in found["findings"])) or "none"
        raise InputError(f"metric is {metric!r}, which {folder} lacks: choose from {listed}.")
    for curve in curves:
        ends = curve["interval"]
        if curve["critical_size"] is None:
            censored["too few points" if curve["kind"] == "too few points" else "no transition"] += 1
        elif None in ends or min(ends) <= 0:
            censored["no finite interval"] += 1
        else:
            data_size = curve["data_size"] or math.nan
            where = f"{folder}, {metric} at data size {data_size:g}"
            rows.append((spec["family"], spec["objective"], data_size, bits, curve["critical_size"], *ends, where))


def _analysis(folder: Path) -> dict:
    """What analysis.json says; without that file the sweep is analyzed."""
    path = folder / "analysis.json"
    if not path.exists():
        from jaxphase.analysis import analyze
        from jaxphase.curves import read

        return analyze(read(folder / "sweep.nc")).to_dict()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): analyze the sweep again.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}): analyze the sweep again.") from error
    if not isinstance(found, dict) or not {"order_parameter", "findings"} <= set(found):
        raise InputError(f"{path} is not an analysis: analyze the sweep again.")
    return found
