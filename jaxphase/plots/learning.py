"""Training time as an axis: learning curves by size, with steps and plateaus; their times and delays over size."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from jaxphase.analysis import DelayKind, LearningCurve, TimeAnalysis, TimeLawKind
from jaxphase.curves import at_best_rate, metrics_of
from jaxphase.errors import InputError
from jaxphase.plots.measured import mean_and_error, named
from jaxphase.plots.style import bars, colors, few_labels, headings, key, panel, spaced
from jaxphase.words.phrases import exactly, label, with_error
from jaxphase.words.training import LAWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def learning_curves(
    dataset: xr.Dataset,
    metric: str,
    times: TimeAnalysis | None = None,
    *,
    data_size: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a metric over training steps: the mean over seeds with its standard error, a color for each size.

    Positive values that span more than a decade have a logarithmic axis. A model that has diverged is missing from that
    step on.

    Args:
        dataset: Curves over steps, as `analyze_time` takes them.
        metric: One of its metrics.
        times: The result of `analyze_time` for these curves: steps are marked with the 95 % interval of their times,
            plateaus are thick lines.
        data_size: One of its data sizes, by default the largest.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If there are no training steps, or no such metric or data size.
    """
    dataset = at_best_rate(dataset)
    known = [name for name in metrics_of(dataset) if "step" in dataset[name].dims]
    if not known:
        raise InputError('the curves have no axis of training steps: read them with step="all".')
    if metric not in known:
        raise InputError(f"metric is {metric!r}: choose one of {', '.join(known)}.")
    dataset, data_size = _at_data_size(dataset, data_size)
    values = dataset[metric]
    if "diverged_at" in dataset:
        values = values.where((dataset.diverged_at < 0) | (dataset.step < dataset.diverged_at))
    dataset = dataset.assign({metric: values}).sel(step=dataset.step > 0).sortby("step")
    steps, sizes = np.asarray(dataset.step, float), np.asarray(dataset.params, float)
    if not steps.size:
        raise InputError(f"{metric} was measured only before training: measure it at steps above 0.")
    mean, error = mean_and_error(dataset[metric].transpose("size", "step", "seed").values.astype(float))
    curves = times.curves if times else ()
    found = {one.size: one for one in curves if one.metric == metric and one.data_size == data_size}
    labeled = spaced(len(sizes))
    with panel(ax, 4.8, 3.9) as axes:
        for i, (size, color) in enumerate(zip(sizes.tolist(), colors(len(sizes)), strict=True)):
            name = f"{exactly(size)} {label(dataset, 'params')}" if i in labeled else None
            axes.plot(steps, mean[i], color=color, lw=1.2, label=name, marker="." if len(steps) < 12 else "", ms=4)
            axes.fill_between(steps, mean[i] - error[i], mean[i] + error[i], color=color, alpha=0.2, lw=0)
            if size in found:
                _steps(axes, found[size], steps, mean[i], color)
        if any(curve.events for curve in found.values()):
            key(axes, "step, 95 % interval", marker="D", ms=4.5, lw=0)
        if any(curve.plateaus for curve in found.values()):
            key(axes, "plateau", lw=4, alpha=0.4)
        title, unit = named(dataset, metric)
        group = [] if data_size is None else [(f"{exactly(data_size)} {label(dataset, 'data_size')}", "0.3")]
        headings(axes, title, group)
        axes.set(xscale="log", xlabel="training steps", ylabel=unit)
        few_labels(axes.xaxis, steps.min(), steps.max())
        seen = mean[np.isfinite(mean)]
        if seen.size and 0 < 10 * seen.min() < seen.max():
            axes.set_yscale("log")
            few_labels(axes.yaxis, seen.min(), seen.max())
    return axes


