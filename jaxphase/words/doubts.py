"""What measurement could change a verdict, from the numbers that leave it open."""

import math
from itertools import pairwise

import numpy as np

from jaxphase.analysis import Analysis
from jaxphase.analysis.evidence import LEAST_DATA_SIZES
from jaxphase.analysis.findings import Finding
from jaxphase.curves import axis
from jaxphase.words.phrases import at_data_sizes, plural, size_range, things
from jaxphase.words.wording import SMOOTH, exactly, size_unit

# Twice the log odds of 20 to 1; Kass & Raftery (1995, J. Am. Stat. Assoc. 90, 773) call evidence above it strong.
STRONG = 6.0
_NEAREST = 0.01  # sizes as close as that, in decades, are one
_SMALL = 1 / 4
# 1/nu of a mean-field magnet in its number of spins; most are larger in lengths.
_SHARP = 1 / 2


def doubts_of(analysis: Analysis, findings: list[Finding]) -> list[str]:
    """Measurements that could change the verdicts on one metric, each with the data sizes where it would."""
    data, doubts = analysis.dataset, {}
    for found in findings:
        for words in _doubts_of(analysis, found):
            doubts.setdefault(words, []).append(found)
    open_ = [f"{words} {at_data_sizes(data, of)}" if len(findings) > 1 else words for words, of in doubts.items()]
    if any(found.has_transition for found in findings) and len(findings) < LEAST_DATA_SIZES:
        second, have = axis(data, "data_size"), f"{len(findings)} so far"
        open_.append(f"at least {LEAST_DATA_SIZES} {second}s ({have}), to see whether it sharpens")
    return open_ + _sharpening_doubts(analysis, findings[0].metric)


def _sharpening_doubts(analysis: Analysis, metric: str) -> list[str]:
    """A crossover whose width is known so badly that it may yet be a transition."""
    evidence, second = analysis.evidence, axis(analysis.dataset, "data_size")
    if not evidence or evidence.metric != metric or evidence.verdict != "crossover" or evidence.order is None:
        return []
    power = evidence.order.sharpening_interval[1]
    if power <= _SHARP:
        return []
    return [f"more seeds, or {second}s further apart, as its width may yet go as {second} to the power {-power:.2f}"]


def _doubts_of(analysis: Analysis, found: Finding) -> list[str]:
    if found.has_transition:
        doubts = [*_interval_doubts(analysis, found), *_range_doubts(analysis, found)]
    elif found.kind in SMOOTH:
        doubts = _edge_doubts(analysis, found)
    else:
        doubts = ["at least seven points at five sizes"]
    if abs(found.delta_bic) < STRONG:
        times = math.ceil(10 * STRONG / max(abs(found.delta_bic), 0.01)) / 10
        more = f"about {times:.1f} times" if times <= 10 else "more than 10 times"
        doubts.append(f"{more} as many models, at the evidence of these, to reach odds of 20 to 1")
    if found.mirage == "undecided":
        doubts.append("more seeds, for the test of the metric")
    if found.diverged:
        doubts.append(f"the outcome of {found.diverged} diverged {plural(found.diverged, 'model')}, left out here")
    return doubts


def _interval_doubts(analysis: Analysis, found: Finding) -> list[str]:
    """What limits an interval that is not small beside the width: the seeds' scatter, or the distance of sizes."""
    low, high = found.interval
    if not (0 < low < high and math.isfinite(high)):
        return ["more sizes around it, as its interval has no end"]
    if not math.isfinite(found.bootstrap_se):
        return ["more seeds, as without them nothing is known of their scatter"]
    length, seeds = math.log10(high / low), 2 * 1.96 * found.bootstrap_se
    if length < _SMALL * found.width:
        return []
    if seeds >= length / 2:
        share = min(seeds / length, 1)
        return [f"more seeds, whose scatter is {100 * share:.0f} % of the interval of {length:.2f} decades"]
    params = np.sort(np.asarray(analysis.dataset.params, float))
    for below, above in pairwise(params):
        if below <= found.critical_size < above:
            between = f"sizes between {exactly(below)} and {exactly(above)}"
            return [f"{between}, as the interval of {length:.2f} decades is more than the seeds' scatter explains"]
    return []


def _range_doubts(analysis: Analysis, found: Finding) -> list[str]:
    """Levels of a transition that lie outside of what was measured."""
    if found.kind != "sigmoid":
        return []
    (smallest, largest), half, what = size_range(analysis), 10 ** (found.width / 2), things(analysis.dataset)
    below = [f"{what} below {exactly(smallest)}, where it begins"] if found.critical_size / half < smallest else []
    above = [f"{what} above {exactly(largest)}, where it ends"] if found.critical_size * half > largest else []
    return below + above


def _edge_doubts(analysis: Analysis, found: Finding) -> list[str]:
    """A curve that is steepest at an end may go on as anything."""
    if found.slope is None or found.kind in ("constant", "linear") or not found.slope.steepest > 0:
        return []
    smallest, largest = size_range(analysis)
    data = analysis.dataset
    for size, side, way in ((smallest, "smallest", "smaller"), (largest, "largest", "larger")):
        if abs(math.log10(found.slope.steepest / size)) < _NEAREST:
            edge = f"{exactly(size)} {size_unit(data)}"
            return [f"{way} {things(data)}, as the curve is steepest at the {side}, {edge}"]
    return []
