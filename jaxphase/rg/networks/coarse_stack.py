"""Coarse-graining of residual models: what is kept of the stream is one choice for all that read and write it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxphase.errors import InputError
from jaxphase.models import resnet, transformer
from jaxphase.models.layers import Attention, RMSNorm
from jaxphase.models.stack import Patches, Places, Stack
from jaxphase.rg.networks import blocks
from jaxphase.rg.networks.reduction import Reduction, identity, principal_axes, read, select
from jaxphase.rg.networks.surgery import (
    Settings,
    choose_units,
    flat,
    reduce_dense,
    reduce_projector,
    restore,
    restore_gain,
)


class Half(NamedTuple):
    """Stem, blocks and norm: an encoder, or the mirror of one that a bottleneck's code is unfolded by."""

    stem: transformer.Tokens | Patches | Places
    blocks: list
    norm: RMSNorm


def reduce_stack(fine: Stack, coarse: Stack, rows: Array, coarse_rows: Array, settings: Settings) -> dict:
    """Fill the weights of `coarse`; returns (kept, scale) by layer."""
    halved = fine.stem.positions != coarse.stem.positions
    if halved and isinstance(fine.stem, transformer.Tokens) and fine.blocks[0].attention.rotary:
        raise InputError("positions are rotary: their angles do not average over blocks; keep the resolution.")
    encoders = (Half(model.stem, model.blocks, model.norm) for model in (fine, coarse))
    reads, x, c, notes = reduce_half("blocks", *encoders, rows, coarse_rows, fine.stem.sides, settings)
    if fine.code is not None:
        reduce_dense(fine.code, coarse.code, reads)
        reads = identity(fine.code.kernel[...].shape[1])
    if fine.answer.layout is None:
        reduce_projector(fine.projector, coarse.projector, reads)
        return notes
    if fine.code is not None:
        x, c = (model.code(jnp.mean(state, axis=1))[:, None] for model, state in ((fine, x), (coarse, c)))
        mirrors = (Half(model.unfold, model.mirror, model.mirror_norm) for model in (fine, coarse))
        reads, x, c, more = reduce_half("mirror", *mirrors, x, c, fine.stem.sides, settings)
        notes |= more
    reduce_dense(fine.head, coarse.head, reads, _answers(fine, coarse))
    return notes


def reduce_half(name: str, fine: Half, coarse: Half, x: Array, c: Array, sides: tuple, settings: Settings):
    """How what follows reads the stream, its normalised states in both models, and (kept, scale) by layer."""
    states = [fine.stem(x)]
    for block in fine.blocks:
        states.append(block(states[-1]))
    rotates = isinstance(fine.blocks[0], transformer.Block)
    choose, reduce = (turn_stream, reduce_transformer_block) if rotates else (choose_channels, reduce_residual_block)
    stream = choose(fine, coarse, states, settings)
    reduce_stem(fine.stem, coarse.stem, stream.down, sides)
    c = coarse.stem(c)
    notes = {f"{name}.stream": (stream.kept, jnp.ones(()))}
    for i, (state, block, smaller) in enumerate(zip(states, fine.blocks, coarse.blocks, strict=False)):
        c, more = reduce(block, smaller, state, c, stream, settings)
        notes |= {f"{name}.{i}.{layer}": note for layer, note in more.items()}
    x = states[-1]
    if rotates:
        reads = turn_norm(fine.norm, coarse.norm, x, c, stream, settings)
    else:
        coarse.norm.gain.set_value(fine.norm.gain[...] @ stream.down)
        restore_gain(coarse.norm, c, fine.norm(x) @ stream.down, settings)
        reads = read_channels(fine.norm(x), stream, settings)
    return reads, fine.norm(x), coarse.norm(c), notes


