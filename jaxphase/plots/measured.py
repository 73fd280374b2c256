"""The data of the figures of an analysis: its curves, their values, and their names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from jaxphase.analysis import Analysis, Finding
from jaxphase.curves import has_groups
from jaxphase.errors import InputError
from jaxphase.plots.style import colors, few_labels
from jaxphase.words.phrases import exactly, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def findings_on(analysis: Analysis, metric: str) -> tuple[Finding, ...]:
    """The findings on one metric, one for each group; InputError where there are none, or no values to draw."""
    findings = analysis.on(metric)
    if not findings:
        raise InputError(f"metric is {metric!r}: choose from {', '.join(analysis.metrics)}.")
    if not np.isfinite(analysis.dataset[metric]).any():
        raise InputError(f"metric is {metric!r}, which has no values to draw: choose another, or an earlier step.")
    return findings


def one_by_one(analysis: Analysis, findings: Sequence[Finding]) -> list[tuple[Finding, Any, str]]:
    """Each finding on a metric with its color and the name of its group, empty where there is none."""
    names = ["" if one.group is None else group_label(analysis.dataset, one.group) for one in findings]
    return list(zip(findings, colors(len(findings)), names, strict=True))


def sizes_of(analysis: Analysis) -> Float[np.ndarray, " sizes"]:
    """The sizes that curves go over."""
    return np.asarray(analysis.dataset.x, float)


def values_of(analysis: Analysis, finding: Finding) -> Float[np.ndarray, "sizes seeds"]:
    """Measured values of a curve."""
    values = analysis.dataset[finding.metric]
    values = values.isel(group=0) if finding.group is None else values.sel(group=finding.group)
    return values.transpose("x", "seed").values.astype(float)


def mean_and_error(
    values: Float[np.ndarray, "*shape seeds"],
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """Mean over the last axis, seeds, and its standard error; NaN without seeds, and the error also with only one."""
    present = np.isfinite(values)
    count = present.sum(axis=-1)
    mean = np.where(count > 0, np.where(present, values, 0).sum(axis=-1) / np.maximum(count, 1), np.nan)
    square = np.where(present, np.square(values - mean[..., None]), 0).sum(axis=-1)
    error = np.sqrt(square / np.maximum(count - 1, 1) / np.maximum(count, 1))
    return mean, np.where(count > 1, error, np.nan)


def named(data: xr.Dataset, metric: str) -> tuple[str, str]:
    """Long name and unit; a metric without a unit has its name as the unit."""
    title = label(data, metric)
    return title, data[metric].attrs.get("units", title)


def axis_label(coordinate: xr.DataArray) -> str:
    """The label of an axis of sizes: "model size (parameters)"."""
    name, unit = coordinate.attrs["long_name"], coordinate.attrs["units"]
    return name if unit == coordinate.attrs["name"] else f"{name} ({unit})"


def group_label(data: xr.Dataset, size: float) -> str:
    """The name of a group: "1,024 training images"."""
    words = data.group.attrs
    return (
        f"{words['long_name']} {exactly(size)}"
        if words["units"] == words["name"]
        else f"{exactly(size)} {words['units']}"
    )


def group_labels(data: xr.Dataset) -> list[str]:
    """The names of all groups; none where nothing tells curves apart."""
    return [group_label(data, size) for size in data.group.values.tolist()] if has_groups(data) else []


def size_axis(ax: "Axes", data: xr.Dataset) -> tuple[float, float]:
    """Make the horizontal axis the axis of sizes; returns the smallest and the largest."""
    low, high = float(data.x.min()), float(data.x.max())
    reach = (high / low) ** 0.04 if high > low else 2.0
    ax.set(xscale="log", xlim=(low / reach, high * reach), xlabel=axis_label(data.x))
    few_labels(ax.xaxis, low, high)
    return low, high
