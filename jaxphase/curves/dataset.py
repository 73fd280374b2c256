"""One labelled Dataset for what was measured: its checks, and the curves at one step, one rate, along one axis."""

from typing import Literal

import numpy as np
import xarray as xr

from jaxphase.curves.runs import AXES
from jaxphase.errors import InputError

LEAST_SIZES = 5


def check(data: xr.Dataset, source: str = "the dataset") -> xr.Dataset:
    """The same Dataset, if it holds curves that can be analysed, with five sizes or more; InputError otherwise."""
    check_form(data, source)
    count, others = different(data, "params"), different(data, "data_size")
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
    data = check_form(at_best_rate(data), "the dataset")
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


def check_form(data: xr.Dataset, source: str) -> xr.Dataset:
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


def different(data: xr.Dataset, name: str) -> int:
    """How many different values a coordinate has, 0 without it."""
    return len(np.unique(data.coords[name])) if name in data.coords else 0


def _called(data: xr.Dataset, name: str) -> str:
    return data[name].attrs.get("long_name", name)
