"""Curves of several sizes, as measured and as scaled: do they fall on one, and where do they cross?"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from jaxphase.analysis.findings import Analysis
from jaxphase.curves import axis
from jaxphase.errors import InputError
from jaxphase.plots.measured import group_label, mean_and_error, named, sizes_of, values_of
from jaxphase.plots.style import colors, key, panel, spaced, span
from jaxphase.scaling import COLLAPSE_KINDS, Collapse, Crossings
from jaxphase.words.wording import exactly, in_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def collapse(analysis: Analysis, ax: "Axes | None" = None) -> "Axes":
    """The order parameter scaled so that the curves of all data sizes fall on one if it collapses, means over seeds
    with their standard errors.

    Raises InputError where there is no collapse to draw, with fewer than three data sizes.
    """
    found, data = analysis.evidence and analysis.evidence.collapse, analysis.dataset
    if found is None or not math.isfinite(found.inverse_nu):
        raise InputError("there is no collapse to draw: it takes three data sizes and a change of the order parameter.")
    findings, params = analysis.of_order(), sizes_of(analysis)
    columns = []
    for finding in findings:
        measured = mean_and_error(values_of(analysis, finding))
        columns.append((np.full(len(params), finding.data_size), np.log10(params), *measured))
    with panel(ax, 4.8, 3.8) as axes:
        least = _scaled(axes, found, np.concatenate(columns, axis=1), 0, lambda size: group_label(data, size))
        x, y = ("D", "N") if axis(data, "params") == "data size" else ("N", "D")
        critical, factor = in_figures(10**found.critical), f"({y} / {exactly(least)})"
        axes.set_xlabel(f"log10({x} / {critical}) ${factor}^{{{found.inverse_nu:z.2f}}}$ (decades)")
        title, unit = named(data, analysis.order_parameter)
        axes.set_ylabel(f"{unit} $\\times$ ${factor}^{{{-found.exponent[0]:z.2f}}}$")
        kind = COLLAPSE_KINDS[found.kind]
        axes.set_title(f"{title}, scaled with {axis(data, 'data_size')}: {kind}", loc="left", fontweight="bold")
    return axes


def scaled(
    found: Collapse, size, control, value, error=None, *, observable: int = 0, ax: "Axes | None" = None
) -> "Axes":
    """The rows [points] that `scaling.collapse` was given, scaled by what it found, a color for each size:

        value / s**exponent against (control - critical) s**(1 / nu), s = size / (the smallest)

    observable: which of several the rows are of. Raises InputError where nothing was found, ValueError for shapes.
    """
    if not math.isfinite(found.inverse_nu):
        raise InputError(f"there is no collapse to draw ({COLLAPSE_KINDS[found.kind]}): it takes three sizes.")
    rows = _rows(size, control, value, error)
    with panel(ax, 4.8, 3.8) as axes:
        least = _scaled(axes, found, rows, observable, lambda size: f"size {exactly(size)}")
        factor = f"(size / {exactly(least)})"
        axes.set_xlabel(f"(control − {found.critical:.4g}) ${factor}^{{{found.inverse_nu:z.2f}}}$")
        axes.set_ylabel(f"value $\\times$ ${factor}^{{{-found.exponent[observable]:z.2f}}}$")
        axes.set_title(COLLAPSE_KINDS[found.kind], loc="left", fontweight="bold")
    return axes


def crossings(found: Crossings, size, control, value, error=None, ax: "Axes | None" = None) -> "Axes":
    """The rows [points] that `scaling.crossings` was given, a color for each size, the crossing of every two successive
    sizes with two standard errors, and the mean of all with its 95 % interval.

    Raises ValueError for shapes that do not match.
    """
    rows = _rows(size, control, value, error)
    with panel(ax, 4.8, 3.8) as axes:
        _lines(axes, rows[0], *rows[1:], lambda size: f"size {exactly(size)}", fmt="o-")
        style = {"fmt": "D", "ms": 5, "mfc": "white", "mec": "k", "ecolor": "k", "elinewidth": 1, "zorder": 5}
        two = 2 * np.array([found.control_se, found.value_se])
        if np.isfinite(found.control).any():
            axes.errorbar(found.control, found.value, two[1], two[0], label="crossings, two errors", **style)
        if math.isfinite(found.critical):
            reach = 1.96 * found.critical_se * np.array([-1, 1])
            span(axes, found.critical + reach, color="0.4", alpha=0.2)
            axes.axvline(found.critical, color="0.3", lw=1, ls="--", zorder=1)
            key(axes, "mean of crossings", lw=1, ls="--", color="0.3")
        axes.set(xlabel="control", ylabel="value")
    return axes


def _rows(size, control, value, error) -> np.ndarray:
    """Size, control, value and error [4, points] of what is finite; errors of zero where there are none."""
    columns = [np.asarray(column, float) for column in (size, control, value)]
    columns.append(np.zeros_like(columns[2]) if error is None else np.asarray(error, float))
    shapes = {column.shape for column in columns}
    if len(shapes) > 1 or columns[0].ndim != 1:
        raise ValueError(f"rows must be of one shape [points], got {', '.join(str(c.shape) for c in columns)}")
    return np.stack(columns)[:, np.isfinite(columns[:3]).all(axis=0)]


def _scaled(ax: "Axes", found: Collapse, rows: np.ndarray, which: int, name: Callable[[float], str]) -> float:
    """Draw rows as scaled; the smallest size, which all are relative to."""
    size, control, value, error = rows
    relative = size / size.min()
    x, height = (control - found.critical) * relative**found.inverse_nu, relative ** found.exponent[which]
    _lines(ax, size, x, value / height, error / height, name, fmt="o")
    return float(size.min())


def _lines(ax: "Axes", size: np.ndarray, x, y, error, name: Callable[[float], str], fmt: str) -> None:
    """A color for each size, in rising order of x; of many sizes a few are named."""
    sizes = np.unique(size)
    labeled = spaced(len(sizes))
    for i, (one, color) in enumerate(zip(sizes.tolist(), colors(len(sizes)), strict=True)):
        row = np.flatnonzero(size == one)
        row = row[np.argsort(x[row])]
        style = {"fmt": fmt, "ms": 3.5, "mew": 0, "lw": 1, "elinewidth": 1, "color": color}
        ax.errorbar(x[row], y[row], error[row], label=name(one) if i in labeled else None, **style)
