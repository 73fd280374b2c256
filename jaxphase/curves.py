"""Measured curves from a file, a sweep's result or anyone's own table, as one labelled Dataset."""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from jaxphase.errors import InputError

LEAST_SIZES = 5
_DIMS = ("data_size", "size", "seed", "step")
_AXES = (*_DIMS, "params")


def read(
    path: str | Path,
    *,
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    by: str | None = None,
    group: str | None = None,
) -> xr.Dataset:
    """The curves in a .nc file that a sweep has written, or in a .csv file as `read_csv` takes it.

    Returns a Dataset in memory with dims (data_size?, size, seed, step?). A .nc file names its own axes; of it `y`
    chooses the metrics, all by default. Raises InputError for a file that does not hold curves.
    """
    path = Path(path)
    if path.suffix == ".csv":
        if x is None or not y:
            listed = ", ".join(_rows(path)[0])
            raise InputError(f"{path} needs a column of sizes as x and of values as y: choose from {listed}.")
        return read_csv(path, x=x, y=y, by=by, group=group)
    if path.suffix != ".nc":
        raise InputError(f"{path} is neither a .nc nor a .csv file: give the sweep.nc of a sweep, or a table as .csv.")
    for name, value in (("x", x), ("by", by), ("group", group)):
        if value is not None:
            raise InputError(f"{name} is {value!r}, but {path} names its own axes: leave {name} out.")
    return _read_netcdf(path, _names(y))


def read_csv(
    path: str | Path, *, x: str, y: str | Sequence[str], by: str | None = None, group: str | None = None
) -> xr.Dataset:
    """Curves from a table with one row per trained model and a header row.

    x: the column of model sizes, positive numbers; y: one column of measured values or several; by: the column that
    tells repeated runs (seeds) of one size apart, without which the rows of one size are its runs in the order they
    come; group: a column of positive numbers, such as the data size, with one curve for each of its values.

    Returns a Dataset with dims (data_size, size, seed), data_size only with `group`, and the sizes also as coordinate
    `params`. An empty, NaN or infinite value, and a run that the table does not have, is NaN. Raises InputError for
    anything else that is not such a table.
    """
    path, metrics = Path(path), _names(y)
    columns, rows = _rows(path)
    for field, name in (("x", x), *(("y", name) for name in metrics), ("by", by), ("group", group)):
        if name is not None and name not in columns:
            raise InputError(f"{field} is {name!r}, a column that {path} lacks: choose from {', '.join(columns)}.")
        if field == "y" and name in (x, by, group, *_AXES):
            raise InputError(f"y is {name!r}, which is an axis of the curves: give a column of measured values.")

    runs: dict[tuple, tuple[float, ...]] = {}
    repeats: Counter[tuple] = Counter()
    for number, row in rows:
        size = _number(path, number, x, row[x], positive=True)
        data_size = _number(path, number, group, row[group], positive=True) if group else None
        seed = row[by] if by else repeats[data_size, size]
        repeats[data_size, size] += 1
        if (data_size, size, seed) in runs:
            raise InputError(
                f"row {number} of {path} repeats {x} {row[x]}, {by} {seed!r}"
                f"{f', {group} {row[group]}' if group else ''}: keep one row of each, "
                "or name the column that tells them apart as group."
            )
        runs[data_size, size, seed] = tuple(_number(path, number, name, row[name]) for name in metrics)
    return check(_dataset(runs, x, metrics, by, group), str(path))


def check(data: xr.Dataset, source: str = "the dataset") -> xr.Dataset:
    """The same Dataset, if it holds curves over model size that can be analysed; InputError otherwise."""
    for dim in ("size", "seed"):
        if dim not in data.dims:
            listed = ", ".join(map(str, data.dims)) or "none"
            raise InputError(f"{source} has no dimension '{dim}' (it has {listed}): give the result of a sweep.")
    if "params" not in data.coords or data.params.dims != ("size",):
        raise InputError(f"{source} has no coordinate 'params' along size: give each size its number of parameters.")
    if "data_size" in data.dims and "data_size" not in data.coords:
        raise InputError(f"{source} has no coordinate 'data_size': give each its number.")
    sizes = np.asarray(data.params, float)
    for name, what in (("params", "model"), ("data_size", "data")):
        values = np.atleast_1d(np.asarray(data.coords.get(name, 1), float))
        for value in values[~(np.isfinite(values) & (values > 0))]:
            raise InputError(f"{source} has a {what} size ({name}) of {value:g}: give positive, finite numbers.")
    if len(set(sizes)) < LEAST_SIZES:
        label = data.params.attrs.get("long_name", "params")
        raise InputError(
            f"{source} has {len(set(sizes))} different sizes ({label}): a curve needs at least {LEAST_SIZES}."
        )
    names = metrics_of(data)
    if not names:
        raise InputError(f"{source} has no metric over size and seed: give at least one variable of numbers.")
    for name in names:
        if not np.isfinite(data[name]).any():
            raise InputError(f"every value of {name} in {source} is missing or not finite: leave {name} out.")
    return data