def turn_stream(fine: Half, coarse: Half, states: list[Array], settings: Settings) -> Reduction:
    """Principal axes of what the norms of a transformer's blocks read, or of what the weights write."""
    live, keep, size = fine.norm.live[...], coarse.norm.live[...], len(coarse.norm.gain[...])
    if settings.method == "weights":
        writers = [_kernel(fine.stem), *(layer.kernel[...] for b in fine.blocks for layer in (b.attention.out, b.down))]
    else:
        writers = [flat(fine.norm.normalise(states[-1]))]
        for x, block in zip(states, fine.blocks, strict=False):
            after = x + block.branch * block.attention(block.attention_norm(x))
            writers += [flat(block.attention_norm.normalise(x)), flat(block.perceptron_norm.normalise(after))]
    return principal_axes(sum(rows.T @ rows for rows in writers) / len(writers[-1]), live, keep, size)


def choose_channels(fine: Half, coarse: Half, states: list[Array], settings: Settings) -> Reduction:
    """Groups of channels from which all that reads a residual network's stream follows best."""
    if settings.method == "weights":
        writers = [_kernel(fine.stem), *(flat(block.convolutions[1].kernel[...]) for block in fine.blocks)]
    else:
        writers = [flat(fine.norm(states[-1]))]
        for x, block in zip(states, fine.blocks, strict=False):
            writers.append(flat(jax.nn.gelu(block.norms[0](_image(x, block)))))
    keep, size = coarse.norm.live[...], len(coarse.norm.gain[...])
    return select(jnp.concatenate(writers), keep, size, group=fine.blocks[0].norms[0].size, centre=False)


def turn_norm(fine: RMSNorm, coarse: RMSNorm, x: Array, c: Array, stream: Reduction, settings: Settings) -> Reduction:
    """How a layer behind a norm reads the turned stream: it absorbs the gain, which is no number per direction.

    The mean square of the directions that are kept is nearly the old sum over fewer of them: for the same scale the new
    gain is the root of the ratio of their numbers, until the rescaling gives each direction its own.
    """
    used = jnp.arange(len(coarse.gain[...])) < coarse.live[...]
    coarse.gain.set_value(jnp.where(used, jnp.sqrt(fine.live[...] / coarse.live[...]), 0))
    restore_gain(coarse, c, fine.normalise(x) @ stream.down, settings)
    return stream._replace(up=stream.up * fine.gain[...])


def reduce_transformer_block(
    fine: transformer.Block, coarse: transformer.Block, x: Array, c: Array, stream: Reduction, settings: Settings
) -> tuple[Array, dict]:
    """The smaller block's output, and (kept, scale) of its attention and its perceptron."""
    reads = turn_norm(fine.attention_norm, coarse.attention_norm, x, c, stream, settings)
    seen, smaller = fine.attention_norm(x), coarse.attention
    heads = choose_heads(fine.attention, seen, coarse.attention_norm.live[...], stream.down.shape[1], settings)
    for name in ("query", "key", "value"):
        reduce_dense(getattr(fine.attention, name), getattr(smaller, name), reads, heads.down)
    reduce_dense(fine.attention.out, smaller.out, heads, stream.down)
    found = fine.attention(seen)
    mixed = smaller.mix(coarse.attention_norm(c))
    notes = {"attention": (heads.kept, restore(smaller.out, mixed, found @ stream.down, settings))}
    x, c = x + fine.branch * found, c + coarse.branch * smaller.out(mixed)

    reads = turn_norm(fine.perceptron_norm, coarse.perceptron_norm, x, c, stream, settings)
    into = fine.up(fine.perceptron_norm(x))
    keep = 4 * coarse.perceptron_norm.live[...]
    units = choose_units(jax.nn.gelu(into), fine.up, keep, coarse.up, settings)
    reduce_dense(fine.up, coarse.up, reads, units.down)
    seen = coarse.perceptron_norm(c)
    notes["perceptron"] = units.kept, restore(coarse.up, seen, into @ units.down, settings)
    reduce_dense(fine.down, coarse.down, units, stream.down)
    hidden = jax.nn.gelu(coarse.up(seen))
    restore(coarse.down, hidden, fine.down(jax.nn.gelu(into)) @ stream.down, settings)
    return c + coarse.branch * coarse.down(hidden), notes


def choose_heads(attention: Attention, seen: Array, keep: Array, size: int, settings: Settings) -> Reduction:
    """Whole heads, by what they find or by the weights that they find it with."""
    found = flat(attention.mix(seen)) if settings.method == "activations" else attention.value.kernel[...]
    return select(found, keep, size, group=attention.head_size, centre=False)


