"""Curves of several sizes, as measured and as scaled: do they fall on one, and where do they cross?"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import ArrayLike, Float

from jaxphase.analysis import Analysis
from jaxphase.errors import InputError
from jaxphase.plots.measured import group_label, mean_and_error, named, sizes_of, values_of
from jaxphase.plots.style import colors, key, panel, spaced, span
from jaxphase.scaling import Collapse, CollapseKind, Crossings
from jaxphase.words.phrases import COLLAPSES, exactly, in_figures, second_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def collapse(analysis: Analysis, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the order parameter of all groups, scaled so that its curves fall on one if there is a collapse.

    Points are means over seeds with their standard errors.

    Args:
        analysis: The analysis.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If there is no collapse to draw, as with fewer than three groups.
    """
    found, data = analysis.evidence.collapse, analysis.dataset
    if found is None or not math.isfinite(found.inverse_nu):
        raise InputError("there is no collapse to draw: it takes three groups and a change of the order parameter.")
    sizes = sizes_of(analysis)
    columns = []
    for finding in analysis.on(analysis.order_parameter):
        measured = mean_and_error(values_of(analysis, finding))
        columns.append((np.full(len(sizes), finding.group), np.log10(sizes), *measured))
    with panel(ax, 4.8, 3.8) as axes:
        least = _scaled(axes, found, np.concatenate(columns, axis=1), 0, lambda size: group_label(data, size))
        x, y = ("D", "N") if data.x.attrs["name"] == "data_size" else ("N", "D")
        critical, factor = in_figures(10**found.critical), f"({y} / {exactly(least)})"
        axes.set_xlabel(f"log10({x} / {critical}) ${factor}^{{{found.inverse_nu:z.2f}}}$ (decades)")
        title, unit = named(data, analysis.order_parameter)
        axes.set_ylabel(f"{unit} $\\times$ ${factor}^{{{-found.exponent[0]:z.2f}}}$")
        kind = COLLAPSES[CollapseKind(found.kind)]
        axes.set_title(f"{title}, scaled with {second_axis(data)}: {kind}", loc="left", fontweight="bold")
    return axes


def scaled(
    found: Collapse,
    size: ArrayLike,
    control: ArrayLike,
    value: ArrayLike,
    error: ArrayLike | None = None,
    *,
    observable: int = 0,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the rows of a `scaling.collapse`, scaled by its result, with a color for each size.

    The axes are `value / s**exponent` and `(control - critical) * s**(1 / nu)`, with s = size / (the smallest size).

    Args:
        found: The collapse.
        size: Size of each row, `[points]`.
        control: Control of each row, `[points]`.
        value: Observable of each row, `[points]`.
        error: Its standard errors, `[points]`.
        observable: The index of the observable, of several.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If the collapse has no answer.
        ValueError: If the shapes do not match.
    """
    if not math.isfinite(found.inverse_nu):
        raise InputError(f"there is no collapse to draw ({COLLAPSES[CollapseKind(found.kind)]}): it takes three sizes.")
    rows = _rows(size, control, value, error)
    with panel(ax, 4.8, 3.8) as axes:
        least = _scaled(axes, found, rows, observable, lambda size: f"size {exactly(size)}")
        factor = f"(size / {exactly(least)})"
        axes.set_xlabel(f"(control − {found.critical:.4g}) ${factor}^{{{found.inverse_nu:z.2f}}}$")
        axes.set_ylabel(f"value $\\times$ ${factor}^{{{-found.exponent[observable]:z.2f}}}$")
        axes.set_title(COLLAPSES[CollapseKind(found.kind)], loc="left", fontweight="bold")
    return axes


def crossings(
    found: Crossings,
    size: ArrayLike,
    control: ArrayLike,
    value: ArrayLike,
    error: ArrayLike | None = None,
    *,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the rows that `scaling.crossings` was given, and the crossing of every two successive sizes.

    Crossings have two standard errors; their mean is a dashed line in its 95 % interval. Each size has a color.

    Args:
        found: The crossings.
        size: Size of each row, `[points]`.
        control: Control of each row, `[points]`.
        value: Observable of each row, `[points]`.
        error: Its standard errors, `[points]`.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        ValueError: If the shapes do not match.
    """
    rows = _rows(size, control, value, error)
    with panel(ax, 4.8, 3.8) as axes:
        x, y, errors = rows[1:]
        _lines(axes, rows[0], x, y, errors, lambda size: f"size {exactly(size)}", fmt="o-")
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


def _rows(
    size: ArrayLike, control: ArrayLike, value: ArrayLike, error: ArrayLike | None
) -> Float[np.ndarray, "4 points"]:
    """Size, control, value and error of the rows that are finite; errors of zero where there are none."""
    columns = [np.asarray(column, float) for column in (size, control, value)]
    columns.append(np.zeros_like(columns[2]) if error is None else np.asarray(error, float))
    shapes = {column.shape for column in columns}
    if len(shapes) > 1 or columns[0].ndim != 1:
        raise ValueError(f"rows must be of one shape [points], got {', '.join(str(c.shape) for c in columns)}")
    return np.stack(columns)[:, np.isfinite(columns[:3]).all(axis=0)]


def _scaled(
    ax: "Axes", found: Collapse, rows: Float[np.ndarray, "4 points"], which: int, name: Callable[[float], str]
) -> float:
    """Draw scaled rows, and return the smallest size, which all sizes are relative to."""
    size, control, value, error = rows
    relative = size / size.min()
    x, height = (control - found.critical) * relative**found.inverse_nu, relative ** found.exponent[which]
    _lines(ax, size, x, value / height, error / height, name, fmt="o")
    return float(size.min())


def _lines(
    ax: "Axes",
    size: Float[np.ndarray, " points"],
    x: Float[np.ndarray, " points"],
    y: Float[np.ndarray, " points"],
    error: Float[np.ndarray, " points"],
    name: Callable[[float], str],
    fmt: str,
) -> None:
    """Draw a line in a color of its own for each size; of many sizes a few are named."""
    sizes = np.unique(size)
    labeled = spaced(len(sizes))
    for i, (one, color) in enumerate(zip(sizes.tolist(), colors(len(sizes)), strict=True)):
        row = np.flatnonzero(size == one)
        row = row[np.argsort(x[row])]
        style = {"fmt": fmt, "ms": 3.5, "mew": 0, "lw": 1, "elinewidth": 1, "color": color}
        ax.errorbar(x[row], y[row], error[row], label=name(one) if i in labeled else None, **style)
