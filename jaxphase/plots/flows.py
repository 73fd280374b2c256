"""Figures of the renormalization of a trained family: flows of couplings, spectra, costs of each step, and phases."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jaxphase.errors import InputError
from jaxphase.plots.measured import mean_and_error
from jaxphase.plots.style import colors, few_labels, key, panel, spaced
from jaxphase.rg import FlowKind, Phase
from jaxphase.rg.families.flows import FOLLOWED, CouplingFlow, FamilyFlow
from jaxphase.words.phrases import exactly

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAYERS = ("-", "--", "-.", ":")
_PHASES = {"ordered": "v", "critical": "o", "chaotic": "^"}
_HALVED = ("trained", "halved once", "halved {} times")
_VARIANTS = {"activations": ("o-", 1.0), "not rescaled": ("s:", 0.75), "weights": ("^--", 0.75)}
_COSTS = {"loss": "loss", "accuracy": "probe accuracy"}


def coupling(dataset: xr.Dataset, family: FamilyFlow, name: str, *, ax: "Axes | None" = None) -> "Axes":
    """Draw a coupling over the number of halvings: mean and standard error over seeds.

    Each model size has a color, each layer a line style.

    Args:
        dataset: The result of `rg.renormalize`.
        family: The result of `rg.follow` for it.
        name: The coupling, a name in `rg.FOLLOWED`.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If the coupling was not followed.
    """
    with panel(ax, 4.4, 3.7) as axes:
        for flow in _flows(family, name):
            values = dataset[name].isel(layer=flow.layer).transpose("size", "scale", "seed").values
            mean, error = mean_and_error(FOLLOWED[name].transform(values))
            for i, (color, label) in enumerate(_sizes(dataset)):
                style = {"fmt": LAYERS[flow.layer % len(LAYERS)], "color": color, "lw": 1.2, "elinewidth": 0.8}
                axes.errorbar(dataset.scale, mean[i], error[i], label=None if flow.layer else label, **style)
        _layers(axes, dataset)
        axes.set(xticks=dataset.scale.values, xlabel="halvings", ylabel=FOLLOWED[name].label)
    return axes


def beta(dataset: xr.Dataset, family: FamilyFlow, name: str, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the beta function dK / d ln b over the coupling K, and the 95 % interval of a fixed point if there is one.

    Errors are standard errors over seeds; colors and line styles are those of `coupling`.

    Args:
        dataset: The result of `rg.renormalize`.
        family: The result of `rg.follow` for it.
        name: The coupling, a name in `rg.FOLLOWED`.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If the coupling was not followed.
    """
    with panel(ax, 4.4, 3.7) as axes:
        for flow in _flows(family, name):
            for i, (color, label) in enumerate(_sizes(dataset)):
                style = {"fmt": LAYERS[flow.layer % len(LAYERS)], "color": color, "lw": 1, "elinewidth": 0.7}
                points = {"marker": ".", "ms": 4, "label": None if flow.layer else label}
                axes.errorbar(flow.midpoint[i], flow.beta[i], flow.beta_se[i], **style, **points)
            if flow.kind != FlowKind.NOT_FOUND and np.isfinite(flow.interval).all():
                axes.axvspan(*flow.interval, color="0.4", alpha=0.2, lw=0)
        if any(flow.kind != FlowKind.NOT_FOUND for flow in _flows(family, name)):
            key(axes, "fixed point, 95 % interval", lw=6, alpha=0.3)
        _layers(axes, dataset)
        axes.axhline(0, color="0.75", lw=0.8, zorder=0)
        axes.set(xlabel=f"K = {FOLLOWED[name].label}", ylabel="dK / d ln b")
    return axes


