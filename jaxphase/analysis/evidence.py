"""Transition or crossover: what several groups of curves and many seeds say about the change of one metric.

Curves go over a control, the logarithm of `x`; a transition sharpens as the second size, `group`, grows.
"""

from dataclasses import dataclass
from enum import IntEnum

import jax
import numpy as np
from jaxtyping import Array, Float

from jaxphase import scaling
from jaxphase.scaling import CollapseKind, OrderKind

LEAST_GROUPS = 3


class TransitionKind(IntEnum):
    """What the change of a metric is."""

    NONE = 0
    CROSSOVER = 1
    CONTINUOUS = 2
    FIRST_ORDER = 3
    UNDECIDED = 4

    @property
    def is_transition(self) -> bool:
        """Whether it is a phase transition."""
        return self in (TransitionKind.CONTINUOUS, TransitionKind.FIRST_ORDER)


@dataclass(frozen=True)
class Evidence:
    """Whether the change of one metric is a transition, and the measurements that this rests on.

    Attributes:
        metric: The metric.
        kind: The verdict.
        susceptibility: Variance over seeds, fields `[groups, sizes]`.
        binder: Binder cumulant about the mean over seeds, fields `[groups, sizes]`.
        bimodality: Test for two peaks of the outcomes of equal models, fields `[groups, sizes]`.
        order: How the curves change as the second size grows; its control is log10 of x. None with fewer than three
            groups.
        collapse: Whether the curves fall on one when they are scaled with the second size. None as for `order`.
    """

    metric: str
    kind: TransitionKind
    susceptibility: scaling.Moment
    binder: scaling.Moment
    bimodality: scaling.Bimodality
    order: scaling.Order | None = None
    collapse: scaling.Collapse | None = None


def transition_evidence(
    x: Float[np.ndarray, " sizes"],
    values: Float[np.ndarray, "groups sizes seeds"],
    groups: Float[np.ndarray, " groups"],
    *,
    metric: str = "",
    changes: bool = True,
) -> Evidence:
    """Weigh whether the change of a metric sharpens with a second size and how its outcomes scatter.

    A transition needs both: widths that shrink beyond doubt (`scaling.transition_order`) and curves that fall on one
    when scaled (`scaling.collapse`). Where the two disagree the kind is `UNDECIDED`.

    Args:
        x: Sizes that the curves go over, positive.
        values: The metric of each model; NaN where there is none.
        groups: The second size of each group of curves.
        metric: Name of the metric.
        changes: Whether a detector has found a crossover or a step in any of the curves.

    Returns:
        The evidence. The kind is `NONE` where nothing changes, and `UNDECIDED` with fewer than three groups.
    """
    # One run of a size has no scatter; neither have two if one of them is missing.
    values = np.pad(values, ((0, 0), (0, 0), (0, max(2 - values.shape[2], 0))), constant_values=np.nan)
    susceptibility, binder, bimodality = (type(moment)(*map(np.asarray, moment)) for moment in _moments(values))
    order = collapse = None
    kind = TransitionKind.UNDECIDED
    if len(values) >= LEAST_GROUPS:
        order = scaling.transition_order(groups, np.log10(x), values)
        collapse = _collapse(np.log10(x), values, groups)
        kind = _kind(order, collapse)
    return Evidence(
        metric, kind if changes else TransitionKind.NONE, susceptibility, binder, bimodality, order, collapse
    )


@jax.jit
def _moments(
    values: Float[Array, "groups sizes seeds"],
) -> tuple[scaling.Moment, scaling.Moment, scaling.Bimodality]:
    return scaling.susceptibility(values), scaling.binder_cumulant(values, about="mean"), scaling.bimodality(values)


def _collapse(
    control: Float[np.ndarray, " sizes"],
    values: Float[np.ndarray, "groups sizes seeds"],
    groups: Float[np.ndarray, " groups"],
) -> scaling.Collapse:
    """The collapse of the means over seeds with their standard errors."""
    count = np.isfinite(values).sum(axis=2)
    known = count > 1
    present = np.where(np.isfinite(values), values, 0)
    mean = present.sum(axis=2) / np.maximum(count, 1)
    square = np.where(np.isfinite(values), np.square(values - mean[..., None]), 0).sum(axis=2)
    error = np.sqrt(square / np.maximum(count - 1, 1) / np.maximum(count, 1))
    # The scatter of a few seeds is itself uncertain: no error is taken as less than half of the typical one.
    error = np.maximum(error, np.median(error[known]) / 2) if known.any() else error
    size, control = np.meshgrid(groups, control, indexing="ij")
    return scaling.collapse(*(column[known] for column in (size, control, mean, error)))


def _kind(order: scaling.Order, collapse: scaling.Collapse) -> TransitionKind:
    """The kind that widths and collapse agree on."""
    sharpens = order.kind != OrderKind.CROSSOVER
    if order.kind == OrderKind.UNDECIDED or sharpens != (collapse.kind == CollapseKind.TRANSITION):
        return TransitionKind.UNDECIDED
    return {
        OrderKind.CROSSOVER: TransitionKind.CROSSOVER,
        OrderKind.CONTINUOUS: TransitionKind.CONTINUOUS,
        OrderKind.FIRST_ORDER: TransitionKind.FIRST_ORDER,
    }[OrderKind(order.kind)]
