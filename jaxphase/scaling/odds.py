"""Outcomes in two heaps: how the odds of the upper one turn with the control, the faster the larger the size.

Equal models end in one of two states, so that their mean says less than how many are in each: a logistic of the control
for every size, by maximum likelihood, whose counts are binomial. The scatter of the states is then no noise, and a step
between two controls says that the width is at most so large.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, expit, log_expit

from jaxphase.detect.sigmoid import TEN_TO_NINETY
from jaxphase.scaling.onset import sharpening_of, valley

# Middle and half range of the controls being 0 and 1.
CENTERS = np.linspace(-1.2, 1.2, 97)
NARROWEST, WIDEST, WIDTHS = 0.125, 8.0, 32  # the first in units of the mean distance of two controls
ZOOMS, ZOOMED = 8, 7
UNRESOLVED = 0.25  # error of the width of a step, in units of that width
LEAST_SIZES = 3


class Change(NamedTuple):
    """Center and width of each size with standard errors, and whether the width is told, all [sizes]; of a step between
    two controls the width is their distance. sharpening: minus the change of ln width per unit of ln size, with its
    95 % interval. shape: what the curves are taken for."""

    center: np.ndarray
    center_se: np.ndarray
    width: np.ndarray
    width_se: np.ndarray
    resolved: np.ndarray
    sharpening: float
    sharpening_interval: np.ndarray  # [2]
    shape: str = "sigmoid"


def combined(p_value: np.ndarray) -> float:
    """The p-value of several independent ones together (Fisher 1925), those that are NaN left out."""
    known = p_value[np.isfinite(p_value)]
    return float(chdtrc(2 * len(known), -2 * np.log(known).sum())) if len(known) else np.nan


def fit_odds(log_size: np.ndarray, control: np.ndarray, outcomes: np.ndarray, threshold: np.ndarray) -> Change:
    """Centers, widths (10 to 90 %) and sharpening of the odds, with the interval of the likelihood ratio; NaN for a
    size whose outcomes are all in one heap.

    log_size [sizes]; control [controls]; outcomes [sizes, controls, seeds], NaN where there is none; threshold
    [sizes] between the heaps, NaN for a size that is left out."""
    middle, half = (control.max() + control.min()) / 2, np.ptp(control) / 2
    x, widths = (control - middle) / half, np.geomspace(NARROWEST * 2 / (len(control) - 1), WIDEST, WIDTHS)
    there = np.isfinite(outcomes) & np.isfinite(threshold)[:, None, None]
    upper = (there & (outcomes > threshold[:, None, None])).sum(axis=2)
    counts = np.stack([upper, there.sum(axis=2) - upper], axis=-1)
    falling, rising = (_minus_twice_log(x, side, widths, CENTERS) for side in (counts[..., ::-1], counts))
    # The likelier of a rise and a fall, of all sizes together.
    falls = falling.min(axis=(1, 2)).sum() < rising.min(axis=(1, 2)).sum()
    counts, grid = (counts[..., ::-1], falling) if falls else (counts, rising)
    sharpening, interval = sharpening_of(log_size, widths, valley(grid))
    width, center = np.array([_refined(x, one, widths, values) for one, values in zip(counts, grid, strict=True)]).T
    each = zip(counts.sum(axis=2), width, center, strict=True)
    center_se, log_width_se = np.array([_errors(x, *one) for one in each]).T
    # Of a step between two controls the width is at most their distance.
    gap, step = np.diff(x).mean(), ~(log_width_se < 1)
    width, log_width_se = np.where(step, gap, width), np.where(step, UNRESOLVED, log_width_se)
    both = np.all(counts.sum(axis=1) > 0, axis=1)
    center, center_se, width, width_se = (
        np.where(both, field, np.nan)
        for field in (center, np.where(step, gap / math.sqrt(12), center_se), width, width * log_width_se)
    )
    return Change(
        center=middle + half * center,
        center_se=half * center_se,
        width=half * width,
        width_se=half * width_se,
        resolved=both & ~step,
        sharpening=sharpening if both.sum() >= LEAST_SIZES else math.nan,
        sharpening_interval=interval if both.sum() >= LEAST_SIZES else np.full(2, np.nan),
    )


def _minus_twice_log(x: np.ndarray, counts: np.ndarray, widths: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Minus twice the log likelihood [sizes, widths, centers] of counts [sizes, controls, 2], the upper ones first."""
    z = TEN_TO_NINETY * (x - centers[:, None]) / widths[:, None, None]
    return -2 * np.einsum("wcxk,sxk->swc", np.stack([log_expit(z), log_expit(-z)], axis=-1), counts, optimize=True)


def _refined(x: np.ndarray, counts: np.ndarray, widths: np.ndarray, grid: np.ndarray) -> tuple[float, float]:
    """Width and center of the likeliest logistic of one size, between those that were tried."""
    at = np.unravel_index(np.argmin(grid), grid.shape)
    log_width, center = np.log(widths[at[0]]), CENTERS[at[1]]
    of_width, of_center = np.log(widths[1] / widths[0]), CENTERS[1] - CENTERS[0]
    for _ in range(ZOOMS):
        near = np.linspace(-1, 1, ZOOMED)
        log_widths = np.clip(log_width + of_width * near, *np.log(widths[[0, -1]]))
        centers = center + of_center * near
        found = _minus_twice_log(x, counts[None], np.exp(log_widths), centers)[0]
        at = np.unravel_index(np.argmin(found), found.shape)
        log_width, center = log_widths[at[0]], centers[at[1]]
        of_width, of_center = of_width / 2, of_center / 2
    return float(np.exp(log_width)), float(center)


def _errors(x: np.ndarray, count: np.ndarray, width: float, center: float) -> tuple[float, float]:
    """Standard errors of center and ln width, from the information in the counts [controls]; infinite without any."""
    z = TEN_TO_NINETY * (x - center) / width
    weight = count * expit(z) * expit(-z)
    slopes = np.stack([np.full_like(z, -TEN_TO_NINETY / width), -z], axis=1)
    information = slopes.T @ (weight[:, None] * slopes)
    determinant = np.linalg.det(information)
    if not determinant > 1e-12 * np.prod(np.diag(information)):
        return np.inf, np.inf
    return tuple(np.sqrt(np.diag(information)[::-1] / determinant))
