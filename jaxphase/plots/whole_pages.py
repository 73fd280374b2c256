"""Whole pages of panels under one legend: of an analysis, of learning curves, and of a renormalization."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jaxphase.analysis import Analysis, TimeAnalysis
from jaxphase.curves import at_best_rate, has_groups, metrics_of
from jaxphase.errors import InputError
from jaxphase.plots import flows
from jaxphase.plots.curve_panels import curve, derivative, residuals
from jaxphase.plots.learning import learning_curves
from jaxphase.plots.measured import group_labels
from jaxphase.plots.order import binder, phase_diagram, susceptibility
from jaxphase.plots.scaled_curves import collapse
from jaxphase.plots.style import figure_of, legend, new_figure, save_all, span
from jaxphase.rg.families.flows import FOLLOWED, FamilyFlow
from jaxphase.scaling import CollapseKind
from jaxphase.scaling.moments import LEAST_SEEDS
from jaxphase.words.phrases import COLLAPSES, TRANSITIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
LEAST_STEPS = 3
_Draw = Callable[[str, "Axes"], object]


def curves(analysis: Analysis, metrics: Sequence[str] | None = None) -> "Figure":
    """Draw `curve` above `derivative` for each metric.

    Args:
        analysis: The analysis.
        metrics: The metrics, by default all.

    Returns:
        The figure.

    Raises:
        InputError: If the analysis does not have a metric.
    """
    names = _metrics(analysis, metrics)

    def panel(name: str, ax: "Axes") -> None:
        curve(analysis, name, ax=ax)

    def strip(name: str, ax: "Axes") -> None:
        derivative(analysis, name, ax=ax)
        ax.set_title("", loc="left")
        ax.set_ylabel("per decade")

    return _grid(names, (panel, strip), (3.4, 1), 3.0, group_labels(analysis.dataset))


def pages(
    analysis: Analysis, dataset: xr.Dataset | None = None, times: TimeAnalysis | None = None
) -> dict[str, "Figure"]:
    """Draw all pages that an analysis has.

    Args:
        analysis: The analysis.
        dataset: The curves over training steps, for their learning curves.
        times: The result of `analyze_time` for them, which is marked there.

    Returns:
        Figures by name: curves and residuals; phase_diagram with several groups; fluctuations with four seeds or more;
        collapse if there is one to draw; learning_curves of a dataset with three training steps or more.
    """
    data, evidence = analysis.dataset, analysis.evidence
    found = {"curves": curves(analysis), "residuals": _residuals(analysis)}
    if has_groups(data) and data.sizes["group"] > 1:
        found["phase_diagram"] = figure_of(phase_diagram(analysis))
    moments = evidence.susceptibility, evidence.binder
    if data.sizes["seed"] >= LEAST_SEEDS and all(
        np.isfinite(np.asarray(moment.value, float)).any() for moment in moments
    ):
        found["fluctuations"] = _fluctuations(analysis)
    if evidence.collapse and math.isfinite(evidence.collapse.inverse_nu):
        found["collapse"] = _finite_size_scaling(analysis)
    if dataset is not None and np.sum(np.asarray(dataset.get("step", 0)) > 0) >= LEAST_STEPS:
        found["learning_curves"] = _learning_curves(dataset, times)
    return found


def flow_pages(dataset: xr.Dataset, family: FamilyFlow) -> dict[str, "Figure"]:
    """Draw all pages of a renormalization.

    Args:
        dataset: The result of `rg.renormalize`.
        family: The result of `rg.follow` for it.

    Returns:
        Figures by name: flow, spectra, loss, and phase_diagram with two sizes or more.
    """
    found = {"flow": _flow(dataset, family), "spectra": _spectra(dataset), "loss": _loss(dataset)}
    if dataset.sizes["size"] > 1:
        found["phase_diagram"] = _flow_diagrams(dataset, family)
    return found


def write_figures(
    analysis: Analysis, folder: str | Path, dataset: xr.Dataset | None = None, times: TimeAnalysis | None = None
) -> dict[str, bytes]:
    """Write `pages` as PNG and PDF.

    Args:
        analysis: The analysis.
        folder: A folder that exists.
        dataset: The measurements, for learning curves; see `pages`.
        times: What training time shows; see `pages`.

    Returns:
        The PNG images by name.
    """
    return save_all(pages(analysis, dataset, times), folder)


def write_flow_figures(dataset: xr.Dataset, family: FamilyFlow, folder: str | Path) -> None:
    """Write `flow_pages` as PNG and PDF.

    Args:
        dataset: The renormalized models, from `jaxphase.rg.renormalize`.
        family: Their flow, from `jaxphase.rg.follow`.
        folder: A folder that exists.
    """
    save_all(flow_pages(dataset, family), folder)


def _metrics(analysis: Analysis, chosen: Sequence[str] | None = None) -> tuple[str, ...]:
    """The chosen metrics, or all that have values."""
    known = analysis.metrics
    for name in chosen or ():
        if name not in known:
            raise InputError(f"metrics has {name!r}: choose from {', '.join(known)}.")
    # Without any, drawing the order parameter says why there is nothing to draw.
    there = tuple(name for name in known if np.isfinite(analysis.dataset[name]).any())
    return tuple(chosen or there or (analysis.order_parameter,))


def _grid(
    names: Sequence[str], draws: Sequence[_Draw], heights: Sequence[float], height: float, groups: Sequence[str]
) -> "Figure":
    """A block of panels for each name, drawn by `draws` one above the other; only the lowest have labels of x."""
    columns, deep = min(COLUMNS, len(names)), len(draws)
    rows = -(-len(names) // columns)
    words = 0.16 * max(len(groups), 1)  # a line of words above the panel for each group
    with new_figure(3.05 * columns + 0.4, (height + words) * rows + 0.6) as figure:
        grid = figure.subplots(deep * rows, columns, sharex=True, squeeze=False, height_ratios=tuple(heights) * rows)
        blocks = grid.reshape(rows, deep, columns).swapaxes(1, 2).reshape(-1, deep)
        for unused in blocks[len(names) :].ravel():
            unused.remove()
        blocks = blocks[: len(names)]
        for i, (block, name) in enumerate(zip(blocks, names, strict=True)):
            for draw, ax in zip(draws, block, strict=True):
                draw(name, ax)
                if i + columns < len(names) or ax is not block[-1]:
                    ax.set_xlabel("")
                else:
                    ax.xaxis.set_tick_params(labelbottom=True)
        legend(figure, blocks.ravel(), groups)
    return figure


def _residuals(analysis: Analysis) -> "Figure":
    def draw(name: str, ax: "Axes") -> None:
        residuals(analysis, name, ax=ax)
        ax.set_ylabel("measured − fit")

    return _grid(_metrics(analysis), [draw], (1,), 2.4, group_labels(analysis.dataset))


def _learning_curves(dataset: xr.Dataset, times: TimeAnalysis | None) -> "Figure":
    dataset = at_best_rate(dataset)
    names = [name for name in metrics_of(dataset) if "step" in dataset[name].dims]
    return _grid(names, [lambda name, ax: learning_curves(dataset, name, times, ax=ax)], (1,), 2.6, ())


def _fluctuations(analysis: Analysis) -> "Figure":
    """The order parameter against size, and its scatter over seeds."""
    with new_figure(9.5, 3.8) as figure:
        panels = figure.subplots(1, 3)
        for draw, ax in zip((susceptibility, binder), panels[1:], strict=True):
            draw(analysis, ax=ax)
            ax.set_title("", loc="left")
        curve(analysis, analysis.order_parameter, ax=panels[0])
        panels[1].set_title(TRANSITIONS[analysis.evidence.kind], loc="left", fontweight="bold")
        legend(figure, panels, group_labels(analysis.dataset))
    return figure


def _finite_size_scaling(analysis: Analysis) -> "Figure":
    """The order parameter as measured and as scaled."""
    found = analysis.evidence.collapse
    assert found is not None
    with new_figure(8.2, 4.0) as figure:
        left, right = figure.subplots(1, 2)
        curve(analysis, analysis.order_parameter, ax=left)
        if found.kind == CollapseKind.TRANSITION:
            span(left, 10 ** np.asarray(found.critical_interval), color="0.4", alpha=0.16)
        collapse(analysis, ax=right)
        right.set_title(COLLAPSES[CollapseKind(found.kind)], loc="left", fontweight="bold")
        legend(figure, [left, right], group_labels(analysis.dataset))
    return figure


def _flow(dataset: xr.Dataset, family: FamilyFlow) -> "Figure":
    """Above, couplings over the number of halvings; below, their beta functions."""
    with new_figure(2.9 * len(FOLLOWED) + 0.4, 5.6) as figure:
        grid = figure.subplots(2, len(FOLLOWED), squeeze=False)
        for name, (top, bottom) in zip(FOLLOWED, grid.T, strict=True):
            flows.coupling(dataset, family, name, ax=top)
            top.set_title(FOLLOWED[name].label, loc="left", fontweight="bold")
            top.set_ylabel("")
            flows.beta(dataset, family, name, ax=bottom)
        for ax in grid[1, 1:]:
            ax.set_ylabel("")
        legend(figure, grid.ravel(), flows.size_names(dataset))
    return figure


def _spectra(dataset: xr.Dataset) -> "Figure":
    layers = dataset.sizes["layer"]
    with new_figure(3.4 * layers + 0.4, 3.4) as figure:
        panels = figure.subplots(1, layers, squeeze=False, sharey=True)[0]
        for layer, ax in enumerate(panels):
            flows.spectrum(dataset, layer, ax=ax)
            ax.label_outer()
        legend(figure, panels)
    return figure


def _loss(dataset: xr.Dataset) -> "Figure":
    with new_figure(8.2, 3.7) as figure:
        panels = figure.subplots(1, 2)
        for metric, ax in zip(("loss", "accuracy"), panels, strict=True):
            flows.coarse_loss(dataset, metric, ax=ax)
        legend(figure, panels, flows.size_names(dataset))
    return figure


def _flow_diagrams(dataset: xr.Dataset, family: FamilyFlow) -> "Figure":
    layers = dataset.sizes["layer"]
    with new_figure(3.5 * layers + 0.9, 3.4) as figure:
        panels = figure.subplots(1, layers, squeeze=False, sharey=True)[0]
        for layer, ax in enumerate(panels):
            flows.flow_diagram(dataset, family, layer, ax=ax)
            ax.label_outer()
        figure.colorbar(panels[-1].collections[0], ax=list(panels), label=r"$\ln\,\chi$", pad=0.02)
        legend(figure, panels)
    return figure
