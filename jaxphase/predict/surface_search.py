"""The law of losses with the least sum of Huber losses, on axes of order one.

    ln L = ln(exp(theta_0) + exp(theta_1 - theta_2 u) + exp(theta_3 - theta_4 v))

is that of N and D with u and v their logarithms sent to [-1, 1] and the mean of ln L taken off, so that single
precision is enough. The search goes from least squares to the Huber loss asked for while its straight part grows: the
sum of absolute values, which it is nearly in the end, has corners that hold up a search that starts on it.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..detect.least_squares import Expansion, levenberg_marquardt, solve

# The box of the search for theta.
_LOW, _HIGH = (-10.0, -10.0, 0.02, -10.0, 0.02), (1.0, 3.0, 8.0, 3.0, 8.0)
# A delta above which all residuals but outliers are squared.
_SQUARES = 0.2
# On resamples of 25 noisy runs this ends 0.02 % above the least sum on average; 5 stages of 6 steps, 1 % above, leave
# the errors 10 % too small.
_STAGES, _STEPS = 8, 12
_RATES = np.geomspace(0.1, 4, 6)
_STARTS = np.stack([rates.ravel() for rates in np.meshgrid(_RATES, _RATES)], axis=1)
_LEAST_TERM = 1e-3


class Runs(NamedTuple):
    """u, v and the centred ln L of the runs `[n]`, and their accuracy relative to the root of its mean square."""

    u: jax.Array
    v: jax.Array
    y: jax.Array
    accuracy: jax.Array


def box(theta):
    """Lowest and highest theta."""
    return jnp.asarray(_LOW, theta.dtype), jnp.asarray(_HIGH, theta.dtype)


def best_law(runs, weight, delta):
    """theta `[5]` for which `sum weight huber(accuracy (ln L - ln L(theta)))` is least, of 36 searches."""
    starts = jax.vmap(lambda rates: _start(runs, weight, rates))(jnp.asarray(_STARTS, runs.u.dtype))
    ends, values = jax.vmap(lambda start: descend(runs, weight, delta, start))(starts)
    return ends[jnp.argmin(values)]


def descend(runs, weight, delta, start):
    """theta and its sum after damped Newton steps at deltas from that of least squares to the one given."""
    model = functools.partial(_expansion, runs, weight)
    deltas = jnp.geomspace(jnp.maximum(delta, _SQUARES), delta, _STAGES).astype(start.dtype)

    def stage(theta, delta):
        return levenberg_marquardt(functools.partial(model, delta), theta, *box(start), steps=_STEPS)

    theta, values = jax.lax.scan(stage, start, deltas)
    return theta, values[-1]


def log_law(theta, u, v):
    """ln L `[n]`, and the shares `[3, n]` of floor, size and data in L."""
    terms = jnp.stack([jnp.broadcast_to(theta[0], u.shape), theta[1] - theta[2] * u, theta[3] - theta[4] * v])
    total = jax.nn.logsumexp(terms, axis=0)
    return total, jnp.exp(terms - total)


def _start(runs, weight, rates):
    """For given exponents, floor and amplitudes by linear least squares of L, whose error is in proportion to it."""
    root = jnp.sqrt(weight) * runs.accuracy
    relative = jnp.stack([jnp.zeros_like(runs.u), -rates[0] * runs.u, -rates[1] * runs.v])
    columns = root * jnp.exp(relative - runs.y)
    norm = jnp.linalg.norm(columns, axis=1)
    columns = columns / norm[:, None]
    # A little ridge: where an exponent is small its column is nearly that of the floor.
    gram = columns @ columns.T + 1e-5 * jnp.eye(3, dtype=norm.dtype)
    floor, size, data = jnp.log(jnp.maximum(solve(gram, columns @ root) / norm, _LEAST_TERM))
    return jnp.clip(jnp.stack([floor, size, rates[0], data, rates[1]]), *box(floor))


def _expansion(runs, weight, delta, theta):
    """Twice the sum of Huber losses over delta about theta, with Newton's curvature and that of a majorant.

    The majorant is the square that touches a Huber loss where the residual is (Huber 1981, Robust Statistics, 7.8), of
    which only the part is taken that is never negative.
    """
    u, v, y, accuracy = runs
    total, share = log_law(theta, u, v)
    error = accuracy * (total - y)
    inside, size = jnp.abs(error) <= delta, jnp.maximum(jnp.abs(error), delta)
    value = jnp.sum(weight * jnp.where(inside, jnp.square(error) / delta, 2 * size - delta))
    # Derivatives of ln L; those of the logarithms of its three terms are 1, (1, -u) and (1, -v), times their shares.
    slope = jnp.stack([share[0], share[1], -u * share[1], share[2], -v * share[2]])
    push = weight * accuracy * jnp.clip(error / delta, -1, 1)
    weight = weight * jnp.square(accuracy)
    newton = _gram(slope, weight * inside / delta - push) + _bends(push * share, u, v)
    return Expansion(value, jnp.sum(slope * push, axis=1), jnp.stack([newton, _gram(slope, weight / size)]))


def _gram(rows, weight):
    """`rows diag(weight) rows^T` from its 15 different sums, as CPUs multiply many small matrices slowly."""
    return _matrix(lambda i, j: jnp.sum(weight * rows[i] * rows[j]))


def _bends(share, u, v):
    """Outer squares of the derivatives of the three logarithms, summed over the runs with weights `[3, n]`."""
    floor, size, data = share
    terms = {
        (0, 0): floor,
        (1, 1): size,
        (1, 2): -size * u,
        (2, 2): size * u * u,
        (3, 3): data,
        (3, 4): -data * v,
        (4, 4): data * v * v,
    }
    return _matrix(lambda i, j: jnp.sum(terms.get((i, j), jnp.zeros_like(u))))


def _matrix(entry):
    """Symmetric `[5, 5]` of `entry(i, j)` with i <= j."""
    return jnp.stack([jnp.stack([entry(min(i, j), max(i, j)) for j in range(5)]) for i in range(5)])
