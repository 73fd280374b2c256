"""Linear networks that learn in steps, collapse or jump: gradient flows, and the same flows solved in closed form.

Four systems whose learning has a transition that is known exactly:

- two layers learn the modes of their data one by one, each as a sigmoid in time (Saxe, McClelland & Ganguli 2014);
- linear Barlow Twins does so too, so its rank is a staircase in time (Simon et al. 2023);
- weight decay takes modes away again, one by one and continuously (dimensional collapse);
- a chain of scalar weights under weight decay dies continuously with two layers and in a jump with three or more
  (Ziyin & Ueda 2022).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Flow(NamedTuple):
    """What a flow shows at `times` `[steps + 1]`, from its start on: `[steps + 1, ...]`."""

    times: jax.Array
    values: jax.Array


def gradient_flow(loss, weights, time, steps, observe):
    """`observe(weights)` along dw/dt = -grad loss(w) from t = 0 to `time`, by `steps` of Runge & Kutta's fourth order.

    weights: any tree of arrays. A step is stable while step * curvature < 2.7.
    """
    down = jax.grad(lambda weights: -loss(weights))
    step = time / steps

    def ahead(weights, direction, by):
        return jax.tree.map(lambda w, d: w + by * d, weights, direction)

    def advance(weights, _):
        first = down(weights)
        second = down(ahead(weights, first, step / 2))
        third = down(ahead(weights, second, step / 2))
        fourth = down(ahead(weights, third, step))
        mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, first, second, third, fourth)
        weights = ahead(weights, mean, step)
        return weights, observe(weights)

    # An accelerator's default of 10 bits in a product would be the error of every flow.
    with jax.default_matmul_precision("highest"):
        start = observe(weights)
        _, seen = jax.lax.scan(advance, weights, length=steps)
    values = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), start, seen)
    return Flow(step * jnp.arange(steps + 1), values)


# Two layers: Saxe, McClelland & Ganguli (2014), ICLR, arXiv:1312.6120.


def mode_strength(time, correlation, initial, variance=1.0):
    """Strength u(t) of one mode of W2 W1, from u(0) = initial: E / (E - 1 + u_f / initial) * u_f, E = exp(2 s t).

    s = correlation is that of input and output along the mode, variance that of the input; u_f = s / variance is what
    is learnt. An autoencoder has correlation = variance; whitened inputs have variance 1. Arguments broadcast.
    """
    final = correlation / variance
    return final / (1 + (final / initial - 1) * jnp.exp(-2 * correlation * jnp.asarray(time)))


def half_time(correlation, initial, variance=1.0):
    """When the mode has half its final strength, ln(u_f / initial - 1) / 2s."""
    return jnp.log(correlation / variance / initial - 1) / (2 * correlation)


@functools.partial(jax.jit, static_argnames=("hidden", "steps"))
def two_layers(key, correlation, initial, time, *, variance=1.0, hidden, steps) -> Flow:
    """Strengths `[steps + 1, modes]` while y = W2 W1 x is learnt by the squared error / 2, `correlation` `[modes]`.

    Weights begin balanced and along the modes, W1 = W2^T = sqrt(initial) R with R random and orthonormal, `[hidden,
    modes]`; all of both matrices is trained.
    """
    correlation = jnp.asarray(correlation)
    variance = jnp.broadcast_to(variance, correlation.shape)
    first = jnp.sqrt(initial) * _orthonormal(key, hidden, len(correlation))

    def loss(weights):
        product = weights[1] @ weights[0]
        return jnp.sum(variance * jnp.square(product)) / 2 - jnp.sum(correlation * jnp.diag(product))

    return gradient_flow(loss, (first, first.T), time, steps, lambda weights: jnp.diag(weights[1] @ weights[0]))


# Linear Barlow Twins: Simon, Knutins, Ziyin, Geisz, Fetterman & Albrecht (2023), ICML, arXiv:2303.15438.


def barlow_strength(time, eigenvalue, initial):
    """Cross-correlation C = eigenvalue * s(t)**2 of one embedding under |W G W^T - 1|**2, from the singular value s(0).

    eigenvalue is that of G, the cross-covariance of the two views, along the mode; arguments broadcast.
    """
    odds = 1 / (eigenvalue * jnp.square(initial)) - 1
    return 1 / (1 + odds * jnp.exp(-8 * eigenvalue * jnp.asarray(time)))


def barlow_time(eigenvalue, initial):
    """When C is 1/2: ln(1 / (eigenvalue s(0)**2) - 1) / (8 eigenvalue), which is that of Simon et al. but for the 1."""
    return jnp.log(1 / (eigenvalue * jnp.square(initial)) - 1) / (8 * eigenvalue)


def barlow_initial(weights):
    """Singular values `[outputs]` that small random weights `[outputs, inputs]` behave as if they had, along the modes.

    The j-th embedding learns the j-th mode in what the earlier ones leave free: the diagonal of R in W = QR.
    """
    outputs = weights.shape[0]
    return jnp.abs(jnp.diag(jnp.linalg.qr(weights[:, :outputs], mode="r")))


def collapsed_strength(eigenvalue, decay):
    """C at rest under weight decay * |W|**2: 1 - decay / (2 eigenvalue), 0 where decay exceeds 2 eigenvalue."""
    return np.maximum(1 - np.asarray(decay) / (2 * np.asarray(eigenvalue)), 0)


@functools.partial(jax.jit, static_argnames=("steps",))
def barlow_twins(weights, eigenvalues, time, *, decay=0.0, steps) -> Flow:
    """Eigenvalues of C = W G W^T, falling, `[steps + 1, outputs]`, on |C - 1|**2 + decay |W|**2.

    weights: `[outputs, inputs]` to begin with, in the axes of the modes; eigenvalues: `[inputs]` of G, falling. With
    decay 0 every embedding gets to 1, one after the other; with decay they come to rest at `collapsed_strength`.
    """

    def correlation(weights):
        return (weights * eigenvalues) @ weights.T

    def loss(weights):
        error = correlation(weights) - jnp.eye(len(weights))
        return jnp.sum(jnp.square(error)) + decay * jnp.sum(jnp.square(weights))

    observe = lambda weights: jnp.linalg.eigvalsh(correlation(weights))[::-1]  # noqa: E731
    return gradient_flow(loss, jnp.asarray(weights), time, steps, observe)


def aligned(key, initial, outputs, inputs):
    """Weights `[outputs, inputs]` with the singular value `initial` along each of the first modes, turned by lot."""
    return initial * _orthonormal(key, outputs, outputs) @ jnp.eye(outputs, inputs)


# Chains of scalar weights: Ziyin & Ueda (2022), arXiv:2205.12510.


def critical_decay(target, depth):
    """Decay at which 0 takes over as the least of (target - w**depth)**2 + depth * decay * w**2.

    (target (D - 2) / (D - 1))**((D - 2) / D) * target / (D - 1): continuous at `target` for two layers, and for three a
    jump of w**3 from target / 2 to 0 at (target / 2)**(4 / 3).
    """
    return critical_product(target, depth) ** ((depth - 2) / depth) * target / (depth - 1)


def critical_product(target, depth):
    """w**depth at the least but for 0 at the critical decay, target (D - 2) / (D - 1): the jump, 0 for two layers."""
    return target * (depth - 2) / (depth - 1)


def spinodal_decay(target, depth):
    """Decay up to which a minimum besides 0 exists: where decay = w**(D - 2) (target - w**D) is largest.

    3/4 target (target / 4)**(1 / 3) for three layers; for two it is the critical decay.
    """
    product = target * (depth - 2) / (2 * depth - 2)
    return product ** ((depth - 2) / depth) * (target - product)


def upper_product(decay, target, depth):
    """w**depth at the minimum besides 0, for decays of any shape; 0 where there is none, float64."""
    decay = np.asarray(decay, float)
    low = np.full(decay.shape, (target * (depth - 2) / (2 * depth - 2)) ** (1 / depth))
    high = np.full(decay.shape, float(target) ** (1 / depth))
    for _ in range(60):
        middle = (low + high) / 2
        rising = middle ** (depth - 2) * (target - middle**depth) > decay
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.where(decay < spinodal_decay(target, depth), low**depth, 0)


@functools.partial(jax.jit, static_argnames=("depth", "seeds", "steps"))
def scalar_chain(key, decay, target, *, depth, seeds, scale=0.7, time=100.0, steps=10_000):
    """Products w_1 ... w_depth, `[k, seeds]`, after (target - product)**2 + decay * sum w_i**2 flowed for `time`.

    decay: `[k]`. Weights begin independent, normal with deviation `scale`, other ones for each seed and decay. With two
    layers all seeds end alike; with three there are two ends, and the seed decides.
    """
    decay = jnp.asarray(decay)
    start = scale * jax.random.normal(key, (len(decay), seeds, depth))

    def loss(weights):
        error = target - jnp.prod(weights, axis=-1)
        return jnp.sum(jnp.square(error) + decay[:, None] * jnp.sum(jnp.square(weights), axis=-1))

    return gradient_flow(loss, start, time, steps, lambda weights: jnp.prod(weights, axis=-1)).values[-1]


def _orthonormal(key, rows, columns):
    """Random orthonormal columns `[rows, columns]`."""
    return jnp.linalg.qr(jax.random.normal(key, (rows, columns)))[0]
