"""What was found about a metric, how sure that is, and which alternatives were rejected by how much."""

import math

from jaxphase.analysis import Analysis
from jaxphase.analysis.findings import Finding
from jaxphase.curves import axis
from jaxphase.errors import InputError
from jaxphase.words.doubts import doubts_of
from jaxphase.words.phrases import (
    at_data_sizes,
    best,
    curve,
    decades,
    odds_of,
    place,
    plural,
    probability,
    size_range,
    value,
    with_error,
)
from jaxphase.words.wording import SMOOTH, TRANSITIONS, exactly, label, listed, size_unit


def paragraph(analysis: Analysis, metric: str) -> str:
    """One paragraph about one metric at all data sizes; the same numbers give the same words.

    In this order: the verdict and where its transition is, with the 95 % interval and the width (10-90 %); the evidence
    for it over the best alternative, delta BIC being twice the log odds (`detect.classify`), and the p-value of a
    straight line (`detect.change_test`); whether a jump is in the metric only (`detect.mirage_test`); whether it
    sharpens with data size (`Analysis.evidence`); and what measurement could change the verdict. Of several data sizes
    with one verdict the least sure one is quoted. Raises InputError for a metric that the analysis does not have.
    """
    known = tuple(dict.fromkeys(found.metric for found in analysis.findings))
    if metric not in known:
        raise InputError(f"metric is {metric!r}: choose from {', '.join(known)}.")
    findings = [found for found in analysis.findings if found.metric == metric]
    sentences = []
    for kind in dict.fromkeys(found.kind for found in findings):
        group = [found for found in findings if found.kind == kind]
        sentences += [_found(analysis, group), _evidence(analysis, group)]
    sentences += [_straight_line(analysis, findings), _mirage(analysis, findings), _sharpening(analysis, findings)]
    if any(found.kind in SMOOTH for found in findings):
        ends = " to ".join(exactly(size) for size in size_range(analysis))
        sentences.append(f"A transition outside of {ends} {size_unit(analysis.dataset)} would not be seen.")
    doubts = doubts_of(analysis, findings)
    if doubts:
        sentences.append(f"What could change this: {'; '.join(doubts)}.")
    return " ".join(filter(None, sentences))


def _found(analysis: Analysis, group: list[Finding]) -> str:
    """The verdict and its numbers, of curves of one kind."""
    data, kind, metric = analysis.dataset, group[0].kind, group[0].metric
    name, unit = label(data, metric), data[metric].attrs.get("units", "")
    smallest, largest = (exactly(size) for size in size_range(analysis))
    size = axis(data, "params")
    between = f"between {smallest} and {largest} {size_unit(data)}"
    says = {
        "sigmoid": "has a crossover, a sigmoid in log size",
        "step": "has a step between neighboring sizes",
        "constant": f"has no transition: it does not depend on {size} {between}",
        "linear": f"has no transition: it is a straight line in the logarithm of {size} {between}",
        "power_law": f"has no transition: it follows a power law of {size} {between}",
        "broken_power_law": f"has no transition: it follows a power law {between} that changes its exponent",
    }.get(kind, "cannot be judged")
    details: dict[str, list[Finding]] = {}
    for found in group:
        details.setdefault(_details(found, size_unit(data), unit), []).append(found)
    where = "; ".join(", ".join(filter(None, (words, at_data_sizes(data, alike)))) for words, alike in details.items())
    return f"{name[:1].upper()}{name[1:]} {says}{', ' if where else ''}{where}."


def _details(found: Finding, unit: str, metric_unit: str) -> str:
    """The numbers of one verdict."""
    numbers, width = found.parameters, found.width
    if found.kind == "sigmoid":
        ends = (numbers["low"], numbers["high"])
        first, last = ends if numbers["rate"] > 0 else ends[::-1]
        levels = f"from {first:.3g} to {value(last, metric_unit)}, " if math.isfinite(first + last) else ""
        spread = f", with 10 to 90 % of it within {decades(width)}" if math.isfinite(width) else ""
        return f"{levels}centered at {_place(found, unit)}{spread}"
    if found.kind == "step":
        gap = f", at most {decades(width)} wide" if math.isfinite(width) else ""
        return f"at {_place(found, unit)}{gap}"
    if found.kind == "power_law" and math.isfinite(found.exponent):
        return _exponent(found, metric_unit)
    if found.kind == "broken_power_law":
        changes = (
            f"from {bend.before:.3g} to {bend.after:.3g} at {place(bend.size, bend.interval, unit)}"
            for bend in found.breaks
        )
        return listed(list(changes)) or "at a place that the data do not pin down"
    if found.kind in SMOOTH:
        return ""
    return f"having {found.points} {plural(found.points, 'point')} at {found.sizes} {plural(found.sizes, 'size')}"


def _exponent(found: Finding, metric_unit: str) -> str:
    """That of a power law, and its floor."""
    if found.exponent_se >= abs(found.exponent):
        return "with an exponent that the data do not pin down"
    way, floor = "toward" if found.exponent < 0 else "away from", found.parameters["floor"]
    level = f" {way} {value(floor, metric_unit)}" if math.isfinite(floor) else ""
    return f"with exponent {with_error(found.exponent, found.exponent_se)}{level}"


