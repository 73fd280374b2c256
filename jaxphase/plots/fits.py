"""The fitted curve of a verdict, and its confidence band."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit, stdtrit

from jaxphase.analysis import Analysis, Finding
from jaxphase.detect import CurveKind
from jaxphase.plots.measured import sizes_of, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADE = 0.2  # opacity of a band

# `detect.fit_broken_power_law` fixes a bend that is narrower than this part of the gap around it, as no point depends
# on it.
_UNRESOLVED = 1 / 8


class Band(NamedTuple):
    """A curve and the ends of its pointwise 95 % interval."""

    value: Float[np.ndarray, " sizes"]
    low: Float[np.ndarray, " sizes"]
    high: Float[np.ndarray, " sizes"]


def fitted(analysis: Analysis, finding: Finding, sizes: Float[np.ndarray, " sizes"]) -> Float[np.ndarray, " sizes"]:
    """Evaluate the fit of a verdict at some sizes.

    Args:
        analysis: The analysis.
        finding: One of its findings.
        sizes: Sizes, `[sizes]`.

    Returns:
        The fitted values, `[sizes]`; NaN where there are too few points for a verdict.
    """
    return fit_band(analysis, finding, sizes).value


def fit_band(analysis: Analysis, finding: Finding, sizes: Float[np.ndarray, " sizes"]) -> Band:
    """Evaluate the fit of a verdict at some sizes, with its `confidence_band` from the points of the analysis.

    Args:
        analysis: The analysis.
        finding: One of its findings.
        sizes: Sizes, `[sizes]`.

    Returns:
        The curve and its band; NaN where there are too few points for a verdict.
    """
    values = values_of(analysis, finding)
    x, there = np.broadcast_to(sizes_of(analysis)[:, None], values.shape), np.isfinite(values)
    parameters = {"critical_size": finding.critical_size} if finding.kind == CurveKind.STEP else finding.parameters
    return confidence_band(finding.kind, parameters, x[there], values[there], np.asarray(sizes, float))


def confidence_band(
    kind: CurveKind,
    parameters: Mapping[str, Any],
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    sizes: Float[np.ndarray, " sizes"],
) -> Band:
    """Evaluate the fit of one kind of curve with its pointwise 95 % band.

    The band comes from the delta method. With J and K the derivatives of the curve by its parameters at the points and
    at the sizes, its half width is Student's t for n - p degrees of freedom, times the residual standard deviation,
    times the norm of the rows of K J^+. It supposes that the kind is right and the noise is equal at all sizes. How
    often it contains the true curve: see the page How verdicts are made.

    Args:
        kind: The kind of curve. A power law without an answer is drawn as a straight line in log size.
        parameters: The parameters of its `Finding`; for a step its critical_size.
        x: Sizes of the points.
        y: Their values.
        sizes: The sizes of the band.

    Returns:
        The curve and its band. NaN where there is no fit; the ends are NaN if no point is left to estimate the noise.
        Between the two sizes around a step, the band contains both levels.
    """
    if kind in (CurveKind.POWER_LAW, CurveKind.BROKEN_POWER_LAW) and not _answered(parameters):
        kind = CurveKind.LINEAR
    if kind not in _COLUMNS:
        return Band(*np.full((3, *sizes.shape), np.nan))
    columns, wanted = (_COLUMNS[kind](parameters, place) for place in (x, sizes))
    best = np.linalg.lstsq(columns, y)[0]
    if kind in _CURVES:
        value, rest = _CURVES[kind](parameters, sizes), y - _CURVES[kind](parameters, x)
    else:
        value, rest = wanted @ best, y - columns @ best
    told = np.any(columns != 0, axis=0)
    if kind == CurveKind.BROKEN_POWER_LAW:
        told[-len(parameters["f"]) :] &= _resolved(parameters, x)
    half = half_width(columns[:, told], wanted[:, told], rest)
    low, high = value - half, value + half
    if kind == CurveKind.STEP:
        before = x < parameters["critical_size"]
        jump = (sizes > x[before].max()) & (sizes < x[~before].min())
        reach = half_width(columns, np.eye(2), rest)
        low, high = np.where(jump, (best - reach).min(), low), np.where(jump, (best + reach).max(), high)
    return Band(value, low, high)


def half_width(
    columns: Float[np.ndarray, "n parameters"],
    wanted: Float[np.ndarray, "sizes parameters"],
    rest: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " sizes"]:
    """Half of the pointwise 95 % interval of a fit.

    Args:
        columns: Derivatives of the curve by its parameters at the points; times the root of their weights, if any.
        wanted: The same at the sizes of the interval.
        rest: Residuals at the points; times the root of their weights.

    Returns:
        The half widths; NaN if no point is left to estimate the noise.
    """
    dof = len(rest) - columns.shape[1]
    if dof < 1:
        return np.full(len(wanted), np.nan)
    scale = np.linalg.norm(columns, axis=0)
    influence = wanted / scale @ np.linalg.pinv(columns / scale, rcond=1e-10)
    return stdtrit(dof, 0.975) * np.sqrt(np.sum(rest**2) / dof) * np.linalg.norm(influence, axis=1)


def shade(
    ax: "Axes",
    x: Float[np.ndarray, " n"],
    low: Float[np.ndarray, " n"],
    high: Float[np.ndarray, " n"],
    color: Any,
) -> None:
    """Fill a band lightly, without widening the limits of the panel."""
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
    """Whether a bend is wide enough for the points to resolve its width [breaks]."""
    known, place = np.unique(np.log(x / p["reference"])), np.log(p["d"])
    after = np.clip(np.searchsorted(known, place), 1, len(known) - 1)
    return np.asarray(p["f"]) > 1.01 * _UNRESOLVED * (known[after] - known[after - 1])


def _polynomial(degree: int) -> Callable[[Mapping[str, Any], np.ndarray], np.ndarray]:
    """Powers of log10 of the size."""
    return lambda _, sizes: np.log10(sizes)[:, None] ** np.arange(degree + 1)


def _sides(p: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
    after = sizes >= p["critical_size"]
    return np.stack([~after, after], axis=1).astype(float)


# The curves whose parameters a fit has found; the others are least squares in their columns.
_CURVES = {
    CurveKind.SIGMOID: _sigmoid,
    CurveKind.POWER_LAW: _power_law,
    CurveKind.BROKEN_POWER_LAW: _broken_power_law,
}
# Derivatives [m, p] of the curve of each kind by its parameters.
_COLUMNS = {
    CurveKind.CONSTANT: _polynomial(0),
    CurveKind.LINEAR: _polynomial(1),
    CurveKind.POWER_LAW: _by_power_law,
    CurveKind.BROKEN_POWER_LAW: _by_broken_power_law,
    CurveKind.SIGMOID: _by_sigmoid,
    CurveKind.STEP: _sides,
}
