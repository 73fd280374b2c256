"""Curves that are flat and then rise as a power of the distance from an onset, with a corner that sharpens with size.

An order parameter that is zero on one side of a continuous transition rises like this. The width of a sigmoid would
measure the rise and not the corner. The curve is y = low + u**power (a + b u), where a hyperbola
u = (z + sqrt(z**2 + width**2)) / 2, z = +-(control - center), rounds the corner of max(z, 0), as in the bent lines of
Griffiths & Miller (1973, J. R. Stat. Soc. B 35, 148). With power = 1 it is the squared magnetization of N spins of a
mean-field magnet, width**2 ~ 1 / N.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from jaxphase.detect.sigmoid import TEN_TO_NINETY
from jaxphase.scaling.change import sharpening_of

POWERS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
CENTERS = np.linspace(-1.2, 1, 32)  # the middle and half the range of the controls are 0 and 1
WIDTHS, LIKELY, ZOOMS, ZOOMED = 24, 3, 4, 7
NARROWEST, WIDEST = 0.125, 1.0  # in units of the mean distance of two controls, and of their range
PARAMETERS = 5  # of each size


class Onsets(NamedTuple):
    """Fits of all sizes with one power.

    Attributes:
        power: Power with which the curves rise.
        center: Place of the onset, `[sizes]`.
        center_se: Its standard error, `[sizes]`.
        width: Width of the rounded corner, `[sizes]`.
        width_se: Its standard error, `[sizes]`; NaN where the controls do not resolve the width.
        sharpening: Minus the change of ln width per unit of ln size.
        sharpening_interval: Its 95 % interval, `[2]`, from the profile of chi-squared in units of chi2 / dof where that
            is above one.
        chi2: Chi-squared of all sizes.
        parameters: Number of fitted parameters.
    """

    power: float
    center: Float[np.ndarray, " sizes"]
    center_se: Float[np.ndarray, " sizes"]
    width: Float[np.ndarray, " sizes"]
    width_se: Float[np.ndarray, " sizes"]
    sharpening: float
    sharpening_interval: Float[np.ndarray, "2"]
    chi2: float
    parameters: int


def fit_onsets(
    log_size: Float[np.ndarray, " sizes"],
    control: Float[np.ndarray, " controls"],
    value: Float[np.ndarray, "sizes controls"],
    error: Float[np.ndarray, "sizes controls"],
) -> Onsets:
    """Fit curves with an onset to the values of all sizes, NaN where there is none."""
    axis, x, target, weight = _prepared(control, value, error)
    shapes = [(side, power) for side in (1, -1) for power in POWERS]
    grids = [_chi2(side * x, target, weight, power, axis.widths, CENTERS) for side, power in shapes]
    # Only the most likely shapes are refined in the center.
    likely = np.argsort([grid.min(axis=(1, 2)).sum() for grid in grids])[:LIKELY]
    fits = [(shapes[i], *_profiles(shapes[i][0] * x, target, weight, shapes[i][1], axis, grids[i])) for i in likely]
    (side, power), chi2, places = min(fits, key=lambda fit: fit[1].min(axis=1).sum())
    width, place, least = _refined(side * x, target, weight, power, axis, chi2, places)
    total, parameters = least.sum(), PARAMETERS * len(log_size) + 1
    unit = max(total / max(np.sum(weight > 0) - parameters, 1), 1)
    each = zip(weight, target, width, place, strict=True)
    errors = np.sqrt(unit) * np.array([_errors(side * x, *one, power) for one in each])
    sharpening, interval = sharpening_of(log_size, axis.widths, chi2 / unit)
    return Onsets(
        power=power,
        center=axis.middle + axis.half * side * place,
        center_se=axis.half * errors[:, 0],
        width=axis.half * width,
        width_se=np.where(errors[:, 1] < 1, axis.half * width * errors[:, 1], np.nan),
        sharpening=sharpening,
        sharpening_interval=interval,
        chi2=float(total),
        parameters=parameters,
    )


def sigmoid_chi2(
    control: Float[np.ndarray, " controls"],
    value: Float[np.ndarray, "sizes controls"],
    error: Float[np.ndarray, "sizes controls"],
) -> float:
    """Least chi-squared of logistic steps with four parameters each, to compare with that of onsets."""
    axis, x, target, weight = _prepared(control, value, error)
    grid = _chi2(x, target, weight, None, axis.widths, CENTERS)
    profiles = _profiles(x, target, weight, None, axis, grid)
    return float(_refined(x, target, weight, None, axis, *profiles)[2].sum())


class _Axis(NamedTuple):
    """Middle and half the range of the controls, and the widths that are tried, in units of the latter."""

    middle: float
    half: float
    widths: Float[np.ndarray, " widths"]


def _prepared(
    control: Float[np.ndarray, " controls"],
    value: Float[np.ndarray, "sizes controls"],
    error: Float[np.ndarray, "sizes controls"],
) -> tuple[
    _Axis, Float[np.ndarray, " controls"], Float[np.ndarray, "sizes controls"], Float[np.ndarray, "sizes controls"]
]:
    """The axis, the controls from -1 to 1, values in units of their errors, and 1 / error, 0 where there is none."""
    middle, half = (control.max() + control.min()) / 2, np.ptp(control) / 2
    widths = np.geomspace(NARROWEST * 2 / (len(control) - 1), 2 * WIDEST, WIDTHS)
    present = np.isfinite(value) & (error > 0)
    weight = np.where(present, 1 / np.where(present, error, 1), 0)
    return _Axis(middle, half, widths), (control - middle) / half, np.where(present, value, 0) * weight, weight


def _profiles(
    x: Float[np.ndarray, " n"],
    target: Float[np.ndarray, "sizes n"],
    weight: Float[np.ndarray, "sizes n"],
    power: float | None,
    axis: _Axis,
    grid: Float[np.ndarray, "sizes widths centers"],
) -> tuple[Float[np.ndarray, "sizes widths"], Float[np.ndarray, "sizes widths"]]:
    """Least chi-squared over center, low, a and b at each width, and the center there."""
    gap, center = CENTERS[1] - CENTERS[0], CENTERS[np.argmin(grid, axis=2)]
    for _ in range(ZOOMS):
        near = center[..., None] + gap * np.linspace(-1, 1, ZOOMED)
        found = _chi2(x, target, weight, power, axis.widths, near)
        best = np.argmin(found, axis=2)[..., None]
        center, gap = np.take_along_axis(near, best, 2)[..., 0], 2.5 * gap / (ZOOMED - 1)
    return found.min(axis=2), center


def _refined(
    x: Float[np.ndarray, " n"],
    target: Float[np.ndarray, "sizes n"],
    weight: Float[np.ndarray, "sizes n"],
    power: float | None,
    axis: _Axis,
    chi2: Float[np.ndarray, "sizes widths"],
    places: Float[np.ndarray, "sizes widths"],
) -> tuple[Float[np.ndarray, " sizes"], Float[np.ndarray, " sizes"], Float[np.ndarray, " sizes"]]:
    """Width, center and chi-squared of the best fit of each size, between the widths that were tried."""
    best = np.arange(len(chi2)), np.argmin(chi2, axis=1)
    log_width, center = np.log(axis.widths)[best[1]], places[best]
    of_width, of_center = np.log(axis.widths[1] / axis.widths[0]), CENTERS[1] - CENTERS[0]
    for _ in range(2 * ZOOMS):
        widths = log_width[:, None] + of_width * np.linspace(-1, 1, ZOOMED)
        centers = np.repeat((center[:, None] + of_center * np.linspace(-1, 1, ZOOMED))[:, None], ZOOMED, axis=1)
        found = _chi2(x, target, weight, power, np.exp(widths), centers).reshape(len(chi2), -1)
        at = np.arange(len(chi2)), *np.unravel_index(np.argmin(found, axis=1), (ZOOMED, ZOOMED))
        log_width, center = widths[at[:2]], centers[at]
        of_width, of_center = of_width / 2, of_center / 2
    return np.exp(np.clip(log_width, *np.log(axis.widths[[0, -1]]))), center, found.min(axis=1)


def _chi2(
    x: Float[np.ndarray, " n"],
    target: Float[np.ndarray, "sizes n"],
    weight: Float[np.ndarray, "sizes n"],
    power: float | None,
    widths: Float[np.ndarray, "*#grid widths"],
    centers: Float[np.ndarray, "*#cells centers"],
) -> Float[np.ndarray, "sizes widths centers"]:
    """Chi-squared of the best low, a and b at each width and center, given for all sizes or for each size."""
    columns = _columns(x, power, widths[..., None, None], centers[..., None])
    columns = columns.reshape(-1, *columns.shape[-4:])
    gram = np.einsum("swcni,swcnj,sn->swcij", columns, columns, weight**2, optimize=True)
    pulled = np.einsum("swcni,sn->swci", columns, weight * target, optimize=True)
    # The column of a step beyond all points is zero.
    scale = np.sqrt(np.maximum(np.einsum("swcii->swci", gram), 1e-300))
    gram, pulled = gram / scale[..., None] / scale[..., None, :] + 1e-10 * np.eye(gram.shape[-1]), pulled / scale
    solved = np.linalg.solve(gram, pulled[..., None])[..., 0]
    return np.sum(target**2, axis=1)[:, None, None] - np.sum(pulled * solved, axis=-1)


def _columns(
    x: Float[np.ndarray, " n"],
    power: float | None,
    width: float | Float[np.ndarray, "*#shape"],
    center: float | Float[np.ndarray, "*#other"],
) -> Float[np.ndarray, "*grid n columns"]:
    """Columns of the design for low, a and b; those of a logistic step if power is None."""
    z = x - center
    if power is None:
        return np.stack(np.broadcast_arrays(1.0, expit(TEN_TO_NINETY * z / width)), axis=-1)
    u = (z + np.hypot(z, width)) / 2
    rise = u**power
    return np.stack(np.broadcast_arrays(np.ones_like(u), rise, rise * u), axis=-1)


def _errors(
    x: Float[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"],
    target: Float[np.ndarray, " n"],
    width: float,
    center: float,
    power: float,
) -> Float[np.ndarray, "2"]:
    """Standard errors of center and ln width, with low, a, b and the power free.

    With a fixed power, the interval of the onset would be too narrow where the true power lies between two tried
    values.
    """
    columns = _columns(x, power, width, center)
    solved = np.linalg.lstsq(columns * weight[:, None], target, rcond=None)[0]
    small = 1e-4 * width
    of_center = _columns(x, power, width, center + small) - _columns(x, power, width, center - small)
    of_width = _columns(x, power, width + small, center) - _columns(x, power, width - small, center)
    of_power = _columns(x, 1.001 * power, width, center) - _columns(x, 0.999 * power, width, center)
    bent = of_center / (2 * small), width * of_width / (2 * small), of_power / (0.002 * power)
    slopes = np.column_stack([*(column @ solved for column in bent), columns])
    jacobian = slopes * weight[:, None]
    values, axes = np.linalg.eigh(jacobian.T @ jacobian)
    return np.sqrt(np.sum(axes[:2] ** 2 / np.maximum(values, 1e-12 * values[-1]), axis=1))
