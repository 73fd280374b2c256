"""What every estimate of a field's correlations is made of: centred samples, their structure factor, the jackknife."""

import math

import jax
import jax.numpy as jnp

from jaxphase.detect.batched import check_choice


def as_field(field, axes, periodic, blocks):
    """The checked field as floats, and the number of blocks that its samples allow."""
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
    return field.astype(jnp.promote_types(jnp.result_type(field, float), jnp.float32)), min(
        blocks, field.shape[-axes - 1]
    )


def lifted(one_field, field, core):
    """The function of one field over the leading axes."""
    lead = field.shape[: field.ndim - core]
    result = jax.vmap(one_field)(field.reshape(math.prod(lead), *field.shape[field.ndim - core :]))
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), result)


def centred(field):
    """Deviations from the mean over the samples present, in units of their standard deviation; zeros if constant."""
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


def structure_factor(field, present, blocks, sizes):
    """Unbiased connected structure factor of all samples and of all but each block, `[1 + blocks, *k]`, by the
    transform to these sizes (more zeros than positions keep the ends apart); and which blocks have samples."""
    size = -(-len(field) // blocks)
    gap = blocks * size - len(field)
    # Blocks of one size, as the jackknife supposes; the last ones may be empty.
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


def jackknife(values, used, *, correct):
    """Estimate and standard error from `values` `[1 + blocks, ...]`, that of all samples first; the estimate less its
    bias of order one over the samples if correct (Quenouille 1956; Efron 1982, The Jackknife)."""
    used = used.reshape(-1, *(1,) * (values.ndim - 1))
    many = jnp.maximum(jnp.sum(used), 2)
    mean = jnp.sum(jnp.where(used, values[1:], 0), axis=0) / many
    error = jnp.sqrt((many - 1) / many * jnp.sum(jnp.where(used, jnp.square(values[1:] - mean), 0), axis=0))
    return (many * values[0] - (many - 1) * mean if correct else values[0]), error
