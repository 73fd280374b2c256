"""The steps that all estimates of a field's correlations share: centering, the structure factor and the jackknife."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from jaxphase.detect.batched import check_choice


def as_field(field: ArrayLike, axes: int, periodic: bool, blocks: int) -> tuple[Float[Array, "*batch"], int]:
    """The field as floats after a check, and the number of blocks that its samples allow."""
    field = jnp.asarray(field)
    check_choice("axes", axes, (1, 2))
    check_choice("periodic", periodic, (True, False))
    if field.ndim < axes + 1 or 0 in field.shape[-axes - 1 :]:
        positions = ", ".join(["length"] * axes)
        raise ValueError(f"field must have shape [..., samples, {positions}] and no empty axis, got {field.shape}")
    if jnp.issubdtype(field.dtype, jnp.complexfloating):
        raise ValueError(f"field must be real, got {field.dtype}")
    if not isinstance(blocks, int) or blocks < 2:
        raise ValueError(f"blocks must be an int of at least 2, got {blocks!r}")
    dtype = jnp.promote_types(jnp.result_type(field, float), jnp.float32)
    return field.astype(dtype), min(blocks, field.shape[-axes - 1])


def over_leading_axes(one_field: Callable[..., Any], field: Float[Array, "*batch"], core: int) -> Any:
    """Apply a function of one field, the last `core` axes, over the leading axes."""
    lead = field.shape[: field.ndim - core]
    result = jax.vmap(one_field)(field.reshape(math.prod(lead), *field.shape[field.ndim - core :]))
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), result)


def centered(
    field: Float[Array, "samples *positions"],
) -> tuple[Float[Array, "samples *positions"], Bool[Array, " samples"], Float[Array, ""]]:
    """Deviations from the mean over samples in units of their standard deviation, which samples are present, that unit.

    The deviations of a constant field are zero.
    """
    present = jnp.all(jnp.isfinite(field), axis=range(1, field.ndim))
    mask = present.reshape(-1, *(1,) * (field.ndim - 1))
    many = jnp.maximum(jnp.sum(present), 1)
    field = jnp.where(mask, field, 0)
    mean = jnp.sum(field, axis=0) / many
    deviation = jnp.where(mask, field - mean, 0)
    variance = jnp.sum(jnp.square(deviation)) / (many * mean.size)
    flat = variance <= jnp.square(8 * jnp.finfo(field.dtype).eps) * jnp.mean(jnp.square(mean))
    scale = jnp.sqrt(jnp.where(flat, 1, variance))
    return jnp.where(flat, 0, deviation / scale), present, scale


def structure_factor(
    field: Float[Array, "samples *positions"], present: Bool[Array, " samples"], blocks: int, sizes: Sequence[int]
) -> tuple[Float[Array, "estimates *waves"], Bool[Array, " blocks"]]:
    """Unbiased connected structure factor of all samples and of all but each block, and which blocks have samples.

    `sizes` are those of the transform; zero padding separates the ends of a field that is not periodic.
    """
    size = -(-len(field) // blocks)
    gap = blocks * size - len(field)
    # Blocks of one size, as the jackknife assumes; the last ones may be empty.
    field, present = jnp.pad(field, [(0, gap)] + [(0, 0)] * (field.ndim - 1)), jnp.pad(present, (0, gap))
    waves = jnp.fft.rfftn(field, sizes, axes=range(1, field.ndim))

    def without_each(values):
        parts = jnp.sum(values.reshape(blocks, size, *values.shape[1:]), axis=1)
        total = jnp.sum(parts, axis=0)
        return jnp.concatenate([total[None], total - parts])

    many = without_each(present.astype(field.dtype))
    used = many[1:] < many[0]
    many = many.reshape(-1, *(1,) * (field.ndim - 1))
    mean_square = without_each(jnp.square(jnp.abs(waves))) / jnp.maximum(many, 1)
    square_mean = jnp.square(jnp.abs(without_each(waves) / jnp.maximum(many, 1)))
    return (mean_square - square_mean) * many / jnp.maximum(many - 1, 1), used


def jackknife(
    values: Float[Array, "estimates *shape"], used: Bool[Array, " blocks"], *, correct: bool
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Estimate and standard error from the value of all samples and those without each block.

    With `correct` the bias of order 1 / samples is subtracted (Quenouille 1956; Efron 1982, The Jackknife).
    """
    used = used.reshape(-1, *(1,) * (values.ndim - 1))
    many = jnp.maximum(jnp.sum(used), 2)
    mean = jnp.sum(jnp.where(used, values[1:], 0), axis=0) / many
    error = jnp.sqrt((many - 1) / many * jnp.sum(jnp.where(used, jnp.square(values[1:] - mean), 0), axis=0))
    return (many * values[0] - (many - 1) * mean if correct else values[0]), error
