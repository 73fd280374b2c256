"""All clusters of one half of the samples, chosen by the covariance of the other: what is measured of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .halves import moments, without_each
from .pairing import pair, to_correlation

# The smallest clusters whose eigenvalues are measured.
LEAST_SPECTRUM = 16


class Levels(NamedTuple):
    """Sums over clusters of one half, of all its blocks and of all but each, `[1 + blocks / 2, levels, ...]`."""

    variance: jax.Array
    of_units: jax.Array
    kurtosis: jax.Array
    silent: jax.Array
    trials: jax.Array
    products: jax.Array
    spectrum: jax.Array


def measure_clusters(chosen, deviation, silent, present, *, live, top, time) -> Levels:
    """Clusters by the covariance of the half that chooses, measured in the other half."""
    tree = _tree(chosen, live)
    samples = without_each(jnp.sum(present, axis=1))
    sums, silences = [deviation], [silent]
    for first, second in tree.pairs:
        sums.append(sums[-1][first] + sums[-1][second])
        silences.append(silences[-1][first] & silences[-1][second])
    levels = len(sums)
    # All levels at once, one after the other: `[clusters of all, blocks / 2, size]`.
    level = np.repeat(np.arange(levels), [len(a) for a in sums])
    sums, silences, valid = jnp.concatenate(sums), jnp.concatenate(silences), jnp.concatenate(tree.valid)

    def by_level(values):
        """Sums over the clusters of each level, `[..., all] -> [..., levels]`."""
        return jnp.where(valid, values, 0) @ jnp.asarray(level[:, None] == np.arange(levels), values.dtype)

    variance, kurtosis = moments(sums, present)
    of_units = by_level(jnp.concatenate([jnp.sum(variance[:, a], axis=-1) for a in tree.members], axis=1))
    silent_samples = without_each(jnp.sum(silences, axis=2).T.astype(sums.dtype))
    products = jnp.ones((1 + len(present), levels, 2), sums.dtype)
    if time:
        products = jnp.swapaxes(by_level(jnp.swapaxes(_products(sums, present), 1, 2)), 1, 2)
    spectrum = jnp.zeros((1 + len(present), levels, max(top, 1)), sums.dtype)
    for i, (members, there) in enumerate(zip(tree.members, tree.valid, strict=True)):
        if LEAST_SPECTRUM <= 2**i <= top:
            spectrum = spectrum.at[:, i, : 2**i].set(_spectrum(chosen, deviation, members, there, present))
    trials = samples[:, None] * by_level(jnp.ones_like(valid, sums.dtype))
    return Levels(
        by_level(variance), of_units, by_level(kurtosis), by_level(silent_samples), trials, products, spectrum
    )


class _Tree(NamedTuple):
    """Members `[clusters, K]` of the clusters of each level and which are one `[clusters]`, and between the levels the
    indices `[2, clusters]` of the halves of the clusters of the next."""

    members: list[jax.Array]
    valid: list[jax.Array]
    pairs: list[jax.Array]


def _tree(covariance, live) -> _Tree:
    """Pairs of pairs, and so on to a single cluster."""
    tree = _Tree([jnp.arange(len(live))[:, None]], [live], [])
    while len(tree.valid[-1]) > 1:
        pairs = pair(to_correlation(covariance, tree.valid[-1]), tree.valid[-1])
        first, second = pairs.members.T
        rows = covariance[first] + covariance[second]
        # Else the compiler follows every entry down to the units, at each of its uses.
        covariance = jax.lax.optimization_barrier(rows[:, first] + rows[:, second])
        tree.members.append(jnp.concatenate([tree.members[-1][first], tree.members[-1][second]], axis=1))
        tree.valid.append(pairs.valid)
        tree.pairs.append(jnp.stack([first, second]))
    return tree


def _spectrum(chosen, deviation, members, valid, present):
    """Mean over clusters of the variances along the eigenvectors of the half that chose, the largest first."""
    _, vectors = jnp.linalg.eigh(chosen[members[:, :, None], members[:, None, :]])
    along = jnp.einsum("cki,ckbs->cibs", vectors[:, :, ::-1], deviation[members])
    variance, _ = moments(along, present)
    return jnp.sum(jnp.where(valid[:, None], variance, 0), axis=1) / jnp.maximum(jnp.sum(valid), 1)


def _products(sums, present):
    """Mean product of deviations `[1 + blocks / 2, clusters, lags]` at lags within a block, up to half of one."""
    size = present.shape[1]
    mean = jnp.sum(sums, axis=(1, 2), keepdims=True) / jnp.maximum(jnp.sum(present), 1)

    def products(a):
        power = jnp.square(jnp.abs(jnp.fft.rfft(a, 2 * size)))
        return jnp.fft.irfft(power, 2 * size)[..., : max(size // 2, 2)]

    pairs = without_each(jnp.round(products(present.astype(sums.dtype))))
    total = without_each(jnp.swapaxes(products(jnp.where(present, sums - mean, 0)), 0, 1))
    return total / jnp.maximum(pairs, 1)[:, None]
