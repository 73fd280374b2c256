"""Measured curves from a file: a sweep's result or anyone's own table, as one labeled Dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import xarray as xr

from jaxphase.curves.dataset import at_best_rate, at_step, check, check_form, metrics_of
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
    """Read measured curves from a file, or from a folder of runs.

    Formats: `.nc` of a sweep; `.csv` with a header and a row per model or step, or from Weights & Biases; `.jsonl` and
    `.ndjson`, nested names joined by dots; TensorBoard event files (`*.tfevents.*`, scalars); a folder with such a file
    per run.

    Args:
        path: The file or folder.
        x: Column of model sizes, such as 350000 or 125M; by default one with a usual name, with `by` and `group` seed
            and data_size.
        y: Columns of values, by default all others that hold numbers.
        by: Column that tells seeds of one size apart.
        group: Column of positive numbers, such as data size, with one curve each.
        run: Pattern for run names: `"gpt-{size}-seed{seed}"`, or a regular expression with named groups size, seed and
            data_size, which become x, by and group. Other runs are left out with a warning.
        time: Column of training steps, by default one with a usual name.
        step: Training step, by default the last of each run; "all" keeps them all.

    Returns:
        A Dataset with dims `(data_size?, size, seed, step?)` and coordinate `params`; missing values are NaN.

    Raises:
        InputError: If there are no curves with five model or data sizes; with `step="all"` one is enough.

    Example:
        >>> data = jaxphase.read("runs/", run="gpt-{size}-seed{seed}", y="val/loss")
    """
    path = Path(path)
    if path.suffix == ".nc":
        for name, value in (("x", x), ("by", by), ("group", group), ("run", run), ("time", time)):
            if value is not None:
                raise InputError(f"{name} is {value!r}, but {path} names its own axes: leave {name} out.")
        data = _read_netcdf(path, _names(y))
        data = data if step is None or step == "all" else at_step(data, step)
    else:
        table = read_table(path)
        data = curves_of(table, x=x, y=_names(y), by=by, group=group, run=run, time=time, step=step)
    return check_form(data, str(path)) if step == "all" else check(data, str(path))


def read_csv(
    path: str | Path, *, x: str, y: str | Sequence[str], by: str | None = None, group: str | None = None
) -> xr.Dataset:
    """Read curves from a CSV file with a header and one row for each trained model.

    Args:
        path: The file.
        x: Column of model sizes, positive numbers.
        y: One column of measured values or several.
        by: Column that tells repeated runs (seeds) of one size apart; without it the rows of one size are its runs, in
            the order they come.
        group: Column of positive numbers, such as the data size, with one curve for each.

    Returns:
        A Dataset with dims `(data_size?, size, seed)`, the sizes also as coordinate `params`. A value that is empty or
        not finite, and a run that the table does not have, is NaN.

    Raises:
        InputError: If the file is not such a table.
    """
    return check(curves_of(read_csv_table(Path(path)), x=x, y=_names(y), by=by, group=group), str(path))


def _read_netcdf(path: Path, metrics: tuple[str, ...]) -> xr.Dataset:
    """The result of a sweep at its best learning rates, with the chosen metrics."""
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of a result.")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            data = at_best_rate(opened.load())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as NetCDF ({error}): give the sweep.nc of a sweep.") from error
    for name in metrics:
        if name not in metrics_of(data):
            known = ", ".join(metrics_of(data)) or "none"
            raise InputError(f"y is {name!r}, a metric that {path} lacks: choose from {known}.")
    others = [name for name in metrics_of(data) if metrics and name not in metrics]
    return data.drop_vars(others)


def _names(y: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names in `y`, each once."""
    return (y,) if isinstance(y, str) else tuple(dict.fromkeys(y or ()))
