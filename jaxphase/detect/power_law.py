"""A power law with a floor: `y = floor + amplitude * x**exponent` (Hestness et al. 2017; Hoffmann et al. 2022)."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.batched import curve_detector
from jaxphase.detect.least_squares import (
    Shape,
    Theta,
    Unit,
    axis_unit,
    fit_shape,
    standard_errors,
    standard_values,
    weighted_mean,
)
from jaxphase.detect.points import Points, count, distinct
from jaxphase.detect.status import Status, answered, first_true

# Steepest exponent, per half range of ln x: at 20 the curve is a floor and one or two points.
_STEEPEST = 20.0
_STARTS = np.outer([-1, 1], np.geomspace(0.05, _STEEPEST, 24)).reshape(-1, 1)


class PowerLaw(NamedTuple):
    """A fitted power law, `y = floor + amplitude * x**exponent`.

    Attributes:
        floor: The floor, in units of y, `[...]`.
        amplitude: What the law adds to the floor at x = 1, `[...]`.
        exponent: The exponent, `[...]`.
        floor_se: Standard error of `floor`, `[...]`.
        amplitude_se: Standard error of `amplitude`, `[...]`.
        exponent_se: Standard error of `exponent`, `[...]`.
        sse: Weighted sum of squared errors, with weights of mean one, `[...]`.
        r2: Share of the variance that the fit explains, `[...]`.
        status: `Status`, `[...]`; see `fit_power_law`.
    """

    floor: Float[Array, "*curves"]
    amplitude: Float[Array, "*curves"]
    exponent: Float[Array, "*curves"]
    floor_se: Float[Array, "*curves"]
    amplitude_se: Float[Array, "*curves"]
    exponent_se: Float[Array, "*curves"]
    sse: Float[Array, "*curves"]
    r2: Float[Array, "*curves"]
    status: Int[Array, "*curves"]


def fit_power_law(x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None, floor: bool = True) -> PowerLaw:
    """Fit `y = floor + amplitude * x**exponent` to each curve by least squares in the units of y.

    The amplitude is the value at x = 1, far from most data: its error is often as large, and correlated with the error
    of the exponent. Derivatives by x and y are exact.

    Args:
        x: Positions, `[..., n]`, positive and not logged; points with `x <= 0` are missing.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.
        floor: False holds the floor and its error at 0.

    Returns:
        A `PowerLaw`. Its status is `AT_BOUND` if the exponent is at the edge of the search, 20 per half range of ln x;
        `NOT_IDENTIFIED`, all NaN, if y is constant or a straight line in log x, or the amplitude overflows (without a
        floor: if y is 0); `TOO_FEW_POINTS`, all NaN, with fewer than four points or three different x (without a floor
        three and two). A law that is lost in noise has status `OK` and large errors.

    Raises:
        ValueError: If the shapes do not broadcast.

    Example:
        >>> law = jaxphase.detect.fit_power_law(sizes, loss)
        >>> law.exponent, law.exponent_se

    References:
        Hestness et al. (2017), arXiv 1712.00409; Hoffmann et al. (2022), arXiv 2203.15556.
    """
    return _fit_power_law(x, y, weight=weight, floor=floor)


@curve_detector(static=("floor",), choices={"floor": (True, False)})
def _fit_power_law(x: Points, y: Points, weight: Points, *, floor: bool) -> PowerLaw:
    """The power law of one curve."""
    weight = jnp.where(x > 0, weight, 0)
    log_x = jnp.log(jnp.where(weight > 0, x, jnp.where(x[-1] > 0, x[-1], 1)))
    axis, (v, unit) = axis_unit(log_x, weight), standard_values(y, weight)
    if not floor:
        unit = Unit(jnp.zeros_like(unit.center), jnp.hypot(unit.center, unit.scale))
        v = y / jnp.where(unit.scale > 0, unit.scale, 1)
    u = (log_x - axis.center) / axis.scale
    fit = (fit_exponential if floor else fit_pure_exponential)(u, v, weight)

    bend = fit.theta[0]
    exponent = bend / axis.scale
    local = unit.scale * (fit.amplitude / bend if floor else fit.amplitude)
    amplitude = local * jnp.exp(-exponent * axis.center)
    grown = jnp.exp(bend * u)
    root = jnp.sqrt(weight)
    columns = [root * grown, root * local * grown * log_x, *([root] if floor else [])]
    sse = jnp.square(unit.scale) * fit.sse
    total = jnp.sum(weight * jnp.square(y - weighted_mean(y, weight)))
    error = standard_errors(jnp.stack(columns, axis=1), sse, count(weight) - len(columns))

    logarithm = jnp.abs(bend) < jnp.finfo(u.dtype).eps ** 0.5 if floor else False
    few = (count(weight) < 3 + floor) | (distinct(log_x, weight) < 2 + floor)
    result = PowerLaw(
        floor=unit.center + unit.scale * fit.floor - local if floor else jnp.zeros_like(local),
        amplitude=amplitude,
        exponent=exponent,
        floor_se=error[2] if floor else jnp.zeros_like(local),
        amplitude_se=error[0] * jnp.exp(-exponent * axis.center),
        exponent_se=error[1],
        sse=sse,
        r2=1 - sse / total,
        status=first_true(
            (few, Status.TOO_FEW_POINTS),
            (~jnp.isfinite(amplitude) | (amplitude == 0) | logarithm, Status.NOT_IDENTIFIED),
            (jnp.abs(bend) >= _STEEPEST, Status.AT_BOUND),
        ),
    )
    return answered(result, result.status < Status.NOT_IDENTIFIED)


def fit_exponential(u: Points, v: Points, weight: Points) -> Shape:
    """The same law on a logarithmic axis u in [-1, 1]: `v = floor + amplitude * expm1(bend * u) / bend`."""
    bound = jnp.full((1,), _STEEPEST, u.dtype)
    return fit_shape(_exponential, u, v, weight, grid=_STARTS, low=-bound, high=bound)


def fit_pure_exponential(u: Points, v: Points, weight: Points) -> Shape:
    """The same without a floor, `v = amplitude * exp(bend * u)`."""
    bound = jnp.full((1,), _STEEPEST, u.dtype)
    grown = lambda theta, u: jnp.exp(theta[0] * u)  # noqa: E731
    return fit_shape(grown, u, v, weight, grid=_STARTS, low=-bound, high=bound, floor=False)


def _exponential(theta: Theta, u: Points) -> Points:
    """Box and Cox's form, a line for no bend: the search passes from decay to growth without a pole."""
    bend = jnp.where(theta[0] == 0, jnp.finfo(u.dtype).tiny, theta[0])
    return jnp.expm1(bend * u) / bend
