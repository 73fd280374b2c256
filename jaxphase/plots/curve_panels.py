"""One metric of an analysis against size: the curve with its fit, its slope, and the residuals."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxphase.analysis import Analysis, Finding
from jaxphase.detect import CurveKind
from jaxphase.plots.fits import SHADE, fit_band, fitted, shade
from jaxphase.plots.measured import findings_on, mean_and_error, named, one_by_one, size_axis, sizes_of, values_of
from jaxphase.plots.style import bars, headings, key, panel, span
from jaxphase.words.headlines import verdict
from jaxphase.words.phrases import place

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curve(analysis: Analysis, metric: str, *, ax: "Axes | None" = None) -> "Axes":
    """Draw a metric against size: seeds, their mean with its standard error, and the fit in its pointwise 95 % band.

    Each group has a color. A critical size is a dashed line in its 95 % interval, a break of a power law is a dotted
    line. The verdicts stand above.

    Args:
        analysis: The analysis.
        metric: One of its metrics.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If the analysis does not have the metric.
    """
    findings = findings_on(analysis, metric)
    with panel(ax, 4.8, 4.0) as axes:
        dense = np.geomspace(*size_axis(axes, analysis.dataset), 200)
        for finding, color, name in one_by_one(analysis, findings):
            draw_seeds(axes, sizes_of(analysis), values_of(analysis, finding), color, name)
            fit = fit_band(analysis, finding, dense)
            axes.plot(dense, fit.value, color=color, lw=1.3, zorder=3)
            shade(axes, dense, fit.low, fit.high, color)
            if finding.has_transition and math.isfinite(finding.critical_size):
                span(axes, finding.interval, color=color, alpha=0.16)
                axes.axvline(finding.critical_size, color=color, lw=1, ls="--", zorder=1)
            for bend in finding.breaks:
                span(axes, bend.interval, color=color, alpha=0.08)
                axes.axvline(bend.size, color=color, lw=1, ls=":", zorder=1)
        key(axes, "mean ± standard error", marker="o", ms=4, lw=0)
        key(axes, "fit", lw=1.3)
        key(axes, "95 % band of the fit", lw=6, alpha=SHADE)
        if any(finding.has_transition for finding in findings):
            key(axes, "critical size", lw=1, ls="--")
        if any(finding.breaks for finding in findings):
            key(axes, "break of a power law", lw=1, ls=":")
        if any(finding.has_transition or finding.breaks for finding in findings):
            key(axes, "95 % interval", lw=6, alpha=0.25)
        axes.set_ylabel(named(analysis.dataset, metric)[1])
        _headings(axes, analysis, findings)
    return axes


def derivative(analysis: Analysis, metric: str, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the slope of a metric per decade of size with its 95 % band, and a triangle where it is steepest.

    The triangle has the 95 % interval of the steepest size. A curve with too few points has no slope.

    Args:
        analysis: The analysis.
        metric: One of its metrics.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If the analysis does not have the metric.
    """
    findings = findings_on(analysis, metric)
    with panel(ax, 4.8, 3.4) as axes:
        ends = size_axis(axes, analysis.dataset)
        axes.axhline(0, color="0.75", lw=0.8, zorder=0)
        for finding, color, name in one_by_one(analysis, findings):
            if finding.slope is None:
                continue
            sizes, value, error = map(np.asarray, finding.slope[:3])
            axes.fill_between(sizes, value - 1.96 * error, value + 1.96 * error, color=color, alpha=0.2, lw=0)
            axes.plot(sizes, value, color=color, lw=1, label=name)
            steepest = finding.slope.steepest
            if ends[0] <= steepest <= ends[1]:
                height = np.interp(np.log(steepest), np.log(sizes), value)
                reach = bars([steepest], [finding.slope.interval], *ends)
                mark = {"fmt": "^" if height > 0 else "v", "ms": 4.5, "mew": 0, "elinewidth": 0.7}
                axes.errorbar([steepest], [height], xerr=reach, color=color, **mark)
        key(axes, "steepest", marker="^", ms=4.5, lw=0)
        key(axes, "95 % interval", lw=6, alpha=0.25)
        title, unit = named(analysis.dataset, metric)
        headings(axes, title)
        axes.set_ylabel(f"{unit} per decade")
    return axes


def residuals(analysis: Analysis, metric: str, *, ax: "Axes | None" = None) -> "Axes":
    """Draw measured values minus the fit: seeds as points, their mean with its standard error.

    A curve with too few points for a verdict has no fit and is left out.

    Args:
        analysis: The analysis.
        metric: One of its metrics.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If the analysis does not have the metric.
    """
    findings = findings_on(analysis, metric)
    with panel(ax) as axes:
        size_axis(axes, analysis.dataset)
        axes.axhline(0, color="0.6", lw=0.8, zorder=0)
        sizes = sizes_of(analysis)
        for finding, color, name in one_by_one(analysis, findings):
            rest = values_of(analysis, finding) - fitted(analysis, finding, sizes)[:, None]
            draw_seeds(axes, sizes, rest, color, name, fmt="o-", lw=0.8)
        key(axes, "mean ± standard error", marker="o", ms=4, lw=0)
        axes.set_ylabel(f"measured − fit ({named(analysis.dataset, metric)[1]})")
        _headings(axes, analysis, findings)
    return axes


def draw_seeds(
    ax: "Axes",
    x: Float[np.ndarray, " sizes"],
    values: Float[np.ndarray, "sizes seeds"],
    color: Any,
    name: str = "",
    fmt: str = "o",
    lw: float = 1,
) -> None:
    """Draw values as faint points, their mean over seeds and its standard error; nothing where all are missing."""
    seen = np.isfinite(values).any(axis=1)
    if not seen.any():
        return
    x, values = x[seen], values[seen]
    ax.plot(np.repeat(x, values.shape[1]), values.ravel(), ".", color=color, ms=3, alpha=0.4, mew=0, zorder=2)
    style = {"ms": 3.5, "mew": 0, "elinewidth": 1, "capsize": 2, "color": color, "zorder": 4, "label": name or None}
    ax.errorbar(x, *mean_and_error(values), fmt=fmt, lw=lw, **style)


def _headings(ax: "Axes", analysis: Analysis, findings: Sequence[Finding]) -> None:
    """The name of the metric, and below it the verdict of each curve in its color."""
    lines = []
    for finding, color, _ in one_by_one(analysis, findings):
        is_sigmoid = finding.kind == CurveKind.SIGMOID
        words = (
            f"crossover at {place(finding.critical_size, finding.interval)}"
            if is_sigmoid
            else verdict(analysis, finding)
        )
        lines.append((words, color))
    headings(ax, named(analysis.dataset, findings[0].metric)[0], lines)
