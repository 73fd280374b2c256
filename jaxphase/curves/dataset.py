"""The labeled Dataset of what was measured, and its curves: over one axis, at one step, at the best learning rate.

A sweep or a reader gives dims `(data_size?, size, seed, step?)`. An analysis works with neutral axes, so that no later
function asks which size is which: curves go over `x`, and `group` tells curves apart.
"""

from typing import Literal

import numpy as np
import xarray as xr

from jaxphase.curves.runs import AXES
from jaxphase.errors import InputError

LEAST_SIZES = 5
Along = Literal["model_size", "data_size"]

# The dimension and the coordinate of each kind of size, and what it is called in a sentence.
_SIZES: dict[Along, tuple[str, str, str]] = {
    "model_size": ("size", "params", "model size"),
    "data_size": ("data_size", "data_size", "data size"),
}


def curves_along(data: xr.Dataset, along: Along = "model_size") -> xr.Dataset:
    """Give the curves over model size or over data size, with axes that have the same names in both cases.

    The same seed at two data sizes of a sweep is two independent trainings, each with its own weights and its own part
    of the data. A curve along data size therefore does not follow one model that gets more data, and the scatter over
    seeds includes the scatter of the data.

    Args:
        data: Dims `(learning_rate?, data_size?, size, seed, step?)` with the coordinate `params` along size. Of several
            learning rates the best for each size and data size counts (`at_best_rate`).
        along: The kind of size that curves go over; the other kind tells curves apart.

    Returns:
        A Dataset with dims `(group, x, seed, step?)`. The coordinates `x` and `group` hold the sizes; their attributes
        are `name` ("model_size" or "data_size"), `long_name` (the same in words) and `units` (what the sizes count).
        Without data sizes there is one group, and its size is NaN.

    Raises:
        InputError: If the dataset has no such curves, or fewer than five sizes along them.

    Example:
        >>> curves = jaxphase.curves.curves_along(jaxphase.read("sweep.nc"), "data_size")
    """
    if along not in _SIZES:
        raise InputError(f"along is {along!r}: choose from {', '.join(_SIZES)}.")
    if not isinstance(data, xr.Dataset):
        raise InputError(f"data is a {type(data).__name__}: give a Dataset, as jaxphase.read returns it.")
    data = check_form(at_best_rate(data))
    if "data_size" in data.coords and "data_size" not in data.dims:
        data = data.expand_dims("data_size")
    elif "data_size" not in data.dims:
        if along == "data_size":
            raise InputError("along is 'data_size', but the curves have no data sizes: give a column of them as group.")
        data = data.expand_dims(data_size=[np.nan])
    _check_length(data, along)
    names: dict[str, Along] = {"x": along, "group": _other(along)}
    sizes = {
        new: (
            new,
            data[_SIZES[name][1]].values,
            {"name": name, "long_name": _SIZES[name][2], "units": unit(data, name)},
        )
        for new, name in names.items()
    }
    data = data.drop_vars(["size", "params", "data_size"], errors="ignore")
    data = data.rename({_SIZES[name][0]: new for new, name in names.items()}).assign_coords(sizes)
    return data.transpose("group", "x", "seed", ..., missing_dims="ignore")


def has_groups(curves: xr.Dataset) -> bool:
    """Tell whether a second size tells curves apart.

    Args:
        curves: Curves with the axes `group` and `x`, from `curves_along`.

    Returns:
        False if the only group has no size.
    """
    return bool(np.isfinite(curves.group).any())


def at_best_rate(data: xr.Dataset) -> xr.Dataset:
    """Choose one learning rate for each size and data size of a sweep.

    The best rate has the least validation loss, or training loss where that was not measured, at the last step and in
    the mean over the seeds that did not diverge.

    Args:
        data: The result of a sweep.

    Returns:
        The Dataset without that dimension; the coordinate `learning_rate` says which rate was chosen. A Dataset that
        has no dimension `learning_rate` comes back as it is.

    Raises:
        InputError: If there are several rates but no loss to choose by.
    """
    if "learning_rate" not in data.dims:
        return data
    judge = next((name for name in ("val_loss", "train_loss") if name in data), None)
    if judge is None:
        raise InputError("the curves have a learning rate but no val_loss or train_loss: choose one rate with sel.")
    loss = data[judge].isel(step=-1, drop=True).where(data.diverged_at < 0).mean("seed")
    best = loss.fillna(np.inf).argmin("learning_rate")
    return data.isel(learning_rate=best)


