"""Figures of the renormalization of a trained family: its couplings' flow, its spectra, what each step costs, and where
the models are ordered, critical or chaotic."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jaxphase.findings import exactly
from jaxphase.flows import FOLLOWED, FamilyFlow
from jaxphase.plots.style import colors, new_figure, save_all
from jaxphase.rg import FLOWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAYERS = ("-", "--", "-.", ":")
_PHASES = {"ordered": "v", "critical": "o", "chaotic": "^"}
_HALVED = ("trained", "halved once", "halved {} times")
_VARIANTS = {"activations": ("o-", 1.0), "not rescaled": ("s:", 0.75), "weights": ("^--", 0.75)}


def couplings_flow(dataset: xr.Dataset, family: FamilyFlow) -> "Figure":
    """Above, couplings over the number of halvings, a colour for each model size and a line style for each layer, with
    standard errors over seeds; below, beta = dK / d ln b over K, and the interval of a fixed point where one is."""
    sizes = dataset["size"].values
    with new_figure(2.9 * len(FOLLOWED) + 0.4, 5.6) as figure:
        grid = figure.subplots(2, len(FOLLOWED), squeeze=False)
        for name, (top, bottom) in zip(FOLLOWED, grid.T, strict=True):
            coupling = FOLLOWED[name]
            for flow in (flow for flow in family.flows if flow.coupling == name):
                style = _LAYERS[flow.layer % len(_LAYERS)]
                values = coupling.of(dataset[name].isel(layer=flow.layer).transpose("size", "scale", "seed").values)
                mean, error = _mean_and_error(values)
                for i, color in enumerate(colors(len(sizes))):
                    top.errorbar(dataset.scale, mean[i], error[i], fmt=style, color=color, lw=1.2, elinewidth=0.8)
                    bars = {"fmt": style, "color": color, "lw": 1, "elinewidth": 0.7, "marker": ".", "ms": 4}
                    bottom.errorbar(flow.midpoint[i], flow.beta[i], flow.beta_se[i], **bars)
                if flow.kind != FLOWS[0]:
                    bottom.axvspan(*flow.interval, color="0.4", alpha=0.2, lw=0)
            bottom.axhline(0, color="0.75", lw=0.8, zorder=0)
            top.set(title=coupling.label, xticks=dataset.scale.values, xlabel="halvings")
            bottom.set(xlabel=f"K = {coupling.label}", ylabel="dK / d ln b" if name == next(iter(FOLLOWED)) else "")
        _legend(figure, dataset)
    return figure


def coarse_spectra(dataset: xr.Dataset) -> "Figure":
    """Eigenvalues of the activations' covariance, over their mean, by rank over the number of units: of the largest
    models, before and after every halving, the geometric mean over seeds."""
    data = dataset.isel(size=-1)
    layers = dataset.sizes["layer"]
    with new_figure(3.4 * layers + 0.4, 3.2) as figure:
        for layer, panel in enumerate(figure.subplots(1, layers, squeeze=False)[0]):
            for scale, color in enumerate(colors(data.sizes["scale"])):
                values = data.eigenvalues.isel(layer=layer, scale=scale).transpose("seed", "rank").values
                width = int(np.max(np.sum(values > 0, axis=1)))
                share = values[:, :width] / values[:, :width].mean(axis=1, keepdims=True)
                mean = np.exp(np.nanmean(np.log(np.where(share > 0, share, np.nan)), axis=0))
                rank = (np.arange(width) + 0.5) / width
                panel.plot(rank, mean, color=color, lw=1.3, label=_HALVED[min(scale, 2)].format(scale))
            panel.axhline(1, color="0.75", lw=0.8, zorder=0)
            panel.set(yscale="log", xlabel="rank / units", title=f"layer {layer}")
        figure.axes[0].set_ylabel("eigenvalue / mean")
        figure.axes[0].legend()
    return figure


def coarse_loss(dataset: xr.Dataset) -> "Figure":
    """Loss and probe accuracy over the parameters that are left, relative to those that were trained, for every way in
    which directions are chosen; the models that were trained at each size as a grey line over all."""
    with new_figure(8.2, 3.7) as figure:
        for panel, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            trained = dataset[name].isel(variant=0, scale=0).mean("seed")
            panel.plot(dataset.params.isel(scale=0), trained, color="0.6", lw=4, alpha=0.5, zorder=0)
            for variant in dataset.variant.values:
                style, alpha = _VARIANTS[str(variant)]
                values = dataset[name].sel(variant=variant).transpose("size", "scale", "seed").values
                mean, error = _mean_and_error(values)
                for i, color in enumerate(colors(len(mean))):
                    bars = {"fmt": style, "color": color, "alpha": alpha, "lw": 1, "ms": 3.5, "elinewidth": 0.7}
                    panel.errorbar(dataset.params.values[i], mean[i], error[i], **bars)
            panel.set(xscale="log", xlabel="parameters", ylabel=name if name == "loss" else "probe accuracy")
        _legend(figure, dataset, variants=True)
    return figure


def flow_diagram(dataset: xr.Dataset, family: FamilyFlow) -> "Figure":
    """Model size and number of halvings: ln chi in colour, the line where it is 0, and where models cease to be called
    critical. White where nothing was measured."""
    threshold = -np.log(dataset.attrs["criticality_threshold"])
    layers = dataset.sizes["layer"]
    with new_figure(3.5 * layers + 0.9, 3.4) as figure:
        panels = figure.subplots(1, layers, squeeze=False, sharey=True)[0]
        for layer, panel in enumerate(panels):
            values = np.log(dataset.chi.isel(layer=layer).transpose("scale", "size", "seed").mean("seed").values)
            drawn = _regions(panel, dataset.params.isel(scale=0).values, dataset.scale.values, values, threshold)
            panel.set(xscale="log", xlabel="trained parameters", title=f"layer {layer}", yticks=dataset.scale.values)
            for (size, scale), phase in np.ndenumerate(family.phase[layer]):
                place = float(dataset.params[size, 0]), float(dataset.scale[scale])
                panel.plot(*place, marker=_PHASES[str(phase)], color="k", ms=3, clip_on=False)
        panels[0].set_ylabel("halvings")
        figure.colorbar(drawn, ax=list(panels), label=r"$\ln\,\chi$", pad=0.02)
        _phase_legend(figure)
    return figure


def write_flow_figures(dataset: xr.Dataset, family: FamilyFlow, folder: str | Path) -> None:
    """flow, spectra, loss and, of two sizes or more, phase_diagram, as PNG and PDF in a folder that exists."""
    figures = {
        "flow": couplings_flow(dataset, family),
        "spectra": coarse_spectra(dataset),
        "loss": coarse_loss(dataset),
    }
    if dataset.sizes["size"] > 1:
        figures["phase_diagram"] = flow_diagram(dataset, family)
    save_all(figures, folder)


def _regions(panel: "Axes", sizes: np.ndarray, scales: np.ndarray, values: np.ndarray, threshold: float):
    """Filled contours of ln chi, the critical line, and the boundaries of what is called critical."""
    reach = max(1.0, 2 * threshold)
    style = {"levels": np.linspace(-reach, reach, 21), "cmap": "RdBu_r", "extend": "both"}
    drawn = panel.contourf(sizes, scales, np.ma.masked_invalid(values), **style)
    for level, line in ((-threshold, "--"), (0, "-"), (threshold, "--")):
        if np.nanmin(values) < level < np.nanmax(values):
            panel.contour(sizes, scales, values, levels=[level], colors="k", linewidths=1.2, linestyles=line)
    return drawn


def _mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the last axis, seeds, and its standard error, which one seed does not have."""
    count = np.isfinite(values).sum(axis=-1)
    mean = np.where(count > 0, np.nansum(values, axis=-1) / np.maximum(count, 1), np.nan)
    square = np.nansum((values - mean[..., None]) ** 2, axis=-1)
    return mean, np.sqrt(square / np.maximum(count - 1, 1) / np.maximum(count, 1))


