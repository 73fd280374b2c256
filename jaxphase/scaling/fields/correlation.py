"""The connected correlation function, along each axis and averaged over directions."""

import functools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.status import Status, answered, first_true
from jaxphase.scaling.fields.samples import as_field, centered, jackknife, over_leading_axes, structure_factor


class CorrelationFunction(NamedTuple):
    """Connected correlation at integer distances, along each axis and averaged over directions.

    Attributes:
        distance: Lags along an axis, `[..., lags]`.
        along: Correlation along each axis, with lag 0 along the other, `[..., axes, lags]`.
        along_se: Its standard error, `[..., axes, lags]`.
        radial_distance: Mean length of the lag vectors averaged in `radial`, `[..., lags]`.
        radial: Mean correlation over all lag vectors whose length rounds to the same integer, `[..., lags]`.
        radial_se: Its standard error, `[..., lags]`.
        status: `Status`, `[...]`; see `connected_correlation`.
    """

    distance: Float[Array, "*batch lags"]
    along: Float[Array, "*batch axes lags"]
    along_se: Float[Array, "*batch axes lags"]
    radial_distance: Float[Array, "*batch lags"]
    radial: Float[Array, "*batch lags"]
    radial_se: Float[Array, "*batch lags"]
    status: Int[Array, "*batch"]


def connected_correlation(
    field: ArrayLike, *, axes: Literal[1, 2] = 1, periodic: bool = True, blocks: int = 20
) -> CorrelationFunction:
    """Compute the connected correlation function along each axis and averaged over directions, by FFT.

    The estimate is unbiased for independent samples.

    Args:
        field: Samples, `[..., samples, length]` or `[..., samples, length, length]`; a sample that is not finite
            everywhere is missing.
        axes: Number of axes of positions.
        periodic: If true, positions lie on a ring or torus and lags go to half the shortest axis. Otherwise positions
            have ends, each lag is the mean over the pairs that exist, and lags go to the shortest axis less one.
        blocks: Number of blocks for the jackknife, at most one a sample.

    Returns:
        A `CorrelationFunction`. The status is NOT_IDENTIFIED, with zeros, for a constant field, and TOO_FEW_POINTS,
        with NaN, for fewer than two samples.

    Raises:
        ValueError: If the field has too few axes or is complex, or an option is not valid.

    Example:
        >>> found = jaxphase.scaling.connected_correlation(spins, axes=2)
        >>> found.radial_distance, found.radial
    """
    field, blocks = as_field(field, axes, periodic, blocks)
    return over_leading_axes(
        functools.partial(_correlation, axes=axes, periodic=periodic, blocks=blocks), field, axes + 1
    )


@functools.partial(jax.jit, static_argnames=("axes", "periodic", "blocks"))
def _correlation(
    field: Float[Array, "samples *positions"], *, axes: int, periodic: bool, blocks: int
) -> CorrelationFunction:
    """The correlation function of one field."""
    field, present, scale = centered(field)
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
        status=first_true((few, Status.TOO_FEW_POINTS), (~jnp.any(field != 0), Status.NOT_IDENTIFIED)),
    )
    return answered(result, ~few)


def _lag_grid(
    shape: Sequence[int], periodic: bool
) -> tuple[Float[np.ndarray, "axes *lags"], Float[np.ndarray, "*lags"]]:
    """Signed lags of each entry of the inverse transform, and how many pairs of positions it sums over."""
    sizes = [n if periodic else 2 * n for n in shape]
    lags = np.meshgrid(*(np.rint(np.fft.fftfreq(size) * size) for size in sizes), indexing="ij")
    if periodic:
        return np.stack(lags), np.full(shape, math.prod(shape), float)
    return np.stack(lags), np.prod([np.maximum(n - np.abs(lag), 0) for n, lag in zip(shape, lags, strict=True)], axis=0)
