"""Two sparse features in one hidden number: which are ignored, represented, or stored one over the other.

The toy model of Elhage et al. (2022), "Toy models of superposition", arXiv:2209.10652, with n = 2 features and m = 1
dimension: h = w . x is decoded as relu(w h + b). A feature is 0 except with probability `density`, and then uniform on
[0, 1]. Squared errors of the second feature count `importance` times those of the first. The mean loss is an integral
and is computed by quadrature, so training has no noise and its result depends only on the initial weights.
"""

import enum
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key

_NODES, _SHARES = np.polynomial.legendre.leggauss(16)


class FeaturePhase(enum.IntEnum):
    """The fate of the second feature, judged by its weight relative to the weight of the first.

    IGNORED below 1/2, REPRESENTED (alone) above 2, SUPERPOSED between.
    """

    IGNORED = 0
    REPRESENTED = 1
    SUPERPOSED = 2


class Superposition(NamedTuple):
    """The best of all seeds at each density and importance.

    Attributes:
        weights: `[densities, importances, 2]`.
        bias: `[densities, importances, 2]`.
        loss: Expected loss, `[densities, importances]`.
        phase: `FeaturePhase`, `[densities, importances]`.
    """

    weights: Float[Array, "densities importances 2"]
    bias: Float[Array, "densities importances 2"]
    loss: Float[Array, "densities importances"]
    phase: Int[Array, "densities importances"]


@functools.partial(jax.jit, static_argnames=("seeds", "steps"))
def train(
    density: Float[ArrayLike, " densities"],
    importance: Float[ArrayLike, " importances"],
    *,
    key: Key[Array, ""],
    seeds: int = 8,
    steps: int = 2000,
    rate: float = 0.05,
    momentum: float = 0.9,
) -> Superposition:
    """Train by gradient descent with momentum at every pair of a density and an importance.

    Args:
        density: Probability that a feature is not 0, in (0, 1], `[densities]`.
        importance: Weight of the second feature's error, positive, `[importances]`.
        key: Decides the initial weights.
        seeds: Runs at each pair, of which the best is kept.
        steps: Steps of a run.
        rate: Learning rate.
        momentum: Share of the velocity that is kept in a step.

    Returns:
        A `Superposition`.
    """
    density, importance = jnp.meshgrid(jnp.asarray(density), jnp.asarray(importance), indexing="ij")
    start = jax.random.normal(key, (seeds, 2))

    def one(density: Float[Array, ""], importance: Float[Array, ""], weights: Float[Array, "2"]):
        def scaled_loss(params: Float[Array, "2 2"]) -> Float[Array, ""]:
            # Sparse data have small gradients and important features large ones.
            return expected_loss(params[0], params[1], density, importance) / (density * jnp.maximum(importance, 1))

        # A bias acts on every sample and a weight on those with its feature, so its curvature is 1 / density larger.
        pace = jnp.stack([jnp.ones(2), jnp.full(2, density)])

        def descend(state: tuple[Float[Array, "2 2"], Float[Array, "2 2"]], _: None):
            params, velocity = state
            grads = jax.grad(scaled_loss)(params)
            velocity = momentum * velocity - rate * pace * grads
            return (params + velocity, velocity), None

        params = jnp.stack([weights, jnp.zeros(2)])
        (params, _), _ = jax.lax.scan(descend, (params, jnp.zeros_like(params)), length=steps)
        return params, expected_loss(params[0], params[1], density, importance)

    over_seeds = jax.vmap(one, (None, None, 0))
    params, loss = jax.vmap(jax.vmap(over_seeds, (0, 0, None)), (0, 0, None))(density, importance, start)
    best = jnp.argmin(loss, axis=-1)[..., None]
    params = jnp.take_along_axis(params, best[..., None, None], axis=2)[:, :, 0]
    weights, bias = params[..., 0, :], params[..., 1, :]
    return Superposition(weights, bias, jnp.min(loss, axis=-1), phase(weights))


def phase(weights: Float[Array, "*models 2"]) -> Int[Array, "*models"]:
    """Judge whether the second feature is ignored, represented or superposed.

    Args:
        weights: Weights of both features, `[..., 2]`.

    Returns:
        `FeaturePhase`, `[...]`.
    """
    first, second = jnp.moveaxis(jnp.abs(weights), -1, 0)
    shared = jnp.where(second > 2 * first, int(FeaturePhase.REPRESENTED), int(FeaturePhase.SUPERPOSED))
    return jnp.where(second < first / 2, int(FeaturePhase.IGNORED), shared)


def expected_loss(
    weights: Float[ArrayLike, "2"],
    bias: Float[ArrayLike, "2"],
    density: Float[ArrayLike, ""],
    importance: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    """Compute the mean of (x1 - relu(w1 h + b1))**2 + importance * (x2 - relu(w2 h + b2))**2 with h = w . x.

    Args:
        weights: w, `[2]`.
        bias: b, `[2]`.
        density: Probability that a feature is not 0.
        importance: Weight of the second feature's error.

    Returns:
        The expected loss.
    """
    weights, bias, density = jnp.asarray(weights), jnp.asarray(bias), jnp.asarray(density)
    values = jnp.concatenate([jnp.zeros(1), (_NODES + 1) / 2])
    probabilities = jnp.concatenate([1 - density[None], density * _SHARES / 2])
    x = jnp.stack(jnp.meshgrid(values, values, indexing="ij"))
    hidden = weights[0] * x[0] + weights[1] * x[1]
    error = jnp.square(x - jax.nn.relu(weights[:, None, None] * hidden + bias[:, None, None]))
    return jnp.sum(probabilities[:, None] * probabilities * (error[0] + importance * error[1]))


def ideal_losses(density: ArrayLike, importance: ArrayLike) -> Float[np.ndarray, "*models 3"]:
    """Compute the loss of the pure form of each phase; training should end no higher than the lowest of them.

    With w = (1, 0) and the mean in place of the second feature it is importance * (density / 3 - density**2 / 4), with
    (0, 1) the same for the first. With (1, -1) only features that occur together spoil each other, which costs
    (1 + importance) density**2 / 6.

    Args:
        density: Probability that a feature is not 0.
        importance: Weight of the second feature's error; broadcasts with `density`.

    Returns:
        Losses in the order of `FeaturePhase`, `[..., 3]`.
    """
    density, importance = np.broadcast_arrays(np.asarray(density, float), np.asarray(importance, float))
    variance = density / 3 - density**2 / 4
    return np.stack([importance * variance, variance, (1 + importance) * density**2 / 6], axis=-1)
