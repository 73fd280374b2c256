"""Where curves of two sizes cross, and how much steeper the larger is there: the critical point without a collapse.

A quantity without dimension, such as a Binder cumulant or the share of seeds that succeed, is the same for all sizes at
the critical point (Binder 1981, Z. Phys. B 43, 119). The quotient of the slopes is (L'/L)**(1/nu): Nightingale's
phenomenological renormalization (1976, Physica A 83, 561).
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

LEAST_POINTS = 5
DEGREES = (1, 2, 3, 4, 5)
DENSE = 512  # places where a change of sign is looked for


class Crossings(NamedTuple):
    """One crossing for every two successive sizes, every field [sizes - 1] but the last four; see `crossings`."""

    size: np.ndarray
    control: np.ndarray
    control_se: np.ndarray
    value: np.ndarray
    value_se: np.ndarray
    inverse_nu: np.ndarray
    inverse_nu_se: np.ndarray
    critical: float
    critical_se: float
    drift: float
    drift_p: float


def crossings(size, control, value, error) -> Crossings:
    """Crossings of the curves of successive sizes, of rows [points] as `collapse` takes them, errors > 0.

    Each curve is a polynomial of the control by weighted least squares, all of the one degree up to 5 with the least
    AICc (Hurvich and Tsai 1989, Biometrika 76, 297) summed over sizes, or as near to it as the points of a size allow;
    of several crossings the one where the curves are steepest counts. size: the geometric mean of the two; control,
    value: where they cross; inverse_nu: ln(slope' / slope) / ln(L' / L). NaN where two curves do not cross within both,
    or have fewer than five points.
    All errors follow from those of the polynomials. What a polynomial misses leaves the quotient of slopes only if each
    size is measured over a range that narrows as L**(-1/nu). Then two errors cover 98 to 99.9 % for inverse_nu, for
    crossings and for their mean; two means of 2100 were more than six errors away, where curves with errors of 0.5 to
    5 % crossed at their flat ends. With one range for sizes in ratios of 4 to 8, two errors cover only 51 to 73 % for
    inverse_nu, which comes out too small, and 74 to 88 % for the mean.
    critical, critical_se: the mean of all crossings, weighted by their covariance, for successive ones share a curve;
    drift: the change of the crossing per e-folding of the size, drift_p the probability of as much without any. Where
    that is small there are corrections to scaling, and the mean is not the critical point of large sizes.
    """
    size, control, value, error = (np.asarray(column, float) for column in (size, control, value, error))
    if not size.shape == control.shape == value.shape == error.shape or size.ndim != 1:
        raise ValueError(
            f"rows must be of one shape [points], got size {size.shape}, control {control.shape}, value {value.shape} "
            f"and error {error.shape}"
        )
    present = np.isfinite(size) & np.isfinite(control) & np.isfinite(value) & (error > 0)
    sizes = np.unique(size[present])
    rows = [present & (size == one) for one in sizes]
    curves = _curves([(one, control[row], value[row], error[row]) for one, row in zip(sizes, rows, strict=True)])
    pairs = [_crossing(*pair) for pair in itertools.pairwise(curves)]
    found = np.array([pair.answers for pair in pairs]).reshape(-1, 3)
    covariance = _covariance(curves, pairs)
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    middle = np.sqrt(sizes[:-1] * sizes[1:])
    columns = [column for pair in zip(found.T, error, strict=True) for column in pair]
    return Crossings(middle, *columns, *_together(np.log(middle), found[:, 0], covariance[0]))


class _Curve(NamedTuple):
    """A polynomial of (control - center) / half, [degree + 1] and its covariance, over the range that was measured."""

    size: float
    low: float
    high: float
    center: float
    half: float
    coefficients: np.ndarray
    covariance: np.ndarray

    def at(self, control: np.ndarray, derivative: int = 0) -> np.ndarray:
        """Rows [..., degree + 1] whose product with the coefficients is the curve, or a derivative of it."""
        t, powers = (np.asarray(control)[..., None] - self.center) / self.half, np.arange(len(self.coefficients))
        factor = math.prod(powers - k for k in range(derivative)) if derivative else 1
        return factor * t ** np.maximum(powers - derivative, 0) / self.half**derivative


def _curves(rows: list[tuple]) -> list[_Curve | None]:
    """Polynomials of the one degree with the least AICc summed over sizes: what a polynomial misses of one curve in the
    scaled variable it then misses of all, and the quotient of two slopes is without it."""
    fits = [[_curve(*row, degree) for row in rows] for degree in DEGREES]
    return [curve for curve, _ in min(fits, key=lambda curves: sum(aicc for _, aicc in curves))]


def _curve(
    size: float, control: np.ndarray, value: np.ndarray, error: np.ndarray, degree: int
) -> tuple[_Curve | None, float]:
    """The polynomial, of a degree as near as its points allow, and its AICc; its covariance grows with chi-squared
    where that is above its degrees of freedom."""
    n = len(np.unique(control))
    if n < LEAST_POINTS:
        return None, 0.0
    low, high = control.min(), control.max()
    center, half, count = (low + high) / 2, (high - low) / 2, min(degree, n - 3) + 1
    columns = ((control - center) / half)[:, None] ** np.arange(count) / error[:, None]
    inverse = np.linalg.pinv(columns)
    coefficients = inverse @ (value / error)
    chi2 = np.sum((value / error - columns @ coefficients) ** 2)
    stretch = max(1.0, chi2 / (len(value) - count))
    aicc = chi2 + 2 * count * len(value) / (len(value) - count - 1)
    return _Curve(size, low, high, center, half, coefficients, stretch * inverse @ inverse.T), aicc


class _Crossing(NamedTuple):
    """control, value, inverse_nu [3], and their derivatives by the coefficients of the smaller curve and the larger."""

    answers: np.ndarray
    by_small: np.ndarray
    by_large: np.ndarray


def _crossing(small: _Curve | None, large: _Curve | None) -> _Crossing:
    curves = small, large
    nothing = _Crossing(
        *(np.full((3, *shape), math.nan) for shape in ((), *((len(c.coefficients),) if c else (1,) for c in curves)))
    )
    if small is None or large is None:
        return nothing
    controls = np.linspace(max(small.low, large.low), min(small.high, large.high), DENSE)
    gap = large.at(controls) @ large.coefficients - small.at(controls) @ small.coefficients
    change = np.flatnonzero(np.signbit(gap[1:]) != np.signbit(gap[:-1]))
    if controls[0] >= controls[-1] or not len(change):
        return nothing
    steep = sum(abs(curve.at(controls[change], 1) @ curve.coefficients) for curve in curves)
    at = change[np.argmax(steep)]
    place = controls[at] - gap[at] * (controls[at + 1] - controls[at]) / (gap[at + 1] - gap[at])

    slope = [curve.at(place, 1) @ curve.coefficients for curve in curves]
    bend = [curve.at(place, 2) @ curve.coefficients for curve in curves]
    growth = math.log(large.size / small.size)
    inverse_nu = math.log(slope[1] / slope[0]) / growth if slope[1] * slope[0] > 0 else math.nan
    by_coefficients = []
    for curve, own, sign in zip(curves, slope, (1, -1), strict=True):
        move = sign * curve.at(place) / (slope[1] - slope[0])
        of_value = slope[0] * move + (sign > 0) * curve.at(place)
        of_ratio = (bend[1] / slope[1] - bend[0] / slope[0]) * move - sign * curve.at(place, 1) / own
        by_coefficients.append(np.stack([move, of_value, of_ratio / growth]))
    return _Crossing(np.array([place, small.at(place) @ small.coefficients, inverse_nu]), *by_coefficients)


def _covariance(curves: list[_Curve | None], pairs: list[_Crossing]) -> np.ndarray:
    """Of each answer over all crossings [3, pairs, pairs]."""
    covariance = np.zeros((3, len(pairs), len(pairs)))
    for i, pair in enumerate(pairs):
        for curve, by in ((curves[i], pair.by_small), (curves[i + 1], pair.by_large)):
            covariance[:, i, i] += np.einsum("ac,cd,ad->a", by, curve.covariance, by) if curve else math.nan
        if i:
            shared = curves[i].covariance if curves[i] else math.nan * np.eye(1)
            both = np.einsum("ac,cd,ad->a", pairs[i - 1].by_large, shared, pair.by_small)
            covariance[:, i, i - 1] = covariance[:, i - 1, i] = both
    return covariance


def _together(log_size: np.ndarray, control: np.ndarray, covariance: np.ndarray) -> tuple[float, float, float, float]:
    """Mean of the crossings by least squares and its error, their drift with the size and its p-value."""
    there = np.flatnonzero(np.isfinite(control) & np.isfinite(np.diag(covariance)))
    if not len(there):
        return (math.nan,) * 4
    precision = np.linalg.inv(covariance[np.ix_(there, there)])
    one, control = np.ones(len(there)), control[there]
    weight = precision @ one / precision.sum()
    mean, error = weight @ control, 1 / math.sqrt(precision.sum())
    if len(there) < 2:
        return float(mean), error, math.nan, math.nan
    away = log_size[there] - weight @ log_size[there]
    drift = (away @ precision @ control) / (away @ precision @ away)
    z = abs(drift) * math.sqrt(away @ precision @ away)
    return float(mean), error, float(drift), math.erfc(z / math.sqrt(2))
