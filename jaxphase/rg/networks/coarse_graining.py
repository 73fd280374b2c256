"""Coarse-graining of a trained network into a smaller one of its family that runs.

Units to keep, or directions of a residual stream, are chosen from activations on real rows. The next layer absorbs the
linear map from the kept units to the dropped ones, and a rescaling restores the mean and the variance of what is kept.

Behind a nonlinearity whole units are kept, by the interpolative decomposition of their activations (Chee et al. 2022).
The residual stream of a transformer, for which RMSNorm makes any rotation a symmetry, is turned to its principal axes
and cut (Ashkboos et al. 2024). Whole heads, and whole groups of channels of a residual network, are kept. A hidden
layer of w units takes 2 n w**2 operations, as many as its forward pass.
"""

from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num

from jaxphase.errors import InputError
from jaxphase.models.layers import Dense
from jaxphase.models.mlp import MLP, Block
from jaxphase.models.stack import Stack
from jaxphase.rg.networks import blocks
from jaxphase.rg.networks.coarse_stack import reduce_stack
from jaxphase.rg.networks.reduction import AnyArray, Reduction, identity
from jaxphase.rg.networks.surgery import (
    Method,
    Note,
    Settings,
    choose_units,
    fill,
    reduce_dense,
    reduce_projector,
    restore,
    restore_gain,
)


class Coarse(NamedTuple):
    """A coarse-grained model, and for each layer how well it represents the larger model.

    Attributes:
        model: The smaller model.
        kept: Share of the activations' variance that the kept units or directions explain.
        scale: Standard deviation of the kept units before rescaling over their former one, geometric mean over units.
    """

    model: nnx.Module
    kept: dict[str, Float[Array, ""]]
    scale: dict[str, Float[Array, ""]]


@jax.default_matmul_precision("highest")
def coarse_grain(
    fine: nnx.Module,
    like: nnx.Module,
    rows: Num[AnyArray, "n numbers"],
    coarse_rows: Num[AnyArray, "n coarse_numbers"] | None = None,
    *,
    method: Method = "activations",
    rescale: bool = True,
) -> Coarse:
    """Make a model of the shape of `like` whose outputs are as near as possible to those of `fine`.

    jit and vmap apply, over models padded to one shape. The method: see the module
    `jaxphase.rg.networks.coarse_graining`.

    Args:
        fine: An MLP, ResNet, Transformer or ViT of this library, padded or not.
        like: A model of the same family, depth and options, as wide or narrower; its weights are not used.
        rows: Rows that `fine` reads, `[n, numbers]`, several times as many as it has units.
        coarse_rows: The same rows as `like` reads them, if at half the resolution (`blocks.block_rows`); the layers are
            averaged over blocks then.
        method: Whether units are chosen by their activations, or by the weights that write them.
        rescale: Whether the inputs of every kept unit get back the mean and the standard deviation that they have in
            `fine`, layer by layer (without a bias, the root mean square). Outputs of the head are not rescaled.

    Returns:
        A `Coarse`. With all units kept its outputs are those of `fine` up to rounding.

    Raises:
        InputError: If the models are not of one family of this library, or cannot be coarse-grained.

    References:
        Chee et al. (2022), NeurIPS; Ashkboos et al. (2024), ICLR.
    """
    if method not in get_args(Method):
        raise InputError(f"method is {method!r}: choose one of {', '.join(get_args(Method))}.")
    coarse, settings = nnx.clone(like), Settings(method, rescale)
    rows = jnp.asarray(rows)
    coarse_rows = rows if coarse_rows is None else jnp.asarray(coarse_rows)
    if type(fine) is not type(like):
        notes = None
    elif isinstance(fine, MLP) and isinstance(coarse, MLP):
        notes = reduce_mlp(fine, coarse, rows, coarse_rows, settings)
    elif isinstance(fine, Stack) and isinstance(coarse, Stack):
        notes = reduce_stack(fine, coarse, rows, coarse_rows, settings)
    else:
        notes = None
    if notes is None:
        raise InputError(
            f"cannot turn {type(fine).__name__} into {type(like).__name__}: give two models of one family of jaxphase."
        )
    kept = {name: note.kept for name, note in notes.items()}
    return Coarse(coarse, kept, {name: note.scale for name, note in notes.items()})


def reduce_mlp(
    fine: MLP,
    coarse: MLP,
    rows: Num[Array, "n numbers"],
    coarse_rows: Num[Array, "n coarse_numbers"],
    settings: Settings,
) -> dict[str, Note]:
    """Fill the weights of `coarse`, and tell how well each layer is kept."""
    halved = fine.input_layout != coarse.input_layout
    inputs = identity(fine.input_layout.size * max(fine.input_layout.vocabulary, 1))
    if halved:
        inputs = inputs._replace(down=blocks.means(fine.input_layout), up=blocks.spread(fine.input_layout))
    x, c, notes = fine.numbers(rows), coarse.numbers(coarse_rows), {}
    layout = fine.output.layout
    layers = [(f"encoder.{i}", *pair) for i, pair in enumerate(zip(fine.encoder, coarse.encoder, strict=True))]
    if layout is not None:
        layers += [(f"decoder.{i}", *pair) for i, pair in enumerate(zip(fine.decoder, coarse.decoder, strict=True))]
    for name, layer, smaller in layers:
        if isinstance(layer, Block) and isinstance(smaller, Block):
            inputs, notes[name] = reduce_block(layer, smaller, x, c, inputs, settings)
        elif isinstance(layer, Dense) and isinstance(smaller, Dense):
            # The code of a bottleneck, or the outputs.
            blocked = layout if halved and name.startswith("decoder") else None
            reduce_dense(layer, smaller, inputs, None if blocked is None else blocks.means(blocked))
            inputs = identity(smaller.kernel[...].shape[1])
        else:
            raise InputError(f"{name} is a different layer in like than in fine: give models of the same options.")
        x, c = layer(x), smaller(c)
    if layout is None:
        reduce_projector(fine.projector, coarse.projector, inputs)
    return notes


def reduce_block(
    fine: Block,
    coarse: Block,
    x: Float[Array, "n inputs"],
    c: Float[Array, "n coarse_inputs"],
    inputs: Reduction,
    settings: Settings,
) -> tuple[Reduction, Note]:
    """Fill a block with inputs x in `fine` and c in `coarse`; returns the reduction of its units."""
    outputs = fine.dense(x)
    units = choose_units(jax.nn.gelu(fine.norm(outputs)), fine.dense, coarse.norm.live[...], coarse.dense, settings)
    reduce_dense(fine.dense, coarse.dense, inputs, units.down)
    scale = restore(coarse.dense, c, outputs @ units.down, settings)
    fill(coarse.norm.gain, fine.norm.gain[...] @ units.down)
    restore_gain(coarse.norm, coarse.dense(c), fine.norm(outputs) @ units.down, settings)
    return units, Note(units.kept, scale)
