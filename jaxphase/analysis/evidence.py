"""Transition or crossover: what several data sizes and many seeds of a sweep say about its order parameter.

Model size is the control and data size the second size that a transition sharpens with, both in the logarithm; of
curves along data size (`curves.along_data`) it is the reverse.
"""

from dataclasses import dataclass

import jax
import numpy as np

from jaxphase import scaling
from jaxphase.scaling import COLLAPSE_KINDS, ORDERS
from jaxphase.scaling.odds import combined
from jaxphase.scaling.order import RATE as TWO_HEAPS
from jaxphase.scaling.order import SHAPES
from jaxphase.words.wording import in_figures

LEAST_DATA_SIZES = 3
VERDICTS = ("transition (first order)", "transition (continuous)", "crossover", "none", "undecided")


@dataclass(frozen=True)
class Evidence:
    """The verdict on one metric, one of `VERDICTS`, and the sentences that it rests on.

    susceptibility (variance over seeds), binder (cumulant about the mean) and bimodality have fields
    [data_sizes, sizes], of `jaxphase.scaling`, as have order and collapse, which are None with fewer than three data
    sizes. The control of both is log10 of the model size, their size the data size. Of curves along data size read
    these the other way round.
    """

    metric: str
    verdict: str
    reasons: tuple[str, ...]
    susceptibility: scaling.Moment
    binder: scaling.Moment
    bimodality: scaling.Bimodality
    order: scaling.Order | None = None
    collapse: scaling.Collapse | None = None


def weigh(
    metric: str,
    values: np.ndarray,
    data_sizes: np.ndarray,
    params: np.ndarray,
    changes: bool,
    words: tuple[str, str] = ("model size", "data size"),
) -> Evidence:
    """Evidence from the values of a metric [data_sizes, sizes, seeds].

    changes: whether a detector has found a crossover or a step at any data size. words: what params and data_sizes are
    called in the reasons.
    """
    size, second = words
    # One run a size has no scatter, which is a missing second one.
    values = np.pad(values, ((0, 0), (0, 0), (0, max(2 - values.shape[2], 0))), constant_values=np.nan)
    measured = metric, *(type(moment)(*map(np.asarray, moment)) for moment in _moments(values))
    nothing = [] if changes else ["no curve has a crossover or a step"]
    if len(values) < LEAST_DATA_SIZES:
        few = f"{len(values)} {second}{'' if len(values) == 1 else 's'}"
        reasons = nothing or [f"{few}: whether the change sharpens takes {LEAST_DATA_SIZES}"]
        return _evidence(measured, "undecided" if changes else "none", reasons)
    order = scaling.transition_order(data_sizes, np.log10(params), values)
    collapse = _collapse(values, data_sizes, np.log10(params))
    reasons = nothing + _reasons(order, collapse, data_sizes, size, second)
    return _evidence(measured, _verdict(order, collapse) if changes else "none", reasons, order, collapse)


@jax.jit
def _moments(values):
    return scaling.susceptibility(values), scaling.binder_cumulant(values, about="mean"), scaling.bimodality(values)


def _evidence(measured, verdict: str, reasons: list[str], order=None, collapse=None) -> Evidence:
    metric, *moments = measured
    return Evidence(metric, verdict, tuple(reasons), *moments, order, collapse)


def _collapse(values: np.ndarray, data_sizes: np.ndarray, control: np.ndarray) -> scaling.Collapse:
    """Of the means over seeds and their errors."""
    count = np.isfinite(values).sum(axis=2)
    known = count > 1
    here = np.where(np.isfinite(values), values, 0)
    mean = here.sum(axis=2) / np.maximum(count, 1)
    square = np.where(np.isfinite(values), np.square(values - mean[..., None]), 0).sum(axis=2)
    error = np.sqrt(square / np.maximum(count - 1, 1) / np.maximum(count, 1))
    # The scatter of a few seeds is itself uncertain: no error is taken as below the half of the typical one.
    error = np.maximum(error, np.median(error[known]) / 2) if known.any() else error
    size, control = np.meshgrid(data_sizes, control, indexing="ij")
    return scaling.collapse(*(column[known] for column in (size, control, mean, error)))


def _verdict(order: scaling.Order, collapse: scaling.Collapse) -> str:
    called, fell = ORDERS[order.kind], COLLAPSE_KINDS[collapse.kind]
    sharpens = called != "crossover"
    if called == "undecided" or sharpens != (fell == "transition"):
        return "undecided"
    return f"transition ({called})" if sharpens else called


def _reasons(
    order: scaling.Order, collapse: scaling.Collapse, data_sizes: np.ndarray, size: str, second: str
) -> list[str]:
    reasons = _narrowing(order, data_sizes, size, second)
    low, high = order.peak_growth_interval
    if np.isfinite(order.peak_growth):
        reasons.append(
            f"the largest variance over seeds goes as {second} to the power {order.peak_growth:.2f} "
            f"[{low:.2f}, {high:.2f}]"
        )
    p_value = combined(order.two_heaps)
    if np.isfinite(p_value):
        heaps = "fall into two heaps" if p_value < TWO_HEAPS else "have one peak"
        together = f"p = {p_value:.2g}, {np.isfinite(order.two_heaps).sum()} {second}s together"
        reasons.append(f"where equal models scatter most, they {heaps} ({together})")
    fell = COLLAPSE_KINDS[collapse.kind]
    if np.isfinite(collapse.inverse_nu):
        words = {
            "transition": f"the curves fall on one, 1/nu = {collapse.inverse_nu:.2f}",
            "crossover": f"the curves fall on one without sharpening, 1/nu = {collapse.inverse_nu:.2f}",
            "no collapse": "the curves do not fall on one, best 1/nu",
        }[fell]
        low, high = collapse.inverse_nu_interval
        reasons.append(f"{words} [{low:.2f}, {high:.2f}], chi-squared {collapse.chi2_per_dof:.1f} a degree of freedom")
    return reasons


def _narrowing(order: scaling.Order, data_sizes: np.ndarray, size: str, second: str) -> list[str]:
    """What the width of the change does; that of an onset is of its corner, whose power is not 1/nu."""
    if not np.isfinite(order.sharpening):
        return [f"fewer than three {second}s have a width that the {size}s resolve"]
    low, high = order.sharpening_interval
    power = f"{second} to the power {-order.sharpening:.2f} [{-high:.2f}, {-low:.2f}]"
    if SHAPES[order.shape] == "sigmoid":
        return [f"the width goes as {power}"]
    last = order.judged
    place = order.center[last] + 1.96 * order.center_se[last] * np.array([0, -1, 1])
    with np.errstate(over="ignore"):
        center, *ends = (in_figures(end) for end in 10**place)
    return [
        f"the curves set in at a corner, whose width goes as {power}",
        f"at {second} {data_sizes[last]:,.6g} they set in at {size} {center} [{ends[0]}, {ends[1]}]",
    ]
