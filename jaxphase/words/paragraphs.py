"""One paragraph on a metric: the result, how sure it is, and by how much the alternatives were rejected."""

import math
from collections.abc import Sequence

from jaxphase.analysis import Analysis, Finding, TransitionKind
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.errors import InputError
from jaxphase.words.doubts import doubts
from jaxphase.words.observations import reasons
from jaxphase.words.phrases import (
    TRANSITIONS,
    axis,
    best,
    capitalized,
    curve,
    decades,
    exactly,
    for_groups,
    label,
    listed,
    odds_of,
    place_in_sentence,
    plural,
    probability,
    second_axis,
    size_range,
    size_unit,
    with_error,
    with_unit,
)


def paragraph(analysis: Analysis, metric: str) -> str:
    """Write one paragraph about one metric in all groups; the same numbers give the same words.

    It says, in this order: the verdict and where the transition is; the evidence for it over the best alternative; the
    test of a straight line; whether a jump is in the metric only; whether the change sharpens with the second size; and
    which measurement could change the verdict. Where several groups have one verdict, the least certain one is quoted.

    Args:
        analysis: The analysis.
        metric: One of its metrics.

    Returns:
        The paragraph.

    Raises:
        InputError: If the analysis does not have the metric.

    Example:
        >>> print(jaxphase.paragraph(analysis, "accuracy"))
    """
    findings = analysis.on(metric)
    if not findings:
        raise InputError(f"metric is {metric!r}: choose from {', '.join(analysis.metrics)}.")
    sentences = []
    for kind in dict.fromkeys(found.kind for found in findings):
        alike = [found for found in findings if found.kind == kind]
        sentences += [_verdict(analysis, alike), _evidence(analysis, alike)]
    sentences += [_straight_line(analysis, findings), _mirage(analysis, findings), _sharpening(analysis, findings)]
    if any(found.kind.is_smooth for found in findings):
        ends = " to ".join(exactly(size) for size in size_range(analysis))
        sentences.append(f"A transition outside of {ends} {size_unit(analysis.dataset)} would not be seen.")
    open_questions = doubts(analysis, findings)
    if open_questions:
        sentences.append(f"What could change this: {'; '.join(open_questions)}.")
    return " ".join(filter(None, sentences))


def _verdict(analysis: Analysis, alike: Sequence[Finding]) -> str:
    """The verdict and its numbers, for curves of one kind."""
    data, kind, metric = analysis.dataset, alike[0].kind, alike[0].metric
    name, unit = label(data, metric), data[metric].attrs.get("units", "")
    smallest, largest = (exactly(size) for size in size_range(analysis))
    size = axis(data)
    between = f"between {smallest} and {largest} {size_unit(data)}"
    says = {
        CurveKind.SIGMOID: "has a crossover, a sigmoid in log size",
        CurveKind.STEP: "has a step between neighboring sizes",
        CurveKind.CONSTANT: f"has no transition: it does not depend on {size} {between}",
        CurveKind.LINEAR: f"has no transition: it is a straight line in the logarithm of {size} {between}",
        CurveKind.POWER_LAW: f"has no transition: it follows a power law of {size} {between}",
        CurveKind.BROKEN_POWER_LAW: f"has no transition: it follows a power law {between} that changes its exponent",
        CurveKind.TOO_FEW_POINTS: "cannot be judged",
    }[kind]
    details: dict[str, list[Finding]] = {}
    for found in alike:
        details.setdefault(_details(found, size_unit(data), unit), []).append(found)
    where = "; ".join(", ".join(filter(None, (words, for_groups(data, of)))) for words, of in details.items())
    return f"{capitalized(name)} {says}{', ' if where else ''}{where}."


def _details(found: Finding, unit: str, metric_unit: str) -> str:
    """The numbers of one verdict."""
    numbers, width = found.parameters, found.width
    match found.kind:
        case CurveKind.SIGMOID:
            ends = (numbers["low"], numbers["high"])
            first, last = ends if numbers["rate"] > 0 else ends[::-1]
            known = math.isfinite(first + last)
            levels = f"from {first:.3g} to {with_unit(last, metric_unit)}, " if known else ""
            spread = f", with 10 to 90 % of it within {decades(width)}" if math.isfinite(width) else ""
            return f"{levels}centered at {_place(found, unit)}{spread}"
        case CurveKind.STEP:
            gap = f", at most {decades(width)} wide" if math.isfinite(width) else ""
            return f"at {_place(found, unit)}{gap}"
        case CurveKind.POWER_LAW if math.isfinite(found.exponent):
            return _exponent(found, metric_unit)
        case CurveKind.BROKEN_POWER_LAW:
            changes = (
                f"from {bend.before:.3g} to {bend.after:.3g} at {place_in_sentence(bend.size, bend.interval, unit)}"
                for bend in found.breaks
            )
            return listed(list(changes)) or "at a size that the data do not pin down"
        case CurveKind.TOO_FEW_POINTS:
            points, sizes = plural(found.points, "point"), plural(found.sizes, "size")
            return f"with {found.points} {points} at {found.sizes} {sizes}"
    return ""


def _exponent(found: Finding, metric_unit: str) -> str:
    """The exponent of a power law, and its floor."""
    if found.exponent_se >= abs(found.exponent):
        return "with an exponent that the data do not pin down"
    way, floor = "toward" if found.exponent < 0 else "away from", found.parameters["floor"]
    level = f" {way} {with_unit(floor, metric_unit)}" if math.isfinite(floor) else ""
    return f"with exponent {with_error(found.exponent, found.exponent_se)}{level}"


