"""How likely data are to fall on one master curve, A = L**exponent f((g - critical) L**inverse_nu), f unknown.

f is a Gaussian process with a squared-exponential kernel in the scaled control x, written in m sines on [-reach, reach]
(Solin & Sarkka 2020, Stat. Comput. 30, 419) beside a straight line, so that n points cost O(n m^2) and not O(n^3). The
likelihood is that of the values as they were measured. In scaled values A L**-exponent (Harada 2011, Phys. Rev. E 84,
056704) it would need the Jacobian of the scaling, without which the best exponents are infinite.
A correction to scaling adds L**-omega times a second process (Harada 2015, Phys. Rev. E 92, 012106). How large that is
at the smallest size is given and not fitted: it would come out small wherever the exponents can pass for a correction,
and their errors with it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from jaxphase.linalg.sweep_operator import inverse_and_log_determinant

SINES = 24
# A sine of the highest frequency must still turn fast enough for the shortest length of the kernel (ibid.).
SHORTEST = 1.75 / SINES
LINE = 3.0  # standard deviation of the coefficients of the straight line
CORRECTION = 0.5  # standard deviation of the second curve at the smallest size, over that of the first
STEPS = 16  # of Newton's method: 12 give the same answers to five figures
ARRIVED = 1e-8  # squared distance from the optimum, in standard errors
SHRINK = np.array([1.0, 0.3, 0.1, 0.03, 0.003])  # of a Newton step, of which the best counts


class Rows(NamedTuple):
    """Measured points [observables, n], in units in which values and the range of the control are of order one."""

    log_size: Array  # of size over the largest size
    control: Array
    value: Array
    error: Array
    weight: Array  # 1, or 0 for a point that is left out


class Curve(NamedTuple):
    """Of each observable [observables]: its exponent and how its master curve bends."""

    exponent: Array
    log_amplitude: Array  # about a straight line
    log_length: Array  # over which it bends, above the shortest, as a part of the reach
    log_core: Array  # part of the reach about the critical point beyond which x is drawn together
    log_jitter: Array  # noise beyond the errors


class Theta(NamedTuple):
    """What a collapse is made of; the logarithm of omega is None without corrections."""

    critical: Array
    inverse_nu: Array
    curve: Curve
    log_omega: Array | None = None


class Fit(NamedTuple):
    """The most probable collapse, the covariance of its parameters, and how it fits."""

    theta: Theta
    covariance: Array  # [parameters, parameters] in the order of Theta
    loss: Array  # minus the log of the posterior
    slope: Array  # norm of the gradient at the end, in units of the standard errors
    residual: Array  # values of the rows less those on the master curve [observables, n]
    chi2: Array  # of the residuals in units of the measured errors
    dof: Array  # points less effective parameters


def scaled(theta: Theta, rows: Rows) -> Array:
    """x = (g - critical) L**inverse_nu, of the shape of the rows."""
    return (rows.control - theta.critical) * jnp.exp(theta.inverse_nu * rows.log_size)


def fit(start: Theta, rows: Rows, reach: Array, *, free: tuple[int, ...], near: float = ARRIVED) -> Fit:
    """Newton's method from `start`, at most STEPS of it, for the parameters at the places `free` of Theta's order.

    reach: half the range of x that the master curve is written on. near: the last step is that from a place nearer to
    the optimum than this, squared and in standard errors.
    """
    whole, unravel = ravel_pytree(start)
    free = jnp.array(free)
    vector = whole[free]

    def loss(vector):
        return minus_log_posterior(unravel(whole.at[free].set(vector)), rows, reach)

    def derivatives(vector):
        return jax.grad(loss)(vector), jax.hessian(loss)(vector)

    def step(state):
        i, vector, best, *_ = state
        gradient, curvature = derivatives(vector)
        values, axes = jnp.linalg.eigh(curvature)
        # Down along every axis of the curvature, and nowhere by more than one unit.
        slopes, values = axes.T @ gradient, jnp.maximum(jnp.abs(values), 1e-3)
        tried = vector - SHRINK[:, None] * (axes @ jnp.clip(slopes / values, -1, 1))
        losses = jax.vmap(loss)(tried)
        losses = jnp.where(jnp.isfinite(losses), losses, jnp.inf)
        chosen = jnp.argmin(losses)
        better = losses[chosen] < best
        arrived = ~better | (jnp.sum(jnp.square(slopes) / values) < near)
        moved = jnp.where(better, tried[chosen], vector), jnp.where(better, losses[chosen], best)
        return i + 1, *moved, gradient, curvature, arrived

    # The derivatives that come out are those before the last step, which hardly moves.
    first = 0, vector, loss(vector), jnp.zeros_like(vector), jnp.eye(len(vector)), jnp.zeros((), bool)
    _, vector, best, gradient, curvature, _ = jax.lax.while_loop(
        lambda state: (state[0] < STEPS) & ~state[-1], step, first
    )
    values, axes = jnp.linalg.eigh(curvature)
    inverse = jnp.where(jnp.min(values) > 0, (axes / values) @ axes.T, jnp.nan)
    covariance = jnp.zeros((len(whole), len(whole))).at[free[:, None], free].set(inverse)
    theta = unravel(whole.at[free].set(vector))
    slope = jnp.sqrt(gradient @ inverse @ gradient)
    return Fit(theta, covariance, best, slope, *goodness(theta, rows, reach))


def minus_log_posterior(theta: Theta, rows: Rows, reach: Array) -> Array:
    """Minus the log of the marginal likelihood of the values, less that of weak priors."""

    def of_observable(curve, rows):
        columns, target, variance = design(theta, curve, rows, reach)
        inverse, log_determinant = inverse_and_log_determinant(columns.T @ columns + jnp.eye(columns.shape[1]))
        pulled = columns.T @ target
        misfit = target @ target - pulled @ inverse @ pulled
        return 0.5 * (misfit + log_determinant + jnp.sum(rows.weight * jnp.log(2 * jnp.pi * variance)))

    return jnp.sum(jax.vmap(of_observable)(theta.curve, rows)) + minus_log_prior(theta)


def minus_log_prior(theta: Theta) -> Array:
    """Normal priors, wide where data should speak: three e-foldings of jitter, one or two of the curve's scales."""
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
    return 0.5 * sum(jnp.sum(jnp.square((value - mean) / std)) for value, mean, std in beliefs)


