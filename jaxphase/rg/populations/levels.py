"""Clusters of every size in one half of the samples, chosen by the covariance of the other half, and their moments."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxphase.rg.populations.halves import moments, without_each
from jaxphase.rg.populations.pairing import pair, to_correlation

# The smallest clusters whose eigenvalues are measured.
LEAST_SPECTRUM = 16


class Levels(NamedTuple):
    """Sums over the clusters of each level, from all blocks of one half and from all but each.

    Attributes:
        variance: Variances of the clusters.
        of_units: Variances of the units in them.
        kurtosis: Kurtoses of the clusters.
        silent: Samples in which a cluster is silent.
        trials: Samples of all clusters.
        products: Mean products of deviations at each lag.
        spectrum: Variances along the eigenvectors within a cluster, mean over clusters.
    """

    variance: Float[Array, "estimates levels"]
    of_units: Float[Array, "estimates levels"]
    kurtosis: Float[Array, "estimates levels"]
    silent: Float[Array, "estimates levels"]
    trials: Float[Array, "estimates levels"]
    products: Float[Array, "estimates levels lags"]
    spectrum: Float[Array, "estimates levels ranks"]


def measure_clusters(
    covariance: Float[Array, "units units"],
    deviation: Float[Array, "units blocks size"],
    silent: Bool[Array, "units blocks size"],
    present: Bool[Array, "blocks size"],
    *,
    live: Bool[Array, " units"],
    largest: int,
    time: bool,
) -> Levels:
    """Measure the clusters that the covariance of the other half chooses, spectra up to the largest size."""
    tree = _tree(covariance, live)
    samples = without_each(jnp.sum(present, axis=1))
    sums, silences = [deviation], [silent]
    for first, second in tree.pairs:
        sums.append(sums[-1][first] + sums[-1][second])
        silences.append(silences[-1][first] & silences[-1][second])
    levels = len(sums)
    # The clusters of all levels, one level after the other: `[clusters, blocks, size]`.
    level = np.repeat(np.arange(levels), [len(a) for a in sums])
    sums, silences, valid = jnp.concatenate(sums), jnp.concatenate(silences), jnp.concatenate(tree.valid)

    def by_level(values):
        """Sums over the clusters of each level, `[..., clusters] -> [..., levels]`."""
        return jnp.where(valid, values, 0) @ jnp.asarray(level[:, None] == np.arange(levels), values.dtype)

    variance, kurtosis = moments(sums, present)
    of_units = by_level(jnp.concatenate([jnp.sum(variance[:, a], axis=-1) for a in tree.members], axis=1))
    silent_samples = without_each(jnp.sum(silences, axis=2).T.astype(sums.dtype))
    products = jnp.ones((1 + len(present), levels, 2), sums.dtype)
    if time:
        products = jnp.swapaxes(by_level(jnp.swapaxes(_products(sums, present), 1, 2)), 1, 2)
    spectrum = jnp.zeros((1 + len(present), levels, max(largest, 1)), sums.dtype)
    for i, (members, there) in enumerate(zip(tree.members, tree.valid, strict=True)):
        if LEAST_SPECTRUM <= 2**i <= largest:
            spectrum = spectrum.at[:, i, : 2**i].set(_spectrum(covariance, deviation, members, there, present))
    return Levels(
        variance=by_level(variance),
        of_units=of_units,
        kurtosis=by_level(kurtosis),
        silent=by_level(silent_samples),
        trials=samples[:, None] * by_level(jnp.ones_like(valid, sums.dtype)),
        products=products,
        spectrum=spectrum,
    )


class _Tree(NamedTuple):
    """Clusters of each level.

    Attributes:
        members: Units of each cluster, `[clusters, K]`.
        valid: Which rows are clusters, `[clusters]`.
        pairs: Indices of the two clusters that make each cluster of the next level, `[2, clusters]`.
    """

    members: list[Int[Array, "clusters K"]]
    valid: list[Bool[Array, " clusters"]]
    pairs: list[Int[Array, "2 clusters"]]


def _tree(covariance: Float[Array, "units units"], live: Bool[Array, " units"]) -> _Tree:
    """Pairs of pairs, and so on to a single cluster."""
    tree = _Tree([jnp.arange(len(live))[:, None]], [live], [])
    while len(tree.valid[-1]) > 1:
        pairs = pair(to_correlation(covariance, tree.valid[-1]), tree.valid[-1])
        first, second = pairs.members.T
        rows = covariance[first] + covariance[second]
        # Without the barrier the compiler traces every entry back to the units, at each use.
        covariance = jax.lax.optimization_barrier(rows[:, first] + rows[:, second])
        tree.members.append(jnp.concatenate([tree.members[-1][first], tree.members[-1][second]], axis=1))
        tree.valid.append(pairs.valid)
        tree.pairs.append(jnp.stack([first, second]))
    return tree


def _spectrum(
    covariance: Float[Array, "units units"],
    deviation: Float[Array, "units blocks size"],
    members: Int[Array, "clusters K"],
    valid: Bool[Array, " clusters"],
    present: Bool[Array, "blocks size"],
) -> Float[Array, "estimates K"]:
    """Mean over clusters of the variances along the eigenvectors of the other half's covariance, the largest first."""
    _, vectors = jnp.linalg.eigh(covariance[members[:, :, None], members[:, None, :]])
    along = jnp.einsum("cki,ckbs->cibs", vectors[:, :, ::-1], deviation[members])
    variance, _ = moments(along, present)
    return jnp.sum(jnp.where(valid[:, None], variance, 0), axis=1) / jnp.maximum(jnp.sum(valid), 1)


def _products(
    sums: Float[Array, "clusters blocks size"], present: Bool[Array, "blocks size"]
) -> Float[Array, "estimates clusters lags"]:
    """Mean products of deviations within a block, at lags up to half of a block."""
    size = present.shape[1]
    mean = jnp.sum(sums, axis=(1, 2), keepdims=True) / jnp.maximum(jnp.sum(present), 1)

    def products(a):
        power = jnp.square(jnp.abs(jnp.fft.rfft(a, 2 * size)))
        return jnp.fft.irfft(power, 2 * size)[..., : max(size // 2, 2)]

    pairs = without_each(jnp.round(products(present.astype(sums.dtype))))
    total = without_each(jnp.swapaxes(products(jnp.where(present, sums - mean, 0)), 0, 1))
    return total / jnp.maximum(pairs, 1)[:, None]
