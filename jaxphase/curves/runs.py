"""From rows of measurements to curves: the run, the size and the training step that each row belongs to."""

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr

from jaxphase.curves.column_names import DATA_SIZES, SEEDS, SIZES, TIMES, of_numbers, usual
from jaxphase.curves.table import Row, Table, absent, listed, number
from jaxphase.errors import InputError

AXES = ("data_size", "size", "seed", "step")
MODEL = "model"
_EXAMPLE = "such as 'model-{size}-seed{seed}'"


class Place(NamedTuple):
    """The place of a run on the axes."""

    data_size: float | None
    size: float
    seed: str | int


class Columns(NamedTuple):
    """The columns of sizes, values, repeats, second sizes and steps."""

    x: str
    y: tuple[str, ...]
    by: str | None
    group: str | None
    time: str | None


# {place: {metric: {step: (value, name of the run)}}}, with step None where there are no steps.
Measured = dict[Place, dict[str, dict[float | None, tuple[float, str | None]]]]


def curves_of(
    table: Table,
    *,
    x: str | None,
    y: tuple[str, ...],
    by: str | None,
    group: str | None,
    run: str | None = None,
    time: str | None = None,
    step: float | Literal["all"] | None = None,
) -> xr.Dataset:
    """Make the Dataset of `jaxphase.read`, which has the same options, from the rows of a table."""
    if run is not None:
        table, x, by, group = _by_name(table, run, x, by, group)
    if x is None and not any(row.run for row in table.rows) and (x := usual(table, SIZES, (*y, by, group, time))):
        by = by or usual(table, SEEDS, (*y, group, time))
        group = group or usual(table, DATA_SIZES, (*y, time))
    if x is None and step == "all":
        table, x = _of_one_model(table)
    columns = _checked(table, x, y, by, group, time or table.time)
    if columns.time is None:
        columns = columns._replace(time=_usual_time(table, columns, step == "all"))
    if step is not None and columns.time is None:
        raise InputError(_without_steps(table, step))
    measured = _measured(table, columns)
    return _dataset(measured if step == "all" else _at(measured, step, table.source), columns, step == "all")


def _by_name(
    table: Table, run: str, x: str | None, by: str | None, group: str | None
) -> tuple[Table, str, str | None, str | None]:
    """The table with the parts of its runs' names as columns, without runs of other names; and x, by and group."""
    try:
        pattern = re.compile(re.sub(r"\{([A-Za-z_]\w*)\}", r"(?P<\1>[0-9A-Za-z.]+)", run))
    except re.error as error:
        raise InputError(f"run is {run!r}, which is no pattern ({error}): give one {_EXAMPLE}.") from None
    told = tuple(pattern.groupindex)
    x = x or ("size" if "size" in told else None)
    if x is None:
        raise InputError(f"run is {run!r}, which tells no size: give a pattern {_EXAMPLE}, or the sizes as x.")
    named = all(row.run is not None for row in table.rows)
    if not named and by not in table.columns:
        raise InputError(
            f"run is {run!r}, but nothing in {table.source} names its runs: give the column of names as by, one of "
            f"{listed(table.columns)}."
        )
    names = [(row.run or "") if named else str(row.cells.get(by or "", "")) for row in table.rows]
    found = {name: pattern.search(name) for name in dict.fromkeys(names)}
    others = [name for name, match in found.items() if not match]
    if len(others) == len(found):
        raise InputError(f"run is {run!r}, which fits no run of {table.source}: they are {listed(found)}.")
    if others:
        warnings.warn(f"run {run!r} leaves out {len(others)} of {len(found)} runs: {listed(others)}.", stacklevel=2)
    rows = [
        Row(row.where, name, {**row.cells, **match.groupdict()})
        for row, name in zip(table.rows, names, strict=True)
        if (match := found[name])
    ]
    by = by if named and by else "seed" if "seed" in told else None
    group = group or ("data_size" if "data_size" in told else None)
    return table._replace(rows=rows, columns=tuple(dict.fromkeys((*table.columns, *told)))), x, by, group


def _of_one_model(table: Table) -> tuple[Table, str | None]:
    """The log of a single run without a size, which gets the size 1; other tables as they are."""
    if len({row.run for row in table.rows}) > 1:
        return table, None
    rows = [row._replace(cells={**row.cells, MODEL: 1}) for row in table.rows]
    return table._replace(rows=rows, columns=(*table.columns, MODEL)), MODEL


