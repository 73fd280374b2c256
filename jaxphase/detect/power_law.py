"""A power law with a floor: `y = floor + amplitude * x**exponent` (Hestness et al. 2017; Hoffmann et al. 2022)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .batched import curve_detector
from .least_squares import Unit, axis_unit, fit_shape, standard_errors, standard_values, weighted_mean
from .points import count, distinct
from .status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

# Steepest exponent, per half range of ln x: at 20 the curve is a floor and one or two points.
_STEEPEST = 20.0
_STARTS = np.outer([-1, 1], np.geomspace(0.05, _STEEPEST, 24)).reshape(-1, 1)


class PowerLaw(NamedTuple):
    """A fitted power law with a floor; `sse` is weighted with mean weight one, `r2` its share of the variance."""

    floor: jax.Array
    amplitude: jax.Array
    exponent: jax.Array
    floor_se: jax.Array
    amplitude_se: jax.Array
    exponent_se: jax.Array
    sse: jax.Array
    r2: jax.Array
    status: jax.Array


@curve_detector(static=("floor",), choices={"floor": (True, False)})
def fit_power_law(x, y, weight, *, floor=True) -> PowerLaw:
    """Fit `y = floor + amplitude * x**exponent` by least squares in the units of y.

    x, y, weight: `[..., n]`; x is positive and is not logged by the caller (points with x <= 0 count as missing),
    weight is the relative inverse variance. floor=False holds the floor at 0, its error too. Every field has shape
    `[...]`. amplitude is what the law adds to the floor at x = 1, far from most data: its standard error is often as
    large as itself, and correlated with that of exponent.

    status 1: the exponent is at the edge of the search, 20 per half range of ln x. status 2: y does not vary, or as
    log x (exponent 0, infinite floor), or the amplitude at x = 1 is no floating number, and every estimate is NaN;
    without a floor, y is 0. status 3: fewer than four points or three different x (three and two without a floor), all
    NaN. A law that is there but lost in noise has status 0 and large errors.
    Derivatives with respect to x and y are those of the exact minimum.
    """
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
            (few, TOO_FEW_POINTS),
            (~jnp.isfinite(amplitude) | (amplitude == 0) | logarithm, NOT_IDENTIFIED),
            (jnp.abs(bend) >= _STEEPEST, AT_BOUND),
        ),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def fit_exponential(u, v, weight):
    """The same law on an axis u in [-1, 1] that is logarithmic: `v = floor + amplitude * expm1(bend * u) / bend`."""
    bound = jnp.full((1,), _STEEPEST, u.dtype)
    return fit_shape(_exponential, u, v, weight, grid=_STARTS, low=-bound, high=bound)


def fit_pure_exponential(u, v, weight):
    """The same without a floor, `v = amplitude * exp(bend * u)`."""
    bound = jnp.full((1,), _STEEPEST, u.dtype)
    grown = lambda theta, u: jnp.exp(theta[0] * u)  # noqa: E731
    return fit_shape(grown, u, v, weight, grid=_STARTS, low=-bound, high=bound, floor=False)


def _exponential(theta, u):
    """Box & Cox: the line is the member with no bend, so the search crosses from decay to growth without a pole."""
    bend = jnp.where(theta[0] == 0, jnp.finfo(u.dtype).tiny, theta[0])
    return jnp.expm1(bend * u) / bend
