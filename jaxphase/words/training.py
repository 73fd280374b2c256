"""Tables of what training time shows: steps of curves, delays of validation, times against size."""

import numpy as np
from rich.table import Table

from jaxphase.analysis import DelayKind, TimeAnalysis, TimeLawKind
from jaxphase.words.grid import Grid, printed
from jaxphase.words.phrases import exactly, with_error

DELAYS = {
    DelayKind.NO_CHANGE: "no change",
    DelayKind.NO_DELAY: "no delay",
    DelayKind.DELAY: "delay",
    DelayKind.LEAD: "lead",
}
LAWS = {
    TimeLawKind.TOO_FEW_SIZES: "too few sizes",
    TimeLawKind.NO_POWER_LAW: "no power law",
    TimeLawKind.POWER_LAW: "power law",
}


def learning_table(times: TimeAnalysis) -> Table:
    """Make a row for each metric at each size: its steps with times and heights, its plateaus, and its half time.

    Args:
        times: What training time shows.

    Returns:
        The table.
    """
    headings = ("metric", "data size", "size", "steps", "times [95 %] (change)", "plateaus", "half time")
    rows = []
    for curve in times.curves:
        events = curve.events or ()
        steps = (f"{e.time:.3g} [{e.interval[0]:.3g}, {e.interval[1]:.3g}] ({e.height:+.2g})" for e in events)
        plateaus = "\n".join(f"{rest.begin:.3g} to {rest.end:.3g}" for rest in curve.plateaus)
        unjudged = curve.events is None
        rows.append(
            (
                curve.metric,
                _size(curve.data_size),
                _size(curve.size),
                "too few points" if unjudged else str(len(events)),
                "\n".join(steps),
                plateaus or ("" if unjudged else "none"),
                f"{curve.half_time:.3g}" if np.isfinite(curve.half_time) else "",
            )
        )
    return printed(Grid(headings, rows, (0, 4, 5)))


def delay_table(times: TimeAnalysis) -> Table:
    """Make a row for each size: how many times as long as training validation takes to learn.

    Args:
        times: What training time shows.

    Returns:
        The table.
    """
    rows = []
    for entry in times.delays:
        found, (low, high) = entry.delay, entry.delay.interval
        ratio = "" if found.kind == DelayKind.NO_CHANGE else f"{found.ratio:.3g} [{low:.3g}, {high:.3g}]"
        rows.append((DELAYS[found.kind], _size(entry.data_size), _size(entry.size), ratio))
    return printed(Grid(("validation after training", "data size", "size", "times as long [95 %]"), rows))


def law_table(times: TimeAnalysis) -> Table:
    """Make a row for each exponent of half times against size, where enough sizes were measured.

    Args:
        times: What training time shows.

    Returns:
        The table.
    """
    judged = [entry for entry in times.laws if entry.law.kind != TimeLawKind.TOO_FEW_SIZES]
    rows = []
    for entry in judged:
        along, other = ("size", "data size") if entry.along == "size" else ("data size", "size")
        at = "" if entry.at is None else f"{other} {exactly(entry.at)}"
        law, is_law = entry.law, entry.law.kind == TimeLawKind.POWER_LAW
        rows.append((entry.metric, along, at, with_error(law.exponent, law.exponent_se) if is_law else LAWS[law.kind]))
    few = len(times.laws) - len(judged)
    notes = (f"Too few sizes or seeds for a law: {few} of {len(times.laws)}.",) if few else ()
    return printed(Grid(("half time of", "against", "at", "exponent of the size"), rows, (0, 1, 2), notes=notes))


def _size(size: float | None) -> str:
    return "" if size is None else exactly(size)