def _checked(
    table: Table, x: str | None, y: tuple[str, ...], by: str | None, group: str | None, time: str | None
) -> Columns:
    """The columns, after a check that the table has all of them."""
    free = [name for name in table.columns if name not in (x, by, group, time)]
    if x is None and table.rows and table.rows[0].run is not None:
        runs = listed(dict.fromkeys(row.run for row in table.rows))
        raise InputError(
            f"{table.source} needs the sizes of its runs: give a pattern of their names as run, {_EXAMPLE}, or a "
            f"column as x; the runs are {runs} and the columns {listed(free)}."
        )
    if not y and table.time and len(free) == 1:
        y = tuple(free)
    elif not y and x is not None and not table.time:
        y = of_numbers(table, (x, by, group, time))
    if x is None or not y:
        needs = "a column of sizes as x and of values as y" if x is None else "columns of values as y"
        raise InputError(f"{table.source} needs {needs}: choose from {listed(free if x == MODEL else table.columns)}.")
    for field, name in (("x", x), *(("y", name) for name in y), ("by", by), ("group", group), ("time", time)):
        if name is not None and name not in table.columns:
            raise InputError(
                f"{field} is {name!r}, a column that {table.source} lacks: choose from {listed(table.columns)}."
            )
        if field == "y" and name in (x, by, group, time, *AXES, "params"):
            raise InputError(f"y is {name!r}, which is an axis of the curves: give a column of measured values.")
    return Columns(x, y, by, group, time)


def _usual_time(table: Table, columns: Columns, every_step: bool) -> str | None:
    """A column with a usual name for training steps, if rows tell their runs apart or every step is asked for."""
    x, y, by, group, _ = columns
    time = usual(table, TIMES, (x, *y, by, group))
    if time is None or by or every_step or all(row.run is not None for row in table.rows):
        return time
    models = Counter(tuple(str(row.cells.get(name or "")) for name in (x, group)) for row in table.rows)
    (size, _), most = models.most_common(1)[0]
    if most > 1:
        raise InputError(
            f"{table.source} has {most} rows of {x} {size} and a column {time}, which may be several runs or steps of "
            f"one: name the column that tells runs apart as by, or {time} as time if each size has one run."
        )
    return None


def _without_steps(table: Table, step: float | Literal["all"]) -> str:
    """An error message for a table without training steps."""
    if step != "all":
        return f"step is {step!r}, but {table.source} has no training steps: name their column as time."
    remedy = f"name their column as time (it has {listed(table.columns)}), or give a row for each step"
    return f"{table.source} has no column of training steps, such as step or epoch: {remedy}."


def _measured(table: Table, columns: Columns) -> Measured:
    """The values of every run by metric and step."""
    time = columns.time
    axes = [name for name in (columns.x, columns.by, columns.group) if name]
    constants, count = _constants(table, axes), Counter()
    places: dict[tuple[str | None, ...], Place] = {}
    measured: Measured = {}
    for row in table.rows:
        if not any(name in row.cells for name in columns.y):
            continue
        known = constants.get(row.run or "", {})
        said = {name: row.cells.get(name) for name in axes}
        cells = {name: known.get(name, cell) if absent(cell) else cell for name, cell in said.items()}
        key = row.run, *map(str, cells.values())
        place = places.get(key) if row.run is not None else None
        if place is None:
            place = places[key] = _place(row, cells, columns, count)
        step = _step(row, time) if time else None
        metrics = measured.setdefault(place, {})
        for name in columns.y:
            if absent(row.cells.get(name)):
                continue
            steps = metrics.setdefault(name, {})
            # A run that repeats a step was restarted, and the later value counts.
            if step in steps and (row.run is None or steps[step][1] != row.run):
                raise InputError(_repeats(row, cells, place, columns, step, steps[step][1]))
            steps[step] = number(row.cells[name], name, row.where), row.run
    if not measured or (time and not any(any(metrics.values()) for metrics in measured.values())):
        raise InputError(f"{table.source} has no value of {listed(columns.y)}: choose from {listed(table.columns)}.")
    return measured


def _constants(table: Table, names: list[str]) -> dict[str, dict[str, Any]]:
    """The size, seed and data size that each named run gives in any of its rows, for its other rows."""
    constants: dict[str, dict[str, Any]] = {}
    for row in table.rows:
        if row.run is not None:
            known = constants.setdefault(row.run, {})
            known.update({name: row.cells[name] for name in names if not absent(row.cells.get(name))})
    return constants


