"""The connected correlation function, along each axis and averaged over directions."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.detect.status import NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true
from jaxphase.scaling.fields.samples import as_field, centred, jackknife, lifted, structure_factor


class CorrelationFunction(NamedTuple):
    """`distance` and `radial_distance` are the mean lags of the entries of `along` `[..., axes, lags]` and `radial`
    `[..., lags]`, with their errors; the correlation along an axis has lag 0 along the other."""

    distance: jax.Array
    along: jax.Array
    along_se: jax.Array
    radial_distance: jax.Array
    radial: jax.Array
    radial_se: jax.Array
    status: jax.Array


def connected_correlation(field, *, axes=1, periodic=True, blocks=20) -> CorrelationFunction:
    """Connected correlation function at integer distances, along each axis and averaged over directions, by FFT.

    field: `[..., samples, *positions]` with `axes` = 1 or 2 axes of positions; a sample that is not finite anywhere is
    missing. periodic=True: positions are on a ring or torus, lags go to half of the shortest axis; False: they have
    ends, every lag is the mean over the pairs that exist, lags go to the shortest axis less one. The estimate is
    unbiased for independent samples. radial is the mean over all lag vectors whose length rounds to the same integer.
    blocks: of the jackknife, at most one per sample.

    status 2: constant, zeros with zero errors. status 3: fewer than two samples present, NaN.
    """
    field, blocks = as_field(field, axes, periodic, blocks)
    return lifted(functools.partial(_correlation, axes=axes, periodic=periodic, blocks=blocks), field, axes + 1)


@functools.partial(jax.jit, static_argnames=("axes", "periodic", "blocks"))
def _correlation(field, *, axes, periodic, blocks):
    field, present, scale = centred(field)
    shape = field.shape[1:]
    sizes = [n if periodic else 2 * n for n in shape]
    power, used = structure_factor(field, present, blocks, sizes)
    sums = jnp.fft.irfftn(power, sizes, axes=range(1, axes + 1))
    lags = min(shape) // 2 + 1 if periodic else min(shape)
    offsets, pairs = _lag_grid(shape, periodic)
    mean = sums * scale**2 / np.maximum(pairs, 1)

    along = jnp.stack(
        [mean[(slice(None), *(slice(lags) if a == b else 0 for b in range(axes)))] for a in range(axes)], 1
    )
    length = np.sqrt(np.sum(np.square(offsets), axis=0))
    ring = np.where(pairs > 0, np.minimum(np.rint(length), lags), lags).astype(int).ravel()
    total = np.bincount(ring, pairs.ravel())[:lags]
    radial_distance = np.bincount(ring, (pairs * length).ravel())[:lags] / total
    weighted = (mean * pairs).reshape(len(mean), -1).T
    radial = jax.ops.segment_sum(weighted, ring, lags + 1)[:lags].T / total

    few = jnp.sum(present) < 2
    along, along_se = jackknife(along, used, correct=False)
    radial, radial_se = jackknife(radial, used, correct=False)
    result = CorrelationFunction(
        distance=jnp.arange(lags, dtype=field.dtype),
        along=along,
        along_se=along_se,
        radial_distance=jnp.asarray(radial_distance, field.dtype),
        radial=radial,
        radial_se=radial_se,
        status=first_true((few, TOO_FEW_POINTS), (~jnp.any(field != 0), NOT_IDENTIFIED)),
    )
    return answered(result, ~few)


def _lag_grid(shape, periodic):
    """Signed lags of each entry of the inverse transform, `[axes, *lags]`, and over how many pairs it is a sum."""
    sizes = [n if periodic else 2 * n for n in shape]
    lags = np.meshgrid(*(np.rint(np.fft.fftfreq(size) * size) for size in sizes), indexing="ij")
    if periodic:
        return np.stack(lags), np.full(shape, math.prod(shape), float)
    return np.stack(lags), np.prod([np.maximum(n - np.abs(lag), 0) for n, lag in zip(shape, lags, strict=True)], axis=0)
