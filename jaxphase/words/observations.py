"""The observations behind a verdict of transition or crossover, one clause each."""

import numpy as np

from jaxphase import scaling
from jaxphase.analysis import LEAST_GROUPS, Analysis, TransitionKind
from jaxphase.scaling import ChangeShape, CollapseKind
from jaxphase.scaling.odds import combined_p_value
from jaxphase.scaling.order import BIMODAL_LEVEL
from jaxphase.words.phrases import axis, in_figures, plural, second_axis


def reasons(analysis: Analysis) -> tuple[str, ...]:
    """List the observations that the verdict on the order parameter rests on.

    Args:
        analysis: The analysis.

    Returns:
        A clause for each observation, the most important first.
    """
    evidence, second = analysis.evidence, second_axis(analysis.dataset)
    nothing = ["no curve has a crossover or a step"] if evidence.kind == TransitionKind.NONE else []
    if evidence.order is None or evidence.collapse is None:
        count = analysis.dataset.sizes["group"]
        few = f"there {'is' if count == 1 else 'are'} {count} {plural(count, second)}"
        return tuple(nothing or [f"{few}, and it takes {LEAST_GROUPS} to see whether the change sharpens"])
    return tuple(
        nothing + _narrowing(analysis, evidence.order) + _scatter(evidence.order, second) + _collapse(evidence.collapse)
    )


def _narrowing(analysis: Analysis, order: scaling.Order) -> list[str]:
    """How the width of the change depends on size. The exponent of an onset's corner is not 1/nu."""
    size, second = axis(analysis.dataset), second_axis(analysis.dataset)
    change = "fitted sigmoids" if analysis.evidence.kind == TransitionKind.NONE else "change"
    if not np.isfinite(order.sharpening):
        return [f"the {size}s resolve the width of the change at fewer than three {second}s"]
    low, high = order.sharpening_interval
    power = f"{second} to the power {-order.sharpening:.2f} [{-high:.2f}, {-low:.2f}]"
    if order.shape == ChangeShape.SIGMOID:
        return [f"the width of the {change} goes as {power}"]
    last = int(order.judged)
    ends = order.center[last] + 1.96 * order.center_se[last] * np.array([0, -1, 1])
    with np.errstate(over="ignore"):
        center, *ends = (in_figures(end) for end in 10**ends)
    group = float(analysis.dataset.group[last])
    return [
        f"the curves rise from a corner, whose width goes as {power}",
        f"at {second} {group:,.6g} the corner is at {size} {center} [{ends[0]}, {ends[1]}]",
    ]


def _scatter(order: scaling.Order, second: str) -> list[str]:
    """How the outcomes of equal models scatter where they scatter most."""
    clauses = []
    if np.isfinite(order.peak_growth):
        low, high = order.peak_growth_interval
        clauses.append(
            f"the largest variance over seeds goes as {second} to the power {order.peak_growth:.2f} "
            f"[{low:.2f}, {high:.2f}]"
        )
    p_value = combined_p_value(order.bimodal_p_value)
    if np.isfinite(p_value):
        peaks = "have two peaks" if p_value < BIMODAL_LEVEL else "have one peak"
        together = f"p = {p_value:.2g}, {np.isfinite(order.bimodal_p_value).sum()} {second}s together"
        clauses.append(f"where equal models scatter most, their outcomes {peaks} ({together})")
    return clauses


def _collapse(collapse: scaling.Collapse) -> list[str]:
    """Whether the scaled curves fall on one."""
    if not np.isfinite(collapse.inverse_nu):
        return []
    scaled = {
        CollapseKind.TRANSITION: f"the scaled curves fall on one, with 1/nu = {collapse.inverse_nu:.2f}",
        CollapseKind.CROSSOVER: f"the curves fall on one without sharpening, with 1/nu = {collapse.inverse_nu:.2f}",
        CollapseKind.NO_COLLAPSE: "the scaled curves do not fall on one, at best with 1/nu in",
    }[CollapseKind(collapse.kind)]
    low, high = collapse.inverse_nu_interval
    return [f"{scaled} [{low:.2f}, {high:.2f}] and a chi-squared of {collapse.chi2_per_dof:.1f} per degree of freedom"]