def design(theta: Theta, curve: Curve, rows: Rows, reach: Array) -> tuple[Array, Array, Array]:
    """Of one observable: basis [n, columns] with unit normal coefficients and values [n], both over their noise and
    zero where a point is left out; the variance of the noise [n]."""
    variance = jnp.square(rows.error) + jnp.exp(2 * curve.log_jitter)
    over = rows.weight * jax.lax.rsqrt(variance)
    basis = master_basis(scaled(theta, rows) / reach, curve)
    if theta.log_omega is not None:
        smallest = jnp.min(jnp.where(rows.weight > 0, rows.log_size, 0))
        decay = CORRECTION * jnp.exp(-jnp.exp(theta.log_omega) * (rows.log_size - smallest))
        second = jnp.concatenate([basis[:, :2] / LINE, basis[:, 2 : 2 + SINES // 2]], axis=1)
        basis = jnp.concatenate([basis, decay[:, None] * second], axis=1)
    height = jnp.exp(curve.exponent * rows.log_size)
    return basis * (height * over)[:, None], rows.value * over, variance


def master_basis(x: Array, curve: Curve) -> Array:
    """Columns [n, 2 + SINES] at x in units of the reach: a line, and sines with the spectral density of the kernel.

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


def goodness(theta: Theta, rows: Rows, reach: Array) -> tuple[Array, Array, Array]:
    """Residuals, their squares over the measured errors, and the degrees of freedom that are left for them."""

    def of_observable(curve, rows):
        columns, target, variance = design(theta, curve, rows, reach)
        inverse, _ = inverse_and_log_determinant(columns.T @ columns + jnp.eye(columns.shape[1]))
        residual = (target - columns @ (inverse @ (columns.T @ target))) * jnp.sqrt(variance)
        error = jnp.where(rows.error > 0, rows.error, jnp.sqrt(variance))
        return residual, jnp.sum(jnp.square(residual / error)), columns.shape[1] - jnp.trace(inverse)

    residual, chi2, used = jax.vmap(of_observable)(theta.curve, rows)
    return residual, jnp.sum(chi2), jnp.sum(rows.weight) - jnp.sum(used) - 2 - len(chi2)
