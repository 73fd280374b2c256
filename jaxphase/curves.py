"""Measured curves from a file, a sweep's result or anyone's own table, as one labelled Dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from jaxphase.errors import InputError
from jaxphase.readers import AXES, curves_of, read_csv_table, read_table

LEAST_SIZES = 5


def read(
    path: str | Path,
    *,
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    by: str | None = None,
    group: str | None = None,
    run: str | None = None,
    time: str | None = None,
    step: float | Literal["all"] | None = None,
) -> xr.Dataset:
    """Measured curves from a file, or from a folder of runs.

    .nc             what a sweep has written; it names its own axes, and of the options only y and step apply
    .csv            a header row and one row per trained model, or per training step of one, as `read_csv` takes it
    .jsonl .ndjson  one JSON object per measurement; {"eval": {"loss": 2.1}} is a column eval.loss. An object may hold
                    a part of the columns only, as where training and evaluation are logged apart
    .csv of Weights & Biases, exported from a chart: a column of steps, then "run - metric", "run - metric__MIN" and
                    "run - metric__MAX" for each run; the last two are not used
    *.tfevents.*    the scalars of TensorBoard (simple_value, and tensor of float or double), each tag a column, up to
                    where a file is whole
    a folder        one file per run at any depth: event files, or without them JSON lines, or without those .csv. The
                    name of a run is the path of its folder (event files) or of its file without suffix, from there

    x: the column of model sizes, positive numbers, such as 350000 or 125M; in a table without names of runs by default
    one that is called params, parameters, size or the like, and then by and group those called seed and data_size.
    y: one column of measured values or several; by default all of a .nc, and all others that hold numbers of a table.
    by: the column that tells repeated runs (seeds) of one size apart. group: a column of positive numbers, such as the
    data size, with one curve for each of its values. Where runs have names, a column of these three may be given in any
    one of a run's rows.
    run: a pattern of the names of runs, whose groups are columns: "gpt-{size}-seed{seed}" or, as a regular expression
    to be found in the name, r"gpt-(?P<size>[0-9.]+[kMB])-seed(?P<seed>[0-9]+)"; {name} is (?P<name>[0-9A-Za-z.]+). The
    groups size, seed and data_size are x, by and group unless these are given. Where a column has the names (.csv,
    .jsonl), by is that column. Runs of other names are left out, with a warning.
    time: the column of training steps; by default as the format says, or where names or `by` tell runs apart a column
    named step, _step, global_step or epoch. step: the training step to read, "all" for an axis of steps, by default the
    last at which each run has measured the metric, be it NaN; where that is the same for all it is the coordinate
    `step`. Of a step that a run with a name has repeated, as after a restart, the later value counts.

    Returns a Dataset in memory with dims (data_size?, size, seed, step?), sizes also as coordinate `params`. What was
    not measured, or is not finite, is NaN. Warns in one sentence of a log that ends within a record. Raises InputError
    for anything that does not hold curves of five sizes or more, or five data sizes for `along_data`; with an axis of
    steps, for learning curves, one size is enough.
    """
    path = Path(path)
    if path.suffix == ".nc":
        for name, value in (("x", x), ("by", by), ("group", group), ("run", run), ("time", time)):
            if value is not None:
                raise InputError(f"{name} is {value!r}, but {path} names its own axes: leave {name} out.")
        data = _read_netcdf(path, _names(y))
        data = data if step in (None, "all") else at_step(data, step)
    else:
        table = read_table(path)
        data = curves_of(table, x=x, y=_names(y), by=by, group=group, run=run, time=time, step=step)
    return _check_form(data, str(path)) if step == "all" else _readable(data, str(path))


def read_csv(
    path: str | Path, *, x: str, y: str | Sequence[str], by: str | None = None, group: str | None = None
) -> xr.Dataset:
    """Curves from a table with one row per trained model and a header row.

    x: the column of model sizes, positive numbers; y: one column of measured values or several; by: the column that
    tells repeated runs (seeds) of one size apart, without which the rows of one size are its runs in the order they
    come; group: a column of positive numbers, such as the data size, with one curve for each of its values.

    Returns a Dataset with dims (data_size, size, seed), data_size only with `group`, and the sizes also as coordinate
    `params`. An empty, NaN or infinite value, and a run that the table does not have, is NaN. A table with a column of
    training steps is read as `read` says. Raises InputError for anything else that is not such a table.
    """
    table = read_csv_table(Path(path))
    return _readable(curves_of(table, x=x, y=_names(y), by=by, group=group), str(path))


def check(data: xr.Dataset, source: str = "the dataset") -> xr.Dataset:
    """The same Dataset, if it holds curves that can be analysed, with five sizes or more; InputError otherwise."""
    _check_form(data, source)
    count, others = _different(data, "params"), _different(data, "data_size")
    if count < LEAST_SIZES:
        few = f"{source} has {count} different sizes ({_called(data, 'params')})"
        needs = f"a curve along {axis(data, 'params')} needs at least {LEAST_SIZES}"
        if others < LEAST_SIZES:
            raise InputError(f"{few}: {needs}.")
        raise InputError(
            f"{few}, but {needs}: look along its {others} {axis(data, 'data_size')}s ({_called(data, 'data_size')})."
        )
    return data


def along_data(data: xr.Dataset) -> xr.Dataset:
    """The curves over data size instead of model size: the two change places, and with them their words.

    data: dims (learning_rate?, data_size, size, seed, step?) with coordinates params and data_size; of several learning
    rates the best for each size and data size counts. In the result `size` and `params` are the data sizes and
    `data_size` the model sizes, so that everything that is asked of model size, a critical one or a law, is asked of
    data size; `axis` says so, and of such curves this gives those over model size again. The same seed at two data
    sizes of a sweep is two independent trainings, each with weights and a part of the data of its own: a curve follows
    no single model that is given more data, and the scatter over seeds holds that of the data drawn. InputError without
    data sizes.
    """
    data = _check_form(at_best_rate(data), "the dataset")
    if "data_size" not in data.dims:
        raise InputError("the curves have no data sizes to be followed along: give a column of them as group.")
    along = {"long_name": "data_size"} | data.data_size.attrs | {"axis": axis(data, "data_size")}
    across = {"long_name": "params"} | {name: words for name, words in data.params.attrs.items() if name != "axis"}
    sizes = data.data_size.values
    swapped = data.drop_vars(["params", "size", "data_size"], errors="ignore")
    return swapped.rename(size="data_size", data_size="size").assign_coords(
        size=sizes, params=("size", sizes, along), data_size=("data_size", data.params.values, across)
    )


def axis(data: xr.Dataset, name: Literal["params", "data_size"]) -> str:
    """What `params` or `data_size` are, in words: "model size" and "data size", or the reverse of it where the curves
    are along data size."""
    along = data.params.attrs.get("axis") == "data size"
    return "data size" if along == (name == "params") else "model size"


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
        and set(values.dims) <= set(AXES)
    )


def _check_form(data: xr.Dataset, source: str) -> xr.Dataset:
    """The same Dataset, if it has metrics over size and seed, however few the sizes; InputError otherwise."""
    for dim in ("size", "seed"):
        if dim not in data.dims:
            listed = ", ".join(map(str, data.dims)) or "none"
            raise InputError(f"{source} has no dimension '{dim}' (it has {listed}): give the result of a sweep.")
    if "params" not in data.coords or data.params.dims != ("size",):
        raise InputError(f"{source} has no coordinate 'params' along size: give each size its number of parameters.")
    if "data_size" in data.dims and "data_size" not in data.coords:
        raise InputError(f"{source} has no coordinate 'data_size': give each its number.")
    for name in ("params", "data_size"):
        values = np.atleast_1d(np.asarray(data.coords.get(name, 1), float))
        for value in values[~(np.isfinite(values) & (values > 0))]:
            what = f"{axis(data, name)} ({_called(data, name)})"
            raise InputError(f"{source} has a {what} of {value:g}: give positive, finite numbers.")
    names = metrics_of(data)
    if not names:
        raise InputError(f"{source} has no metric over size and seed: give at least one variable of numbers.")
    for name in names:
        if not np.isfinite(data[name]).any():
            raise InputError(f"every value of {name} in {source} is missing or not finite: leave {name} out.")
    return data


def _readable(data: xr.Dataset, source: str) -> xr.Dataset:
    """As `check`, but data sizes are enough where there are too few sizes: curves may be wanted along them."""
    return _check_form(data, source) if _different(data, "data_size") >= LEAST_SIZES else check(data, source)


def _different(data: xr.Dataset, name: str) -> int:
    return len(np.unique(data.coords[name])) if name in data.coords else 0


def _called(data: xr.Dataset, name: str) -> str:
    return data[name].attrs.get("long_name", name)


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
    return data.drop_vars(others)


def _names(y: str | Sequence[str] | None) -> tuple[str, ...]:
    return (y,) if isinstance(y, str) else tuple(dict.fromkeys(y or ()))