def learning_times(times: TimeAnalysis, metric: str, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the time at which half of a metric's change is done against size, with 95 % intervals.

    Each data size has a color. Where the times follow a power law it is drawn, with its exponent in the legend.

    Args:
        times: The result of `analyze_time`.
        metric: One of its metrics.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If there is no such metric, or none of its curves changes.
    """
    known = dict.fromkeys(curve.metric for curve in times.curves)
    if metric not in known:
        raise InputError(f"metric is {metric!r}: choose one of {', '.join(known)}.")
    found = [curve for curve in times.curves if curve.metric == metric]
    if not any(np.isfinite(curve.half_time) for curve in found):
        raise InputError(f"no curve of {metric} has a change whose half could be timed: train for longer.")
    laws = {entry.at: entry.law for entry in times.laws if entry.metric == metric and entry.along == "size"}
    groups = list(dict.fromkeys(curve.data_size for curve in found))
    with panel(ax, 4.8, 3.6) as axes:
        for group, color in zip(groups, colors(len(groups)), strict=True):
            rows = [(c.size, c.half_time, c.log_half_time_se) for c in found if c.data_size == group]
            size, time, error = np.array(rows).T
            ends = time[:, None] * np.exp(1.96 * np.nan_to_num(error)[:, None] * [-1, 1])
            law = laws.get(group)
            words = [] if group is None else [f"data size {exactly(group)}"]
            if law and law.kind == TimeLawKind.POWER_LAW:
                exponent = with_error(law.exponent, law.exponent_se).replace("±", "\\pm")
                words.append(f"$t \\propto$ size$^{{{exponent}}}$")
                axes.plot(size, law.amplitude * size**law.exponent, color=color, lw=1.2)
            elif law:
                words.append(LAWS[law.kind])
            style = {"fmt": "o", "ms": 4, "mew": 0, "elinewidth": 1, "capsize": 2, "color": color}
            axes.errorbar(size, time, bars(time, ends), label=": ".join(words) or None, **style)
        axes.set(xscale="log", yscale="log", xlabel="size", ylabel="training steps to half of the change")
        axes.set_title(metric, loc="left", fontweight="bold")
        few_labels(axes.xaxis, size.min(), size.max())
        finite = [curve.half_time for curve in found if np.isfinite(curve.half_time)]
        few_labels(axes.yaxis, min(finite), max(finite))
    return axes


def delays(times: TimeAnalysis, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many times as long as training validation takes to learn (grokking), against size.

    Each data size has a color. Points have 95 % intervals and are hollow where the interval contains 1.

    Args:
        times: The result of `analyze_time`.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If there is no delay to draw; train_loss and val_loss must both change.
    """
    known = [entry for entry in times.delays if entry.delay.kind != DelayKind.NO_CHANGE]
    if not known:
        raise InputError("there are no delays to draw: measure train_loss and val_loss until both have changed.")
    groups = list(dict.fromkeys(entry.data_size for entry in known))
    with panel(ax, 4.8, 3.6) as axes:
        for group, color in zip(groups, colors(len(groups)), strict=True):
            rows = [(one.size, one.delay) for one in known if one.data_size == group]
            size, ratio = (np.array(column) for column in zip(*((n, found.ratio) for n, found in rows), strict=True))
            reach = bars(ratio, [found.interval for _, found in rows])
            style = {"fmt": "o", "ms": 5, "elinewidth": 1, "capsize": 2, "color": color}
            name = None if group is None else f"data size {exactly(group)}"
            axes.errorbar(size, ratio, reach, mfc="white", label=name, **style)
            told = np.array([found.kind != DelayKind.NO_DELAY for _, found in rows])
            axes.plot(size[told], ratio[told], "o", ms=5, color=color, zorder=3)
        axes.axhline(1, color="0.6", lw=0.8, zorder=0)
        axes.set(xscale="log", yscale="log", xlabel="size", ylabel="half time of validation / training")
        axes.set_title("Delay of validation", loc="left", fontweight="bold")
        sizes, ends = [one.size for one in known], [end for one in known for end in one.delay.interval]
        few_labels(axes.xaxis, min(sizes), max(sizes))
        few_labels(axes.yaxis, min(1, *ends), max(1, *ends))
    return axes


def _at_data_size(dataset: xr.Dataset, data_size: float | None) -> tuple[xr.Dataset, float | None]:
    """The curves of one data size, by default the largest, and that size."""
    if "data_size" not in dataset.dims:
        if data_size is not None:
            raise InputError(f"data_size is {data_size}, but the curves have no data sizes: leave it out.")
        return dataset, None
    sizes = dataset.data_size.values.tolist()
    if data_size is not None and data_size not in sizes:
        raise InputError(f"data_size is {data_size}: choose one of {', '.join(map(str, sizes))}.")
    data_size = max(sizes) if data_size is None else data_size
    return dataset.sel(data_size=data_size), data_size


def _steps(
    ax: "Axes", curve: LearningCurve, steps: Float[np.ndarray, " steps"], mean: Float[np.ndarray, " steps"], color: Any
) -> None:
    """Mark the steps and the plateaus of one curve on it."""
    for plateau in curve.plateaus:
        thick = {"lw": 5, "alpha": 0.4, "solid_capstyle": "butt", "zorder": 1}
        ax.plot([plateau.begin, plateau.end], [plateau.level] * 2, color=color, **thick)
    there = np.isfinite(mean)
    for event in curve.events or ():
        height = np.interp(np.log(event.time), np.log(steps[there]), mean[there])
        reach = bars([event.time], [event.interval], steps.min(), steps.max())
        style = {"fmt": "D", "ms": 4.5, "mec": "white", "mew": 0.5, "elinewidth": 1, "capsize": 2, "zorder": 5}
        ax.errorbar([event.time], [height], xerr=reach, color=color, **style)
