"""Surrogates of activations: random data that share all properties with them except the one under test.

Units that merely differ, and Gaussian units of the same covariance, give power laws under coarse-graining too. An
exponent means more than that only if it differs from the exponents of such surrogates. Activations are
`[..., samples, units]`, and so are their surrogates, which are independent for every leading index. A sample that is
not finite somewhere is missing: it stays NaN and has no influence on the others.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Key

Samples = Float[Array, "samples units"]
Present = Bool[Array, " samples"]


def shuffled(activations: ArrayLike, *, key: Key[Array, ""]) -> Float[Array, "..."]:
    """Shuffle each unit's values separately: every unit keeps its distribution, and no correlation remains.

    Args:
        activations: Activations, `[..., samples, units]`.
        key: Key of the permutations.

    Returns:
        The shuffled activations, `[..., samples, units]`.

    Raises:
        ValueError: If there are fewer than two axes, or an empty one.
    """
    return _each(_shuffled, activations, key)


def same_spectrum(activations: ArrayLike, *, key: Key[Array, ""]) -> Float[Array, "..."]:
    """Draw independent Gaussian samples with the mean and the covariance of the activations.

    Only pairwise relations remain. The covariance is that of the samples, with all its chance correlations, which the
    surrogate has as true ones; it may have any rank. A unit that does not vary stays at its value.

    Args:
        activations: Activations, `[..., samples, units]`.
        key: Key of the samples.

    Returns:
        Gaussian samples, `[..., samples, units]`.

    Raises:
        ValueError: If there are fewer than two axes, or an empty one.
    """
    return _each(_same_spectrum, activations, key)


def phase_randomized(activations: ArrayLike, *, key: Key[Array, ""]) -> Float[Array, "..."]:
    """Add the same random phases to every unit's Fourier components in time.

    The result is a stationary linear Gaussian process with the autocorrelations and the cross-correlations of the
    activations at all lags, with periodic time. Mean and covariance over the samples are exactly those of the
    activations.

    Args:
        activations: Activations, `[..., samples, units]`, in order of time. A missing sample counts as the mean.
        key: Key of the phases.

    Returns:
        The surrogate time series, `[..., samples, units]`.

    Raises:
        ValueError: If there are fewer than two axes, or an empty one.

    References:
        Theiler et al. (1992), Physica D 58, 77; Prichard & Theiler (1994), Phys. Rev. Lett. 73, 951.
    """
    return _each(_phase_randomized, activations, key)


def _each(surrogate: Callable, activations: ArrayLike, key: Key[Array, ""]) -> Float[Array, "..."]:
    """The surrogate of every set of activations, with a key of its own."""
    x = jnp.asarray(activations)
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"activations must have shape [..., samples, units] and no empty axis, got {x.shape}")
    x = x.astype(jnp.promote_types(jnp.result_type(x, float), jnp.float32))
    lead = x.shape[:-2]
    return _all(surrogate, key, x.reshape(math.prod(lead), *x.shape[-2:])).reshape(x.shape)


@functools.partial(jax.jit, static_argnames="surrogate")
def _all(
    surrogate: Callable, key: Key[Array, ""], activations: Float[Array, "sets samples units"]
) -> Float[Array, "sets samples units"]:
    """The surrogate of every set, missing samples being NaN."""

    def one(key, x):
        present = jnp.all(jnp.isfinite(x), axis=1)
        with jax.default_matmul_precision("highest"):
            return jnp.where(present[:, None], surrogate(key, jnp.where(present[:, None], x, 0), present), jnp.nan)

    return jax.vmap(one)(jax.random.split(key, len(activations)), activations)


def _shuffled(key: Key[Array, ""], x: Samples, present: Present) -> Samples:
    """Each unit's present samples in a random order."""
    # Missing samples come last in the random order, so that the others are permuted among themselves.
    order = jnp.argsort(jnp.where(present[:, None], jax.random.uniform(key, x.shape), 2), axis=0)
    place = jnp.where(present, jnp.cumsum(present) - 1, 0)
    return jnp.take_along_axis(x, order, axis=0)[place]


def _same_spectrum(key: Key[Array, ""], x: Samples, present: Present) -> Samples:
    """Gaussian samples of the same mean and covariance."""
    many = jnp.sum(present)
    mean, deviation = _centered(x, present)
    # Gaussian numbers times the triangular factor of the samples have their covariance, even if it is singular.
    triangle = jnp.linalg.qr(deviation, mode="r")
    draws = jax.random.normal(key, (len(x), len(triangle)), x.dtype)
    return mean + draws @ triangle / jnp.sqrt(jnp.maximum(many - 1, 1))


def _phase_randomized(key: Key[Array, ""], x: Samples, present: Present) -> Samples:
    """The same random phases added to every unit's Fourier components."""
    mean, deviation = _centered(x, present)
    waves = jnp.fft.rfft(deviation, axis=0)
    angle = 2 * jnp.pi * jax.random.uniform(key, (len(waves), 1), x.dtype)
    # The component of frequency 0 must stay real, and for an even number of samples that of frequency 1/2 too.
    real = (jnp.arange(len(waves)) == 0) | (2 * jnp.arange(len(waves)) == len(x))
    turned = jnp.where(real[:, None], waves, waves * jnp.exp(1j * angle))
    return mean + jnp.fft.irfft(turned, len(x), axis=0)


def _centered(x: Samples, present: Present) -> tuple[Float[Array, " units"], Samples]:
    """The mean and the deviations from it, which are exactly 0 where missing and for units that do not vary."""
    mean = jnp.sum(x, axis=0) / jnp.maximum(jnp.sum(present), 1)
    first = x[jnp.argmax(present)]
    varies = jnp.any(present[:, None] & (x != first), axis=0)
    return jnp.where(varies, mean, first), jnp.where(present[:, None] & varies, x - mean, 0)
