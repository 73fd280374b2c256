"""The exponent nu of a correlation length that diverges, from its values against |control - critical|."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.detect.batched import as_curves
from jaxphase.detect.least_squares import standard_errors
from jaxphase.detect.points import count, distinct
from jaxphase.detect.status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

# A critical point outside the data is looked for as far as this many ranges of the control.
_FARTHEST = 10.0


class CorrelationExponent(NamedTuple):
    """`xi = amplitude * |control - critical|**-nu`, amplitude `[..., 2]` below and above the critical point."""

    nu: jax.Array
    nu_se: jax.Array
    critical: jax.Array
    critical_se: jax.Array
    amplitude: jax.Array
    chi2: jax.Array
    dof: jax.Array
    status: jax.Array


def fit_correlation_exponent(control, xi, xi_se, critical=None) -> CorrelationExponent:
    """Fit `xi = amplitude * |control - critical|**-nu` in the logarithm of xi, with an amplitude for each side.

    control, xi, xi_se: `[..., n]`; xi_se is the standard error, and a point without a finite positive xi and error is
    missing. critical: `[...]`, or None to fit it: over the data and ten times their range to both sides. Points so near
    to it that their length is the system's must be left out by the caller. The errors are those of xi_se propagated,
    widened by sqrt(chi2 / dof) if that exceeds one. A side without points has amplitude NaN. critical_se is 0 if
    critical was given.

    status 1: critical is at the edge of its search. status 2: xi does not vary, NaN. status 3: not more points than
    numbers to fit, NaN.
    """
    control, xi, xi_se = as_curves(control, xi, xi_se)
    lead = control.shape[:-1]
    fitted = critical is None
    critical = jnp.zeros(lead) if fitted else jnp.asarray(critical)
    try:
        critical = jnp.broadcast_to(critical.astype(control.dtype), lead)
    except ValueError:
        raise ValueError(f"critical {critical.shape} does not broadcast to the curves {lead}") from None
    curves = (a.reshape(math.prod(lead), *a.shape[len(lead) :]) for a in (control, xi, xi_se, critical))
    result = _all_exponents(*curves, fitted=fitted)
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), result)


@functools.partial(jax.jit, static_argnames="fitted")
def _all_exponents(control, xi, xi_se, critical, *, fitted):
    return jax.vmap(functools.partial(_exponent, fitted=fitted))(control, xi, xi_se, critical)


def _exponent(control, xi, xi_se, critical, *, fitted):
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
            ((dof < 1) | (distinct(place, weight) < 2 + fitted), TOO_FEW_POINTS),
            (still | ~jnp.asarray(found), NOT_IDENTIFIED),
            (fitted & (jnp.abs(center - 0.5) >= 0.99 * _FARTHEST), AT_BOUND),
        ),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def _amplitudes_and_nu(place, log_xi, weight, center):
    """chi2 and nu with the best amplitudes, closed form for a given critical point; the columns of the design
    `[3, n]` and the weights, 0 at the critical point itself."""
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


def _divergence(chi2_and_nu, place, weight):
    """The critical point with the least chi2 at which xi diverges: between points or beyond them, chi2 is singular at
    each. From the best of a grid, by golden sections."""
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