def at_step(data: xr.Dataset, step: float | None = None) -> xr.Dataset:
    """Choose one checkpoint; a model that has diverged by then is NaN in every metric.

    Args:
        data: A Dataset of curves, with or without a dimension `step`.
        step: The training step, by default the last.

    Returns:
        The Dataset at that step, with a variable `diverged` that is true for the models that had diverged.

    Raises:
        InputError: If the step was not measured, or the curves have no steps.
    """
    if "step" in data.dims:
        steps = data.step.values.tolist()
        if step is not None and step not in steps:
            raise InputError(f"step is {step:g}: choose one of {', '.join(map(str, steps))}.")
        data = data.sel(step=max(steps) if step is None else step)
    elif step is not None:
        raise InputError(f"step is {step:g}, but the curves have no training steps: leave step out.")
    names = list(metrics_of(data))
    diverged = xr.zeros_like(data[names[0]], bool)
    if "diverged_at" in data:
        last = data.step if "step" in data.coords else np.inf
        diverged = (data.diverged_at >= 0) & (data.diverged_at <= last)
    kept = {name: data[name].where(~diverged) for name in names}
    return data.assign(kept).assign(diverged=diverged)


def metrics_of(data: xr.Dataset) -> tuple[str, ...]:
    """Name the metrics: the variables of numbers over size and seed whose other axes are those of a sweep.

    Args:
        data: A dataset of measurements, or curves from `curves_along`.

    Returns:
        Their names, in the order of the dataset.
    """
    axes = {"group", "x", "seed", "step"} if "x" in data.dims else set(AXES)
    size = "x" if "x" in data.dims else "size"
    return tuple(
        str(name)
        for name, values in data.data_vars.items()
        if name != "diverged_at"
        and values.dtype.kind in "fiu"
        and {size, "seed"} <= set(values.dims)
        and set(values.dims) <= axes
    )


def check(data: xr.Dataset, source: str = "the dataset") -> xr.Dataset:
    """Check that a Dataset holds curves along model size or along data size.

    Args:
        data: Dims `(data_size?, size, seed, step?)` with the coordinate `params` along size.
        source: What the dataset is called in error messages.

    Returns:
        The same Dataset.

    Raises:
        InputError: If a dimension or coordinate is missing, a size is not positive, a metric has no value, or neither
            kind of size has five different values.
    """
    check_form(data, source)
    if _different(data, "data_size") < LEAST_SIZES:
        _check_length(data, "model_size", source)
    return data


def check_form(data: xr.Dataset, source: str = "the dataset") -> xr.Dataset:
    """Check everything that `check` does except the number of sizes; a learning curve needs only one.

    Args:
        data: Dims `(data_size?, size, seed, step?)` with the coordinate `params` along size.
        source: The name of the dataset in messages.

    Returns:
        The same dataset.

    Raises:
        InputError: If a dimension or coordinate is missing, a size is not positive, or a metric has no value.
    """
    for dim in ("size", "seed"):
        if dim not in data.dims:
            dims = ", ".join(map(str, data.dims)) or "none"
            raise InputError(f"{source} has no dimension '{dim}' (it has {dims}): give the result of a sweep.")
    if "params" not in data.coords or data.params.dims != ("size",):
        raise InputError(f"{source} has no coordinate 'params' along size: give each size its number of parameters.")
    if "data_size" in data.dims and "data_size" not in data.coords:
        raise InputError(f"{source} has no coordinate 'data_size': give each data size its number of samples.")
    for name, (_, coordinate, words) in _SIZES.items():
        values = np.atleast_1d(np.asarray(data.coords.get(coordinate, 1), float))
        for value in values[~(np.isfinite(values) & (values > 0))]:
            raise InputError(
                f"{source} has a {words} ({unit(data, name)}) of {value:g}: give positive, finite numbers."
            )
    names = metrics_of(data)
    if not names:
        raise InputError(f"{source} has no metric over size and seed: give at least one variable of numbers.")
    for name in names:
        if not np.isfinite(data[name]).any():
            raise InputError(f"every value of {name} in {source} is missing or not finite: leave {name} out.")
    return data


def unit(data: xr.Dataset, name: Along) -> str:
    """What the sizes of one kind count: "parameters", "training samples", or the name of a column."""
    coordinate = _SIZES[name][1]
    return data[coordinate].attrs.get("long_name", coordinate)


def _other(along: Along) -> Along:
    """The other kind of size."""
    return "data_size" if along == "model_size" else "model_size"


def _check_length(data: xr.Dataset, along: Along, source: str = "the dataset") -> None:
    """InputError where there are fewer than five different sizes along curves."""
    count = _different(data, along)
    if count >= LEAST_SIZES:
        return
    few = f"{source} has {count} different {_SIZES[along][2]}s ({unit(data, along)})"
    other = _other(along)
    others = _different(data, other)
    if others < LEAST_SIZES:
        raise InputError(f"{few}: a curve along {_SIZES[along][2]} needs at least {LEAST_SIZES}.")
    raise InputError(
        f"{few}, and a curve needs at least {LEAST_SIZES}: analyze along {other}, with {others} {unit(data, other)}."
    )


def _different(data: xr.Dataset, name: Along) -> int:
    """The number of different sizes of one kind, 0 without that coordinate."""
    coordinate = _SIZES[name][1]
    return len(np.unique(data.coords[coordinate])) if coordinate in data.coords else 0
