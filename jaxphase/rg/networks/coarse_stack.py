"""Coarse-graining of residual models: all layers that read and write the stream share one choice of what is kept.

In the functions x is a state of the larger model `fine`, and c the same state of the smaller model `coarse`, whose
layers are filled in place.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num

from jaxphase.errors import InputError
from jaxphase.models import resnet, transformer
from jaxphase.models.layers import Attention, RMSNorm
from jaxphase.models.stack import Patches, PositionalDense, Stack
from jaxphase.rg.networks import blocks
from jaxphase.rg.networks.reduction import AnyArray, Reduction, identity, principal_axes, select, way_back
from jaxphase.rg.networks.surgery import (
    Note,
    Settings,
    choose_units,
    fill,
    flat,
    reduce_dense,
    reduce_projector,
    restore,
    restore_gain,
)

Stem = transformer.Tokens | Patches | PositionalDense
State = Float[Array, "n positions width"]
CoarseState = Float[Array, "n coarse_positions coarse_width"]


class Half(NamedTuple):
    """Stem, blocks and norm of an encoder, or of the mirrored decoder behind a bottleneck."""

    stem: Stem
    blocks: list
    norm: RMSNorm


class Reduced(NamedTuple):
    """A half that is filled: how the next layer reads its stream, its normalized states, and notes by layer."""

    reads: Reduction
    x: State
    c: CoarseState
    notes: dict[str, Note]


def reduce_stack(
    fine: Stack,
    coarse: Stack,
    rows: Num[Array, "n numbers"],
    coarse_rows: Num[Array, "n coarse_numbers"],
    settings: Settings,
) -> dict[str, Note]:
    """Fill the weights of `coarse`, and tell how well each layer is kept."""
    halved = fine.stem.positions != coarse.stem.positions
    if halved and isinstance(fine.stem, transformer.Tokens) and fine.stem.place is None:
        raise InputError("positions are rotary: their angles do not average over blocks; keep the resolution.")
    encoder, smaller = (Half(model.stem, list(model.blocks), model.norm) for model in (fine, coarse))
    reads, x, c, notes = reduce_half("blocks", encoder, smaller, rows, coarse_rows, fine.stem.sides, settings)
    if fine.code is not None and coarse.code is not None:
        reduce_dense(fine.code, coarse.code, reads)
        reads = identity(fine.code.kernel[...].shape[1])
    if fine.output.layout is None:
        reduce_projector(fine.projector, coarse.projector, reads)
        return notes
    if fine.code is not None and coarse.code is not None:
        x, c = fine.code(jnp.mean(x, axis=1))[:, None], coarse.code(jnp.mean(c, axis=1))[:, None]
        mirror, smaller = (Half(model.unfold, list(model.mirror), model.mirror_norm) for model in (fine, coarse))
        reads, x, c, mirror_notes = reduce_half("mirror", mirror, smaller, x, c, fine.stem.sides, settings)
        notes |= mirror_notes
    reduce_dense(fine.head, coarse.head, reads, _block_outputs(fine, coarse))
    return notes


def reduce_half(
    name: str,
    fine: Half,
    coarse: Half,
    x: Num[Array, "n *inputs"],
    c: Num[Array, "n *coarse_inputs"],
    sides: tuple[int, ...],
    settings: Settings,
) -> Reduced:
    """Fill stem, blocks and norm, with inputs x and c of the stems."""
    states = [fine.stem(x)]
    for block in fine.blocks:
        states.append(block(states[-1]))
    rotates = isinstance(fine.blocks[0], transformer.Block)
    choose, reduce = (turn_stream, reduce_transformer_block) if rotates else (choose_channels, reduce_residual_block)
    stream = choose(fine, coarse, states, settings)
    reduce_stem(fine.stem, coarse.stem, stream.down, sides)
    c = coarse.stem(c)
    notes = {f"{name}.stream": Note(stream.kept, jnp.ones(()))}
    for i, (state, block, smaller) in enumerate(zip(states, fine.blocks, coarse.blocks, strict=False)):
        c, block_notes = reduce(block, smaller, state, c, stream, settings)
        notes |= {f"{name}.{i}.{layer}": note for layer, note in block_notes.items()}
    x = states[-1]
    if rotates:
        reads = turn_norm(fine.norm, coarse.norm, x, c, stream, settings)
    else:
        fill(coarse.norm.gain, fine.norm.gain[...] @ stream.down)
        restore_gain(coarse.norm, c, fine.norm(x) @ stream.down, settings)
        reads = read_channels(fine.norm(x), stream, settings)
    return Reduced(reads, fine.norm(x), coarse.norm(c), notes)


def turn_stream(fine: Half, coarse: Half, states: list[State], settings: Settings) -> Reduction:
    """Principal axes of what the norms of a transformer's blocks read, or of the weights that write the stream."""
    live, keep, size = fine.norm.live[...], coarse.norm.live[...], len(coarse.norm.gain[...])
    if settings.method == "weights":
        vectors = [_kernel(fine.stem), *(layer.kernel[...] for b in fine.blocks for layer in (b.attention.out, b.down))]
    else:
        vectors = [flat(fine.norm.normalize(states[-1]))]
        for x, block in zip(states, fine.blocks, strict=False):
            after = x + block.branch * block.attention(block.attention_norm(x))
            vectors += [flat(block.attention_norm.normalize(x)), flat(block.perceptron_norm.normalize(after))]
    first, *others = (rows.T @ rows for rows in vectors)
    return principal_axes(sum(others, start=first) / len(vectors[-1]), live, keep, size)


