"""The verdict on one curve in a few words, and the verdict on the order parameter in one sentence."""

import math

from jaxphase.analysis import Analysis, Finding, TransitionKind
from jaxphase.curves import has_groups
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.words.observations import reasons
from jaxphase.words.phrases import (
    KINDS,
    MIRAGES,
    TRANSITIONS,
    exactly,
    group_unit,
    in_figures,
    label,
    listed,
    place,
    plural,
    second_axis,
    size_range,
    size_unit,
)


def headline(analysis: Analysis) -> str:
    """Say the verdict on the order parameter in one sentence.

    Args:
        analysis: The analysis.

    Returns:
        The sentence.

    Example:
        >>> jaxphase.headline(analysis)
        'accuracy: crossover (sigmoid) at 31,600 [29,000–34,500] parameters for 1,024 training samples; ...'
    """
    data, findings = analysis.dataset, analysis.on(analysis.order_parameter)
    groups: dict[str, list[str]] = {}
    for finding in findings:
        groups.setdefault(verdict(analysis, finding), []).append(
            "" if finding.group is None else exactly(finding.group)
        )
    of_group = group_unit(data) if has_groups(data) else ""
    parts = [f"{phrase} for {listed(sizes)} {of_group}" if of_group else phrase for phrase, sizes in groups.items()]
    jumps = [finding for finding in findings if finding.has_transition]
    mirages = [finding for finding in jumps if finding.mirage == MirageKind.IN_THE_METRIC]
    all_mirages = 0 < len(jumps) == len(mirages)
    if mirages:
        sizes = listed([exactly(jump.group) for jump in mirages if jump.group is not None])
        where = "" if all_mirages else f" for {sizes} {of_group}"
        partner = label(data, mirages[0].partner)
        parts.append(f"the jump{where} is in the metric and not in the models: their {partner} has none there")
    evidence, second = analysis.evidence, second_axis(data)
    if evidence.kind not in (TransitionKind.NONE, TransitionKind.UNDECIDED):
        whose = " of the metric" if all_mirages else ""
        parts.append(f"across {second}s this is a {TRANSITIONS[evidence.kind]}{whose}: {reasons(analysis)[0]}")
    elif any(finding.kind == CurveKind.SIGMOID for finding in findings) and not all_mirages:
        parts.append(f"a crossover is no phase transition, which would sharpen with {second}")
    return f"{label(data, analysis.order_parameter)}: {'; '.join(parts)}."


def verdict(analysis: Analysis, finding: Finding) -> str:
    """Say the kind of one curve and where it changes, as a part of a sentence.

    Args:
        analysis: The analysis.
        finding: One of its findings.

    Returns:
        The phrase, such as "crossover (sigmoid) at 31,600 [29,000–34,500] parameters".
    """
    unit = size_unit(analysis.dataset)
    if finding.kind == CurveKind.SIGMOID:
        return f"crossover (sigmoid) at {place(finding.critical_size, finding.interval)} {unit}"
    if finding.kind == CurveKind.STEP:
        low, high = map(in_figures, finding.interval)
        return f"step between {low} and {high} {unit}"
    return f"no transition ({KINDS[finding.kind]})" if finding.kind.is_smooth else KINDS[finding.kind]


def remark(analysis: Analysis, finding: Finding) -> str:
    """Say what limits a verdict: levels that were not reached, a metric that makes the jump, models that diverged.

    Args:
        analysis: The analysis.
        finding: One of its findings.

    Returns:
        The remarks, "" without any.
    """
    remarks = []
    if finding.kind == CurveKind.SIGMOID:
        (smallest, largest), half = map(math.log10, size_range(analysis)), finding.width / 2
        center = math.log10(finding.critical_size)
        ends = [
            name
            for name, outside in (("begins before", center - half < smallest), ("ends beyond", center + half > largest))
            if outside
        ]
        remarks += [f"{listed(ends)} the measured sizes"] if ends else []
    if finding.mirage is not None and finding.mirage in (MirageKind.IN_THE_METRIC, MirageKind.IN_THE_MODEL):
        remarks.append(f"{finding.partner} says that the jump is {MIRAGES[finding.mirage]}")
    if finding.diverged:
        remarks.append(f"{finding.diverged} diverged {plural(finding.diverged, 'model')} left out")
    return "; ".join(remarks)
