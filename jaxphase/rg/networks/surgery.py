"""Layers with fewer units: how the weights of a smaller layer follow from a larger one, and how its scale is restored.

The functions fill the layers of the smaller model in place.
"""

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float

from jaxphase.models.heads import Projector
from jaxphase.models.layers import Convolution, Dense, RMSNorm
from jaxphase.rg.networks.reduction import AnyArray, Reduction, identity, select

Method = Literal["activations", "weights"]
Samples = Float[AnyArray, "*batch w"]

# A unit whose input has less than this share of its former scale gets only rounding errors, which no factor can
# restore.
_SILENT = 1e-4


class Settings(NamedTuple):
    """How units are chosen, and whether means and variances are restored."""

    method: Method
    rescale: bool


class Note(NamedTuple):
    """How well a layer is kept: share of the variance explained, and scale before rescaling over the former one."""

    kept: Float[Array, ""]
    scale: Float[Array, ""]


def choose_units(activations: Samples, writer: Dense, keep: ArrayLike, smaller: Dense, settings: Settings) -> Reduction:
    """Units to keep, by their activations, or by the weights and biases of the layer that writes them."""
    size = smaller.kernel[...].shape[1]
    if settings.method == "activations":
        return select(flat(activations), keep, size)
    bias = [] if writer.bias is None else [writer.bias[...]]
    return select(jnp.vstack([writer.kernel[...], *bias]), keep, size, center=False)


def fill(parameter: nnx.Variable[Any], values: AnyArray) -> None:
    """Give a parameter of a model these values."""
    parameter.set_value(values)


def reduce_dense(fine: Dense, coarse: Dense, inputs: Reduction, outputs: Float[AnyArray, "w k"] | None = None) -> None:
    """Fill a layer that reads reduced inputs, and whose outputs are those of `fine` times `outputs`."""
    kernel = fine.kernel[...] if fine.scale is None else fine.scale[...] * fine.kernel[...]
    bias = None if fine.bias is None else fine.bias[...] + inputs.offset @ kernel
    kernel = inputs.up @ kernel
    if outputs is not None:
        kernel, bias = kernel @ outputs, None if bias is None else bias @ outputs
    fill(coarse.kernel, kernel if coarse.scale is None else kernel / coarse.scale[...])
    if bias is not None and coarse.bias is not None:
        fill(coarse.bias, bias)


def reduce_projector(fine: Projector, coarse: Projector, inputs: Reduction) -> None:
    """Fill a projector: its first layer reads reduced inputs, the others stay as they are."""
    reduce_dense(fine.first, coarse.first, inputs)
    fill(coarse.norm.gain, fine.norm.gain[...])
    reduce_dense(fine.second, coarse.second, identity(len(fine.norm.gain[...])))


def restore(
    layer: Dense | Convolution, inputs: Float[Array, "..."], wanted: Float[AnyArray, "..."], settings: Settings
) -> Float[Array, ""]:
    """Rescale a layer so that its outputs have the mean and the standard deviation of `wanted`.

    Without a bias the root mean square is restored. Returns the ratio of the scale before to the one wanted, the
    geometric mean over units.
    """
    bias = layer.bias if isinstance(layer, Dense) else None
    mean, std = _scale(flat(layer(inputs)), bias is not None)
    wanted_mean, wanted_std = _scale(flat(wanted), bias is not None)
    active = std > _SILENT * wanted_std
    ratio = jnp.where(active, wanted_std / jnp.where(active, std, 1), 1)
    if settings.rescale:
        fill(layer.kernel, layer.kernel[...] * ratio)
        if bias is not None:
            fill(bias, (bias[...] - mean) * ratio + wanted_mean)
    return jnp.exp(-jnp.sum(jnp.where(active, jnp.log(ratio), 0)) / jnp.maximum(active.sum(), 1))


def restore_gain(
    norm: RMSNorm, inputs: Float[Array, "..."], wanted: Float[AnyArray, "..."], settings: Settings
) -> None:
    """Rescale the gain of a norm so that its outputs have the root mean square of `wanted`."""
    if settings.rescale:
        scale, wanted_scale = (jnp.sqrt(jnp.mean(flat(values) ** 2, axis=0)) for values in (norm(inputs), wanted))
        active = scale > _SILENT * wanted_scale
        fill(norm.gain, norm.gain[...] * jnp.where(active, wanted_scale / jnp.where(active, scale, 1), 1))


def flat(x: Samples) -> Float[AnyArray, "n w"]:
    """Samples with one leading axis."""
    return x.reshape(-1, x.shape[-1])


def _scale(values: Float[AnyArray, "n w"], biased: bool) -> tuple[Float[AnyArray, " w"], Float[AnyArray, " w"]]:
    """The mean, or zeros without a bias, and the root mean square about it."""
    mean = values.mean(0) if biased else jnp.zeros_like(values[0])
    return mean, jnp.sqrt(jnp.mean((values - mean) ** 2, axis=0))
