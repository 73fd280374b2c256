"""The exponent nu of a diverging correlation length, from lengths at several distances to the critical control."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.batched import as_curves
from jaxphase.detect.least_squares import standard_errors
from jaxphase.detect.points import count, distinct
from jaxphase.detect.status import Status, answered, first_true

# A critical point outside the data is searched for up to this many ranges of the control away.
_FARTHEST = 10.0


class CorrelationExponent(NamedTuple):
    """A law `length = amplitude * |control - critical|**-nu`.

    Attributes:
        nu: Exponent nu, `[...]`.
        nu_se: Its standard error, `[...]`.
        critical: Critical control, `[...]`.
        critical_se: Its standard error, `[...]`; 0 if the critical control was given.
        amplitude: Amplitudes below and above the critical control, `[..., 2]`; NaN for a side without points.
        chi2: Chi-squared of the fit, `[...]`.
        dof: Its degrees of freedom, `[...]`.
        status: `Status`, `[...]`; see `fit_correlation_exponent`.
    """

    nu: Float[Array, "*curves"]
    nu_se: Float[Array, "*curves"]
    critical: Float[Array, "*curves"]
    critical_se: Float[Array, "*curves"]
    amplitude: Float[Array, "*curves 2"]
    chi2: Float[Array, "*curves"]
    dof: Int[Array, "*curves"]
    status: Int[Array, "*curves"]


def fit_correlation_exponent(
    control: ArrayLike, length: ArrayLike, error: ArrayLike, *, critical: ArrayLike | None = None
) -> CorrelationExponent:
    """Fit `length = amplitude * |control - critical|**-nu` with an amplitude for each side.

    The fit is in the logarithm of the length. Errors are propagated from those of the lengths, and widened by
    `sqrt(chi2 / dof)` if that exceeds one.

    Args:
        control: Control, `[..., n]`.
        length: Correlation length, `[..., n]`. Leave out points so near the critical control that the size of the
            system limits the length.
        error: Standard error of the length, `[..., n]`; a point without a finite positive length and error is missing.
        critical: Critical control, `[...]`; by default it is fitted, up to ten ranges of the data to both sides.

    Returns:
        A `CorrelationExponent`. The status is AT_BOUND if the critical control is at the edge of its search,
        NOT_IDENTIFIED, with NaN, if the length does not vary, and TOO_FEW_POINTS, with NaN, if there are no more points
        than parameters to fit.

    Raises:
        ValueError: If the shapes do not broadcast.

    Example:
        >>> fit = jaxphase.scaling.fit_correlation_exponent(temperature, length, length_se)
        >>> fit.nu, fit.critical
    """
    control, length, error = as_curves(control, length, error)
    lead = control.shape[:-1]
    given = jnp.zeros(lead) if critical is None else jnp.asarray(critical)
    try:
        given = jnp.broadcast_to(given.astype(control.dtype), lead)
    except ValueError:
        raise ValueError(f"critical {given.shape} does not broadcast to the curves {lead}") from None
    curves = (a.reshape(math.prod(lead), *a.shape[len(lead) :]) for a in (control, length, error, given))
    result = _all_exponents(*curves, fitted=critical is None)
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), result)


@functools.partial(jax.jit, static_argnames="fitted")
def _all_exponents(
    control: Float[Array, "curves n"],
    xi: Float[Array, "curves n"],
    xi_se: Float[Array, "curves n"],
    critical: Float[Array, " curves"],
    *,
    fitted: bool,
) -> CorrelationExponent:
    """The exponents of all curves."""
    return jax.vmap(functools.partial(_exponent, fitted=fitted))(control, xi, xi_se, critical)


def _exponent(
    control: Float[Array, " n"],
    xi: Float[Array, " n"],
    xi_se: Float[Array, " n"],
    critical: Float[Array, ""],
    *,
    fitted: bool,
) -> CorrelationExponent:
    """The exponent of one curve; `critical` counts unless it is fitted."""
    present = jnp.isfinite(control) & (xi > 0) & jnp.isfinite(xi) & (xi_se > 0) & jnp.isfinite(xi_se)
    order = jnp.argsort(jnp.where(present, control, jnp.inf))
    control, xi, xi_se, present = control[order], xi[order], xi_se[order], present[order]
    last = control[jnp.maximum(jnp.sum(present) - 1, 0)]
    control = jnp.where(present, control, last)
    span = jnp.where(last > control[0], last - control[0], 1)
    place, log_xi = (control - control[0]) / span, jnp.log(jnp.where(present, xi, 1))
    weight = jnp.where(present, jnp.square(xi / jnp.where(present, xi_se, 1)), 0)

    fit = functools.partial(_amplitudes_and_nu, place, log_xi, weight)
    if fitted:
        center, found = _divergence(lambda center: fit(center)[:2], place, weight)
    else:
        center, found = (critical - control[0]) / span, True
    chi2, nu, sides, weight = fit(center)
    below, above, closeness = sides
    root, offset = jnp.sqrt(weight), place - center
    columns = [root * below, root * above, root * closeness]
    if fitted:
        columns.append(root * nu / jnp.where(offset == 0, 1, offset))
    dof = count(weight) - jnp.any(root * below > 0) - jnp.any(root * above > 0) - 1 - fitted
    widened = jnp.maximum(chi2, dof)
    error = standard_errors(jnp.stack(columns, axis=1), widened, dof)

    def amplitude(side):
        total = jnp.sum(weight * side)
        level = jnp.sum(weight * side * (log_xi - nu * closeness)) / jnp.where(total > 0, total, 1)
        return jnp.where(total > 0, jnp.exp(level + nu * jnp.log(span)), jnp.nan)

    still = jnp.max(jnp.where(weight > 0, log_xi, -jnp.inf)) <= jnp.min(jnp.where(weight > 0, log_xi, jnp.inf))
    result = CorrelationExponent(
        nu=nu,
        nu_se=error[2],
        critical=control[0] + span * center if fitted else critical,
        critical_se=span * error[3] if fitted else jnp.zeros_like(nu),
        amplitude=jnp.stack([amplitude(below), amplitude(above)]),
        chi2=chi2,
        dof=dof,
        status=first_true(
            ((dof < 1) | (distinct(place, weight) < 2 + fitted), Status.TOO_FEW_POINTS),
            (still | ~jnp.asarray(found), Status.NOT_IDENTIFIED),
            (fitted & (jnp.abs(center - 0.5) >= 0.99 * _FARTHEST), Status.AT_BOUND),
        ),
    )
    return answered(result, result.status < Status.NOT_IDENTIFIED)


def _amplitudes_and_nu(
    place: Float[Array, " n"], log_xi: Float[Array, " n"], weight: Float[Array, " n"], center: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, "3 n"], Float[Array, " n"]]:
    """chi2 and nu with the best amplitudes for a given critical point, the columns of the design, and the weights.

    The weight of a point at the critical point itself is 0.
    """
    distance = jnp.abs(place - center)
    weight = jnp.where(distance > 0, weight, 0)
    closeness = -jnp.log(jnp.where(distance > 0, distance, 1))
    sides = jnp.stack([place < center, place > center]).astype(place.dtype)

    def within_sides(values):
        mean = sides @ (weight * values) / jnp.maximum(sides @ weight, jnp.finfo(weight.dtype).tiny)
        return values - mean @ sides

    t, v = within_sides(closeness), within_sides(log_xi)
    norm = jnp.sum(weight * jnp.square(t))
    nu = jnp.sum(weight * t * v) / jnp.where(norm > 0, norm, 1)
    return jnp.sum(weight * jnp.square(v - nu * t)), nu, jnp.concatenate([sides, closeness[None]]), weight


def _divergence(
    chi2_and_nu: Callable[[Float[Array, ""]], tuple[Float[Array, ""], Float[Array, ""]]],
    place: Float[Array, " n"],
    weight: Float[Array, " n"],
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The critical point of least chi2 at which the length diverges, and whether there is one.

    It lies between points or beyond them, as chi2 is singular at each. The search goes from the best of a grid by
    golden sections.
    """
    away = jnp.asarray(np.geomspace(1e-3, _FARTHEST - 0.5, 40), place.dtype)
    parts = jnp.asarray((np.arange(8) + 0.5) / 8, place.dtype)
    gaps = place[:-1, None] + (place[1:] - place[:-1])[:, None] * parts
    candidates = jnp.concatenate([-away[::-1], gaps.ravel(), 1 + away])

    def chi2_at(center):
        chi2, nu = chi2_and_nu(center)
        return jnp.where((nu > 0) & jnp.all((weight == 0) | (place != center)), chi2, jnp.inf)

    chi2 = jax.vmap(chi2_at)(candidates)
    best = jnp.argmin(chi2)
    center = candidates[best]
    low = jnp.maximum(
        jnp.where(best > 0, candidates[best - 1], center), jnp.max(jnp.where(place < center, place, -jnp.inf))
    )
    high = jnp.minimum(
        jnp.where(best < len(candidates) - 1, candidates[(best + 1) % len(candidates)], center),
        jnp.min(jnp.where(place > center, place, jnp.inf)),
    )
    golden = (math.sqrt(5) - 1) / 2

    def narrow(_, bracket):
        low, high = bracket
        left, right = high - golden * (high - low), low + golden * (high - low)
        lower = chi2_at(left) < chi2_at(right)
        return jnp.where(lower, low, left), jnp.where(lower, right, high)

    low, high = jax.lax.fori_loop(0, 40, narrow, (low, high))
    return (low + high) / 2, jnp.isfinite(chi2[best])
