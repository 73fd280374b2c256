"""The plan of a sweep: which models share a program, and how much work their padding to one width wastes."""

from typing import TYPE_CHECKING

import numpy as np

from jaxphase.plots.style import panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxphase.sweep import Plan

_NAMED = 12  # buckets whose padding is written above them


def padding(plan: "Plan", *, ax: "Axes | None" = None) -> "Axes":
    """Draw the models of each bucket side by side, as squares in the block that they are padded to.

    Above each of up to twelve buckets is the number of weights computed over that of weights trained, 1 being no waste.
    Since weights grow with the square of the width in most families, this ratio is more than the gray share of the
    area.

    Args:
        plan: The result of `jaxphase.sweep.make_plan`.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.
    """
    with panel(ax, 6.0, 3.2) as axes:
        total = sum(len(bucket.lanes) for bucket in plan.buckets)
        start, gap = 0.0, 0.02 * total
        for i, bucket in enumerate(plan.buckets):
            widths = sorted(lane.width for lane in bucket.lanes)
            stop = start + len(widths)
            block = {"fill": True, "lw": 0, "zorder": 2}
            labels = ("padding", "models") if i == 0 else (None, None)
            axes.stairs([bucket.width], [start, stop], color="0.82", label=labels[0], **block)
            axes.stairs(widths, start + np.arange(len(widths) + 1), color="#0072b2", label=labels[1], **block)
            if len(plan.buckets) <= _NAMED:
                place = {"xytext": (0, 2), "textcoords": "offset points", "ha": "center", "va": "bottom"}
                axes.annotate(f"{plan.padding(bucket):.2f}x", ((start + stop) / 2, bucket.width), size="small", **place)
            start = stop + gap
        computed = sum(bucket.params * len(bucket.lanes) for bucket in plan.buckets)
        trained = sum(lane.params for bucket in plan.buckets for lane in bucket.lanes)
        count = len(plan.buckets)
        words = (
            f"{total} models in {count} {'bucket' if count == 1 else 'buckets'}: {computed / trained:.2f}x the weights"
        )
        axes.set_title(words, loc="left", fontweight="bold")
        axes.set(xlim=(-gap, start), ylim=(0, 1.12 * max(bucket.width for bucket in plan.buckets)))
        axes.set(xlabel="models, by bucket", ylabel="width", xticks=[])
    return axes
