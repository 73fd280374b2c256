"""The curve that a verdict stands for, and how well its points know it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import expit, stdtrit

from jaxphase.analysis.findings import Analysis, Finding
from jaxphase.plots.measured import sizes_of, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADE = 0.2  # opacity of a band

# `detect.fit_broken_power_law` holds a bend that is narrower than this part of the gap around it, as no point sees it.
_UNRESOLVED = 1 / 8


class Band(NamedTuple):
    """A curve and the ends of its pointwise 95 % interval, all [sizes]."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def fitted(analysis: Analysis, finding: Finding, sizes: np.ndarray) -> np.ndarray:
    """The curve that the verdict stands for at the given sizes; NaN where there are too few points for a verdict."""
    return fit_band(analysis, finding, sizes).value


def fit_band(analysis: Analysis, finding: Finding, sizes: np.ndarray) -> Band:
    """That curve with its `confidence_band`, from the points of the analysis."""
    values = values_of(analysis, finding)
    x, there = np.broadcast_to(sizes_of(analysis)[:, None], values.shape), np.isfinite(values)
    parameters = {"critical_size": finding.critical_size} if finding.kind == "step" else finding.parameters
    return confidence_band(finding.kind, parameters, x[there], values[there], np.asarray(sizes, float))


def confidence_band(kind: str, parameters: Mapping[str, Any], x: np.ndarray, y: np.ndarray, sizes: np.ndarray) -> Band:
    """The fit of a kind of `detect.KINDS` to points x, y [n], at `sizes` [m], with its pointwise 95 % band.

    parameters are those of `Finding`, for a step its critical_size; x and sizes are not logged. By the delta method: J
    [n, p] and K [m, p] being the derivatives of the curve by its parameters at the points and at the sizes, the band
    reaches as far as Student's t with n - p degrees of freedom, times sqrt(sse / (n - p)), times the norms of the rows
    of K J^+. Between the two sizes that a step is between it holds both levels. A power law without an answer is a
    straight line in log size. NaN where there is no fit, and the ends where no point is left to tell the noise.

    It supposes the kind, and one noise at all sizes. Of 600 curves of a kind (12 sizes with three seeds, 20 with one,
    noise of 0.5, 2 and 5 % of the range; `experiments/calibration_curves.py`) it held, on average over sizes, 92 to
    94 % of broken power laws and 94 to 96 % of each other kind. With the kind that `detect.classify` calls, it held
    80 to 82 % of broken power laws in the strongest noise, of which 33 and 54 % are called so, 87 to 91 % in the middle
    one, and 93 to 96 % otherwise. With four times the noise where a curve is steepest, and its own kind, it held 93 %
    of sigmoids and of power laws.
    """
    if kind.endswith("power_law") and not _answered(parameters):
        kind = "linear"
    if kind not in _COLUMNS:
        return Band(*np.full((3, *sizes.shape), np.nan))
    columns, wanted = (_COLUMNS[kind](parameters, place) for place in (x, sizes))
    if kind in _CURVES:
        value, rest = _CURVES[kind](parameters, sizes), y - _CURVES[kind](parameters, x)
    else:
        best = np.linalg.lstsq(columns, y)[0]
        value, rest = wanted @ best, y - columns @ best
    told = np.any(columns != 0, axis=0)
    if kind == "broken_power_law":
        told[-len(parameters["f"]) :] &= _resolved(parameters, x)
    half = half_width(columns[:, told], wanted[:, told], rest)
    low, high = value - half, value + half
    if kind == "step":
        before = x < parameters["critical_size"]
        jump = (sizes > x[before].max()) & (sizes < x[~before].min())
        reach = half_width(columns, np.eye(2), rest)
        low, high = np.where(jump, (best - reach).min(), low), np.where(jump, (best + reach).max(), high)
    return Band(value, low, high)


