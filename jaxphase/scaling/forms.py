"""Which law does a quantity follow with size: a power, an exponential, a logarithm or a stretched exponential?

    power law               y = constant + amplitude * x**exponent
    exponential             y = constant + amplitude * exp(-x / length)
    logarithmic             y = constant + amplitude * ln(x)
    stretched exponential   y = constant + amplitude * exp(-(x / length)**exponent), exponent 0.1 to 5

All four are fitted in the units of the quantity itself and compared by one likelihood, with Gaussian noise of unknown
variance. None is favored by axes on which it happens to be a straight line (Clauset, Shalizi & Newman 2009, SIAM Rev.
51, 661, on how little such lines prove).
"""

from enum import IntEnum
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.batched import curve_detector
from jaxphase.detect.least_squares import Unit, axis_unit, fit_shape, project, standard_errors, standard_values
from jaxphase.detect.points import count, distinct
from jaxphase.detect.power_law import fit_exponential
from jaxphase.detect.status import Status, answered, first_true


class FormKind(IntEnum):
    """The law that a quantity follows, or why there is none."""

    POWER_LAW = 0
    EXPONENTIAL = 1
    LOGARITHMIC = 2
    STRETCHED_EXPONENTIAL = 3
    CONSTANT = 4
    TOO_FEW_POINTS = 5


_FORMS = 4  # laws, in the order of FormKind
# Fitted numbers of each law: constant, amplitude, those of its shape and the variance of the noise.
_PARAMETERS = np.array([4, 4, 3, 5])
# A law is decided if no other is within this of its BIC, and there is one if a constant is not ("positive" evidence,
# Kass & Raftery 1995, J. Am. Stat. Assoc. 90, 773).
_DECIDED = 2.0
# Bounds on ln of (x / length)**exponent: at the last point at least 0.05, else no decay is seen; at the first point at
# most 30, else the decay is over.
_LEAST_DECAY, _MOST_DECAY = np.log(0.05), np.log(30)
_FLATTEST, _STEEPEST = np.log(0.1), np.log(5)  # exponents of a stretched exponential
_STEEPEST_POWER = 20.0
_STARTS = np.stack([a.ravel() for a in np.meshgrid(np.linspace(-14, 14, 71), np.linspace(-2.3, 3.9, 16))], axis=1)

_Curve = tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]


class ScalingForms(NamedTuple):
    """Fits of four laws, in the order of `FormKind`; NaN for a number that a law does not have.

    Attributes:
        kind: `FormKind` with the least BIC, `[...]`; see `scaling_forms`.
        decided: Whether no other law is within 2 of its BIC, `[...]`.
        bic: Bayesian information criterion, `[..., 4]`.
        weights: Shares of `exp(-bic / 2)`, `[..., 4]`.
        constant: Constant of each law, `[..., 4]`.
        amplitude: Amplitude, `[..., 4]`.
        exponent: Exponent of the power law and of the stretched exponential, `[..., 4]`.
        length: Length of the two exponentials, `[..., 4]`.
        constant_se: Standard error of the constant, `[..., 4]`.
        amplitude_se: Standard error of the amplitude, `[..., 4]`.
        exponent_se: Standard error of the exponent, `[..., 4]`.
        length_se: Standard error of the length, `[..., 4]`.
        sse: Weighted sum of squared errors, `[..., 4]`.
        status: `Status`, `[...]`; see `scaling_forms`.
    """

    kind: Int[Array, "*curves"]
    decided: Bool[Array, "*curves"]
    bic: Float[Array, "*curves forms"]
    weights: Float[Array, "*curves forms"]
    constant: Float[Array, "*curves forms"]
    amplitude: Float[Array, "*curves forms"]
    exponent: Float[Array, "*curves forms"]
    length: Float[Array, "*curves forms"]
    constant_se: Float[Array, "*curves forms"]
    amplitude_se: Float[Array, "*curves forms"]
    exponent_se: Float[Array, "*curves forms"]
    length_se: Float[Array, "*curves forms"]
    sse: Float[Array, "*curves forms"]
    status: Int[Array, "*curves"]


class _Fitted(NamedTuple):
    """One law in the units of the standardized y: sum of squares, values and errors of its numbers, whether at a bound.

    The numbers are constant, amplitude, exponent and length.
    """

    sse: Float[Array, "*forms"]
    values: Float[Array, "*forms 4"]
    errors: Float[Array, "*forms 4"]
    at_bound: Bool[Array, "*forms"]


