"""Layers of a network with fewer units: what a smaller one is filled with, and how its scale is restored."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxphase.models.heads import Projector
from jaxphase.models.layers import Convolution, Dense, RMSNorm
from jaxphase.rg.networks.reduction import Reduction, identity, select

# Below this share of its wanted scale, what reaches a unit is rounding, and no factor brings it back.
_SILENT = 1e-4


class Settings(NamedTuple):
    """Where directions come from, and whether means and variances are restored."""

    method: str
    rescale: bool


def choose_units(activations: Array, writer: Dense, keep: Array, smaller: Dense, settings: Settings) -> Reduction:
    """Units to keep, by what they do [..., w] or by the weights and the bias that make them do it."""
    size = smaller.kernel[...].shape[1]
    if settings.method == "activations":
        return select(flat(activations), keep, size)
    return select(jnp.vstack([writer.kernel[...], writer.bias[...]]), keep, size, centre=False)


def reduce_dense(fine: Dense, coarse: Dense, inputs: Reduction, outputs: Array | None = None) -> None:
    """A layer that reads reduced inputs, and writes outputs [w] as `outputs` [w, k] says."""
    kernel = fine.kernel[...] if fine.scale is None else fine.scale[...] * fine.kernel[...]
    bias = None if fine.bias is None else fine.bias[...] + inputs.offset @ kernel
    kernel = inputs.up @ kernel
    if outputs is not None:
        kernel, bias = kernel @ outputs, None if bias is None else bias @ outputs
    coarse.kernel.set_value(kernel if coarse.scale is None else kernel / coarse.scale[...])
    if bias is not None:
        coarse.bias.set_value(bias)


def reduce_projector(fine: Projector, coarse: Projector, inputs: Reduction) -> None:
    """Its first layer reads the representation; the others stay as they are."""
    reduce_dense(fine.first, coarse.first, inputs)
    coarse.norm.gain.set_value(fine.norm.gain[...])
    reduce_dense(fine.second, coarse.second, identity(len(fine.norm.gain[...])))


def restore(layer: Dense | Convolution, c: Array, wanted: Array, settings: Settings) -> Array:
    """Give a layer's outputs, on inputs `c`, the mean and standard deviation of `wanted`; returns their scale before.

    Without a bias it is the root mean square that is restored.
    """
    biased = getattr(layer, "bias", None) is not None
    mean, std = _scale(flat(layer(c)), biased)
    wanted_mean, wanted_std = _scale(flat(wanted), biased)
    heard = std > _SILENT * wanted_std
    ratio = jnp.where(heard, wanted_std / jnp.where(heard, std, 1), 1)
    if settings.rescale:
        layer.kernel.set_value(layer.kernel[...] * ratio)
        if biased:
            layer.bias.set_value((layer.bias[...] - mean) * ratio + wanted_mean)
    return jnp.exp(-jnp.sum(jnp.where(heard, jnp.log(ratio), 0)) / jnp.maximum(heard.sum(), 1))


def restore_gain(norm: RMSNorm, c: Array, wanted: Array, settings: Settings) -> None:
    """Give normalised units their root mean square."""
    if settings.rescale:
        got, want = (jnp.sqrt(jnp.mean(flat(values) ** 2, axis=0)) for values in (norm(c), wanted))
        heard = got > _SILENT * want
        norm.gain.set_value(norm.gain[...] * jnp.where(heard, want / jnp.where(heard, got, 1), 1))


def flat(x: Array) -> Array:
    """Samples [n, w] of [..., w]."""
    return x.reshape(-1, x.shape[-1])


def _scale(values: Array, biased: bool) -> tuple[Array, Array]:
    mean = values.mean(0) if biased else jnp.zeros_like(values[0])
    return mean, jnp.sqrt(jnp.mean((values - mean) ** 2, axis=0))
