"""Linear networks that learn in steps, collapse or jump: gradient flows, and the closed-form solutions of these flows.

Four systems whose learning has a transition that is known exactly:

- two layers learn the modes of their data one by one, each as a sigmoid in time (Saxe, McClelland & Ganguli 2014,
  ICLR, arXiv:1312.6120);
- linear Barlow Twins does so too, so its rank is a staircase in time (Simon, Knutins, Ziyin, Geisz, Fetterman &
  Albrecht 2023, ICML, arXiv:2303.15438);
- weight decay removes modes again, one by one and continuously (dimensional collapse);
- a chain of scalar weights under weight decay collapses continuously with two layers and in a jump with three or more
  (Ziyin & Ueda 2022, arXiv:2205.12510).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key, PyTree, Shaped


class Flow(NamedTuple):
    """The observations along a gradient flow.

    Attributes:
        times: Times from 0 on, `[steps + 1]`.
        values: A tree of arrays `[steps + 1, ...]`, the observation at each time.
    """

    times: Float[Array, " times"]
    values: Any


def gradient_flow(
    loss: Callable[[Any], Float[Array, ""]],
    weights: PyTree,
    time: Shaped[ArrayLike, ""],
    steps: int,
    observe: Callable[[Any], Any],
) -> Flow:
    """Follow dw/dt = -grad loss(w) by the Runge-Kutta method of fourth order.

    Args:
        loss: Scalar function of the weights.
        weights: Weights at time 0, any tree of arrays.
        time: Last time.
        steps: Number of equal steps; a step is stable while `step * curvature < 2.7`.
        observe: What to record, a function of the weights.

    Returns:
        A `Flow` of `observe(weights)` at `steps + 1` times.
    """
    downhill = jax.grad(lambda weights: -loss(weights))
    step = time / steps

    def ahead(weights: PyTree, direction: PyTree, by: Shaped[ArrayLike, ""]) -> PyTree:
        return jax.tree.map(lambda w, d: w + by * d, weights, direction)

    def advance(weights: PyTree, _: None) -> tuple[PyTree, PyTree]:
        first = downhill(weights)
        second = downhill(ahead(weights, first, step / 2))
        third = downhill(ahead(weights, second, step / 2))
        fourth = downhill(ahead(weights, third, step))
        mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, first, second, third, fourth)
        weights = ahead(weights, mean, step)
        return weights, observe(weights)

    # An accelerator's default of 10 bits in a product would be the error of every flow.
    with jax.default_matmul_precision("highest"):
        start = observe(weights)
        _, seen = jax.lax.scan(advance, weights, length=steps)
    values = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), start, seen)
    return Flow(jnp.asarray(step) * jnp.arange(steps + 1), values)


# Two layers: Saxe, McClelland & Ganguli (2014).


def mode_strength(
    time: ArrayLike, correlation: ArrayLike, initial: ArrayLike, variance: ArrayLike = 1.0
) -> Float[Array, "..."]:
    """Compute the strength of one mode of W2 W1 while two layers learn.

    u(t) = E / (E - 1 + u_f / u(0)) * u_f with E = exp(2 s t) and u_f = s / variance, which is what is learned. An
    autoencoder has s = variance; whitened inputs have variance 1. Arguments broadcast.

    Args:
        time: t.
        correlation: Correlation s of input and output along the mode.
        initial: Strength u(0).
        variance: Variance of the input along the mode.

    Returns:
        u(t), of the broadcast shape.
    """
    final = jnp.asarray(correlation) / variance
    return final / (1 + (final / initial - 1) * jnp.exp(-2 * jnp.asarray(correlation) * jnp.asarray(time)))


def half_time(correlation: ArrayLike, initial: ArrayLike, variance: ArrayLike = 1.0) -> Float[Array, "..."]:
    """Compute when a mode of two layers reaches half its final strength, ln(u_f / u(0) - 1) / 2s.

    Args:
        correlation: Correlation s of input and output along the mode.
        initial: Strength u(0).
        variance: Variance of the input along the mode.

    Returns:
        The time, of the broadcast shape.
    """
    correlation = jnp.asarray(correlation)
    return jnp.log(correlation / variance / initial - 1) / (2 * correlation)


@functools.partial(jax.jit, static_argnames=("hidden", "steps"))
def two_layers(
    correlation: Float[ArrayLike, " modes"],
    initial: Shaped[ArrayLike, ""],
    time: Shaped[ArrayLike, ""],
    *,
    key: Key[Array, ""],
    variance: ArrayLike = 1.0,
    hidden: int,
    steps: int,
) -> Flow:
    """Train y = W2 W1 x by the squared error / 2.

    Weights begin balanced and along the modes, W1 = W2^T = sqrt(initial) R, with R random and orthonormal,
    `[hidden, modes]`. All of both matrices is trained.

    Args:
        correlation: Correlation of input and output along each mode, `[modes]`.
        initial: Strength of every mode at time 0.
        time: Last time.
        key: Decides R.
        variance: Variance of the input along each mode, one number or `[modes]`.
        hidden: Number of hidden units.
        steps: Number of steps of the integration.

    Returns:
        A `Flow` of the strengths of the modes, `[steps + 1, modes]`.
    """
    correlation = jnp.asarray(correlation)
    variance = jnp.broadcast_to(variance, correlation.shape)
    first = jnp.sqrt(initial) * _orthonormal(key, hidden, len(correlation))

    def loss(weights: tuple[Float[Array, "hidden modes"], Float[Array, "modes hidden"]]) -> Float[Array, ""]:
        product = weights[1] @ weights[0]
        return jnp.sum(variance * jnp.square(product)) / 2 - jnp.sum(correlation * jnp.diag(product))

    return gradient_flow(loss, (first, first.T), time, steps, lambda weights: jnp.diag(weights[1] @ weights[0]))


# Linear Barlow Twins: Simon, Knutins, Ziyin, Geisz, Fetterman & Albrecht (2023).


def barlow_strength(time: ArrayLike, eigenvalue: ArrayLike, initial: ArrayLike) -> Float[Array, "..."]:
    """Compute the cross-correlation C = eigenvalue * s(t)**2 of one embedding under the loss |W G W^T - 1|**2.

    Arguments broadcast.

    Args:
        time: t.
        eigenvalue: Eigenvalue of G, the cross-covariance of the two views, along the mode.
        initial: Singular value s(0) of the weights along the mode.

    Returns:
        C, of the broadcast shape.
    """
    odds = 1 / (eigenvalue * jnp.square(initial)) - 1
    return 1 / (1 + jnp.asarray(odds) * jnp.exp(-8 * jnp.asarray(eigenvalue) * jnp.asarray(time)))


def barlow_half_time(eigenvalue: ArrayLike, initial: ArrayLike) -> Float[Array, "..."]:
    """Compute when the cross-correlation of an embedding is 1/2, ln(1 / (eigenvalue s(0)**2) - 1) / (8 eigenvalue).

    Simon et al. (2023) give the same time without the - 1, which matters only for large initial weights.

    Args:
        eigenvalue: Eigenvalue of G along the mode.
        initial: Singular value s(0) of the weights along the mode.

    Returns:
        The time, of the broadcast shape.
    """
    eigenvalue = jnp.asarray(eigenvalue)
    return jnp.log(1 / (eigenvalue * jnp.square(initial)) - 1) / (8 * eigenvalue)


def barlow_initial(weights: Float[ArrayLike, "outputs inputs"]) -> Float[Array, " outputs"]:
    """Compute the singular values along the modes that small random weights behave as if they had.

    The j-th embedding learns the j-th mode in the directions that earlier ones leave free, so these are the diagonal of
    R in W = QR.

    Args:
        weights: Weights at time 0, `[outputs, inputs]`, in the basis of the modes.

    Returns:
        Effective s(0), `[outputs]`.
    """
    weights = jnp.asarray(weights)
    return jnp.abs(jnp.diag(jnp.linalg.qr(weights[:, : weights.shape[0]], mode="r")))


def collapsed_strength(eigenvalue: ArrayLike, decay: ArrayLike) -> Float[np.ndarray, "..."]:
    """Compute the cross-correlation at rest under weight decay, 1 - decay / (2 eigenvalue) or 0 if that is negative.

    Args:
        eigenvalue: Eigenvalue of G along the mode.
        decay: Coefficient of |W|**2 in the loss; broadcasts with `eigenvalue`.

    Returns:
        C, of the broadcast shape.
    """
    return np.asarray(np.maximum(1 - np.asarray(decay) / (2 * np.asarray(eigenvalue)), 0))


@functools.partial(jax.jit, static_argnames=("steps",))
def barlow_twins(
    weights: Float[ArrayLike, "outputs inputs"],
    eigenvalues: Float[ArrayLike, " inputs"],
    time: Shaped[ArrayLike, ""],
    *,
    decay: Shaped[ArrayLike, ""] = 0.0,
    steps: int,
) -> Flow:
    """Train linear Barlow Twins on |C - 1|**2 + decay |W|**2, C = W G W^T.

    Without decay every embedding reaches C = 1, one after the other; with decay they come to rest at
    `collapsed_strength`.

    Args:
        weights: Weights at time 0, `[outputs, inputs]`, in the basis of the modes.
        eigenvalues: Eigenvalues of G, `[inputs]`, the largest first.
        time: Last time.
        decay: Coefficient of |W|**2.
        steps: Number of steps of the integration.

    Returns:
        A `Flow` of the eigenvalues of C, the largest first, `[steps + 1, outputs]`.
    """

    def correlation(weights: Float[Array, "outputs inputs"]) -> Float[Array, "outputs outputs"]:
        return (weights * eigenvalues) @ weights.T

    def loss(weights: Float[Array, "outputs inputs"]) -> Float[Array, ""]:
        error = correlation(weights) - jnp.eye(len(weights))
        return jnp.sum(jnp.square(error)) + decay * jnp.sum(jnp.square(weights))

    observe = lambda weights: jnp.linalg.eigvalsh(correlation(weights))[::-1]  # noqa: E731
    return gradient_flow(loss, jnp.asarray(weights), time, steps, observe)


def aligned(
    initial: Shaped[ArrayLike, ""], outputs: int, inputs: int, *, key: Key[Array, ""]
) -> Float[Array, "outputs inputs"]:
    """Draw weights of one singular value along each of the first modes, with a random rotation of the outputs.

    Args:
        initial: The singular value s(0).
        outputs: Number of outputs.
        inputs: Number of inputs.
        key: Decides the rotation.

    Returns:
        Weights `[outputs, inputs]`, in the basis of the modes.
    """
    return jnp.asarray(initial) * _orthonormal(key, outputs, outputs) @ jnp.eye(outputs, inputs)


# Chains of scalar weights: Ziyin & Ueda (2022).


def critical_decay(target: float, depth: int) -> float:
    """Compute the decay from which 0 is the global minimum of (target - w**depth)**2 + depth * decay * w**2.

    With D the depth it is (target (D - 2) / (D - 1))**((D - 2) / D) * target / (D - 1). Two layers change continuously
    at `target`; three jump from w**3 = target / 2 to 0 at (target / 2)**(4 / 3).

    Args:
        target: The target value of the product of the weights.
        depth: Number of weights, at least 2.

    Returns:
        The decay.
    """
    return critical_product(target, depth) ** ((depth - 2) / depth) * target / (depth - 1)


def critical_product(target: float, depth: int) -> float:
    """Compute the jump: w**depth at the other minimum where 0 becomes the global one, target (D - 2) / (D - 1).

    Args:
        target: The target value of the product of the weights.
        depth: Number of weights D, at least 2.

    Returns:
        The product; 0 for two layers, which do not jump.
    """
    return target * (depth - 2) / (depth - 1)


def spinodal_decay(target: float, depth: int) -> float:
    """Compute the largest decay at which a minimum other than 0 exists.

    It is the maximum of w**(D - 2) (target - w**D): 3/4 target (target / 4)**(1 / 3) for three layers, and the critical
    decay for two.

    Args:
        target: The target value of the product of the weights.
        depth: Number of weights D, at least 2.

    Returns:
        The decay.
    """
    product = target * (depth - 2) / (2 * depth - 2)
    return product ** ((depth - 2) / depth) * (target - product)


def upper_product(decay: ArrayLike, target: float, depth: int) -> Float[np.ndarray, "*decays"]:
    """Compute w**depth at the minimum other than 0, by bisection.

    Args:
        decay: Weight decay, any shape.
        target: The target value of the product of the weights.
        depth: Number of weights, at least 2.

    Returns:
        The product, float64 of the shape of `decay`; 0 where there is no such minimum.
    """
    decay = np.asarray(decay, float)
    low = np.full(decay.shape, (target * (depth - 2) / (2 * depth - 2)) ** (1 / depth))
    high = np.full(decay.shape, float(target) ** (1 / depth))
    for _ in range(60):
        middle = (low + high) / 2
        rising = middle ** (depth - 2) * (target - middle**depth) > decay
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.where(decay < spinodal_decay(target, depth), low**depth, 0)


@functools.partial(jax.jit, static_argnames=("depth", "seeds", "steps"))
def scalar_chain(
    decay: Float[ArrayLike, " decays"],
    target: Shaped[ArrayLike, ""],
    *,
    key: Key[Array, ""],
    depth: int,
    seeds: int,
    scale: Shaped[ArrayLike, ""] = 0.7,
    time: Shaped[ArrayLike, ""] = 100.0,
    steps: int = 10_000,
) -> Float[Array, "decays seeds"]:
    """Train chains of scalar weights on (target - product)**2 + decay * sum w_i**2.

    With two layers all seeds end alike; with three there are two ends, and the seed decides.

    Args:
        decay: Weight decay, `[decays]`.
        target: The target value of the product of the weights.
        key: Decides the first weights: independent and normal, different for each seed and decay.
        depth: Number of weights.
        seeds: Chains at each decay.
        scale: Standard deviation of the first weights.
        time: Last time.
        steps: Number of steps of the integration.

    Returns:
        Products w_1 ... w_depth at the last time, `[decays, seeds]`.
    """
    decay = jnp.asarray(decay)
    start = scale * jax.random.normal(key, (len(decay), seeds, depth))

    def loss(weights: Float[Array, "decays seeds depth"]) -> Float[Array, ""]:
        error = target - jnp.prod(weights, axis=-1)
        return jnp.sum(jnp.square(error) + decay[:, None] * jnp.sum(jnp.square(weights), axis=-1))

    return gradient_flow(loss, start, time, steps, lambda weights: jnp.prod(weights, axis=-1)).values[-1]


def _orthonormal(key: Key[Array, ""], rows: int, columns: int) -> Float[Array, "rows columns"]:
    """Random orthonormal columns."""
    return jnp.linalg.qr(jax.random.normal(key, (rows, columns)))[0]