def spectrum(dataset: xr.Dataset, layer: int = 0, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the eigenvalues of the activations' covariance of the largest models, before and after every halving.

    Eigenvalues are divided by their mean, ranks by the number of units; lines are geometric means over seeds.

    Args:
        dataset: The result of `rg.renormalize`.
        layer: The layer.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If there is no such layer.
    """
    data = dataset.isel(size=-1)
    _check_layer(dataset, layer)
    with panel(ax, 4.4, 3.6) as axes:
        for scale, color in enumerate(colors(data.sizes["scale"])):
            values = data.eigenvalues.isel(layer=layer, scale=scale).transpose("seed", "rank").values
            width = int(np.max(np.sum(values > 0, axis=1)))
            share = values[:, :width] / values[:, :width].mean(axis=1, keepdims=True)
            mean = np.exp(np.nanmean(np.log(np.where(share > 0, share, np.nan)), axis=0))
            rank = (np.arange(width) + 0.5) / width
            axes.plot(rank, mean, color=color, lw=1.3, label=_HALVED[min(scale, 2)].format(scale))
        axes.axhline(1, color="0.75", lw=0.8, zorder=0)
        axes.set(yscale="log", xlabel="rank / units", ylabel="eigenvalue / mean")
        axes.set_title(f"layer {layer}", loc="left", fontweight="bold")
    return axes


def coarse_loss(dataset: xr.Dataset, metric: str = "loss", *, ax: "Axes | None" = None) -> "Axes":
    """Draw loss or probe accuracy over the parameters that are left, for every way to choose directions.

    Errors are standard errors over seeds. A gray line shows the models that were trained at each size.

    Args:
        dataset: The result of `rg.renormalize`.
        metric: "loss" or "accuracy".
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: For another metric.
    """
    if metric not in _COSTS:
        raise InputError(f"metric is {metric!r}: choose from {', '.join(_COSTS)}.")
    with panel(ax, 4.6, 3.9) as axes:
        trained = dataset[metric].isel(variant=0, scale=0).mean("seed")
        axes.plot(dataset.params.isel(scale=0), trained, color="0.6", lw=4, alpha=0.5, zorder=0)
        sizes = _sizes(dataset)
        for variant in map(str, dataset.variant.values):
            style, alpha = _VARIANTS[variant]
            mean, error = mean_and_error(dataset[metric].sel(variant=variant).transpose("size", "scale", "seed").values)
            for i, (color, label) in enumerate(sizes):
                marks = {"fmt": style, "color": color, "alpha": alpha, "lw": 1, "ms": 3.5, "elinewidth": 0.7}
                marks["label"] = label if variant == str(dataset.variant.values[0]) else None
                axes.errorbar(dataset.params.values[i], mean[i], error[i], **marks)
        for variant in map(str, dataset.variant.values):
            style, _ = _VARIANTS[variant]
            key(
                axes,
                f"by {variant}" if variant != "not rescaled" else variant,
                marker=style[0],
                ls=style[1:],
                lw=1,
                ms=4,
            )
        key(axes, "trained at that size", lw=4, alpha=0.5, color="0.6")
        axes.set(xscale="log", xlabel="parameters", ylabel=_COSTS[metric])
        few_labels(axes.xaxis, float(dataset.params.min()), float(dataset.params.max()))
    return axes


def flow_diagram(dataset: xr.Dataset, family: FamilyFlow, layer: int = 0, *, ax: "Axes | None" = None) -> "Axes":
    """Draw ln chi over model size and number of halvings, with the line where it is 0 and the phase of each model.

    Dashed lines bound the critical region; white is not measured. In an Axes of yours no color bar is drawn; make one
    from its first collection.

    Args:
        dataset: The result of `rg.renormalize`.
        family: The result of `rg.follow` for it.
        layer: The layer.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If there is no such layer, or only one model size.
    """
    _check_layer(dataset, layer)
    if dataset.sizes["size"] < 2:
        raise InputError("a flow diagram needs at least two model sizes: renormalize more.")
    threshold = -np.log(dataset.attrs["criticality_threshold"])
    own = ax is None
    with panel(ax, 4.8, 3.7) as axes:
        values = np.log(dataset.chi.isel(layer=layer).transpose("scale", "size", "seed").mean("seed").values)
        sizes = dataset.params.isel(scale=0).values.astype(float)
        drawn = _regions(axes, sizes, dataset.scale.values, values, threshold)
        axes.set(xscale="log", xlabel="trained parameters")
        axes.set_title(f"layer {layer}", loc="left", fontweight="bold")
        axes.set(yticks=dataset.scale.values, ylabel="halvings")
        few_labels(axes.xaxis, sizes.min(), sizes.max())
        for (size, scale), phase in np.ndenumerate(family.phase[layer]):
            place = sizes[size], float(dataset.scale[scale])
            if phase != Phase.UNKNOWN:
                axes.plot(*place, marker=_PHASES[Phase(phase).name.lower()], color="k", ms=3, clip_on=False)
        key(axes, r"$\chi = 1$", lw=1.2, color="k")
        key(axes, "threshold", lw=1.2, ls="--", color="k")
        for name, marker in _PHASES.items():
            key(axes, name, marker=marker, lw=0, ms=4, color="k")
        if own:
            axes.figure.colorbar(drawn, ax=axes, label=r"$\ln\,\chi$", pad=0.02)
    return axes


def size_names(dataset: xr.Dataset) -> list[str]:
    """The names of the model sizes in legends, empty where there are too many to name all."""
    params = dataset.params.isel(scale=0).values.tolist()
    labeled = spaced(len(params), 8)
    return [f"{exactly(count)} parameters" if i in labeled else "" for i, count in enumerate(params)]


def _sizes(dataset: xr.Dataset) -> list[tuple]:
    """Color and name of each model size."""
    names = size_names(dataset)
    return [(color, name or None) for color, name in zip(colors(len(names)), names, strict=True)]


def _flows(family: FamilyFlow, name: str) -> list[CouplingFlow]:
    """The flows of one coupling, one for each layer."""
    if name not in FOLLOWED:
        raise InputError(f"name is {name!r}: choose from {', '.join(FOLLOWED)}.")
    return [flow for flow in family.flows if flow.coupling == name]


def _layers(ax: "Axes", dataset: xr.Dataset) -> None:
    """The line styles of layers in the legend."""
    if dataset.sizes["layer"] > 1:
        for layer in range(dataset.sizes["layer"]):
            key(ax, f"layer {layer}", lw=1.2, ls=LAYERS[layer % len(LAYERS)])


def _check_layer(dataset: xr.Dataset, layer: int) -> None:
    if not 0 <= layer < dataset.sizes["layer"]:
        raise InputError(f"layer is {layer}: choose one from 0 to {dataset.sizes['layer'] - 1}.")


def _regions(ax: "Axes", sizes: np.ndarray, scales: np.ndarray, values: np.ndarray, threshold: float):
    """Filled contours of ln chi, the critical line, and the boundaries of the critical region."""
    reach = max(1.0, 2 * threshold)
    style = {"levels": np.linspace(-reach, reach, 21), "cmap": "RdBu_r", "extend": "both"}
    drawn = ax.contourf(sizes, scales, np.ma.masked_invalid(values), **style)
    for level, line in ((-threshold, "--"), (0, "-"), (threshold, "--")):
        if np.nanmin(values) < level < np.nanmax(values):
            ax.contour(sizes, scales, values, levels=[level], colors="k", linewidths=1.2, linestyles=line)
    return drawn
