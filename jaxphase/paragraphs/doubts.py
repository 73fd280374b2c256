"""What measurement could change a verdict, from the numbers that leave it open."""

import math
from itertools import pairwise

import numpy as np

from jaxphase.analysis import Analysis
from jaxphase.evidence import LEAST_DATA_SIZES
from jaxphase.findings import SMOOTH, Finding, exactly, size_unit
from jaxphase.paragraphs.words import at_data_sizes, plural, size_range

# Twice the log odds of 20 to 1; Kass & Raftery (1995, J. Am. Stat. Assoc. 90, 773) call evidence above it strong.
STRONG = 6.0
_NEAREST = 0.01  # sizes as close as that, in decades, are one
_SMALL = 1 / 4


def doubts_of(analysis: Analysis, findings: list[Finding]) -> list[str]:
    """Measurements that could change the verdicts on one metric, each with the data sizes where it would."""
    data, doubts = analysis.dataset, {}
    for found in findings:
        for words in _doubts_of(analysis, found):
            doubts.setdefault(words, []).append(found)
    open_ = [f"{words} {at_data_sizes(data, of)}" if len(findings) > 1 else words for words, of in doubts.items()]
    if any(found.has_transition for found in findings) and len(findings) < LEAST_DATA_SIZES:
        have = f"{len(findings)} so far"
        open_.append(f"at least {LEAST_DATA_SIZES} data sizes ({have}), to see whether it sharpens")
    return open_


def _doubts_of(analysis: Analysis, found: Finding) -> list[str]:
    sizes = size_range(analysis)
    if found.has_transition:
        doubts = [*_interval_doubts(analysis, found), *_range_doubts(found, sizes)]
    elif found.kind in SMOOTH:
        doubts = _edge_doubts(found, sizes, size_unit(analysis.dataset))
    else:
        doubts = ["at least seven points at five sizes"]
    if abs(found.delta_bic) < STRONG:
        times = STRONG / max(abs(found.delta_bic), 0.01)
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


def _range_doubts(found: Finding, sizes: tuple[float, float]) -> list[str]:
    """Levels of a transition that lie outside of what was measured."""
    if found.kind != "sigmoid":
        return []
    half = 10 ** (found.width / 2)
    below = [f"models below {exactly(sizes[0])}, where it begins"] if found.critical_size / half < sizes[0] else []
    above = [f"models above {exactly(sizes[1])}, where it ends"] if found.critical_size * half > sizes[1] else []
    return below + above


def _edge_doubts(found: Finding, sizes: tuple[float, float], unit: str) -> list[str]:
    """A curve that is steepest at an end may go on as anything."""
    if found.slope is None or found.kind in ("constant", "linear") or not found.slope.steepest > 0:
        return []
    for size, side, way in ((sizes[0], "smallest", "smaller"), (sizes[1], "largest", "larger")):
        if abs(math.log10(found.slope.steepest / size)) < _NEAREST:
            return [f"{way} models, as the curve is steepest at the {side}, {exactly(size)} {unit}"]
    return []
