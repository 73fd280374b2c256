"""Losses of many runs by model size and data, as `fit_surface` takes them, from a table or a sweep."""

import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from jaxphase.curves import at_best_rate, metrics_of
from jaxphase.curves.files import read_table
from jaxphase.curves.table import absent, listed, number
from jaxphase.errors import InputError

_SEEN = "seen"


class Losses(NamedTuple):
    """Losses of runs by model size and data.

    Attributes:
        params: Numbers of parameters, `[n]`.
        data: Amounts of data, `[n]`.
        loss: Losses, `[n]`, positive and finite.
        unit: What `data` counts, in words.
        left_out: Number of runs without all three numbers, or without a positive loss.
    """

    params: Float[np.ndarray, " n"]
    data: Float[np.ndarray, " n"]
    loss: Float[np.ndarray, " n"]
    unit: str
    left_out: int


def read_losses(
    path: str | Path, *, params: str | None = None, data: str | None = None, loss: str | None = None
) -> Losses:
    """Read the runs of a table or of a sweep.

    In a table a row is a run. In a sweep, each checkpoint after the warm-up of the models with the most data is a run.
    If data is "data_size", the last checkpoint of every model is a run: all then train for the same steps, and the law
    says nothing about compute. Of several learning rates the best for each size counts. Runs that have diverged, and
    those without a number or a positive loss, are left out.

    Args:
        path: A table (see `jaxphase.read` for the formats) or a sweep.nc.
        params: The column of model sizes; None for a sweep.
        data: The column of all data trained on, in the unit that compute counts, such as tokens; for a sweep "seen"
            (the default), samples seen by each checkpoint, or "data_size", the number of different samples.
        loss: The column of losses; for a sweep a metric, by default val_loss.

    Returns:
        The runs.

    Raises:
        InputError: If a column, metric or file is missing, or no run is left.

    Example:
        >>> runs = jaxphase.predict.read_losses("runs.csv", params="N", data="tokens", loss="loss")
        >>> surface = jaxphase.predict.fit_surface(runs.params, runs.data, runs.loss)
    """
    path = Path(path)
    if path.suffix == ".nc":
        return _read_sweep(path, params, data, loss)
    return _read_table(path, params, data, loss)


def _read_table(path: Path, params: str | None, data: str | None, loss: str | None) -> Losses:
    """The runs in the rows of a table."""
    table = read_table(path)
    columns = []
    for option, column in (("params", params), ("data", data), ("loss", loss)):
        if column is None:
            known = listed(table.columns)
            raise InputError(f"{path} needs columns as params, data and loss: choose {option} from {known}.")
        if column not in table.columns:
            raise InputError(
                f"{option} is {column!r}, a column that {path} lacks: choose from {listed(table.columns)}."
            )
        columns.append(column)
    size_column, data_column, loss_column = columns
    runs = []
    for row in table.rows:
        if any(absent(row.cells.get(column)) for column in columns):
            continue
        size = number(row.cells[size_column], size_column, row.where, positive=True)
        amount = number(row.cells[data_column], data_column, row.where, positive=True)
        value = number(row.cells[loss_column], loss_column, row.where)
        if value > 0:
            runs.append((size, amount, value))
    if not runs:
        raise InputError(
            f"no row of {path} has {size_column}, {data_column} and a positive {loss_column}: choose other columns."
        )
    return Losses(*np.array(runs).T, unit=data_column, left_out=len(table.rows) - len(runs))


def _read_sweep(path: Path, params: str | None, data: str | None, loss: str | None) -> Losses:
    """The checkpoints of a sweep, or its models at the last checkpoint."""
    if params is not None:
        raise InputError(f"params is {params!r}, but {path} knows its own sizes: leave params out.")
    if data not in (None, _SEEN, "data_size"):
        raise InputError(f"data is {data!r}: choose {_SEEN} or data_size for a sweep.")
    sweep = _open(path)
    metric = loss or "val_loss"
    if metric not in metrics_of(sweep):
        raise InputError(f"loss is {metric!r}, a metric that {path} lacks: choose from {listed(metrics_of(sweep))}.")
    spec = tomllib.loads(sweep.attrs["spec"])["sweep"]
    sweep = at_best_rate(sweep)
    values = sweep[metric].where((sweep.diverged_at < 0) | (sweep.step < sweep.diverged_at))
    if data == "data_size":
        values = values.isel(step=-1)
        amount, unit = values.data_size, "different samples"
    else:
        steps = sweep.step.values[sweep.step.values > spec["warmup_steps"]]
        if len(steps) < 3:
            raise InputError(
                f"{path} was measured at {len(steps)} training steps after the warm-up, and a law of the data seen "
                "needs three: measure at more checkpoints, or give data as data_size."
            )
        values = values.isel(data_size=-1).sel(step=steps)
        amount, unit = values.step * spec["batch_size"], "samples seen"
    columns = [array.values.ravel().astype(float) for array in xr.broadcast(values.params, amount, values)]
    kept = np.isfinite(columns[2]) & (columns[2] > 0)
    return Losses(*(column[kept] for column in columns), unit=unit, left_out=int(np.sum(~kept)))


def _open(path: Path) -> xr.Dataset:
    """The Dataset of a sweep."""
    if not path.exists():
        raise InputError(f"{path} does not exist: give a table or the sweep.nc of a sweep.")
    try:
        sweep = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as NetCDF ({error}): give the sweep.nc of a sweep.") from error
    if "spec" not in sweep.attrs or not {"data_size", "size", "seed", "step"} <= set(sweep.dims):
        raise InputError(f"{path} is not the result of a sweep: give the sweep.nc of one, or a table.")
    return sweep
