"""Figures of an analysis: the curves with their fits and critical sizes, and the plane of data size and model size."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxphase.analysis import Analysis
from jaxphase.errors import InputError
from jaxphase.findings import Finding, exactly, in_figures, label, size_unit
from jaxphase.plots.style import colors, edges, few_labels, new_figure, save_all
from jaxphase.scaling import COLLAPSE_KINDS
from jaxphase.scaling.moments import LEAST_SEEDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
# Degrees of the polynomial in log size that a kind is drawn as.
_DEGREES = {"constant": 0, "linear": 1}


def curves(analysis: Analysis, metrics: Sequence[str] | None = None) -> "Figure":
    """A panel per metric, all by default: seeds as points, their mean with its standard error, the fit of the verdict.

    Each data size has a colour; a critical size is a dashed line in its 95 % interval, a break of a power law a dotted
    one. Below each panel is the slope per decade of size with its 95 % band, and a triangle where it is steepest.
    Raises InputError for a metric that the analysis does not have.
    """
    known = tuple(dict.fromkeys(finding.metric for finding in analysis.findings))
    for name in metrics or ():
        if name not in known:
            raise InputError(f"metrics has {name!r}: choose from {', '.join(known)}.")
    names = tuple(metrics or known)
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    words = 0.16 * analysis.dataset.sizes.get("data_size", 1)  # a line of words above the panel for each data size
    with new_figure(3.05 * columns + 0.4, (3.0 + words) * rows + 0.6) as figure:
        grid = figure.subplots(2 * rows, columns, sharex=True, squeeze=False, height_ratios=(3.4, 1) * rows)
        panels, strips = grid[::2].ravel(), grid[1::2].ravel()
        for axes in (*panels[len(names) :], *strips[len(names) :]):
            axes.remove()
        for i, (panel, strip, name) in enumerate(zip(panels, strips, names, strict=False)):
            findings = [finding for finding in analysis.findings if finding.metric == name]
            _panel(panel, analysis, findings)
            _strip(strip, findings)
            if i + columns >= len(names):
                strip.set_xlabel(f"model size ({size_unit(analysis.dataset)})")
                strip.xaxis.set_tick_params(labelbottom=True)
        _legend(figure, analysis, columns)
    return figure


def phase_diagram(analysis: Analysis) -> "Figure":
    """Order parameter, mean over seeds, over model size and data size, and the critical sizes with 95 % intervals.

    Raises InputError for curves of a single data size.
    """
    data = analysis.dataset
    if data.sizes.get("data_size", 1) < 2:
        raise InputError("a phase diagram needs at least two data sizes: give a column of them as group.")
    with new_figure(6.4, 4.2) as figure:
        axes = figure.subplots()
        values = data[analysis.order_parameter].transpose("data_size", "size", "seed").mean("seed").values
        params, data_sizes = np.asarray(data.params, float), np.asarray(data.data_size, float)
        mesh = axes.pcolormesh(edges(params), edges(data_sizes), values, cmap="cividis", rasterized=True)
        title, unit = _named(analysis, analysis.order_parameter)
        figure.colorbar(mesh, ax=axes, label=f"{title} ({unit})" if unit != title else title, pad=0.02)
        axes.set(xscale="log", yscale="log", xlim=edges(params)[[0, -1]], ylim=edges(data_sizes)[[0, -1]])
        axes.set_xlabel(f"model size ({size_unit(data)})")
        axes.set_ylabel(f"data size ({label(data, 'data_size')})")
        axes.set_yticks(data_sizes, [exactly(size) for size in data_sizes])
        axes.set_yticks([], minor=True)
        _boundary(axes, analysis)
    return figure


def fluctuations(analysis: Analysis) -> "Figure":
    """The order parameter over model size and its scatter over seeds: mean, variance, and Binder cumulant about the
    mean, with 95 % intervals; a colour for each data size."""
    evidence, data = analysis.evidence, analysis.dataset
    params = np.asarray(data.params, float)
    findings = analysis.of_order()
    title, unit = _named(analysis, analysis.order_parameter)
    with new_figure(9.5, 3.6) as figure:
        panels = figure.subplots(1, 3)
        for i, (finding, color) in enumerate(zip(findings, colors(len(findings)), strict=True)):
            values = _values(analysis, finding)
            panels[0].plot(params, values, ".", color=color, ms=3, alpha=0.4, mew=0)
            panels[0].plot(params, _mean(values), color=color, lw=1.3)
            for panel, moment in zip(panels[1:], (evidence.susceptibility, evidence.binder), strict=True):
                bars = np.abs(moment.interval[i].T - moment.value[i])
                panel.errorbar(params, moment.value[i], bars, fmt="o-", ms=3, mew=0, lw=1, elinewidth=0.7, color=color)
        panels[1].set_yscale("log")
        panels[2].set_ylim(-1.5, 0.75)
        panels[2].axhline(2 / 3, color="0.75", lw=0.8, zorder=0)
        panels[2].axhline(0, color="0.75", lw=0.8, zorder=0)
        words = (unit, "variance over seeds", "Binder cumulant about the mean")
        for panel, word in zip(panels, words, strict=True):
            panel.set(xscale="log", ylabel=word, xlabel=f"model size ({size_unit(data)})")
            few_labels(panel)
        verdict = "no transition" if evidence.verdict == "none" else evidence.verdict
        panels[0].set_title(f"{title}: {verdict}", loc="left", fontweight="bold")
        place = panels[2].get_yaxis_transform()
        panels[2].text(0.98, 2 / 3, "two equal heaps", transform=place, ha="right", va="bottom", size=7)
        _legend_of_data_sizes(figure, analysis, 3)
    return figure


def collapse(analysis: Analysis) -> "Figure":
    """The order parameter as measured, and scaled so that the curves of all data sizes fall on one if it collapses.

    Raises InputError where there is no collapse to draw, with fewer than three data sizes.
    """
    found, data = analysis.evidence.collapse, analysis.dataset
    if found is None or not math.isfinite(found.inverse_nu):
        raise InputError("there is no collapse to draw: it takes three data sizes and a change of the order parameter.")
    params = np.asarray(data.params, float)
    findings = analysis.of_order()
    title, unit = _named(analysis, analysis.order_parameter)
    with new_figure(7.4, 3.7) as figure:
        left, right = figure.subplots(1, 2)
        for finding, color in zip(findings, colors(len(findings)), strict=True):
            values = _values(analysis, finding)
            error = np.nanstd(values, axis=1, ddof=1) / np.sqrt(np.maximum(np.isfinite(values).sum(axis=1), 1))
            relative = finding.data_size / findings[0].data_size
            x, height = (np.log10(params) - found.critical) * relative**found.inverse_nu, relative ** found.exponent[0]
            left.errorbar(params, _mean(values), error, fmt="o-", ms=3, mew=0, lw=1, color=color)
            right.errorbar(x, _mean(values) / height, error / height, fmt="o", ms=3.5, mew=0, lw=1, color=color)
        if COLLAPSE_KINDS[found.kind] == "transition":
            left.axvspan(*10**found.critical_interval, color="0.4", alpha=0.16, lw=0)
        left.set(xscale="log", xlabel=f"model size N ({size_unit(data)})", ylabel=unit)
        left.set_title(title, loc="left", fontweight="bold")
        data_size = f"(D / {exactly(findings[0].data_size)})"
        critical = in_figures(10**found.critical)
        right.set_xlabel(f"log10(N / {critical}) ${data_size}^{{{found.inverse_nu:.2f}}}$ (decades)")
        right.set_ylabel(f"{unit} $\\times$ ${data_size}^{{{-found.exponent[0]:.2f}}}$")
        right.set_title(f"scaled with data size D: {COLLAPSE_KINDS[found.kind]}", loc="left", fontweight="bold")
        _legend_of_data_sizes(figure, analysis, 1)
    return figure


def write_figures(analysis: Analysis, folder: str | Path) -> None:
    """As PNG and PDF in a folder that exists: curves; with several data sizes phase_diagram; with four seeds or more
    fluctuations; collapse if there is one to draw."""
    data, evidence = analysis.dataset, analysis.evidence
    figures = {"curves": curves}
    if data.sizes.get("data_size", 1) > 1:
        figures["phase_diagram"] = phase_diagram
    if evidence and data.sizes["seed"] >= LEAST_SEEDS:
        figures["fluctuations"] = fluctuations
    if evidence and evidence.collapse and math.isfinite(evidence.collapse.inverse_nu):
        figures["collapse"] = collapse
    save_all({name: draw(analysis) for name, draw in figures.items()}, folder)


def predict(analysis: Analysis, finding: Finding, sizes: np.ndarray) -> np.ndarray:
    """The curve that the verdict stands for at the given sizes; NaN where there are too few points for a verdict."""
    log_size, p = np.log10(sizes), finding.parameters
    if finding.kind == "sigmoid":
        return p["low"] + (p["high"] - p["low"]) / 2 * (1 + np.tanh(p["rate"] * (log_size - p["center"]) / 2))
    if finding.kind == "power_law" and np.isfinite(p["exponent"]):
        return p["floor"] + p["amplitude"] * (sizes / p["reference"]) ** p["exponent"]
    if finding.kind == "broken_power_law" and np.isfinite(p["c"]).all():
        t, y = sizes / p["reference"], (sizes / p["reference"]) ** -p["c"][0]
        for change, place, bend in zip(p["c"][1:], p["d"], p["f"], strict=True):
            y = y * np.exp(-change * bend * np.logaddexp(0, np.log(t / place) / bend))
        return p["a"] + p["b"] * y
    x, y = _points(analysis, finding)
    if finding.kind == "step":
        left = x < finding.critical_size
        return np.where(sizes < finding.critical_size, y[left].mean(), y[~left].mean())
    if finding.kind not in ("power_law", "broken_power_law", *_DEGREES):
        return np.full(sizes.shape, np.nan)
    return np.polynomial.Polynomial.fit(np.log10(x), y, _DEGREES.get(finding.kind, 1))(log_size)


def _panel(panel: "Axes", analysis: Analysis, findings: list[Finding]) -> None:
    """One metric: what was measured, what it was judged to be."""
    params = np.asarray(analysis.dataset.params, float)
    dense = np.geomspace(params.min(), params.max(), 200)
    for finding, color in zip(findings, colors(len(findings)), strict=True):
        values = _values(analysis, finding)
        count = np.isfinite(values).sum(axis=1)
        x, values, count = params[count > 0], values[count > 0], count[count > 0]
        panel.plot(np.repeat(x, values.shape[1]), values.ravel(), ".", color=color, ms=3, alpha=0.4, mew=0, zorder=2)
        mean = np.nanmean(values, axis=1)
        spread = np.sqrt(np.nanmean((values - mean[:, None]) ** 2, axis=1) / np.maximum(count - 1, 1))
        panel.errorbar(x, mean, spread, fmt="o", ms=3.5, mew=0, elinewidth=1, capsize=2, color=color, zorder=4)
        panel.plot(dense, predict(analysis, finding, dense), color=color, lw=1.3, zorder=3)
        if finding.has_transition:
            panel.axvspan(*finding.interval, color=color, alpha=0.16, lw=0, zorder=0)
            panel.axvline(finding.critical_size, color=color, lw=1, ls="--", zorder=1)
        for place in finding.breaks:
            panel.axvspan(*place.interval, color=color, alpha=0.08, lw=0, zorder=0)
            panel.axvline(place.size, color=color, lw=1, ls=":", zorder=1)

    title, unit = _named(analysis, findings[0].metric)
    reach = 0.04 * np.log(params.max() / params.min())
    panel.set(xscale="log", xlim=(params.min() * np.exp(-reach), params.max() * np.exp(reach)), ylabel=unit)
    few_labels(panel)
    panel.set_title(textwrap.fill(title, 34), loc="left", fontweight="bold", pad=5 + 11 * len(findings))
    _verdicts(panel, findings)


def _strip(strip: "Axes", findings: list[Finding]) -> None:
    """The slope of a metric per decade of size, its 95 % band, and where it is steepest."""
    strip.axhline(0, color="0.75", lw=0.8, zorder=0)
    for finding, color in zip(findings, colors(len(findings)), strict=True):
        if finding.slope is None:
            continue
        sizes, value, error = map(np.asarray, finding.slope[:3])
        strip.fill_between(sizes, value - 1.96 * error, value + 1.96 * error, color=color, alpha=0.2, lw=0)
        strip.plot(sizes, value, color=color, lw=1)
        if math.isfinite(finding.slope.steepest):
            height = np.interp(np.log(finding.slope.steepest), np.log(sizes), value)
            strip.plot(finding.slope.steepest, height, "^" if height > 0 else "v", color=color, ms=4, mew=0)
    strip.set_ylabel("per decade")


def _verdicts(panel: "Axes", findings: list[Finding]) -> None:
    """The verdict of each curve, in its colour, between the title and the curves."""
    for i, (finding, color) in enumerate(zip(findings, colors(len(findings)), strict=True)):
        words = finding.verdict
        if finding.kind == "sigmoid":
            words = "crossover at {} [{}, {}]".format(*map(in_figures, (finding.critical_size, *finding.interval)))
        offset = 3 + 11 * (len(findings) - 1 - i)
        panel.annotate(words, (0, 1), (0, offset), "axes fraction", "offset points", color=color, size=8, va="bottom")


def _legend(figure: "Figure", analysis: Analysis, columns: int) -> None:
    """Once for all panels: above them the data sizes by colour, below them the signs in grey."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    signs = [
        Line2D([], [], color="0.4", marker="o", ms=4, lw=0, label="mean ± standard error"),
        Line2D([], [], color="0.4", lw=1.3, label="fit"),
    ]
    if any(finding.has_transition for finding in analysis.findings):
        signs.append(Line2D([], [], color="0.4", lw=1, ls="--", label="critical size"))
    if any(finding.breaks for finding in analysis.findings):
        signs.append(Line2D([], [], color="0.4", lw=1, ls=":", label="break of a power law"))
    signs.append(Patch(color="0.4", alpha=0.25, lw=0, label="95 % interval"))
    signs.append(Line2D([], [], color="0.4", marker="^", ms=4, lw=0, label="steepest"))
    _legend_of_data_sizes(figure, analysis, columns)
    figure.legend(handles=signs, loc="outside lower center", ncols=2 * columns)


