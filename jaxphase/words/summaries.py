"""The facts at the head of a report: how much was measured, and which versions computed it."""

import math

from jaxphase.analysis import Analysis
from jaxphase.words.phrases import axis, exactly, group_unit, plural, size_range, size_unit


def facts(analysis: Analysis) -> list[str]:
    """Say how much was measured, in a few words each."""
    data, findings = analysis.dataset, analysis.findings
    smallest, largest = map(exactly, size_range(analysis))
    counted = [f"{max(found.sizes for found in findings)} {axis(data)}s", f"{smallest} to {largest} {size_unit(data)}"]
    groups = [found.group for found in findings if found.group is not None]
    if groups:
        ends = " to ".join(dict.fromkeys((exactly(min(groups)), exactly(max(groups)))))
        counted.append(f"{ends} {group_unit(data)}")
    seeds = max(math.ceil(found.points / max(found.sizes, 1)) for found in findings)
    counted.append(f"{seeds} {plural(seeds, 'seed')}")
    if "step" in data.coords:
        counted.append(f"step {data.step.item():,}")
    return counted