def choose_channels(fine: Half, coarse: Half, states: list[State], settings: Settings) -> Reduction:
    """Groups of channels from which the inputs of all layers that read a residual network's stream follow best."""
    if settings.method == "weights":
        vectors = [_kernel(fine.stem), *(flat(block.convolutions[1].kernel[...]) for block in fine.blocks)]
    else:
        vectors = [flat(fine.norm(states[-1]))]
        for x, block in zip(states, fine.blocks, strict=False):
            vectors.append(flat(jax.nn.gelu(block.norms[0](_image(x, block)))))
    keep, size = coarse.norm.live[...], len(coarse.norm.gain[...])
    return select(jnp.concatenate(vectors), keep, size, group=fine.blocks[0].norms[0].size, center=False)


def turn_norm(
    fine: RMSNorm, coarse: RMSNorm, x: State, c: CoarseState, stream: Reduction, settings: Settings
) -> Reduction:
    """Fill a norm of the turned stream; the next layer absorbs the old gain, which belongs to single channels.

    The kept directions have nearly the old sum of squares, but are fewer. The new gain is the root of the ratio of
    their numbers, which keeps the scale, until the rescaling gives each direction its own.
    """
    used = jnp.arange(len(coarse.gain[...])) < coarse.live[...]
    fill(coarse.gain, jnp.where(used, jnp.sqrt(fine.live[...] / coarse.live[...]), 0))
    restore_gain(coarse, c, fine.normalize(x) @ stream.down, settings)
    return stream._replace(up=stream.up * fine.gain[...])


def reduce_transformer_block(
    fine: transformer.Block,
    coarse: transformer.Block,
    x: State,
    c: CoarseState,
    stream: Reduction,
    settings: Settings,
) -> tuple[CoarseState, dict[str, Note]]:
    """Fill a block of a transformer; returns its output, and notes on its attention and its perceptron."""
    reads = turn_norm(fine.attention_norm, coarse.attention_norm, x, c, stream, settings)
    inputs, smaller = fine.attention_norm(x), coarse.attention
    heads = choose_heads(fine.attention, inputs, coarse.attention_norm.live[...], stream.down.shape[1], settings)
    for name in ("query", "key", "value"):
        reduce_dense(getattr(fine.attention, name), getattr(smaller, name), reads, heads.down)
    reduce_dense(fine.attention.out, smaller.out, heads, stream.down)
    change = fine.attention(inputs)
    mixed = smaller.mix(coarse.attention_norm(c))
    notes = {"attention": Note(heads.kept, restore(smaller.out, mixed, change @ stream.down, settings))}
    x, c = x + fine.branch * change, c + coarse.branch * smaller.out(mixed)

    reads = turn_norm(fine.perceptron_norm, coarse.perceptron_norm, x, c, stream, settings)
    raised = fine.up(fine.perceptron_norm(x))
    keep = 4 * coarse.perceptron_norm.live[...]
    units = choose_units(jax.nn.gelu(raised), fine.up, keep, coarse.up, settings)
    reduce_dense(fine.up, coarse.up, reads, units.down)
    inputs = coarse.perceptron_norm(c)
    notes["perceptron"] = Note(units.kept, restore(coarse.up, inputs, raised @ units.down, settings))
    reduce_dense(fine.down, coarse.down, units, stream.down)
    hidden = jax.nn.gelu(coarse.up(inputs))
    restore(coarse.down, hidden, fine.down(jax.nn.gelu(raised)) @ stream.down, settings)
    return c + coarse.branch * coarse.down(hidden), notes