def scaling_forms(x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None) -> ScalingForms:
    """Fit four laws by least squares in the units of y and compare them by BIC.

    The laws are a power law, an exponential, a logarithm and a stretched exponential, each with a constant. Their
    weights do not depend on the units of x and y, nor on a shift of y. Believe `kind` only where `decided` is true.
    Error rates: see the page "Transition or crossover?".

    Args:
        x: Sizes, times or distances, `[..., n]`, as they are (not logarithms); a point without a positive x is missing.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.

    Returns:
        `ScalingForms`. If y is constant, or no law beats a constant by 2 in BIC, the kind is CONSTANT and the status
        NOT_IDENTIFIED. For fewer than seven points or five different x both are TOO_FEW_POINTS. All numbers are NaN
        then. The status is AT_BOUND if the best law is at the edge of its search: an exponent of 20 per half range of
        ln x, or a length so far outside the data that no decay is seen.

    Raises:
        ValueError: If the shapes do not broadcast.

    Example:
        >>> found = jaxphase.scaling.scaling_forms(sizes, loss)
        >>> jaxphase.scaling.FormKind(found.kind).name, found.decided

    References:
        Schwarz (1978), Ann. Stat. 6, 461.
    """
    return _scaling_forms(x, y, weight=weight)


@curve_detector()
def _scaling_forms(x: Float[Array, " n"], y: Float[Array, " n"], weight: Float[Array, " n"]) -> ScalingForms:
    weight = jnp.where(x > 0, weight, 0)
    n = count(weight)
    weight = weight * n / jnp.maximum(jnp.sum(weight), 1e-30)
    log_x = jnp.log(jnp.where(weight > 0, x, jnp.where(x[-1] > 0, x[-1], 1)))
    axis, (v, unit) = axis_unit(log_x, weight), standard_values(y, weight)
    curve = (log_x - axis.center) / axis.scale, v, weight
    fits = _power_law(curve, axis), _logarithm(curve, axis), _decays(curve, axis)
    # In the order of FormKind.
    fit: _Fitted = jax.tree.map(lambda power, log, decay: jnp.stack([power, decay[0], log, decay[1]]), *fits)

    rounding = jnp.square(8 * jnp.finfo(y.dtype).eps * (1 + jnp.abs(unit.center) / unit.scale))
    # In units of y's standard deviation a constant leaves n.
    deviance = n * (jnp.log(2 * jnp.pi * jnp.maximum(fit.sse / jnp.maximum(n, 1), rounding)) + 1)
    relative = deviance + _PARAMETERS * jnp.log(jnp.maximum(n, 1))
    constant = n * (jnp.log(2 * jnp.pi) + 1) + 2 * jnp.log(jnp.maximum(n, 1))
    best = jnp.argmin(relative)
    runner_up = jnp.min(jnp.where(jnp.arange(_FORMS) == best, jnp.inf, relative))

    scales = jnp.asarray([unit.scale, unit.scale, 1, 1])
    shift = jnp.zeros(4, y.dtype).at[0].set(unit.center)
    values, errors = (shift + scales * fit.values).T, (scales * fit.errors).T
    status = first_true(
        ((n < 7) | (distinct(log_x, weight) < 5), Status.TOO_FEW_POINTS),
        (~jnp.any(v != 0) | (constant - relative[best] < _DECIDED), Status.NOT_IDENTIFIED),
        (fit.at_bound[best], Status.AT_BOUND),
    )
    known = status < Status.NOT_IDENTIFIED
    missing = FormKind.TOO_FEW_POINTS, FormKind.CONSTANT
    result = ScalingForms(
        kind=jnp.where(known, best, jnp.where(status == Status.TOO_FEW_POINTS, *missing)).astype(jnp.int32),
        decided=known & (runner_up - relative[best] >= _DECIDED),
        bic=relative + 2 * n * jnp.log(unit.scale),
        weights=jax.nn.softmax(-(relative - relative[best]) / 2),
        constant=values[0],
        amplitude=values[1],
        exponent=values[2],
        length=values[3],
        constant_se=errors[0],
        amplitude_se=errors[1],
        exponent_se=errors[2],
        length_se=errors[3],
        sse=jnp.square(unit.scale) * fit.sse,
        status=status,
    )
    return answered(result, known)


