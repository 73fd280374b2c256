"""How likely data are to fall on one master curve, A = L**exponent f((g - critical) L**inverse_nu), f unknown.

f is a Gaussian process with a squared-exponential kernel in the scaled control x, written in m sines on [-reach, reach]
(Solin & Sarkka 2020, Stat. Comput. 30, 419) beside a straight line, so that n points cost O(n m^2) and not O(n^3). The
likelihood is that of the values as they were measured. A likelihood of the scaled values A L**-exponent (Harada 2011,
Phys. Rev. E 84, 056704) would need the Jacobian of the scaling, without which the best exponents are infinite.
A correction to scaling adds L**-omega times a second process (Harada 2015, Phys. Rev. E 92, 012106). Its size at the
smallest L is given and not fitted. A fitted size would come out too small wherever the exponents can take up the
correction, and so would the errors of the exponents.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float

from jaxphase.linalg.sweep_operator import inverse_and_log_determinant

SINES = 24
# The highest frequency must resolve the shortest length of the kernel (Solin & Sarkka 2020).
SHORTEST = 1.75 / SINES
LINE = 3.0  # standard deviation of the coefficients of the straight line
CORRECTION = 0.5  # ratio of the standard deviations of the second and the first curve at the smallest size
STEPS = 16  # of Newton's method: 12 give the same answers to five figures
ARRIVED = 1e-8  # squared distance from the optimum, in standard errors
SHRINK = np.array([1.0, 0.3, 0.1, 0.03, 0.003])  # parts of a Newton step that are tried; the best counts

# One fit runs on the device; the starts and the results of many are NumPy arrays on the host, with a leading axis.
Numbers = Array | np.ndarray


class Rows(NamedTuple):
    """Measured points, in units in which values and the range of the control are of order one.

    Attributes:
        log_size: Logarithm of the size over the largest size, `[observables, n]`.
        control: Control, `[observables, n]`.
        value: Value, `[observables, n]`.
        error: Standard error of the value, `[observables, n]`.
        weight: 1, or 0 for a point that is left out, `[observables, n]`.
    """

    log_size: Float[Numbers, "*fits observables n"]
    control: Float[Numbers, "*fits observables n"]
    value: Float[Numbers, "*fits observables n"]
    error: Float[Numbers, "*fits observables n"]
    weight: Float[Numbers, "*fits observables n"]


class Curve(NamedTuple):
    """The exponent and the shape of the master curve of each observable.

    Attributes:
        exponent: Power of the size that values grow with, `[observables]`.
        log_amplitude: Log of the amplitude of the curve about a straight line, `[observables]`.
        log_length: Log of the length over which the curve bends, above the shortest, in units of the reach.
        log_core: Log of the part of the reach about the critical point beyond which x is drawn together.
        log_jitter: Log of the noise beyond the measured errors, `[observables]`.
    """

    exponent: Float[Numbers, "*fits observables"]
    log_amplitude: Float[Numbers, "*fits observables"]
    log_length: Float[Numbers, "*fits observables"]
    log_core: Float[Numbers, "*fits observables"]
    log_jitter: Float[Numbers, "*fits observables"]


class Theta(NamedTuple):
    """All parameters of a collapse.

    Attributes:
        critical: Critical control.
        inverse_nu: 1/nu.
        curve: The master curves.
        log_omega: Log of the exponent of the correction to scaling; None without corrections.
    """

    critical: Float[Numbers, "*fits"]
    inverse_nu: Float[Numbers, "*fits"]
    curve: Curve
    log_omega: Float[Numbers, "*fits"] | None = None


class Fit(NamedTuple):
    """The most probable collapse, the covariance of its parameters, and how well it fits.

    Attributes:
        theta: The parameters.
        covariance: Their covariance in the order of `Theta`, `[parameters, parameters]`.
        loss: Minus the log of the posterior.
        slope: Norm of the gradient at the end, in units of the standard errors.
        residual: Values of the rows less those of the master curve, `[observables, n]`.
        chi2: Chi-squared of the residuals in units of the measured errors.
        dof: Number of points less the effective number of parameters.
    """

    theta: Theta
    covariance: Float[Numbers, "*fits parameters parameters"]
    loss: Float[Numbers, "*fits"]
    slope: Float[Numbers, "*fits"]
    residual: Float[Numbers, "*fits observables n"]
    chi2: Float[Numbers, "*fits"]
    dof: Float[Numbers, "*fits"]


def fit(start: Theta, rows: Rows, reach: ArrayLike, *, free: tuple[int, ...], near: float = ARRIVED) -> Fit:
    """Fit a collapse by at most STEPS of Newton's method.

    Args:
        start: Where the parameters start.
        rows: The points.
        reach: Half the range of x over which the master curve is written.
        free: Places, in the order of `Theta`, of the parameters that are fitted.
        near: The step from a place nearer to the optimum than this is the last one; squared, in standard errors.
    """
    whole, unravel = ravel_pytree(start)
    places = jnp.array(free)
    vector = whole[places]

    def loss(vector):
        return minus_log_posterior(unravel(whole.at[places].set(vector)), rows, reach)

    def derivatives(vector):
        return jax.grad(loss)(vector), jax.hessian(loss)(vector)

    def step(state):
        i, vector, best, *_ = state
        gradient, curvature = derivatives(vector)
        values, axes = jnp.linalg.eigh(curvature)
        # Down along every axis of the curvature, and along none by more than one unit.
        slopes, values = axes.T @ gradient, jnp.maximum(jnp.abs(values), 1e-3)
        tried = vector - SHRINK[:, None] * (axes @ jnp.clip(slopes / values, -1, 1))
        losses = jax.vmap(loss)(tried)
        losses = jnp.where(jnp.isfinite(losses), losses, jnp.inf)
        chosen = jnp.argmin(losses)
        better = losses[chosen] < best
        arrived = ~better | (jnp.sum(jnp.square(slopes) / values) < near)
        moved = jnp.where(better, tried[chosen], vector), jnp.where(better, losses[chosen], best)
        return i + 1, *moved, gradient, curvature, arrived

    # The derivatives are those before the last step, which hardly moves.
    first = 0, vector, loss(vector), jnp.zeros_like(vector), jnp.eye(len(vector)), jnp.zeros((), bool)
    _, vector, best, gradient, curvature, _ = jax.lax.while_loop(
        lambda state: (state[0] < STEPS) & ~state[-1], step, first
    )
    values, axes = jnp.linalg.eigh(curvature)
    inverse = jnp.where(jnp.min(values) > 0, (axes / values) @ axes.T, jnp.nan)
    covariance = jnp.zeros((len(whole), len(whole))).at[places[:, None], places].set(inverse)
    theta = unravel(whole.at[places].set(vector))
    slope = jnp.sqrt(gradient @ inverse @ gradient)
    return Fit(theta, covariance, best, slope, *goodness(theta, rows, reach))


def minus_log_posterior(theta: Theta, rows: Rows, reach: ArrayLike) -> Float[Array, ""]:
    """Minus the log of the marginal likelihood of the values times weak priors."""

    def of_observable(curve, rows):
        columns, target, variance = design(theta, curve, rows, reach)
        inverse, log_determinant = inverse_and_log_determinant(columns.T @ columns + jnp.eye(columns.shape[1]))
        pulled = columns.T @ target
        misfit = target @ target - pulled @ inverse @ pulled
        return 0.5 * (misfit + log_determinant + jnp.sum(rows.weight * jnp.log(2 * jnp.pi * variance)))

    return jnp.sum(jax.vmap(of_observable)(theta.curve, rows)) + minus_log_prior(theta)


def minus_log_prior(theta: Theta) -> Float[Array, ""]:
    """Normal priors, wide where the data should decide: three e-foldings of jitter, one or two of the other scales."""
    curve = theta.curve
    beliefs = [
        (theta.inverse_nu, 0.0, 10.0),
        (curve.exponent, 0.0, 10.0),
        (curve.log_amplitude, 0.0, 2.0),
        (curve.log_length, -1.5, 1.0),
        (curve.log_core, -1.0, 1.0),
        (curve.log_jitter, -7.0, 3.0),
    ]
    if theta.log_omega is not None:
        beliefs += [(theta.log_omega, 0.0, 0.7)]
    return 0.5 * sum((jnp.sum(jnp.square((value - mean) / std)) for value, mean, std in beliefs), jnp.zeros(()))


def scaled(theta: Theta, rows: Rows) -> Float[Array, "*observables n"]:
    """x = (g - critical) L**inverse_nu, in the shape of the rows."""
    return jnp.exp(theta.inverse_nu * rows.log_size) * (rows.control - theta.critical)


def design(
    theta: Theta, curve: Curve, rows: Rows, reach: ArrayLike
) -> tuple[Float[Array, "n columns"], Float[Array, " n"], Float[Array, " n"]]:
    """The least-squares problem of one observable: basis, values and the variance of the noise.

    The coefficients of the basis have unit normal priors. Basis and values are divided by the noise, and zero where a
    point is left out.
    """
    variance = jnp.square(rows.error) + jnp.exp(2 * curve.log_jitter)
    over = jax.lax.rsqrt(variance) * rows.weight
    basis = master_basis(scaled(theta, rows) / reach, curve)
    if theta.log_omega is not None:
        smallest = jnp.min(jnp.where(rows.weight > 0, rows.log_size, 0))
        decay = CORRECTION * jnp.exp(-jnp.exp(theta.log_omega) * (rows.log_size - smallest))
        second = jnp.concatenate([basis[:, :2] / LINE, basis[:, 2 : 2 + SINES // 2]], axis=1)
        basis = jnp.concatenate([basis, decay[:, None] * second], axis=1)
    height = jnp.exp(curve.exponent * rows.log_size)
    return basis * (height * over)[:, None], over * rows.value, variance


def master_basis(x: Float[Array, " n"], curve: Curve) -> Float[Array, "n columns"]:
    """A straight line and SINES sines with the spectral density of the kernel, at x in units of the reach.

    The tails of x are drawn together: a master curve bends near the critical point and is flat or a power law far from
    it, while the process bends alike everywhere.
    """
    core = jnp.exp(curve.log_core)
    drawn = jnp.arcsinh(x / core) / jnp.arcsinh(1 / core)
    length = SHORTEST + jnp.exp(curve.log_length)
    frequency = jnp.pi / 2 * jnp.arange(1, SINES + 1)
    density = jnp.sqrt(jnp.sqrt(2 * jnp.pi) * length) * jnp.exp(-0.25 * jnp.square(length * frequency))
    sines = jnp.sin(frequency * (drawn[:, None] + 1)) * density * jnp.exp(curve.log_amplitude)
    line = jnp.stack([jnp.ones_like(x), drawn], axis=1)
    return jnp.concatenate([LINE * line, sines], axis=1)


def goodness(
    theta: Theta, rows: Rows, reach: ArrayLike
) -> tuple[Float[Array, "observables n"], Float[Array, ""], Float[Array, ""]]:
    """Residuals, their chi-squared over the measured errors, and its degrees of freedom."""

    def of_observable(curve, rows):
        columns, target, variance = design(theta, curve, rows, reach)
        inverse, _ = inverse_and_log_determinant(columns.T @ columns + jnp.eye(columns.shape[1]))
        residual = (target - columns @ (inverse @ (columns.T @ target))) * jnp.sqrt(variance)
        error = jnp.where(rows.error > 0, rows.error, jnp.sqrt(variance))
        return residual, jnp.sum(jnp.square(residual / error)), columns.shape[1] - jnp.trace(inverse)

    residual, chi2, used = jax.vmap(of_observable)(theta.curve, rows)
    return residual, jnp.sum(chi2), jnp.sum(rows.weight) - jnp.sum(used) - 2 - len(chi2)