def _evidence(analysis: Analysis, group: list[Finding]) -> str:
    """Which alternative was rejected, and by how much, where the evidence is least."""
    judged = [found for found in group if math.isfinite(found.delta_bic) and found.bic]
    if not judged:
        return ""
    sign = 1 if group[0].has_transition else -1
    least = min(judged, key=lambda found: sign * found.delta_bic)
    smooth, transition = (best(least.bic, kinds) for kinds in (SMOOTH, TRANSITIONS))
    size = f"ΔBIC {abs(least.delta_bic):.1f}"
    odds = f"odds of {odds_of(least.delta_bic)}"
    where = f"{at_data_sizes(analysis.dataset, [least])}, where the evidence is least, " if len(judged) > 1 else ""
    start = f"{where[:1].upper()}{where[1:]}"
    if least.has_transition:
        if least.delta_bic > 0:
            body = f"the best smooth curve, {curve(smooth)}, is rejected by {size} ({odds} against it)"
        else:
            body = (
                f"the best smooth curve, {curve(smooth)}, is even ahead by {size} ({odds}), but not by as much as a "
                "bent power law would be with this little noise"
            )
        return _sentence(start, body)
    if least.delta_bic <= 0:
        body = f"a transition, at best {curve(transition)}, is rejected by {size} ({odds} against it)"
    else:
        body = (
            f"a transition, at best {curve(transition)}, is ahead by {size} ({odds}), but its two levels are not both "
            "within the measured sizes, or this is less than the noise asks for"
        )
    return _sentence(start, f"{body}{_rival(least)}")


def _rival(found: Finding) -> str:
    """The next smooth curve to the one that a verdict names."""
    others = {kind: found.bic[kind] for kind in SMOOTH if kind != found.kind and math.isfinite(found.bic[kind])}
    if not others or not math.isfinite(found.bic.get(found.kind, math.nan)):
        return ""
    rival = min(others, key=others.get)
    behind = others[rival] - found.bic[found.kind]
    if behind < 0:
        return f"; {curve(rival)} is ahead of this by ΔBIC {-behind:.1f}, too little for its extra parameters"
    return f"; the next smooth curve, {curve(rival)}, is behind by ΔBIC {behind:.1f}"


def _straight_line(analysis: Analysis, findings: list[Finding]) -> str:
    """The test of a straight line against one change of slope."""
    tested = [found for found in findings if math.isfinite(found.p_value)]
    if not tested:
        return ""
    bent = sum(found.significant for found in tested)
    p = probability(found.p_value for found in tested)
    if len(tested) > 1:
        said = f"rejected at {bent} of {len(tested)} {axis(analysis.dataset, 'data_size')}s"
    else:
        said = "rejected" if bent else "not rejected"
    return f"A straight line in log size, against one change of slope, is {said} (p {p}; false discovery rate 5 %)."


def _mirage(analysis: Analysis, findings: list[Finding]) -> str:
    """Whether a jump is in the models or only in a thresholded metric."""
    jumps = [found for found in findings if found.has_transition]
    partner = findings[0].partner
    name = label(analysis.dataset, partner) if partner in analysis.dataset else partner
    if not jumps:
        return f"There is no jump that the metric alone could make (it would be held against {name})." * bool(partner)
    if not partner:
        return "Whether the metric alone makes the jump was not tested: no continuous partner is named."
    verdicts: dict[str, list[Finding]] = {}
    for found in jumps:
        verdicts.setdefault(found.mirage, []).append(found)
    said = {
        "in the metric": f"the jump is in the metric: {name} of the same models drifts through that place",
        "in the model": f"the jump is in the models: {name} of the same models jumps there too",
        "undecided": f"{name} of the same models cannot tell whether the jump is in the models or in the metric",
    }
    sentences = []
    for verdict, alike in verdicts.items():
        sure = _mirage_probability(alike)
        start = f"{at_data_sizes(analysis.dataset, alike)}, " if len(verdicts) > 1 else ""
        words = said.get(verdict, f"{name} has too few points to tell whether the jump is in the metric")
        sentences.append(_sentence(f"{start[:1].upper()}{start[1:]}", f"{words}{sure}"))
    return " ".join(sentences)


def _sharpening(analysis: Analysis, findings: list[Finding]) -> str:
    """What several data sizes say of a transition."""
    evidence, metric, second = analysis.evidence, findings[0].metric, axis(analysis.dataset, "data_size")
    if not any(found.has_transition for found in findings) or (evidence and evidence.verdict == "none"):
        return ""
    if evidence is None or evidence.metric != metric:
        order = label(analysis.dataset, analysis.order_parameter)
        return f"Whether it sharpens with {second} was weighed for the order parameter alone, {order}." * (
            metric != analysis.order_parameter and len(findings) > 1
        )
    reasons = "; ".join(evidence.reasons)
    if evidence.verdict == "undecided":
        return f"Whether this is a phase transition is undecided: {reasons}."
    note = ""
    if evidence.verdict == "crossover":
        note = ", which does not sharpen as a phase transition would"
    elif all(found.mirage == "in the metric" for found in findings if found.has_transition):
        note = ", but as the jump is in the metric, it is the metric that sharpens and not the models"
    return f"Across {second}s this is a {evidence.verdict}{note}: {reasons}."


def _place(found: Finding, unit: str) -> str:
    return place(found.critical_size, found.interval, unit)


def _mirage_probability(jumps: list[Finding]) -> str:
    """In brackets, how likely it is that most of the partner's change is a jump, over all these jumps."""
    tests = [found.detectors["mirage_test"] for found in jumps if "mirage_test" in found.detectors]
    known = [float(test.probability) for test in tests if math.isfinite(test.probability)]
    return f" (probability {probability(known)} that most of its change is a jump)" if known else ""


def _sentence(start: str, body: str) -> str:
    return f"{start}{body}." if start else f"{body[:1].upper()}{body[1:]}."
