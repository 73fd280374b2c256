"""The order parameter over both sizes: where it changes, and how it scatters over seeds."""

import math
from typing import TYPE_CHECKING

import numpy as np

from jaxphase.analysis import Analysis
from jaxphase.errors import InputError
from jaxphase.plots.measured import axis_label, named, one_by_one, size_axis, sizes_of
from jaxphase.plots.style import bars, edges, key, panel, spaced
from jaxphase.scaling.moments import LEAST_SEEDS
from jaxphase.words.phrases import exactly

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = 8  # groups that are written on an axis


def phase_diagram(analysis: Analysis, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the order parameter, mean over seeds, over both sizes, and the critical sizes with 95 % intervals.

    In an Axes of yours no color bar is drawn; make one from its first collection.

    Args:
        analysis: The analysis.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: For curves of a single group.
    """
    data = analysis.dataset
    if data.sizes["group"] < 2:
        raise InputError(
            "a phase diagram needs two groups of curves at least: give a column of a second size as group."
        )
    own = ax is None
    with panel(ax, 6.0, 4.2) as axes:
        values = data[analysis.order_parameter].transpose("group", "x", "seed").mean("seed").values
        sizes, groups = sizes_of(analysis), np.asarray(data.group, float)
        mesh = axes.pcolormesh(edges(sizes), edges(groups), values, cmap="cividis", rasterized=True)
        title, unit = named(data, analysis.order_parameter)
        if own:
            axes.figure.colorbar(mesh, ax=axes, label=f"{title} ({unit})" if unit != title else title, pad=0.02)
        size_axis(axes, data)
        axes.set(xlim=edges(sizes)[[0, -1]], yscale="log", ylim=edges(groups)[[0, -1]])
        axes.set_ylabel(axis_label(data.group))
        shown = np.sort(groups)[spaced(len(groups), _TICKS)]
        axes.set_yticks(shown, [exactly(size) for size in shown])
        axes.set_yticks([], minor=True)
        _boundary(axes, analysis)
    return axes


def susceptibility(analysis: Analysis, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the variance of the order parameter over seeds with 95 % intervals, a color for each group.

    Args:
        analysis: The analysis.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If no size has four seeds.
    """
    with panel(ax) as axes:
        _moment(axes, analysis, "susceptibility", "variance over seeds")
        axes.set_yscale("log", nonpositive="mask")
    return axes


def binder(analysis: Analysis, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the Binder cumulant of the order parameter about its mean over seeds, with 95 % intervals.

    It is 0 for a normal distribution and 2/3 for two equal peaks. Each group has a color.

    Args:
        analysis: The analysis.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If no size has four seeds.
    """
    with panel(ax) as axes:
        _moment(axes, analysis, "binder", "Binder cumulant about the mean")
        axes.set_ylim(-1.5, 0.8)
        for height, words, style in ((2 / 3, "two equal peaks", "--"), (0, "normal distribution", ":")):
            axes.axhline(height, color="0.4", lw=0.8, ls=style, zorder=0)
            key(axes, words, lw=0.8, ls=style)
    return axes


def _moment(ax: "Axes", analysis: Analysis, name: str, words: str) -> None:
    """Draw one moment of the outcomes over seeds with its interval, for each group and size."""
    moment = getattr(analysis.evidence, name)
    value, interval = (np.asarray(getattr(moment, field, np.nan), float) for field in ("value", "interval"))
    title = named(analysis.dataset, analysis.order_parameter)[0]
    if not (np.isfinite(value) & (value != 0)).any():  # not for seeds that are all alike
        raise InputError(f"{title} has no {words} to draw: train {LEAST_SEEDS} seeds of a size.")
    size_axis(ax, analysis.dataset)
    # An end that is unknown or not finite is drawn no farther than the others reach.
    known = np.append(interval[np.isfinite(interval)], value[np.isfinite(value)])
    for i, (_, color, label) in enumerate(one_by_one(analysis, analysis.on(analysis.order_parameter))):
        reach = bars(value[i], interval[i], known.min(), known.max())
        style = {"fmt": "o-", "ms": 3, "mew": 0, "lw": 1, "elinewidth": 0.7, "color": color}
        ax.errorbar(sizes_of(analysis), value[i], reach, label=label or None, **style)
    ax.set_ylabel(words)
    ax.set_title(title, loc="left", fontweight="bold")


def _boundary(ax: "Axes", analysis: Analysis) -> None:
    """Draw the critical sizes as a line with intervals, or say that there are none."""
    found = [point for point in analysis.boundary if math.isfinite(point.critical_size)]
    if not found:
        style = {"boxstyle": "round", "facecolor": "white", "alpha": 0.85, "edgecolor": "none"}
        ax.text(0.5, 0.5, "no transition found", transform=ax.transAxes, ha="center", va="center", bbox=style)
        return
    size, y = (np.array([getattr(point, name) for point in found]) for name in ("critical_size", "group"))
    reach = bars(size, [point.interval for point in found], *ax.get_xlim())
    ax.errorbar(size, y, xerr=reach, fmt="o-", color="white", lw=3.5, ms=8, elinewidth=3.5, capsize=6, capthick=3.5)
    ax.errorbar(size, y, xerr=reach, fmt="o-", color="crimson", ms=6, capsize=5, label="critical size, 95 % interval")
