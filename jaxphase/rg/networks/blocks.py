"""Block averages of space: rows of data at half the resolution, and the layers of a network that reads them.

An image's blocks are 2 x 2 pixels, a sequence's are two tokens. What a layer becomes on the coarse lattice is what it
does to a field that is constant over blocks, averaged over blocks: B W U, with the block mean B and the piecewise
constant U, so that B U = 1 (in multigrid methods the Galerkin operator; Brandt 1977). A linear layer loses nothing on
such fields.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.layers import patches


def block_layout(layout: Layout) -> Layout:
    """The layout of a row of blocks. InputError for vectors, which have no space, and for odd sides."""
    if layout.kind == "vector":
        raise InputError("rows are vectors: they have no positions to average over; coarse-grain images or tokens.")
    sides, channels = (layout.shape[:2], layout.shape[2:]) if layout.kind == "image" else (layout.shape, ())
    if any(side % 2 for side in sides):
        raise InputError(f"rows have sides {sides}: blocks of two need even ones.")
    return layout._replace(shape=(*(side // 2 for side in sides), *channels))


def block_rows(rows: Array, layout: Layout, key: Array | None = None) -> Array:
    """Rows [n, numbers or positions] as rows of blocks: means of 2 x 2 pixels, or one of every two tokens.

    A block of two tokens that differ has no majority: `key` draws which of them it shows.
    """
    coarse = block_layout(layout)
    if layout.kind == "image":
        height, width, channels = coarse.shape
        return rows.reshape(len(rows), height, 2, width, 2, channels).mean((2, 4)).reshape(len(rows), -1)
    pairs = rows.reshape(len(rows), -1, 2)
    second = jax.random.bernoulli(key, shape=pairs.shape[:2])
    return jnp.where(second, pairs[..., 1], pairs[..., 0])


def spread_rows(rows: Array, coarse: Layout) -> Array:
    """Rows of blocks [n, numbers] of an image as rows at the fine resolution, constant over every block."""
    images = rows.reshape(len(rows), *coarse.shape)
    return jnp.repeat(jnp.repeat(images, 2, axis=1), 2, axis=2).reshape(len(rows), -1)


def means(layout: Layout) -> Array:
    """The block mean B as a matrix [numbers, numbers of blocks], for what a perceptron is asked for."""
    if layout.kind == "image":
        return block_rows(jnp.eye(layout.size), layout)
    return jnp.kron(_pairs(layout.size) / 2, jnp.eye(layout.vocabulary))


def spread(layout: Layout) -> Array:
    """The piecewise constant U as a matrix [numbers of blocks, numbers], for what a perceptron reads."""
    if layout.kind == "image":
        coarse = block_layout(layout)
        return spread_rows(jnp.eye(coarse.size), coarse)
    return jnp.kron(_pairs(layout.size).T, jnp.eye(layout.vocabulary))


def patch_spread(side: int, coarse_side: int, channels: int) -> Array:
    """U for squares of pixels [numbers of a coarse square, numbers of a square], averaged over the squares in a block.

    The squares are halved (coarse_side = side / 2), or stay as they are and have four of the old ones in them.
    """
    square = Layout("image", (coarse_side, coarse_side, channels))
    fine = spread_rows(jnp.eye(square.size), square).reshape(-1, 2 * coarse_side, 2 * coarse_side, channels)
    return patches(fine, side).mean(1)


def patch_means(side: int, coarse_side: int, channels: int) -> Array:
    """B for squares of pixels [numbers of a square, numbers of a coarse square], each of which has the same answer."""
    answer = jnp.eye(side * side * channels).reshape(-1, side, side, channels)
    repeats = 2 * coarse_side // side
    tiled = jnp.tile(answer, (1, repeats, repeats, 1))
    return block_rows(tiled.reshape(len(answer), -1), Layout("image", tiled.shape[1:]))


def block_places(place: Array, sides: tuple[int, ...]) -> Array:
    """Vectors of positions [positions, w] on a lattice of these sides, averaged over blocks of it."""
    pairs = [side for half in sides for side in (half // 2, 2)]
    blocks = place.reshape(*pairs, -1).mean(tuple(range(1, len(pairs), 2)))
    return blocks.reshape(-1, place.shape[-1])


def block_kernel(kernel: Array) -> Array:
    """B K U of a 3 x 3 convolution [9, inputs, outputs]: again one of 3 x 3."""
    taps = np.array([[0.5, 0, 0], [0.5, 1, 0.5], [0, 0, 0.5]], np.float32)  # of a coarse neighbour, by fine ones
    return jnp.tensordot(jnp.kron(taps, taps), kernel, 1)


def _pairs(size: int) -> Array:
    """[size, size / 2], 1 where a position is in a block."""
    return jnp.repeat(jnp.eye(size // 2), 2, axis=0)
