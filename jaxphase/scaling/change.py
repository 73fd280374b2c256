"""The change of curves with a control at each of several sizes, and how it sharpens with the size."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline

STEEPEST = 2.0  # largest sharpening that is tried
REACH = 3.841  # rise of chi-squared at the ends of a 95 % interval


class ChangeShape(IntEnum):
    """The shape of the curves that was fitted."""

    SIGMOID = 0
    ONSET = 1


class Change(NamedTuple):
    """The change with the control at each size.

    Attributes:
        center: Center, `[sizes]`.
        center_se: Its standard error, `[sizes]`.
        width: Width, `[sizes]`; for a step between two controls, their distance.
        width_se: Its standard error, `[sizes]`.
        resolved: Whether the controls resolve the width, `[sizes]`.
        sharpening: Minus the change of ln width per unit of ln size.
        sharpening_interval: Its 95 % interval, `[2]`.
        shape: `ChangeShape` that was fitted.
    """

    center: Float[np.ndarray, " sizes"]
    center_se: Float[np.ndarray, " sizes"]
    width: Float[np.ndarray, " sizes"]
    width_se: Float[np.ndarray, " sizes"]
    resolved: Bool[np.ndarray, " sizes"]
    sharpening: float
    sharpening_interval: Float[np.ndarray, "2"]
    shape: ChangeShape


def sharpening_of(
    log_size: Float[np.ndarray, " sizes"], widths: Float[np.ndarray, " widths"], chi2: Float[np.ndarray, "sizes widths"]
) -> tuple[float, Float[np.ndarray, "2"]]:
    """Fit ln width = level - sharpening * ln size.

    Args:
        log_size: Logarithm of the size.
        widths: Widths that were tried, in equal ratios.
        chi2: Chi-squared, or minus twice the log likelihood, of each size at each width.

    Returns:
        The sharpening and its 95 % interval.
    """
    log_width = np.log(widths)
    slopes = np.linspace(-STEEPEST, STEEPEST, 161)
    levels = np.linspace(log_width[0], log_width[-1], 121)
    places = levels[:, None, None] - slopes[:, None] * (log_size - log_size.mean())
    # Below the narrowest and above the widest width, the curves cannot tell widths apart.
    places = np.clip(places, log_width[0], log_width[-1])
    total = np.sum([CubicSpline(log_width, row)(places[..., i]) for i, row in enumerate(chi2)], axis=0)
    profile = valley(total.T)
    least = np.maximum(valley(profile), profile.min() - REACH / 2)
    # The root of the excess is nearly straight.
    distance = np.sqrt(np.maximum(profile - least, 0)) - np.sqrt(REACH)
    inside = np.flatnonzero(distance < 0)
    ends = slopes[inside[[0, -1]]]
    for i, (last, beyond) in enumerate(((inside[0], inside[0] - 1), (inside[-1], inside[-1] + 1))):
        if 0 <= beyond < len(slopes):
            ends[i] += (slopes[beyond] - slopes[last]) * distance[last] / (distance[last] - distance[beyond])
    return float(slopes[np.argmin(profile)]), ends


def valley(values: Float[np.ndarray, "*shape n"]) -> Float[np.ndarray, "*shape"]:
    """The minimum of evenly spaced values, from the parabola through the lowest and its neighbors."""
    at = np.clip(np.argmin(values, axis=-1), 1, values.shape[-1] - 2)[..., None]
    left, middle, right = (np.take_along_axis(values, at + step, -1)[..., 0] for step in (-1, 0, 1))
    bend = left + right - 2 * middle
    lower = middle - np.square(right - left) / (8 * np.where(bend > 0, bend, np.inf))
    inside = np.minimum(left, right) >= middle
    return np.where(inside, lower, np.minimum(np.minimum(left, right), middle))
