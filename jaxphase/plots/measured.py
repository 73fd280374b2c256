"""What the figures of an analysis are made of: its curves, their values, and what all of it is called."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from jaxphase.analysis.findings import Analysis, Finding
from jaxphase.curves import axis
from jaxphase.errors import InputError
from jaxphase.plots.style import colors, few_labels
from jaxphase.words.wording import exactly, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def findings_of(analysis: Analysis, metric: str) -> list[Finding]:
    """Those on one metric, one for each data size; InputError where there are none or no values."""
    known = dict.fromkeys(finding.metric for finding in analysis.findings)
    if metric not in known:
        raise InputError(f"metric is {metric!r}: choose from {', '.join(known)}.")
    if not np.isfinite(analysis.dataset[metric]).any():
        raise InputError(
            f"the analysis was read without the values of {metric}: give load_analysis the curves as data."
        )
    return [finding for finding in analysis.findings if finding.metric == metric]


def one_by_one(analysis: Analysis, findings: Sequence[Finding]) -> list[tuple[Finding, Any, str]]:
    """Each finding on a metric with its color and the name of its data size, empty where there is none."""
    names = ["" if one.data_size is None else group_label(analysis.dataset, one.data_size) for one in findings]
    return list(zip(findings, colors(len(findings)), names, strict=True))


def sizes_of(analysis: Analysis) -> np.ndarray:
    """The sizes that curves are over [sizes]."""
    return np.asarray(analysis.dataset.params, float)


def values_of(analysis: Analysis, finding: Finding) -> np.ndarray:
    """Measured values [sizes, seeds] of a curve."""
    values = analysis.dataset[finding.metric]
    if "data_size" in values.dims:
        values = values.sel(data_size=finding.data_size)
    return values.transpose("size", "seed").values.astype(float)


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the last axis, seeds, and its standard error; NaN where there are none, the error with one alone."""
    present = np.isfinite(values)
    count = present.sum(axis=-1)
    mean = np.where(count > 0, np.where(present, values, 0).sum(axis=-1) / np.maximum(count, 1), np.nan)
    square = np.where(present, np.square(values - mean[..., None]), 0).sum(axis=-1)
    error = np.sqrt(square / np.maximum(count - 1, 1) / np.maximum(count, 1))
    return mean, np.where(count > 1, error, np.nan)


def named(data: xr.Dataset, metric: str) -> tuple[str, str]:
    """Long name and unit; a metric without a unit is measured in itself."""
    title = label(data, metric)
    return title, data[metric].attrs.get("units", title)


def size_label(data: xr.Dataset, name: str) -> str:
    """The label of an axis of sizes, `params` or `data_size`: "model size (parameters)"."""
    unit = data[name].attrs.get("long_name")
    return f"{axis(data, name)} ({unit})" if unit else axis(data, name)


def group_label(data: xr.Dataset, size: float) -> str:
    """The name of the curve at one data size: "1,024 training images"."""
    unit = data["data_size"].attrs.get("long_name")
    return f"{exactly(size)} {unit}" if unit else f"{axis(data, 'data_size')} {exactly(size)}"


def group_labels(data: xr.Dataset) -> list[str]:
    """Those of all curves of a metric; none where there are no data sizes."""
    sizes = np.atleast_1d(data.data_size.values).tolist() if "data_size" in data.coords else []
    return [group_label(data, size) for size in sizes]


def size_axis(ax: "Axes", data: xr.Dataset) -> tuple[float, float]:
    """Make x the axis of the sizes that curves are over; the least and the largest."""
    low, high = float(data.params.min()), float(data.params.max())
    reach = (high / low) ** 0.04 if high > low else 2.0
    ax.set(xscale="log", xlim=(low / reach, high * reach), xlabel=size_label(data, "params"))
    few_labels(ax.xaxis, low, high)
    return low, high
