"""Coarse-graining of a trained network into a smaller one of its family that runs.

Hidden units that are kept, or directions of a residual stream, are chosen from activations on real rows; the layer that
reads them absorbs the linear map from them to those that are gone, and a rescaling gives what is left the mean and the
variance that it had.
"""

from typing import NamedTuple

import jax
from flax import nnx
from jax import Array

from jaxphase.errors import InputError
from jaxphase.models.mlp import MLP, Block
from jaxphase.models.stack import Stack
from jaxphase.rg.networks import blocks
from jaxphase.rg.networks.coarse_stack import reduce_stack
from jaxphase.rg.networks.reduction import Reduction, identity
from jaxphase.rg.networks.surgery import Settings, choose_units, reduce_dense, reduce_projector, restore, restore_gain

METHODS = ("activations", "weights")


class Coarse(NamedTuple):
    """The smaller model; kept: by layer, the share of the activations' variance that what is kept explains; scale: by
    layer, the standard deviation of what is kept before rescaling over what it was, the geometric mean over units."""

    model: nnx.Module
    kept: dict[str, Array]
    scale: dict[str, Array]


@jax.default_matmul_precision("highest")
def coarse_grain(
    fine: nnx.Module,
    like: nnx.Module,
    rows: Array,
    coarse_rows: Array | None = None,
    *,
    method: str = "activations",
    rescale: bool = True,
) -> Coarse:
    """A model with the shape of `like` that does, as far as it can, what `fine` does.

    fine: an MLP, ResNet, Transformer or ViT of this library, padded or not; like: one of the same family, depth and
    options that is as wide or narrower, whose weights are not looked at. rows [n, numbers]: what `fine` reads, a few
    times more than it has units. If `like` reads images at half the resolution, or half as many tokens, the layers are
    averaged over blocks too, and coarse_rows are those rows (`blocks.block_rows`).

    Behind a nonlinearity units are kept, by the interpolative decomposition of their activations; the next layer
    absorbs the map to the others (Chee et al. 2022, NeurIPS). The stream of a transformer, whose RMSNorm has any
    rotation for a symmetry, is turned to its principal axes and cut (Ashkboos et al. 2024, ICLR); whole heads are kept.
    Of a residual network's channels, whole groups are. method="weights" chooses by the weights that write each unit
    instead, for comparison: no data enter but in the rescaling.

    rescale=True: layer by layer, from the input on, every kept unit's input gets the mean and the standard deviation
    that it has in `fine` (without a bias, its root mean square), and normalised units their root mean square, on these
    rows. What the head answers is not rescaled.

    With as many units kept as there are, the answers are those of `fine` to rounding. jit and vmap go through, over
    models that are padded to one shape: how many units are live is a number of the model. InputError for what cannot be
    coarse-grained. 2 n w^2 operations per hidden layer of w units, as many as its forward pass on the same rows.
    """
    if method not in METHODS:
        raise InputError(f"method is {method!r}: choose one of {', '.join(METHODS)}.")
    if type(fine) is not type(like) or not isinstance(fine, MLP | Stack):
        raise InputError(
            f"cannot turn {type(fine).__name__} into {type(like).__name__}: give two models of one family of jaxphase."
        )
    coarse = nnx.clone(like)
    coarse_rows = rows if coarse_rows is None else coarse_rows
    reduce = reduce_mlp if isinstance(fine, MLP) else reduce_stack
    notes = reduce(fine, coarse, rows, coarse_rows, Settings(method, rescale))
    kept = {name: note for name, (note, _) in notes.items()}
    return Coarse(coarse, kept, {name: scale for name, (_, scale) in notes.items()})


def reduce_mlp(fine: MLP, coarse: MLP, rows: Array, coarse_rows: Array, settings: Settings) -> dict:
    """Fill the weights of `coarse`; returns (kept, scale) by layer."""
    halved = fine.reads != coarse.reads
    inputs = identity(fine.reads.size * max(fine.reads.vocabulary, 1))
    if halved:
        up, down = blocks.spread(fine.reads), blocks.means(fine.reads)
        inputs = inputs._replace(down=down, up=up)
    state, notes = (fine.numbers(rows), coarse.numbers(coarse_rows)), {}
    answers = fine.answer.layout is not None
    layers = [("encoder", i, *pair) for i, pair in enumerate(zip(fine.encoder, coarse.encoder, strict=True))]
    if answers:
        layers += [("decoder", i, *pair) for i, pair in enumerate(zip(fine.decoder, coarse.decoder, strict=True))]
    for part, i, layer, smaller in layers:
        if isinstance(layer, Block):
            inputs, notes[f"{part}.{i}"] = reduce_block(layer, smaller, *state, inputs, settings)
        else:
            last = part == "decoder"
            outputs = blocks.means(fine.answer.layout) if last and halved else None
            reduce_dense(layer, smaller, inputs, outputs)
            inputs = identity(smaller.kernel[...].shape[1])
        state = layer(state[0]), smaller(state[1])
    if not answers:
        reduce_projector(fine.projector, coarse.projector, inputs)
    return notes


def reduce_block(fine: Block, coarse: Block, x: Array, c: Array, inputs: Reduction, settings: Settings):
    """Dense, RMSNorm, GELU: the units' reduction, and (kept, scale)."""
    outputs = fine.dense(x)
    units = choose_units(jax.nn.gelu(fine.norm(outputs)), fine.dense, coarse.norm.live[...], coarse.dense, settings)
    reduce_dense(fine.dense, coarse.dense, inputs, units.down)
    scale = restore(coarse.dense, c, outputs @ units.down, settings)
    coarse.norm.gain.set_value(fine.norm.gain[...] @ units.down)
    restore_gain(coarse.norm, coarse.dense(c), fine.norm(outputs) @ units.down, settings)
    return units, (units.kept, scale)