def _power_law(curve: _Curve, axis: Unit) -> _Fitted:
    """The power law, an exponential of ln x."""
    u, _, weight = curve
    fit = fit_exponential(*curve)
    bend = fit.theta[0]
    exponent = bend / axis.scale
    local = fit.amplitude / jnp.where(bend == 0, 1, bend)
    grown, log_x = jnp.exp(bend * u), axis.center + axis.scale * u
    away = jnp.exp(-exponent * axis.center)
    errors = _errors(weight, fit.sse, jnp.ones_like(u), grown, local * grown * log_x)
    return _Fitted(
        sse=fit.sse,
        values=jnp.stack([fit.floor - local, local * away, exponent, jnp.nan]),
        errors=jnp.stack([errors[0], errors[1] * away, errors[2], jnp.nan]),
        at_bound=jnp.abs(bend) >= _STEEPEST_POWER,
    )


def _logarithm(curve: _Curve, axis: Unit) -> _Fitted:
    """The logarithm, a straight line in ln x."""
    u, v, weight = curve
    level, slope, residual = project(u, v, weight)
    sse = jnp.sum(weight * jnp.square(residual))
    amplitude, nan = slope / axis.scale, jnp.full_like(slope, jnp.nan)
    errors = _errors(weight, sse, jnp.ones_like(u), axis.center + axis.scale * u)
    return _Fitted(
        sse=sse,
        values=jnp.stack([level - amplitude * axis.center, amplitude, nan, nan]),
        errors=jnp.stack([errors[0], errors[1], nan, nan]),
        at_bound=jnp.zeros((), bool),
    )


def _decays(curve: _Curve, axis: Unit) -> _Fitted:
    """The exponential, which is a stretched one with its exponent held at one, and the stretched one.

    theta is the logarithm of (x / length)**exponent in the middle of the data, and the logarithm of its rate along u.
    """
    rates = jnp.log(axis.scale) + jnp.asarray([[0.0, 0.0], [_FLATTEST, _STEEPEST]], axis.scale.dtype)
    reach = jnp.asarray([_LEAST_DECAY - axis.scale, _MOST_DECAY + axis.scale])
    return jax.lax.map(lambda rates: _decaying(curve, axis, *jnp.stack([reach, rates], axis=1)), rates)


def _decaying(curve: _Curve, axis: Unit, low: Float[Array, "2"], high: Float[Array, "2"]) -> _Fitted:
    """A stretched exponential with theta between these bounds."""
    u, _, weight = curve
    fit = fit_shape(_decay, *curve, grid=_STARTS, low=low, high=high)
    middle, exponent = fit.theta[0], jnp.exp(fit.theta[1]) / axis.scale
    log_length = axis.center - middle / exponent
    length, decayed = jnp.exp(log_length), _decay(fit.theta, u)
    # The fitted amplitude belongs to the first point, the amplitude of the law to x = 0.
    back = jnp.exp(_powers(fit.theta, jnp.min(u)))
    slope = fit.amplitude * decayed * _powers(fit.theta, u)
    held = low[1] == high[1]
    stretch = jnp.where(held, 0, -slope * (axis.center + axis.scale * u - log_length))
    errors = _errors(weight, fit.sse, jnp.ones_like(u), decayed, slope * exponent / length, stretch, held=held)
    edge = (fit.theta <= low) | (fit.theta >= high)
    return _Fitted(
        sse=fit.sse,
        values=jnp.stack([fit.floor, fit.amplitude * back, jnp.where(held, jnp.nan, exponent), length]),
        errors=jnp.stack([errors[0], errors[1] * back, jnp.where(held, jnp.nan, errors[3]), errors[2]]),
        at_bound=edge[0] | (edge[1] & ~held),
    )


def _decay(theta: Float[Array, "2"], u: Float[Array, " n"]) -> Float[Array, " n"]:
    """The decay, normalized to one at the first point, so that rounding does not lose one that is almost over."""
    return jnp.exp(_powers(theta, jnp.min(u)) - _powers(theta, u))


def _powers(theta: Float[Array, "2"], u: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """(x / length)**exponent, bounded, so that it cannot overflow where the exponential has long been zero."""
    return jnp.exp(jnp.minimum(theta[0] + jnp.exp(theta[1]) * u, 60.0))


def _errors(
    weight: Float[Array, " n"], sse: Float[Array, ""], *columns: Float[Array, " n"], held: Bool[Array, ""] | int = 0
) -> Float[Array, " parameters"]:
    """Standard errors from the derivatives by each number; `held` counts the parameters that are not free."""
    root = jnp.sqrt(weight)[:, None]
    return standard_errors(root * jnp.stack(columns, axis=1), sse, count(weight) - len(columns) + held)