def half_width(columns: np.ndarray, wanted: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Half of the 95 % interval [m] of a curve with derivatives `wanted` [m, p], from those at the points [n, p] and
    what the curve leaves of these [n]; both times the root of the weight of a point, if points have weights."""
    dof = len(rest) - columns.shape[1]
    if dof < 1:
        return np.full(len(wanted), np.nan)
    scale = np.linalg.norm(columns, axis=0)
    influence = wanted / scale @ np.linalg.pinv(columns / scale, rcond=1e-10)
    return stdtrit(dof, 0.975) * np.sqrt(np.sum(rest**2) / dof) * np.linalg.norm(influence, axis=1)


def shade(ax: "Axes", x: np.ndarray, low: np.ndarray, high: np.ndarray, color) -> None:
    """Fill a band lightly as far as the panel goes: a wide one does not make its points small."""
    from matplotlib.collections import PolyCollection

    known = np.isfinite(low) & np.isfinite(high)
    if known.any():
        outline = np.column_stack([np.append(x[known], x[known][::-1]), np.append(low[known], high[known][::-1])])
        band = PolyCollection([outline], facecolor=color, alpha=SHADE, lw=0, zorder=1)
        ax.add_collection(band, autolim=False)


def _answered(parameters: Mapping[str, Any]) -> bool:
    return all(np.isfinite(value).all() for value in parameters.values())


def _sigmoid(p: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
    return p["low"] + (p["high"] - p["low"]) * expit(p["rate"] * (np.log10(sizes) - p["center"]))


def _by_sigmoid(p: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
    """By center, rate, low and high."""
    offset = np.log10(sizes) - p["center"]
    rise = expit(p["rate"] * offset)
    slope = (p["high"] - p["low"]) * rise * (1 - rise)
    return np.stack([-p["rate"] * slope, offset * slope, 1 - rise, rise], axis=1)


def _power_law(p: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
    return p["floor"] + p["amplitude"] * (sizes / p["reference"]) ** p["exponent"]


def _by_power_law(p: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
    """By floor, amplitude and exponent."""
    t = sizes / p["reference"]
    return np.stack([np.ones_like(t), t ** p["exponent"], p["amplitude"] * t ** p["exponent"] * np.log(t)], axis=1)


def _broken_power_law(p: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
    log_size, bend = _bends(p, sizes)[:2]
    c, f = np.asarray(p["c"]), np.asarray(p["f"])
    return p["a"] + p["b"] * np.exp(-c[0] * log_size - np.logaddexp(0, bend) @ (c[1:] * f))


def _by_broken_power_law(p: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
    """By a and ln b, by c, by ln d and by f."""
    log_size, bend = _bends(p, sizes)
    change, f = np.asarray(p["c"])[1:], np.asarray(p["f"])
    law = (_broken_power_law(p, sizes) - p["a"])[:, None]
    bent, above = np.logaddexp(0, bend), expit(bend)
    by = [np.ones_like(law), -log_size[:, None], -f * bent, change * above, change * (bend * above - bent)]
    return np.concatenate([np.ones_like(law), *(law * column for column in by)], axis=1)


def _bends(p: Mapping[str, Any], sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ln of the size over the reference [m], and its distance from each break in widths of that [m, breaks]."""
    log_size = np.log(sizes / p["reference"])
    return log_size, (log_size[:, None] - np.log(p["d"])) / np.asarray(p["f"])


def _resolved(p: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """Whether a bend is wide enough for the points to see how wide [breaks]."""
    known, place = np.unique(np.log(x / p["reference"])), np.log(p["d"])
    after = np.clip(np.searchsorted(known, place), 1, len(known) - 1)
    return np.asarray(p["f"]) > 1.01 * _UNRESOLVED * (known[after] - known[after - 1])


def _polynomial(degree: int):
    return lambda _, sizes: np.log10(sizes)[:, None] ** np.arange(degree + 1)


def _sides(p: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
    after = sizes >= p["critical_size"]
    return np.stack([~after, after], axis=1).astype(float)


# The curves whose parameters a fit has found; the others are least squares in their columns.
_CURVES = {"sigmoid": _sigmoid, "power_law": _power_law, "broken_power_law": _broken_power_law}
# Derivatives [m, p] of the curve of each kind by its parameters.
_COLUMNS = {
    "constant": _polynomial(0),
    "linear": _polynomial(1),
    "power_law": _by_power_law,
    "broken_power_law": _by_broken_power_law,
    "sigmoid": _by_sigmoid,
    "step": _sides,
}
