"""Losses of many runs by model size and data, as `fit_surface` takes them, from a table or a sweep."""

import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from jaxphase.curves import at_best_rate, metrics_of
from jaxphase.curves.files import read_table
from jaxphase.curves.table import absent, listed, number
from jaxphase.errors import InputError

SEEN = "seen"


class Losses(NamedTuple):
    """Parameters, data and losses [n] of runs; what the data are, in words; and how many runs were left out."""

    params: np.ndarray
    data: np.ndarray
    loss: np.ndarray
    unit: str
    left_out: int


def read_losses(
    path: str | Path, *, params: str | None = None, data: str | None = None, loss: str | None = None
) -> Losses:
    """The runs of a table (see `jaxphase.read` for the formats) or of a sweep.nc.

    Of a table params, data and loss are columns; a row is a run, and is left out where one of the three is empty or the
    loss is not positive and finite. data is all that was trained on, in the unit that compute counts, such as tokens.

    Of a sweep loss is a metric, val_loss by default. data "seen", the default, is the number of samples that training
    has seen, steps times batch size, with each checkpoint after the warm-up as a run, of the models with the most data;
    "data_size" is the number of different samples, at the last step: as all models then train for the same steps, that
    says nothing about compute. Of several learning rates the best for each size counts, and models that have diverged
    are left out. InputError for anything that is not there.
    """
    path = Path(path)
    return _of_sweep(path, params, data, loss) if path.suffix == ".nc" else _of_table(path, params, data, loss)


def _of_table(path: Path, params: str | None, data: str | None, loss: str | None) -> Losses:
    table, columns = read_table(path), {"params": params, "data": data, "loss": loss}
    for name, column in columns.items():
        if column is None:
            known = listed(table.columns)
            raise InputError(f"{path} needs columns as params, data and loss: choose {name} from {known}.")
        if column not in table.columns:
            raise InputError(f"{name} is {column!r}, a column that {path} lacks: choose from {listed(table.columns)}.")
    rows = []
    for row in table.rows:
        if any(absent(row.cells.get(column)) for column in columns.values()):
            continue
        size, amount = (number(row.cells[name], name, row.where, positive=True) for name in (params, data))
        value = number(row.cells[loss], loss, row.where)
        if value > 0:
            rows.append((size, amount, value))
    if not rows:
        raise InputError(f"no row of {path} has {params}, {data} and a positive {loss}: choose other columns.")
    return Losses(*np.array(rows).T, data, len(table.rows) - len(rows))


def _of_sweep(path: Path, params: str | None, data: str | None, loss: str | None) -> Losses:
    if params is not None:
        raise InputError(f"params is {params!r}, but {path} knows its own sizes: leave params out.")
    if data not in (None, SEEN, "data_size"):
        raise InputError(f"data is {data!r}: choose {SEEN} or data_size for a sweep.")
    runs = _opened(path)
    loss = loss or "val_loss"
    if loss not in metrics_of(runs):
        raise InputError(f"loss is {loss!r}, a metric that {path} lacks: choose from {listed(metrics_of(runs))}.")
    spec = tomllib.loads(runs.attrs["spec"])["sweep"]
    runs = at_best_rate(runs)
    values = runs[loss].where((runs.diverged_at < 0) | (runs.step < runs.diverged_at))
    if data == "data_size":
        values = values.isel(step=-1)
        amount, unit = values.data_size, "different samples"
    else:
        steps = runs.step.values[runs.step.values > spec["warmup_steps"]]
        if len(steps) < 3:
            raise InputError(
                f"training steps after the warm-up at which {path} was measured: {len(steps)}, and a law of what was "
                "seen needs three: measure at more checkpoints, or give data as data_size."
            )
        values = values.isel(data_size=-1).sel(step=steps)
        amount, unit = values.step * spec["batch_size"], "samples seen"
    columns = [array.values.ravel().astype(float) for array in xr.broadcast(values.params, amount, values)]
    kept = np.isfinite(columns[2]) & (columns[2] > 0)
    return Losses(*(column[kept] for column in columns), unit, int(np.sum(~kept)))


def _opened(path: Path) -> xr.Dataset:
    if not path.exists():
        raise InputError(f"{path} does not exist: give a table or the sweep.nc of a sweep.")
    try:
        runs = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as NetCDF ({error}): give the sweep.nc of a sweep.") from error
    if "spec" not in runs.attrs or not {"data_size", "size", "seed", "step"} <= set(runs.dims):
        raise InputError(f"{path} is not the result of a sweep: give the sweep.nc of one, or a table.")
    return runs