def _place(row: Row, cells: Mapping[str, Any], columns: Columns, count: Counter) -> Place:
    """The place of a run. Without `by` it is the next run of its size, or the only one if steps tell rows apart."""
    x, _, by, group, time = columns
    size = number(cells[x], x, row.where, positive=True)
    data_size = number(cells[group], group, row.where, positive=True) if group else None
    if by:
        if cells[by] is None:
            raise InputError(f"{by} is missing in {row.where}: give what tells its run apart.")
        return Place(data_size, size, str(cells[by]))
    seed = 0 if time and row.run is None else count[data_size, size]
    count[data_size, size] += 1
    return Place(data_size, size, seed)


def _step(row: Row, time: str) -> float:
    step = number(row.cells.get(time), time, row.where)
    if math.isnan(step):
        said = "missing" if absent(row.cells.get(time)) else row.cells[time]
        raise InputError(f"{time} is {said} in {row.where}: give a training step, or another column as time.")
    return step


def _repeats(
    row: Row, cells: Mapping[str, Any], place: Place, columns: Columns, step: float | None, other: str | None
) -> str:
    """An error message for a row that repeats another."""
    x, _, by, group, time = columns
    what = f"{x} {cells[x]}" + (f", {by} {place.seed!r}" if by else "")
    what += (f", {group} {place.data_size:g}" if group else "") + (f", {time} {step:g}" if time else "")
    if other is not None:
        return f"runs {other!r} and {row.run!r} are both {what}: tell them apart by their seed (by) or as a group."
    remedy = "name the column that tells them apart as " + ("group" if by else "by")
    remedy = "name the column of sizes as x, and of seeds as by" if x == MODEL else remedy
    return f"{row.where} repeats {what}: keep one row of each, or {remedy}."


def _at(measured: Measured, step: float | None, source: str) -> Measured:
    """The values at one step, by default at the last step of each metric of each run."""
    steps = {at for metrics in measured.values() for values in metrics.values() for at in values}
    if step is not None and step not in steps:
        if isinstance(step, str):
            raise InputError(f"step is {step!r}: give a training step, or 'all'.")
        known = [at for at in steps if at is not None]
        near = ", ".join(f"{at:g}" for at in sorted(sorted(known, key=lambda at: abs(at - step))[:6])) or "none"
        raise InputError(f"step is {step}, at which {source} has no value: choose one that it has, such as {near}.")
    chosen: Measured = {}
    for place, metrics in measured.items():
        chosen[place] = {}
        for name, values in metrics.items():
            known = [at for at in values if at is not None]
            at = step if step is not None else max(known, default=None)
            chosen[place][name] = {at: values[at]} if at in values else {}
    return chosen


def _dataset(measured: Measured, columns: Columns, every_step: bool) -> xr.Dataset:
    """The runs on their grid, with an axis of steps if every step is wanted."""
    x, y, by, group, time = columns
    steps = {step for metrics in measured.values() for values in metrics.values() for step in values}
    steps = sorted(step for step in steps if step is not None) if every_step else list(steps)
    places = [{label: i for i, label in enumerate(axis)} for axis in _axes(measured)]
    at = {step: i if every_step else 0 for i, step in enumerate(steps)}
    grid = np.full((len(y), *(len(axis) for axis in places), len(steps) if every_step else 1), np.nan)
    for place, metrics in measured.items():
        cell = tuple(axis[label] for axis, label in zip(places, place, strict=True))
        for name, values in metrics.items():
            for step, (value, _) in values.items():
                grid[(y.index(name), *cell, at[step])] = value
    sizes, seeds = list(places[1]), list(places[2])
    seed_name = by or ("order of runs" if time else "order of rows")
    data = xr.Dataset(
        {name: (AXES, grid[i], {"long_name": name}) for i, name in enumerate(y)},
        {
            "size": ("size", sizes, {"long_name": x}),
            "seed": ("seed", seeds, {"long_name": seed_name}),
            "params": ("size", sizes, {"long_name": x}),
        },
    )
    if group is None:
        data = data.isel(data_size=0)
    else:
        data = data.assign_coords(data_size=("data_size", list(places[0]), {"long_name": group}))
    labels = np.array([step for step in steps if step is not None], float)
    labels = labels.astype(int) if (labels == np.rint(labels)).all() else labels
    if every_step:
        return data.assign_coords(step=("step", labels, {"long_name": time}))
    data = data.isel(step=0)
    return data.assign_coords(step=labels[0]) if len(labels) == 1 else data


def _axes(measured: Measured) -> tuple[list, list, list]:
    """Labels of data sizes and sizes in ascending order, of seeds in the order they come."""
    data_sizes, sizes, seeds = (list(dict.fromkeys(labels)) for labels in zip(*measured, strict=True))
    return sorted(data_sizes), sorted(sizes), seeds
