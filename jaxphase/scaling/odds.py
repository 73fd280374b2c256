"""Bimodal outcomes: how the odds of the upper peak change with the control, and faster in larger systems.

Equal models end in one of two states, so the share of models in each state says more than their mean. The share is a
logistic of the control at every size, fitted by maximum likelihood to binomial counts. The scatter between the states
then does not count as noise, and a step between two controls gives an upper bound of the width.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.special import chdtrc, expit, log_expit

from jaxphase.detect.sigmoid import TEN_TO_NINETY
from jaxphase.scaling.change import Change, ChangeShape, sharpening_of, valley

# The middle and half the range of the controls are 0 and 1.
CENTERS = np.linspace(-1.2, 1.2, 97)
NARROWEST, WIDEST, WIDTHS = 0.125, 8.0, 32  # the first in units of the mean distance of two controls
ZOOMS, ZOOMED = 8, 7
UNRESOLVED = 0.25  # error of the width of a step, in units of that width
LEAST_SIZES = 3


def combined_p_value(p_value: Float[np.ndarray, " tests"]) -> float:
    """The joint p-value of several independent ones (Fisher 1925), without those that are NaN."""
    known = p_value[np.isfinite(p_value)]
    return float(chdtrc(2 * len(known), -2 * np.log(known).sum())) if len(known) else np.nan


def fit_odds(
    log_size: Float[np.ndarray, " sizes"],
    control: Float[np.ndarray, " controls"],
    outcomes: Float[np.ndarray, "sizes controls seeds"],
    threshold: Float[np.ndarray, " sizes"],
) -> Change:
    """Fit the odds of the upper peak at each size by a logistic of the control.

    Args:
        log_size: Logarithm of the size.
        control: Control.
        outcomes: Outcomes, NaN where there is none.
        threshold: Value between the two peaks of each size, NaN for a size that is left out.

    Returns:
        The `Change`, its sharpening with the interval of the likelihood ratio. NaN for a size whose outcomes all lie in
        one peak; the sharpening is NaN for fewer than three sizes.
    """
    middle, half = (control.max() + control.min()) / 2, np.ptp(control) / 2
    x, widths = (control - middle) / half, np.geomspace(NARROWEST * 2 / (len(control) - 1), WIDEST, WIDTHS)
    there = np.isfinite(outcomes) & np.isfinite(threshold)[:, None, None]
    upper = (there & (outcomes > threshold[:, None, None])).sum(axis=2)
    counts = np.stack([upper, there.sum(axis=2) - upper], axis=-1)
    falling, rising = (_minus_twice_log(x, side, widths, CENTERS) for side in (counts[..., ::-1], counts))
    # The more likely of a rise and a fall, over all sizes together.
    falls = falling.min(axis=(1, 2)).sum() < rising.min(axis=(1, 2)).sum()
    counts, grid = (counts[..., ::-1], falling) if falls else (counts, rising)
    sharpening, interval = sharpening_of(log_size, widths, valley(grid))
    width, center = np.array([_refined(x, one, widths, values) for one, values in zip(counts, grid, strict=True)]).T
    each = zip(counts.sum(axis=2), width, center, strict=True)
    center_se, log_width_se = np.array([_errors(x, *one) for one in each]).T
    # A step between two controls is at most as wide as their distance.
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
        shape=ChangeShape.SIGMOID,
    )


def _minus_twice_log(
    x: Float[np.ndarray, " controls"],
    counts: Int[np.ndarray, "sizes controls 2"],
    widths: Float[np.ndarray, " widths"],
    centers: Float[np.ndarray, " centers"],
) -> Float[np.ndarray, "sizes widths centers"]:
    """Minus twice the log likelihood of the counts in the upper and the lower peak."""
    z = TEN_TO_NINETY * (x - centers[:, None]) / widths[:, None, None]
    return -2 * np.einsum("wcxk,sxk->swc", np.stack([log_expit(z), log_expit(-z)], axis=-1), counts, optimize=True)


def _refined(
    x: Float[np.ndarray, " controls"],
    counts: Int[np.ndarray, "controls 2"],
    widths: Float[np.ndarray, " widths"],
    grid: Float[np.ndarray, "widths centers"],
) -> tuple[float, float]:
    """Width and center of the most likely logistic of one size, between those of the grid."""
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


def _errors(
    x: Float[np.ndarray, " controls"], count: Int[np.ndarray, " controls"], width: float, center: float
) -> tuple[float, float]:
    """Standard errors of center and ln width from the Fisher information; infinite without any."""
    z = TEN_TO_NINETY * (x - center) / width
    weight = count * expit(z) * expit(-z)
    slopes = np.stack([np.full_like(z, -TEN_TO_NINETY / width), -z], axis=1)
    information = slopes.T @ (weight[:, None] * slopes)
    determinant = np.linalg.det(information)
    if not determinant > 1e-12 * np.prod(np.diag(information)):
        return np.inf, np.inf
    log_width_variance, center_variance = np.diag(information) / determinant
    return math.sqrt(center_variance), math.sqrt(log_width_variance)