def _legend(figure: "Figure", dataset: xr.Dataset, variants: bool = False) -> None:
    """Sizes by colour above; ways of choosing, or layers, in grey below."""
    from matplotlib.lines import Line2D

    params = dataset.params.isel(scale=0).values
    sizes = [
        Line2D([], [], color=color, lw=1.5, label=exactly(int(count)))
        for count, color in zip(params, colors(len(params)), strict=True)
    ]
    figure.legend(handles=sizes, loc="outside upper center", ncols=min(len(sizes), 8), title="trained parameters")
    if variants:
        signs = [
            Line2D([], [], color="0.4", lw=1, marker=style[0], ls=style[1:], ms=4, label=name)
            for name, (style, _) in _VARIANTS.items()
            if name in dataset.variant.values
        ]
        signs.append(Line2D([], [], color="0.6", lw=4, alpha=0.5, label="trained at that size"))
    else:
        layers = range(dataset.sizes["layer"])
        signs = [Line2D([], [], color="0.4", lw=1.2, ls=_LAYERS[i % 4], label=f"layer {i}") for i in layers]
    figure.legend(handles=signs, loc="outside lower center", ncols=4)


def _phase_legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D

    signs = [
        Line2D([], [], color="k", lw=1.2, label=r"$\chi = 1$"),
        Line2D([], [], color="k", lw=1.2, ls="--", label="threshold"),
        *(Line2D([], [], color="k", marker=marker, lw=0, ms=4, label=name) for name, marker in _PHASES.items()),
    ]
    figure.legend(handles=signs, loc="outside lower center", ncols=5)