def choose_heads(attention: Attention, inputs: State, keep: ArrayLike, size: int, settings: Settings) -> Reduction:
    """Whole heads to keep, by their outputs or by the weights of their values."""
    outputs = flat(attention.mix(inputs)) if settings.method == "activations" else attention.value.kernel[...]
    return select(outputs, keep, size, group=attention.head_size, center=False)


def reduce_residual_block(
    fine: resnet.Block, coarse: resnet.Block, x: State, c: CoarseState, stream: Reduction, settings: Settings
) -> tuple[CoarseState, dict[str, Note]]:
    """Fill a block of a residual network; returns its output, and notes on its two convolutions."""
    hidden = jax.nn.gelu(fine.norms[0](_image(x, fine)))
    change = fine.convolutions[0](hidden)
    inner = jax.nn.gelu(fine.norms[1](change))
    columns = inner if settings.method == "activations" else fine.convolutions[0].kernel[...]
    keep, size = stream.down.any(axis=0).sum(), stream.down.shape[1]
    units = select(flat(columns), keep, size, group=fine.norms[1].size, center=False)
    convolutions = (
        (read_channels(hidden, stream, settings), units.down, change),
        (units, stream.down, fine.convolutions[1](inner)),
    )
    image, notes = _image(c, coarse), {}
    for i, (reads, writes, wanted) in enumerate(convolutions):
        fill(coarse.norms[i].gain, fine.norms[i].gain[...] @ reads.down)
        fill(coarse.norms[i].shift, fine.norms[i].shift[...] @ reads.down)
        kernel = jnp.einsum("ki,tio,om->tkm", reads.up, fine.convolutions[i].kernel[...], writes)
        fill(coarse.convolutions[i].kernel, blocks.block_kernel(kernel) if fine.sides != coarse.sides else kernel)
        image = jax.nn.gelu(coarse.norms[i](image))
        notes[f"convolution.{i}"] = Note(reads.kept, restore(coarse.convolutions[i], image, wanted @ writes, settings))
        image = coarse.convolutions[i](image)
    return c + coarse.branch * image.reshape(c.shape), notes


def read_channels(hidden: Float[Array, "n *positions width"], stream: Reduction, settings: Settings) -> Reduction:
    """How a layer reads the kept channels: by the activations it gets, or by the weights that write the stream."""
    return way_back(flat(hidden), stream.down, center=False) if settings.method == "activations" else stream


def reduce_stem(fine: Stem, coarse: Stem, down: Float[Array, "width coarse_width"], sides: tuple[int, ...]) -> None:
    """Fill the stem, reduced by `down` and averaged over blocks of positions if `coarse` has fewer."""
    if isinstance(fine, transformer.Tokens) and isinstance(coarse, transformer.Tokens):
        fill(coarse.table, fine.table[...] @ down)
        old, new = fine.place, coarse.place
    elif isinstance(fine, Patches) and isinstance(coarse, Patches):
        inputs = identity(len(fine.embed.dense.kernel[...]))
        if fine.shape != coarse.shape:
            inputs = inputs._replace(up=blocks.patch_spread(fine.side, coarse.side, fine.shape[2]))
        reduce_dense(fine.embed.dense, coarse.embed.dense, inputs, down)
        old, new = fine.embed.place, coarse.embed.place
    elif isinstance(fine, PositionalDense) and isinstance(coarse, PositionalDense):
        reduce_dense(fine.dense, coarse.dense, identity(len(fine.dense.kernel[...])), down)
        old, new = fine.place, coarse.place
    else:
        raise InputError(f"fine has the stem {type(fine).__name__} and like {type(coarse).__name__}: give equal ones.")
    if old is not None and new is not None:
        vectors = old[...] if len(old[...]) == len(new[...]) else blocks.block_places(old[...], sides)
        fill(new, vectors @ down)


def _block_outputs(fine: Stack, coarse: Stack) -> Float[Array, "outputs coarse_outputs"] | None:
    """The map from a head's outputs at a position to those on blocks of pixels; None at the same resolution."""
    layout = fine.output.layout
    if layout is None or layout == coarse.output.layout or layout.kind == "tokens":
        return None
    return blocks.patch_means(fine.stem.side, coarse.stem.side, layout.shape[2])


def _kernel(stem: Stem) -> Float[AnyArray, "inputs width"]:
    """The weights of the stem, which write the stream first."""
    if isinstance(stem, transformer.Tokens):
        return stem.table[...]
    return (stem.embed if isinstance(stem, Patches) else stem).dense.kernel[...]


def _image(x: Float[Array, "n positions width"], block: resnet.Block) -> Float[Array, "n rows columns width"]:
    """Positions as an image."""
    return x.reshape(len(x), *block.sides, -1)