def reduce_residual_block(
    fine: resnet.Block, coarse: resnet.Block, x: Array, c: Array, stream: Reduction, settings: Settings
) -> tuple[Array, dict]:
    """The smaller block's output, and (kept, scale) of its two convolutions' outputs."""
    hidden = jax.nn.gelu(fine.norms[0](_image(x, fine)))
    change = fine.convolutions[0](hidden)
    inner = jax.nn.gelu(fine.norms[1](change))
    columns = inner if settings.method == "activations" else fine.convolutions[0].kernel[...]
    keep, size = stream.down.any(axis=0).sum(), stream.down.shape[1]
    units = select(flat(columns), keep, size, group=fine.norms[1].size, centre=False)
    ways = (
        (read_channels(hidden, stream, settings), units.down, change),
        (units, stream.down, fine.convolutions[1](inner)),
    )
    seen, notes = _image(c, coarse), {}
    for i, (reads, writes, wanted) in enumerate(ways):
        coarse.norms[i].gain.set_value(fine.norms[i].gain[...] @ reads.down)
        coarse.norms[i].shift.set_value(fine.norms[i].shift[...] @ reads.down)
        kernel = jnp.einsum("ki,tio,om->tkm", reads.up, fine.convolutions[i].kernel[...], writes)
        coarse.convolutions[i].kernel.set_value(blocks.block_kernel(kernel) if fine.sides != coarse.sides else kernel)
        seen = jax.nn.gelu(coarse.norms[i](seen))
        notes[f"convolution.{i}"] = reads.kept, restore(coarse.convolutions[i], seen, wanted @ writes, settings)
        seen = coarse.convolutions[i](seen)
    return c + coarse.branch * seen.reshape(c.shape), notes


def read_channels(hidden: Array, stream: Reduction, settings: Settings) -> Reduction:
    """How a layer reads the kept channels of a stream: by what it sees of all of them, or by the weights that write."""
    return read(flat(hidden), stream.down, centre=False) if settings.method == "activations" else stream


def reduce_stem(
    fine: transformer.Tokens | Patches | Places,
    coarse: transformer.Tokens | Patches | Places,
    down: Array,
    sides: tuple,
) -> None:
    """What writes the stream first, turned or cut as `down` [w, k] says, and averaged over blocks of positions."""
    if isinstance(fine, transformer.Tokens):
        coarse.table.set_value(fine.table[...] @ down)
        places = fine, coarse
    elif isinstance(fine, Patches):
        kernel = fine.embed.dense.kernel[...]
        if fine.shape != coarse.shape:
            kernel = blocks.patch_spread(fine.side, coarse.side, fine.shape[2]) @ kernel
        coarse.embed.dense.kernel.set_value(kernel @ down)
        coarse.embed.dense.bias.set_value(fine.embed.dense.bias[...] @ down)
        places = fine.embed, coarse.embed
    else:
        reduce_dense(fine.dense, coarse.dense, identity(fine.dense.kernel[...].shape[0]), down)
        places = fine, coarse
    old, new = (holder.place for holder in places)
    if old is not None:
        vectors = old[...] if len(old[...]) == len(new[...]) else blocks.block_places(old[...], sides)
        new.set_value(vectors @ down)


def _answers(fine: Stack, coarse: Stack) -> Array | None:
    """What a head's answers at a position become on blocks of pixels; None where they stay as they are."""
    layout = fine.answer.layout
    if layout == coarse.answer.layout or layout.kind == "tokens":
        return None
    return blocks.patch_means(fine.stem.side, coarse.stem.side, layout.shape[2])


def _kernel(stem: transformer.Tokens | Patches | Places) -> Array:
    """The weights that write the stream first."""
    if isinstance(stem, transformer.Tokens):
        return stem.table[...]
    return (stem.embed if isinstance(stem, Patches) else stem).dense.kernel[...]


def _image(x: Array, block: resnet.Block) -> Array:
    """Positions as an image."""
    return x.reshape(len(x), *block.sides, -1)
