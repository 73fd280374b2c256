"""Where curves of two sizes cross, and how much steeper the larger size is: the critical point without a collapse.

A quantity without dimension, such as a Binder cumulant or the share of seeds that succeed, is the same for all sizes at
the critical point (Binder 1981, Z. Phys. B 43, 119). The quotient of the slopes is (L'/L)**(1/nu): the
phenomenological renormalization of Nightingale (1976, Physica A 83, 561).
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

LEAST_POINTS = 5
DEGREES = (1, 2, 3, 4, 5)
DENSE = 512  # places at which a change of sign is looked for


class Crossings(NamedTuple):
    """One crossing for every two successive sizes, and the joint result of all crossings.

    Attributes:
        size: Geometric mean of the two sizes, `[pairs]`.
        control: Control at which the curves cross, `[pairs]`; NaN if they do not cross within the range of both.
        control_se: Its standard error, `[pairs]`.
        value: Value at the crossing, `[pairs]`.
        value_se: Its standard error, `[pairs]`.
        inverse_nu: `ln(slope' / slope) / ln(L' / L)`, `[pairs]`.
        inverse_nu_se: Its standard error, `[pairs]`.
        critical: Mean of all crossings, weighted by their covariance.
        critical_se: Its standard error.
        drift: Change of the crossing per e-folding of the size.
        drift_p_value: Probability of at least such a drift by chance.
    """

    size: Float[np.ndarray, " pairs"]
    control: Float[np.ndarray, " pairs"]
    control_se: Float[np.ndarray, " pairs"]
    value: Float[np.ndarray, " pairs"]
    value_se: Float[np.ndarray, " pairs"]
    inverse_nu: Float[np.ndarray, " pairs"]
    inverse_nu_se: Float[np.ndarray, " pairs"]
    critical: float
    critical_se: float
    drift: float
    drift_p_value: float


def crossings(size: npt.ArrayLike, control: npt.ArrayLike, value: npt.ArrayLike, error: npt.ArrayLike) -> Crossings:
    """Find where the curves of successive sizes cross.

    Each curve is a polynomial of the control by weighted least squares. All have one degree up to 5, the one with the
    least AICc summed over sizes, or as near to it as the points of a size allow. Of several crossings of two curves the
    one where they are steepest counts. The misfit of the polynomials cancels in 1/nu only if each size is measured over
    a range that narrows as `L**(-1/nu)`; with one range for all sizes, 1/nu comes out too small. Coverage: see the page
    "Transition or crossover?".

    Args:
        size: Size, `[points]`; each measurement is a row, in any order, as for `collapse`.
        control: Control, `[points]`.
        value: Measured value, `[points]`.
        error: Standard error of the value, `[points]`; a row without a positive one is missing.

    Returns:
        `Crossings`, computed on the host. A crossing is NaN where two curves do not cross or one has fewer than five
        different controls. A small `drift_p_value` means that there are corrections to scaling, so that the mean of the
        crossings is not the critical point of large sizes.

    Raises:
        ValueError: If the columns differ in shape.

    Example:
        >>> found = jaxphase.scaling.crossings(size, control, binder.value, binder.se)
        >>> found.critical, found.critical_se

    References:
        Hurvich & Tsai (1989), Biometrika 76, 297, on AICc.
    """
    size, control, value, error = (np.asarray(column, float) for column in (size, control, value, error))
    if not size.shape == control.shape == value.shape == error.shape or size.ndim != 1:
        raise ValueError(
            f"The columns must have one shape [points], got size {size.shape}, control {control.shape}, "
            f"value {value.shape} and error {error.shape}"
        )
    present = np.isfinite(size) & np.isfinite(control) & np.isfinite(value) & (error > 0)
    sizes = np.unique(size[present])
    rows = [present & (size == one) for one in sizes]
    curves = _curves([(float(one), control[row], value[row], error[row]) for one, row in zip(sizes, rows, strict=True)])
    pairs = [_crossing(*pair) for pair in itertools.pairwise(curves)]
    found = np.array([pair.answers for pair in pairs]).reshape(-1, 3)
    covariance = _covariance(curves, pairs)
    errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    middle = np.sqrt(sizes[:-1] * sizes[1:])
    critical, critical_se, drift, drift_p_value = _together(np.log(middle), found[:, 0], covariance[0])
    return Crossings(
        size=middle,
        control=found[:, 0],
        control_se=errors[0],
        value=found[:, 1],
        value_se=errors[1],
        inverse_nu=found[:, 2],
        inverse_nu_se=errors[2],
        critical=critical,
        critical_se=critical_se,
        drift=drift,
        drift_p_value=drift_p_value,
    )


class _Curve(NamedTuple):
    """A polynomial of (control - center) / half, its covariance, and the range [low, high] that was measured."""

    size: float
    low: float
    high: float
    center: float
    half: float
    coefficients: Float[np.ndarray, " terms"]
    covariance: Float[np.ndarray, "terms terms"]

    def at(self, control: npt.ArrayLike, derivative: int = 0) -> Float[np.ndarray, "*shape terms"]:
        """Rows whose product with the coefficients is the curve, or a derivative of it."""
        t, powers = (np.asarray(control)[..., None] - self.center) / self.half, np.arange(len(self.coefficients))
        factor = math.prod(powers - k for k in range(derivative)) if derivative else 1
        return factor * t ** np.maximum(powers - derivative, 0) / self.half**derivative


_Row = tuple[float, Float[np.ndarray, "_"], Float[np.ndarray, "_"], Float[np.ndarray, "_"]]  # any length


def _curves(rows: list[_Row]) -> list[_Curve | None]:
    """Polynomials of the one degree with the least AICc summed over sizes.

    As functions of the scaled control, all curves then have the same misfit, and it cancels in the quotient of slopes.
    """
    fits = [[_curve(*row, degree) for row in rows] for degree in DEGREES]
    return [curve for curve, _ in min(fits, key=lambda curves: sum(aicc for _, aicc in curves))]


def _curve(
    size: float,
    control: Float[np.ndarray, " n"],
    value: Float[np.ndarray, " n"],
    error: Float[np.ndarray, " n"],
    degree: int,
) -> tuple[_Curve | None, float]:
    """The polynomial, of a degree as near as its points allow, and its AICc.

    The covariance grows with chi-squared per degree of freedom where that is above one.
    """
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
    """control, value and inverse_nu, with their derivatives by the coefficients of the smaller and the larger curve."""

    answers: Float[np.ndarray, "3"]
    by_small: Float[np.ndarray, "3 small_terms"]
    by_large: Float[np.ndarray, "3 large_terms"]


def _crossing(small: _Curve | None, large: _Curve | None) -> _Crossing:
    """The crossing of two curves, NaN if there is none."""
    by_small, by_large = (np.full((3, len(c.coefficients) if c else 1), math.nan) for c in (small, large))
    nothing = _Crossing(np.full(3, math.nan), by_small, by_large)
    if small is None or large is None:
        return nothing
    curves = small, large
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
    slopes = []
    for curve, own, sign in zip(curves, slope, (1, -1), strict=True):
        move = sign * curve.at(place) / (slope[1] - slope[0])
        of_value = slope[0] * move + (sign > 0) * curve.at(place)
        of_ratio = (bend[1] / slope[1] - bend[0] / slope[0]) * move - sign * curve.at(place, 1) / own
        slopes.append(np.stack([move, of_value, of_ratio / growth]))
    return _Crossing(np.array([place, small.at(place) @ small.coefficients, inverse_nu]), slopes[0], slopes[1])


def _covariance(curves: list[_Curve | None], pairs: list[_Crossing]) -> Float[np.ndarray, "3 pairs pairs"]:
    """Covariance over all crossings of control, value and inverse_nu; successive crossings share a curve."""
    covariance = np.zeros((3, len(pairs), len(pairs)))
    for i, pair in enumerate(pairs):
        for curve, by in ((curves[i], pair.by_small), (curves[i + 1], pair.by_large)):
            covariance[:, i, i] += np.einsum("ac,cd,ad->a", by, curve.covariance, by) if curve else math.nan
        if i:
            between = curves[i]
            shared = between.covariance if between else math.nan * np.eye(1)
            both = np.einsum("ac,cd,ad->a", pairs[i - 1].by_large, shared, pair.by_small)
            covariance[:, i, i - 1] = covariance[:, i - 1, i] = both
    return covariance


def _together(
    log_size: Float[np.ndarray, " pairs"],
    control: Float[np.ndarray, " pairs"],
    covariance: Float[np.ndarray, "pairs pairs"],
) -> tuple[float, float, float, float]:
    """Mean of the crossings by least squares and its error, their drift with the size and its p-value."""
    there = np.flatnonzero(np.isfinite(control) & np.isfinite(np.diag(covariance)))
    if not len(there):
        return math.nan, math.nan, math.nan, math.nan
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