def at_best_rate(data: xr.Dataset) -> xr.Dataset:
    """A sweep at one learning rate for each size and data size: that of the least validation loss, or training loss
    where that was not measured, at the last step and in the mean over the seeds that did not diverge.

    Which it was is the coordinate `learning_rate` (data_size, size). Without that axis, the same Dataset.
    """
    if "learning_rate" not in data.dims:
        return data
    judge = next((name for name in ("val_loss", "train_loss") if name in data), None)
    if judge is None:
        raise InputError("the curves have a learning rate but no val_loss or train_loss: choose one rate with sel.")
    loss = data[judge].isel(step=-1, drop=True).where(data.diverged_at < 0).mean("seed")
    best = loss.fillna(np.inf).argmin("learning_rate")
    return data.isel(learning_rate=best)


def at_step(data: xr.Dataset, step: int | None = None) -> xr.Dataset:
    """The curves at one checkpoint, the last by default; a model that has diverged by then is NaN in every metric.

    The result has `diverged`, over data_size, size and seed as far as there, true for such models.
    """
    if "step" in data.dims:
        steps = data.step.values.tolist()
        if step is not None and step not in steps:
            raise InputError(f"step is {step}: choose one of {', '.join(map(str, steps))}.")
        data = data.sel(step=max(steps) if step is None else step)
    elif step is not None:
        raise InputError(f"step is {step}, but the curves have no training steps: leave step out.")
    names = list(metrics_of(data))
    diverged = xr.zeros_like(data[names[0]], bool)
    if "diverged_at" in data:
        last = data.step if "step" in data.coords else np.inf
        diverged = (data.diverged_at >= 0) & (data.diverged_at <= last)
    kept = {name: data[name].where(~diverged) for name in names}
    return data.assign(kept).assign(diverged=diverged)


def metrics_of(data: xr.Dataset) -> tuple[str, ...]:
    """Names of the variables that are numbers over size and seed, and over nothing that a sweep does not have."""
    return tuple(
        str(name)
        for name, values in data.data_vars.items()
        if name != "diverged_at"
        and values.dtype.kind in "fiu"
        and {"size", "seed"} <= set(values.dims)
        and set(values.dims) <= set(_DIMS)
    )


def _read_netcdf(path: Path, metrics: tuple[str, ...]) -> xr.Dataset:
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of a result.")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            data = at_best_rate(opened.load())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as NetCDF ({error}): give the sweep.nc of a sweep.") from error
    for name in metrics:
        if name not in metrics_of(data):
            listed = ", ".join(metrics_of(data)) or "none"
            raise InputError(f"y is {name!r}, a metric that {path} lacks: choose from {listed}.")
    others = [name for name in metrics_of(data) if metrics and name not in metrics]
    return check(data.drop_vars(others), str(path))


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Column names, and every row that is not blank with its number as an editor shows it."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="", skipinitialspace=True)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give the path of a .csv file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a text table ({error}): give a .csv file in UTF-8.") from error
    if not rows:
        raise InputError(f"{path} is empty: give a header row and one row per trained model.")
    return columns, rows


def _number(path: Path, number: int, column: str, text: str, positive: bool = False) -> float:
    """The number in a cell; NaN for an empty or not finite one where it need not be positive."""
    text = text.strip()
    try:
        value = float(text) if text or positive else math.nan
    except ValueError:
        raise InputError(f"{column} is {text!r} in row {number} of {path}: give a number.") from None
    if positive and not (math.isfinite(value) and value > 0):
        raise InputError(f"{column} is {text} in row {number} of {path}: give a positive, finite number.")
    return value if math.isfinite(value) else math.nan


def _dataset(
    runs: dict[tuple, tuple[float, ...]], x: str, metrics: tuple[str, ...], by: str | None, group: str | None
) -> xr.Dataset:
    """Runs {(data_size, size, seed): values} on their grid."""
    data_sizes, sizes, seeds = (list(dict.fromkeys(key[i] for key in runs)) for i in range(3))
    data_sizes.sort()
    sizes.sort()
    values = np.full((len(metrics), len(data_sizes), len(sizes), len(seeds)), np.nan)
    place = [{label: i for i, label in enumerate(axis)} for axis in (data_sizes, sizes, seeds)]
    for key, measured in runs.items():
        values[(slice(None), *(axis[label] for axis, label in zip(place, key, strict=True)))] = measured
    data = xr.Dataset(
        {name: (_DIMS[:3], values[i], {"long_name": name}) for i, name in enumerate(metrics)},
        {
            "size": ("size", sizes, {"long_name": x}),
            "seed": ("seed", seeds, {"long_name": by or "order of rows"}),
            "params": ("size", sizes, {"long_name": x}),
        },
    )
    if group is None:
        return data.isel(data_size=0)
    return data.assign_coords(data_size=("data_size", data_sizes, {"long_name": group}))


def _names(y: str | Sequence[str] | None) -> tuple[str, ...]:
    return (y,) if isinstance(y, str) else tuple(dict.fromkeys(y or ()))