def _evidence(analysis: Analysis, alike: Sequence[Finding]) -> str:
    """Which alternative was rejected, and by how much, where the evidence is weakest."""
    judged = [found for found in alike if math.isfinite(found.delta_bic) and found.bic]
    if not judged:
        return ""
    sign = 1 if alike[0].has_transition else -1
    least = min(judged, key=lambda found: sign * found.delta_bic)
    smooth, transition = (curve(best(least.bic, transition=which)) for which in (False, True))
    size, odds = f"ΔBIC {abs(least.delta_bic):.1f}", f"odds of {odds_of(least.delta_bic)}"
    groups = for_groups(analysis.dataset, [least])
    where = f"{groups}, where the evidence is weakest, " if len(judged) > 1 else ""
    if least.has_transition and least.delta_bic > 0:
        body = f"the best smooth curve, {smooth}, is rejected by {size} ({odds} against it)"
    elif least.has_transition:
        body = (
            f"the best smooth curve, {smooth}, is ahead by {size} ({odds}), but by less than a bent power law would be "
            "with this little noise"
        )
    elif least.delta_bic <= 0:
        body = f"a transition, at best {transition}, is rejected by {size} ({odds} against it){_rival(least)}"
    else:
        body = (
            f"a transition, at best {transition}, is ahead by {size} ({odds}), but one of its two levels lies outside "
            f"the measured sizes, or this lead is too small for the noise{_rival(least)}"
        )
    return capitalized(f"{where}{body}.")


def _rival(found: Finding) -> str:
    """The best smooth curve besides the one that a verdict names."""
    kind = found.kind.name.lower()
    smooth = [one for one in CurveKind if one.is_smooth and one != found.kind]
    others = {one: found.bic[one.name.lower()] for one in smooth if math.isfinite(found.bic[one.name.lower()])}
    if not others or not math.isfinite(found.bic.get(kind, math.nan)):
        return ""
    rival, bic = min(others.items(), key=lambda item: item[1])
    behind = bic - found.bic[kind]
    if behind < 0:
        return f"; {curve(rival)} is ahead by ΔBIC {-behind:.1f}, too little for its extra parameters"
    return f"; the next smooth curve, {curve(rival)}, is behind by ΔBIC {behind:.1f}"


def _straight_line(analysis: Analysis, findings: Sequence[Finding]) -> str:
    """The test of a straight line against one change of slope."""
    tested = [found for found in findings if math.isfinite(found.straight_line_p)]
    if not tested:
        return ""
    bent = sum(found.straight_line_rejected for found in tested)
    p = probability(found.straight_line_p for found in tested)
    if len(tested) > 1:
        said = f"rejected at {bent} of {len(tested)} {second_axis(analysis.dataset)}s"
    else:
        said = "rejected" if bent else "not rejected"
    return f"A straight line in log size, against one change of slope, is {said} (p {p}; false discovery rate 5 %)."


def _mirage(analysis: Analysis, findings: Sequence[Finding]) -> str:
    """Whether a jump is in the models or only in a thresholded metric."""
    jumps = [found for found in findings if found.has_transition]
    partner = findings[0].partner
    name = label(analysis.dataset, partner) if partner in analysis.dataset else partner
    if not jumps:
        return f"There is no jump that the metric alone could have made, so {name} was not asked." * bool(partner)
    if not partner:
        return "Whether the metric alone makes the jump was not tested: no continuous partner is named."
    said: dict[MirageKind | None, str] = {
        MirageKind.IN_THE_METRIC: f"the jump is in the metric: {name} of the same models drifts through that size",
        MirageKind.IN_THE_MODEL: f"the jump is in the models: {name} of the same models jumps there too",
        MirageKind.UNDECIDED: f"{name} of the same models cannot tell whether the jump is in the models or the metric",
    }
    by_kind: dict[MirageKind | None, list[Finding]] = {}
    for found in jumps:
        by_kind.setdefault(found.mirage, []).append(found)
    sentences = []
    for kind, alike in by_kind.items():
        where = f"{for_groups(analysis.dataset, alike)}, " if len(by_kind) > 1 else ""
        words = said.get(kind, f"{name} has too few points to tell whether the jump is in the metric")
        sentences.append(capitalized(f"{where}{words}{_mirage_probability(alike)}."))
    return " ".join(sentences)


def _mirage_probability(jumps: Sequence[Finding]) -> str:
    """In brackets, how likely it is that most of the partner's change is a jump, over all these jumps."""
    tests = [found.detectors["mirage_test"] for found in jumps if "mirage_test" in found.detectors]
    known = [float(test.probability) for test in tests if math.isfinite(test.probability)]
    return f" (probability {probability(known)} that most of its change is a jump)" if known else ""


def _sharpening(analysis: Analysis, findings: Sequence[Finding]) -> str:
    """What several groups of curves say about a transition."""
    evidence, metric, second = analysis.evidence, findings[0].metric, second_axis(analysis.dataset)
    if not any(found.has_transition for found in findings):
        return ""
    if evidence.metric != metric:
        order = label(analysis.dataset, analysis.order_parameter)
        asked = f"Whether the change sharpens with {second} was asked for the order parameter alone, {order}."
        return asked * (len(findings) > 1)
    if evidence.kind == TransitionKind.NONE:
        return ""
    why = "; ".join(reasons(analysis))
    if evidence.kind == TransitionKind.UNDECIDED:
        return f"Whether this is a phase transition is undecided: {why}."
    note = ""
    if evidence.kind == TransitionKind.CROSSOVER:
        note = ", which does not sharpen as a phase transition would"
    elif all(found.mirage == MirageKind.IN_THE_METRIC for found in findings if found.has_transition):
        note = ", but as the jump is in the metric, the metric sharpens and not the models"
    return f"Across {second}s this is a {TRANSITIONS[evidence.kind]}{note}: {why}."


def _place(found: Finding, unit: str) -> str:
    return place_in_sentence(found.critical_size, found.interval, unit)
