"""Which measurement could change a verdict, judged by the numbers that leave it open."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from jaxphase.analysis import LEAST_GROUPS, Analysis, Finding, TransitionKind
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.words.phrases import exactly, for_groups, plural, second_axis, size_range, size_unit, things

# Twice the log odds of 20 to 1; Kass & Raftery (1995, J. Am. Stat. Assoc. 90, 773) call evidence above it strong.
STRONG = 6.0
_SAME_SIZE = 0.01  # decades: sizes closer than this are one
_SMALL = 1 / 4  # part of the width below which an interval is small
# 1/nu of a mean-field magnet by number of spins; by length most transitions have a larger one.
_SHARP = 1 / 2


def doubts(analysis: Analysis, findings: Sequence[Finding]) -> list[str]:
    """List the measurements that could change the verdicts on one metric.

    Args:
        analysis: The analysis.
        findings: Its findings on the metric.

    Returns:
        A phrase for each measurement, with the groups where it would help; none if no measurement would.
    """
    data = analysis.dataset
    by_phrase: dict[str, list[Finding]] = {}
    for found in findings:
        for phrase in _of_finding(analysis, found):
            by_phrase.setdefault(phrase, []).append(found)
    several = len(findings) > 1
    phrases = [f"{phrase} {for_groups(data, of)}" if several else phrase for phrase, of in by_phrase.items()]
    if any(found.has_transition for found in findings) and len(findings) < LEAST_GROUPS:
        phrases.append(
            f"at least {LEAST_GROUPS} {second_axis(data)}s ({len(findings)} so far), to see whether the change sharpens"
        )
    return phrases + _of_sharpening(analysis, findings[0].metric)


def _of_finding(analysis: Analysis, found: Finding) -> list[str]:
    if found.has_transition:
        phrases = [*_of_interval(analysis, found), *_of_range(analysis, found)]
    elif found.kind.is_smooth:
        phrases = _of_edge(analysis, found)
    else:
        phrases = ["at least seven points at five sizes"]
    if abs(found.delta_bic) < STRONG:
        times = math.ceil(10 * STRONG / max(abs(found.delta_bic), 0.01)) / 10
        more = f"about {times:.1f} times" if times <= 10 else "more than 10 times"
        phrases.append(f"{more} as many models to reach odds of 20 to 1, if they say the same as these")
    if found.mirage == MirageKind.UNDECIDED:
        phrases.append("more seeds, to tell whether the metric makes the jump")
    if found.mirage == MirageKind.TOO_FEW_POINTS:
        phrases.append(f"values of {found.partner} for more of these models, to tell whether the metric makes the jump")
    if found.diverged:
        phrases.append(f"the outcome of {found.diverged} diverged {plural(found.diverged, 'model')}, left out here")
    return phrases


def _of_interval(analysis: Analysis, found: Finding) -> list[str]:
    """What limits an interval that is not small beside the width: the scatter of seeds, or the spacing of sizes."""
    low, high = found.interval
    if not (0 < low < high and math.isfinite(high)):
        return ["more sizes around the transition, as its interval has no end"]
    if not math.isfinite(found.bootstrap_se):
        return ["more seeds, as their scatter is unknown"]
    length, seeds = math.log10(high / low), 2 * 1.96 * found.bootstrap_se
    if length < _SMALL * found.width:
        return []
    if seeds >= length / 2:
        share = min(seeds / length, 1)
        return [f"more seeds, whose scatter makes {100 * share:.0f} % of the interval of {length:.2f} decades"]
    sizes = np.sort(np.asarray(analysis.dataset.x, float))
    for below, above in pairwise(sizes.tolist()):
        if below <= found.critical_size < above:
            between = f"sizes between {exactly(below)} and {exactly(above)}"
            return [
                f"{between}, as the scatter of seeds explains less than half of the interval of {length:.2f} decades"
            ]
    return []


def _of_range(analysis: Analysis, found: Finding) -> list[str]:
    """Levels of a transition that lie outside the measured sizes."""
    if found.kind != CurveKind.SIGMOID:
        return []
    (smallest, largest), half, what = size_range(analysis), 10 ** (found.width / 2), things(analysis.dataset)
    below = (
        [f"{what} below {exactly(smallest)}, where the change begins"] if found.critical_size / half < smallest else []
    )
    above = [f"{what} above {exactly(largest)}, where the change ends"] if found.critical_size * half > largest else []
    return below + above


def _of_edge(analysis: Analysis, found: Finding) -> list[str]:
    """A curve that is steepest at an end may continue in any way."""
    if found.slope is None or found.kind in (CurveKind.CONSTANT, CurveKind.LINEAR) or not found.slope.steepest > 0:
        return []
    smallest, largest = size_range(analysis)
    data = analysis.dataset
    for size, side, way in ((smallest, "smallest", "smaller"), (largest, "largest", "larger")):
        if abs(math.log10(found.slope.steepest / size)) < _SAME_SIZE:
            edge = f"{exactly(size)} {size_unit(data)}"
            return [f"{way} {things(data)}, as the curve is steepest at the {side}, {edge}"]
    return []


def _of_sharpening(analysis: Analysis, metric: str) -> list[str]:
    """A crossover whose width is so uncertain that it may still be a transition."""
    evidence, second = analysis.evidence, second_axis(analysis.dataset)
    if evidence.metric != metric or evidence.kind != TransitionKind.CROSSOVER or evidence.order is None:
        return []
    power = float(evidence.order.sharpening_interval[1])
    if power <= _SHARP:
        return []
    return [f"more seeds, or {second}s further apart: the width may still shrink as {second} to the power {-power:.2f}"]
