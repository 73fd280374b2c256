"""Surrogates of activations: random data that share with them all but what a statistic is supposed to see.

Power laws under coarse-graining come from units that only differ from one another, and from Gaussian units with the
same covariance, too: an exponent means something beyond these if it differs from theirs. Activations are
`[..., samples, units]`, and so are the surrogates, independent for every leading index. A sample that is not finite
anywhere is missing: it stays NaN and lends nothing to the others.
"""

import functools
import math

import jax
import jax.numpy as jnp


def shuffled(key, activations):
    """Each unit's values in an order of its own: the distribution of every unit, and no correlation of any kind."""
    return _each(_shuffled, key, activations)


def same_spectrum(key, activations):
    """Independent Gaussian samples with the mean and the covariance of the activations, whatever their rank: what two
    units tell of one another, and no more. A unit that does not vary stays at its value."""
    return _each(_same_spectrum, key, activations)


def phase_randomized(key, activations):
    """Time series, samples in order, with the same phases added to every unit's Fourier components: a stationary linear
    Gaussian process with the autocorrelations and the cross-correlations of the activations at all lags of the ring of
    samples (Theiler et al. 1992, Physica D 58, 77; Prichard & Theiler 1994, Phys. Rev. Lett. 73, 951). The mean and the
    covariance over the samples are those of the activations exactly. A missing sample counts as the mean."""
    return _each(_phase_randomized, key, activations)


def _each(surrogate, key, activations):
    """The surrogate of one set of activations for each of them, with a key of its own."""
    x = jnp.asarray(activations)
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"activations must have shape [..., samples, units] and no empty axis, got {x.shape}")
    x = x.astype(jnp.promote_types(jnp.result_type(x, float), jnp.float32))
    lead = x.shape[:-2]
    return _all(surrogate, key, x.reshape(math.prod(lead), *x.shape[-2:])).reshape(x.shape)


@functools.partial(jax.jit, static_argnames="surrogate")
def _all(surrogate, key, activations):
    def one(key, x):
        present = jnp.all(jnp.isfinite(x), axis=1)
        with jax.default_matmul_precision("highest"):
            return jnp.where(present[:, None], surrogate(key, jnp.where(present[:, None], x, 0), present), jnp.nan)

    return jax.vmap(one)(jax.random.split(key, len(activations)), activations)


def _shuffled(key, x, present):
    # The missing samples keep the last places of the random order, so that only the others change theirs.
    order = jnp.argsort(jnp.where(present[:, None], jax.random.uniform(key, x.shape), 2), axis=0)
    place = jnp.where(present, jnp.cumsum(present) - 1, 0)
    return jnp.take_along_axis(x, order, axis=0)[place]


def _same_spectrum(key, x, present):
    many = jnp.sum(present)
    mean, deviation = _centred(x, present)
    # Gaussian numbers times the triangle of the samples have their covariance; no root of a singular matrix is taken.
    triangle = jnp.linalg.qr(deviation, mode="r")
    draws = jax.random.normal(key, (len(x), len(triangle)), x.dtype)
    return mean + draws @ triangle / jnp.sqrt(jnp.maximum(many - 1, 1))


def _phase_randomized(key, x, present):
    mean, deviation = _centred(x, present)
    waves = jnp.fft.rfft(deviation, axis=0)
    angle = 2 * jnp.pi * jax.random.uniform(key, (len(waves), 1), x.dtype)
    # Waves 0 and, of an even number of samples, one half are real and must stay so.
    real = (jnp.arange(len(waves)) == 0) | (2 * jnp.arange(len(waves)) == len(x))
    turned = jnp.where(real[:, None], waves, waves * jnp.exp(1j * angle))
    return mean + jnp.fft.irfft(turned, len(x), axis=0)


def _centred(x, present):
    """Mean, and deviations from it, exactly 0 where missing and of units that do not vary."""
    mean = jnp.sum(x, axis=0) / jnp.maximum(jnp.sum(present), 1)
    first = x[jnp.argmax(present)]
    varies = jnp.any(present[:, None] & (x != first), axis=0)
    return jnp.where(varies, mean, first), jnp.where(present[:, None] & varies, x - mean, 0)
