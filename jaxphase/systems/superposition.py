"""Two sparse features in one hidden number: which are ignored, represented, or stored one over the other.

The toy model of Elhage et al. (2022), "Toy models of superposition", arXiv:2209.10652, with n = 2 features and m = 1
dimension: h = w . x is decoded as relu(w h + b). A feature is 0 except with probability `density`, and then uniform on
[0, 1]; errors of the second count `importance` times those of the first. The mean loss is an integral, which is
summed, so that training has no noise and an end depends on its start alone.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

PHASES = ("ignored", "represented", "superposed")  # what becomes of the second feature
_NODES, _SHARES = np.polynomial.legendre.leggauss(16)


class Superposition(NamedTuple):
    """The best of all seeds at each density and importance.

    weights, bias: `[densities, importances, 2]`. loss: `[densities, importances]`. phase: index into PHASES, by the
    second weight: less than half the first, more than twice it, or between.
    """

    weights: jax.Array
    bias: jax.Array
    loss: jax.Array
    phase: jax.Array


@functools.partial(jax.jit, static_argnames=("seeds", "steps"))
def train(key, density, importance, *, seeds=8, steps=2000, rate=0.05, momentum=0.9) -> Superposition:
    """Gradient descent with momentum at densities `[densities]` in (0, 1] and importances `[importances]` > 0."""
    density, importance = jnp.meshgrid(jnp.asarray(density), jnp.asarray(importance), indexing="ij")
    start = jax.random.normal(key, (seeds, 2))

    def one(density, importance, weights):
        def scaled_loss(parameters):  # sparse data have small gradients, important ones large
            return expected_loss(*parameters, density, importance) / (density * jnp.maximum(importance, 1))

        # A bias acts on every sample and a weight on those with its feature: its curvature is 1 / density higher.
        pace = jnp.stack([jnp.ones(2), jnp.full(2, density)])

        def descend(state, _):
            parameters, velocity = state
            slope = jax.grad(scaled_loss)(parameters)
            velocity = momentum * velocity - rate * pace * slope
            return (parameters + velocity, velocity), None

        parameters = jnp.stack([weights, jnp.zeros(2)])
        (parameters, _), _ = jax.lax.scan(descend, (parameters, jnp.zeros_like(parameters)), length=steps)
        return parameters, expected_loss(*parameters, density, importance)

    over_seeds = jax.vmap(one, (None, None, 0))
    parameters, loss = jax.vmap(jax.vmap(over_seeds, (0, 0, None)), (0, 0, None))(density, importance, start)
    best = jnp.argmin(loss, axis=-1)[..., None]
    parameters = jnp.take_along_axis(parameters, best[..., None, None], axis=2)[:, :, 0]
    weights, bias = parameters[..., 0, :], parameters[..., 1, :]
    return Superposition(weights, bias, jnp.min(loss, axis=-1), phase(weights))


def phase(weights):
    """Index into PHASES of weights `[..., 2]`."""
    first, second = jnp.moveaxis(jnp.abs(weights), -1, 0)
    return jnp.where(second < first / 2, 0, jnp.where(second > 2 * first, 1, 2))


def expected_loss(weights, bias, density, importance):
    """Mean of (x1 - relu(w1 h + b1))**2 + importance * (x2 - relu(w2 h + b2))**2: weights, bias `[2]`, else scalars."""
    values = jnp.concatenate([jnp.zeros(1), (_NODES + 1) / 2])
    chances = jnp.concatenate([1 - density[None], density * _SHARES / 2])
    x = jnp.stack(jnp.meshgrid(values, values, indexing="ij"))
    hidden = weights[0] * x[0] + weights[1] * x[1]
    error = jnp.square(x - jax.nn.relu(weights[:, None, None] * hidden + bias[:, None, None]))
    return jnp.sum(chances[:, None] * chances * (error[0] + importance * error[1]))


def ideal_losses(density, importance):
    """Losses `[..., 3]` of the pure form of each of PHASES, none of which training need stop short of.

    With w = (1, 0) and the mean for the second feature, importance * (density / 3 - density**2 / 4); with (0, 1) the
    same for the first; with (1, -1) only features that come together spoil each other, (1 + importance) density**2 / 6.
    """
    density, importance = np.broadcast_arrays(np.asarray(density, float), np.asarray(importance, float))
    variance = density / 3 - density**2 / 4
    return np.stack([importance * variance, variance, (1 + importance) * density**2 / 6], axis=-1)