def _legend_of_data_sizes(figure: "Figure", analysis: Analysis, columns: int) -> None:
    """The data sizes by colour, above all panels, if there are any."""
    from matplotlib.lines import Line2D

    data = analysis.dataset
    groups = np.atleast_1d(data.data_size.values).tolist() if "data_size" in data.coords else []
    handles = [
        Line2D([], [], color=color, marker="o", ms=4, lw=1.3, label=f"{exactly(size)} {label(data, 'data_size')}")
        for size, color in zip(groups, colors(len(groups)), strict=True)
    ]
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=2 * columns)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over seeds [sizes] of values [sizes, seeds], NaN where there are none."""
    count = np.isfinite(values).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)


def _boundary(axes: "Axes", analysis: Analysis) -> None:
    """The critical sizes as a line with intervals, or in words that there are none."""
    found = [point for point in analysis.boundary if math.isfinite(point.critical_size)]
    if not found:
        style = {"boxstyle": "round", "facecolor": "white", "alpha": 0.85, "edgecolor": "none"}
        axes.text(0.5, 0.5, "no transition found", transform=axes.transAxes, ha="center", va="center", bbox=style)
        return
    size, y = (np.array([getattr(point, name) for point in found]) for name in ("critical_size", "data_size"))
    low, high = np.array([point.interval for point in found]).T
    bars = [size - low, high - size]
    axes.errorbar(size, y, xerr=bars, fmt="o-", color="white", lw=3.5, ms=8, elinewidth=3.5, capsize=6, capthick=3.5)
    axes.errorbar(size, y, xerr=bars, fmt="o-", color="crimson", ms=6, capsize=5, label="critical size, 95 % interval")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center")


def _values(analysis: Analysis, finding: Finding) -> np.ndarray:
    """Measured values [sizes, seeds] of a curve."""
    values = analysis.dataset[finding.metric]
    if "data_size" in values.dims:
        values = values.sel(data_size=finding.data_size)
    return values.transpose("size", "seed").values.astype(float)


def _points(analysis: Analysis, finding: Finding) -> tuple[np.ndarray, np.ndarray]:
    values = _values(analysis, finding)
    sizes = np.broadcast_to(np.asarray(analysis.dataset.params, float)[:, None], values.shape)
    present = np.isfinite(values)
    return sizes[present], values[present]


def _named(analysis: Analysis, metric: str) -> tuple[str, str]:
    """Long name and unit; a metric without a unit is measured in itself."""
    title = label(analysis.dataset, metric)
    return title, analysis.dataset[metric].attrs.get("units", title)
