"""Curves that are flat and then rise as a power of the distance from an onset, the sharper the larger the size.

So does an order parameter that is zero on one side of a continuous transition. A sigmoid's width says nothing of it,
for it is that of the rise and not of the onset. y = low + u**beta (a + b u), with a hyperbola
u = (z + sqrt(z**2 + width**2)) / 2, z = +-(control - center), in place of the corner of max(z, 0), as in the bent lines
of Griffiths & Miller (1973, J. R. Stat. Soc. B 35, 148). With beta = 1 it is the squared magnetization of N spins of a
mean-field magnet, width**2 ~ 1 / N.
"""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import expit

from jaxphase.detect.sigmoid import TEN_TO_NINETY

POWERS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
CENTERS = np.linspace(-1.2, 1, 32)  # middle and half range of the controls being 0 and 1
WIDTHS, LIKELY, ZOOMS, ZOOMED = 24, 3, 4, 7
NARROWEST, WIDEST = 0.125, 1.0  # in units of the mean distance of two controls, and of their range
STEEPEST = 2.0
REACH = 3.841  # of chi-squared, that a 95 % interval goes to
PARAMETERS = 5  # of a size


class Onsets(NamedTuple):
    """Fits of all sizes with one beta; fields [sizes] unless said.

    width_se is NaN where the controls do not resolve the width. sharpening: minus the change of ln width per unit of ln
    size, with its 95 % interval from the profile of chi-squared, whose unit is chi2 / dof where that is above one.
    """

    power: float
    center: np.ndarray
    center_se: np.ndarray
    width: np.ndarray
    width_se: np.ndarray
    sharpening: float
    sharpening_interval: np.ndarray  # [2]
    chi2: float
    parameters: int


def fit_onsets(log_size: np.ndarray, control: np.ndarray, value: np.ndarray, error: np.ndarray) -> Onsets:
    """log_size [sizes]; control [controls]; value, error [sizes, controls], NaN where there is none."""
    axis, x, target, weight = _prepared(control, value, error)
    shapes = [(side, power) for side in (1, -1) for power in POWERS]
    grids = [_chi2(side * x, target, weight, power, axis.widths, CENTERS) for side, power in shapes]
    # Only of the likeliest shapes is the center sought to more digits.
    likely = np.argsort([grid.min(axis=(1, 2)).sum() for grid in grids])[:LIKELY]
    fits = [(*shapes[i], *_profiles(shapes[i][0] * x, target, weight, shapes[i][1], axis, grids[i])) for i in likely]
    side, power, chi2, places = min(fits, key=lambda fit: fit[2].min(axis=1).sum())
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


def sigmoid_chi2(control: np.ndarray, value: np.ndarray, error: np.ndarray) -> float:
    """Least chi-squared of logistic steps, four parameters of each size, to hold that of onsets against."""
    axis, x, target, weight = _prepared(control, value, error)
    grid = _chi2(x, target, weight, None, axis.widths, CENTERS)
    profiles = _profiles(x, target, weight, None, axis, grid)
    return float(_refined(x, target, weight, None, axis, *profiles)[2].sum())


def sharpening_of(log_size: np.ndarray, widths: np.ndarray, chi2: np.ndarray) -> tuple[float, np.ndarray]:
    """Of ln width = level - sharpening * ln size, with the 95 % interval, from chi-squared (or minus twice a log
    likelihood) of each size at widths in equal ratios [sizes, widths]."""
    log_width = np.log(widths)
    slopes = np.linspace(-STEEPEST, STEEPEST, 161)
    levels = np.linspace(log_width[0], log_width[-1], 121)
    places = levels[:, None, None] - slopes[:, None] * (log_size - log_size.mean())
    # Of a width beyond the narrowest or the widest, the curves know no more than of that.
    places = np.clip(places, log_width[0], log_width[-1])
    profile = valley(sum(CubicSpline(log_width, row)(places[..., i]) for i, row in enumerate(chi2)).T)
    least = np.maximum(valley(profile), profile.min() - REACH / 2)
    # The root of the excess is nearly straight.
    distance = np.sqrt(np.maximum(profile - least, 0)) - np.sqrt(REACH)
    inside = np.flatnonzero(distance < 0)
    ends = slopes[inside[[0, -1]]]
    for i, (last, beyond) in enumerate(((inside[0], inside[0] - 1), (inside[-1], inside[-1] + 1))):
        if 0 <= beyond < len(slopes):
            ends[i] += (slopes[beyond] - slopes[last]) * distance[last] / (distance[last] - distance[beyond])
    return float(slopes[np.argmin(profile)]), ends


