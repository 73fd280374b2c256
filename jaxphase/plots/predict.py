"""Predictions from many runs: isoFLOP curves, the best allocation of compute, and critical sizes."""

from typing import TYPE_CHECKING

import jax
import numpy as np
from numpy.typing import ArrayLike

from jaxphase.errors import InputError
from jaxphase.plots.style import CATEGORIES, bars, colors, few_labels, key, panel
from jaxphase.predict import CriticalModel, Surface, allocate
from jaxphase.predict import isoflop as loss_at
from jaxphase.predict.pooling import summarize
from jaxphase.predict.regression import predictive

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "osD^v<>PX"


def isoflop(
    surface: Surface,
    compute: ArrayLike,
    params: ArrayLike | None = None,
    *,
    flops_per_token_param: float = 6.0,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw loss against model size at each budget of compute, with 95 % bands of the mean.

    The smallest loss of each budget is marked, with the interval of its size.

    Args:
        surface: One surface, from `predict.fit_surface`.
        compute: One budget or several, in floating-point operations.
        params: The model sizes to draw, by default a factor of 30 to either side of the best ones.
        flops_per_token_param: Operations for each parameter and token.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: For several surfaces, or one without an answer.
    """
    compute = _one_surface(surface, compute)
    best = allocate(surface, compute, flops_per_token_param=flops_per_token_param)
    best = jax.tree.map(np.asarray, best)
    sizes = np.geomspace(best.params.min() / 30, best.params.max() * 30, 200) if params is None else params
    sizes = np.sort(np.asarray(sizes, float))
    with panel(ax, 4.8, 3.9) as axes:
        curves = loss_at(surface, compute[:, None], sizes, flops_per_token_param=flops_per_token_param)
        loss, interval = np.asarray(curves.loss), np.asarray(curves.loss_interval)
        for i, color in enumerate(colors(len(compute))):
            axes.plot(sizes, loss[i], color=color, lw=1.3, label=f"{_power(compute[i])} FLOP")
            axes.fill_between(sizes, *interval[i].T, color=color, alpha=0.22, lw=0)
        seen = (best.params >= sizes[0]) & (best.params <= sizes[-1])
        if seen.any():
            reach = bars(best.params, best.params_interval, sizes[0], sizes[-1])[:, seen]
            style = {"fmt": "ko", "ms": 4, "elinewidth": 1, "capsize": 2, "zorder": 5}
            axes.errorbar(best.params[seen], best.loss[seen], xerr=reach, label="least loss, 95 % interval", **style)
        axes.set(xscale="log", xlabel="model size N (parameters)", ylabel="loss", xlim=(sizes[0], sizes[-1]))
        few_labels(axes.xaxis, sizes[0], sizes[-1])
        if params is None:  # the range of the curves, without what is drawn on them
            axes.set_ylim(top=np.max(best.loss) + 4 * max(np.ptp(best.loss), 0.05 * np.max(best.loss)))
    return axes


def allocation(
    surface: Surface, compute: ArrayLike, *, flops_per_token_param: float = 6.0, ax: "Axes | None" = None
) -> "Axes":
    """Draw the best model size and data against compute, with 95 % bands and exponents in the legend.

    Args:
        surface: One surface, from `predict.fit_surface`.
        compute: Budgets `[k]` in floating-point operations; the range between the least and the most is drawn.
        flops_per_token_param: Operations for each parameter and token.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: For fewer than two budgets, several surfaces, or one without an answer.
    """
    compute = _one_surface(surface, compute)
    low, high = compute.min(), compute.max()
    if not low < high:
        raise InputError(f"compute is one budget, {_power(low)}: give the ends of a range.")
    compute = np.geomspace(low, high, 100)
    best = allocate(surface, compute, flops_per_token_param=flops_per_token_param)
    ends = np.asarray(best.exponent_interval)
    names = {
        "params": ("model size N", float(best.exponent), ends),
        "data": ("data D", 1 - float(best.exponent), 1 - ends[::-1]),
    }
    with panel(ax, 4.8, 3.7) as axes:
        for (name, (words, exponent, (least, most))), color in zip(names.items(), CATEGORIES, strict=False):
            text = f"{words} $\\propto C^{{{exponent:.3f}}}$ [{least:.3f}, {most:.3f}]"
            axes.plot(compute, getattr(best, name), color=color, lw=1.4, label=text)
            band = np.asarray(getattr(best, f"{name}_interval")).T
            axes.fill_between(compute, *band, color=color, alpha=0.22, lw=0)
        axes.set(xscale="log", yscale="log", xlim=(low, high))
        axes.set(xlabel="compute C (FLOP)", ylabel="parameters N, data D")
        few_labels(axes.xaxis, low, high)
    return axes


def predictions(model: CriticalModel, *, ax: "Axes | None" = None) -> "Axes":
    """Draw measured critical sizes against the model's predictions for the same conditions, with 95 % intervals.

    The model was fitted to these measurements; `predict.leave_one_group_out` says how well it predicts others. Each
    group of the first level has a color, and each group of the second has a marker.

    Args:
        model: From `predict.fit`.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.
    """
    data, labels = model.measurements, model.measurements.labels
    median, ends, _ = summarize(model.posterior.weight, *predictive(model, data._asdict()))
    size, reach = 10**median, bars(10**median, 10**ends)
    (first, colored), (second, marked) = [*model.terms.levels.items(), (None, ("",))][:2]
    by_marker = np.array(getattr(data, second) if second else [""] * len(size))
    with panel(ax, 4.4, 4.4) as axes:
        for i, name in enumerate(colored):
            color = CATEGORIES[i % len(CATEGORIES)]
            for j, other in enumerate(marked):
                of = (np.array(getattr(data, first)) == name) & (by_marker == other)
                measured = bars(data.critical_size[of], np.stack([data.low, data.high], axis=-1)[of])
                style = {"fmt": _MARKERS[j % len(_MARKERS)], "ms": 4, "mew": 0, "elinewidth": 0.8, "alpha": 0.85}
                axes.errorbar(size[of], data.critical_size[of], measured, reach[:, of], color=color, **style)
            key(axes, name, marker="o", ms=4, lw=0, color=color)
        for j, other in enumerate(marked if len(marked) > 1 else ()):
            key(axes, other, marker=_MARKERS[j % len(_MARKERS)], ms=4, lw=0)
        ends = min(size.min(), data.critical_size.min()) / 2, max(size.max(), data.critical_size.max()) * 2
        axes.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
        axes.set(xscale="log", yscale="log", xlabel=f"{labels['name']} by the model ({labels['unit']})")
        axes.set_ylabel(f"{labels['name']}, measured ({labels['unit']})")
        for side in (axes.xaxis, axes.yaxis):
            few_labels(side, *ends)
        title = f"{labels['name'][:1].upper()}{labels['name'][1:]}s"
        axes.set_title(
            "prior: the article's table" if model.prior == "article" else title, loc="left", fontweight="bold"
        )
    return axes


def _one_surface(surface: Surface, compute: ArrayLike) -> np.ndarray:
    """The budgets [k] in rising order, if they and the surface can be drawn."""
    if np.ndim(surface.E):
        raise InputError(f"the surface has shape {np.shape(surface.E)}: draw one surface at a time.")
    if not np.isfinite(surface.E):
        raise InputError(f"the surface has no answer (status {int(surface.status)}): fit it to more runs.")
    compute = np.unique(np.asarray(compute, float))
    if not compute.size or not np.all((compute > 0) & np.isfinite(compute)):
        raise InputError(f"compute is {compute}: give positive, finite numbers of operations.")
    return compute


def _power(number: float) -> str:
    """A number of operations as one writes it: 3e19."""
    return f"{number:.3g}".replace("e+", "e")
