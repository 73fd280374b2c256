"""A power law with a floor: `y = floor + amplitude * x**exponent` (Hestness et al. 2017; Hoffmann et al. 2022)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .batched import curve_detector
from .least_squares import axis_unit, fit_shape, standard_errors, standard_values, weighted_mean
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


@curve_detector()
def fit_power_law(x, y, weight) -> PowerLaw:
    """Fit `y = floor + amplitude * x**exponent` by least squares in the units of y.

    x, y, weight: `[..., n]`; x is positive and is not logged by the caller (points with x <= 0 count as missing),
    weight is the relative inverse variance. Every field has shape `[...]`. amplitude is what the law adds to the floor
    at x = 1, far from most data: its standard error is often as large as itself, and correlated with that of exponent.

    status 1: the exponent is at the edge of the search, 20 per half range of ln x. status 2: y does not vary, or as
    log x (exponent 0, infinite floor), and every estimate is NaN. status 3: fewer than four points or three
    different x, all NaN.
    Derivatives with respect to x and y are those of the exact minimum.
    """
    weight = jnp.where(x > 0, weight, 0)
    log_x = jnp.log(jnp.where(weight > 0, x, jnp.where(x[-1] > 0, x[-1], 1)))
    axis, (v, unit) = axis_unit(log_x, weight), standard_values(y, weight)
    u = (log_x - axis.center) / axis.scale
    fit = fit_exponential(u, v, weight)

    bend = fit.theta[0]
    exponent = bend / axis.scale
    local = unit.scale * fit.amplitude / bend
    amplitude, floor = local * jnp.exp(-exponent * axis.center), unit.center + unit.scale * fit.floor - local
    grown = jnp.exp(bend * u)
    root = jnp.sqrt(weight)
    jacobian = jnp.stack([root, root * grown, root * local * grown * log_x], axis=1)
    sse = jnp.square(unit.scale) * fit.sse
    total = jnp.sum(weight * jnp.square(y - weighted_mean(y, weight)))
    error = standard_errors(jacobian, sse, count(weight) - 3)

    result = PowerLaw(
        floor=floor,
        amplitude=amplitude,
        exponent=exponent,
        floor_se=error[0],
        amplitude_se=error[1] * jnp.exp(-exponent * axis.center),
        exponent_se=error[2],
        sse=sse,
        r2=1 - sse / total,
        status=first_true(
            ((count(weight) < 4) | (distinct(log_x, weight) < 3), TOO_FEW_POINTS),
            (~jnp.isfinite(amplitude) | (amplitude == 0), NOT_IDENTIFIED),
            (jnp.abs(bend) >= _STEEPEST, AT_BOUND),
        ),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def fit_exponential(u, v, weight):
    """The same law on an axis u in [-1, 1] that is logarithmic: `v = floor + amplitude * expm1(bend * u) / bend`."""
    bound = jnp.full((1,), _STEEPEST, u.dtype)
    return fit_shape(_exponential, u, v, weight, grid=_STARTS, low=-bound, high=bound)


def _exponential(theta, u):
    """Box & Cox: the line is the member with no bend, so the search crosses from decay to growth without a pole."""
    bend = jnp.where(theta[0] == 0, jnp.finfo(u.dtype).tiny, theta[0])
    return jnp.expm1(bend * u) / bend
