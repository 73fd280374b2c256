"""Measured curves from a file, a sweep's result or anyone's own table, as one labelled Dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import xarray as xr

from jaxphase.curves.dataset import LEAST_SIZES, at_best_rate, at_step, check, check_form, different, metrics_of
from jaxphase.curves.files import read_csv_table, read_table
from jaxphase.curves.runs import curves_of
from jaxphase.errors import InputError


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
    return check_form(data, str(path)) if step == "all" else _readable(data, str(path))


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


def _readable(data: xr.Dataset, source: str) -> xr.Dataset:
    """As `check`, but data sizes are enough where there are too few sizes: curves may be wanted along them."""
    return check_form(data, source) if different(data, "data_size") >= LEAST_SIZES else check(data, source)


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