def valley(values: np.ndarray) -> np.ndarray:
    """The least of evenly spaced values over the last axis, of the parabola through the lowest and its neighbors."""
    at = np.clip(np.argmin(values, axis=-1), 1, values.shape[-1] - 2)[..., None]
    left, middle, right = (np.take_along_axis(values, at + step, -1)[..., 0] for step in (-1, 0, 1))
    bend = left + right - 2 * middle
    lower = middle - np.square(right - left) / (8 * np.where(bend > 0, bend, np.inf))
    inside = np.minimum(left, right) >= middle
    return np.where(inside, lower, np.minimum(np.minimum(left, right), middle))


class _Axis(NamedTuple):
    """Middle and half range of the controls, and the widths that are tried in units of the latter."""

    middle: float
    half: float
    widths: np.ndarray


def _prepared(control, value, error) -> tuple[_Axis, np.ndarray, np.ndarray, np.ndarray]:
    """The axis, the controls from -1 to 1, values in units of their errors, and 1 / error, 0 where there is none."""
    middle, half = (control.max() + control.min()) / 2, np.ptp(control) / 2
    widths = np.geomspace(NARROWEST * 2 / (len(control) - 1), 2 * WIDEST, WIDTHS)
    present = np.isfinite(value) & (error > 0)
    weight = np.where(present, 1 / np.where(present, error, 1), 0)
    return _Axis(middle, half, widths), (control - middle) / half, np.where(present, value, 0) * weight, weight


def _profiles(x, target, weight, power, axis, grid) -> tuple[np.ndarray, np.ndarray]:
    """Least chi-squared over center, low, a and b at each width, and the center there, [sizes, widths]."""
    gap, center = CENTERS[1] - CENTERS[0], CENTERS[np.argmin(grid, axis=2)]
    for _ in range(ZOOMS):
        near = center[..., None] + gap * np.linspace(-1, 1, ZOOMED)
        found = _chi2(x, target, weight, power, axis.widths, near)
        best = np.argmin(found, axis=2)[..., None]
        center, gap = np.take_along_axis(near, best, 2)[..., 0], 2.5 * gap / (ZOOMED - 1)
    return found.min(axis=2), center


def _refined(x, target, weight, power, axis, chi2, places) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def _chi2(x, target, weight, power, widths, centers) -> np.ndarray:
    """[sizes, widths, centers] of the best low, a and b; target, weight [sizes, points], widths [..., widths], centers
    [..., centers], each once for all sizes or of every size."""
    columns = _columns(x, power, widths[..., None, None], centers[..., None])
    columns = columns.reshape(-1, *columns.shape[-4:])
    gram = np.einsum("swcni,swcnj,sn->swcij", columns, columns, weight**2, optimize=True)
    pulled = np.einsum("swcni,sn->swci", columns, weight * target, optimize=True)
    # A step beyond all points is a column of zeros.
    scale = np.sqrt(np.maximum(np.einsum("swcii->swci", gram), 1e-300))
    gram, pulled = gram / scale[..., None] / scale[..., None, :] + 1e-10 * np.eye(gram.shape[-1]), pulled / scale
    solved = np.linalg.solve(gram, pulled[..., None])[..., 0]
    return np.sum(target**2, axis=1)[:, None, None] - np.sum(pulled * solved, axis=-1)


def _columns(x, power, width, center) -> np.ndarray:
    """[..., points, 3], of low, a and b; [..., points, 2] of a logistic step if power is None."""
    z = x - center
    if power is None:
        return np.stack(np.broadcast_arrays(1.0, expit(TEN_TO_NINETY * z / width)), axis=-1)
    u = (z + np.hypot(z, width)) / 2
    rise = u**power
    return np.stack(np.broadcast_arrays(np.ones_like(u), rise, rise * u), axis=-1)


def _errors(x, weight, target, width, center, power) -> np.ndarray:
    """Standard errors of center and ln width, [2], with low, a, b and the power free. If the power were held, the 95 %
    interval of an onset's place would hold 61 % of them, and not 93, where powers are between those that are tried."""
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
