"""Block averages of space: rows of data at half the resolution, and the layers of a network that reads them.

Blocks are 2 x 2 pixels of an image or two tokens of a sequence. On the coarse lattice a linear layer W becomes B W U,
with the block mean B and the map U of a coarse field to one that is constant over blocks, so that B U = 1 (the Galerkin
operator of multigrid methods; Brandt 1977). On fields that are constant over blocks this is exact.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.layers import patches
from jaxphase.rg.networks.reduction import AnyArray


def block_layout(layout: Layout) -> Layout:
    """The layout of a row of blocks; InputError for vectors, which have no positions, and for odd sides."""
    if layout.kind == "vector":
        raise InputError("rows are vectors, which have no positions to average over: use images or tokens.")
    sides, channels = (layout.shape[:2], layout.shape[2:]) if layout.kind == "image" else (layout.shape, ())
    if any(side % 2 for side in sides):
        raise InputError(f"rows have sides {sides}: blocks of two need even ones.")
    return layout._replace(shape=(*(side // 2 for side in sides), *channels))


def block_rows(
    rows: Num[AnyArray, "n numbers"], layout: Layout, *, key: Key[Array, ""] | None = None
) -> Num[Array, "n blocks"]:
    """Average rows over blocks: means of 2 x 2 pixels, or one of every two tokens.

    Args:
        rows: Rows of images, `[n, numbers]`, or of tokens, `[n, positions]`.
        layout: Layout of a row.
        key: Key of the draw of a token from each block; needed for tokens only.

    Returns:
        The rows at half the resolution, `[n, numbers of blocks]`.

    Raises:
        InputError: If rows are vectors or have odd sides.
        ValueError: If rows are tokens and there is no key.
    """
    coarse, rows = block_layout(layout), jnp.asarray(rows)
    if layout.kind == "image":
        height, width, channels = coarse.shape
        return rows.reshape(len(rows), height, 2, width, 2, channels).mean((2, 4)).reshape(len(rows), -1)
    if key is None:
        raise ValueError("key is None: give a key, by which a token is drawn from each block.")
    pairs = rows.reshape(len(rows), -1, 2)
    second = jax.random.bernoulli(key, shape=pairs.shape[:2])
    return jnp.where(second, pairs[..., 1], pairs[..., 0])


def spread_rows(rows: Float[AnyArray, "n blocks"], coarse: Layout) -> Float[Array, "n numbers"]:
    """Rows of blocks of an image as rows at the fine resolution, constant over every block."""
    images = rows.reshape(len(rows), *coarse.shape)
    return jnp.repeat(jnp.repeat(images, 2, axis=1), 2, axis=2).reshape(len(rows), -1)


def means(layout: Layout) -> Float[Array, "numbers blocks"]:
    """The block mean B as a matrix, for the outputs of a perceptron."""
    if layout.kind == "image":
        return block_rows(jnp.eye(layout.size), layout)
    return jnp.kron(_pairs(layout.size) / 2, jnp.eye(layout.vocabulary))


def spread(layout: Layout) -> Float[Array, "blocks numbers"]:
    """The piecewise constant map U as a matrix, for the inputs of a perceptron."""
    if layout.kind == "image":
        coarse = block_layout(layout)
        return spread_rows(jnp.eye(coarse.size), coarse)
    return jnp.kron(_pairs(layout.size).T, jnp.eye(layout.vocabulary))


def patch_spread(side: int, coarse_side: int, channels: int) -> Float[Array, "coarse_numbers numbers"]:
    """U for patches of an image, averaged over the fine patches in a block.

    The side of a patch is halved (coarse_side = side / 2), or it is kept, so that a patch covers four of the old ones.
    """
    square = Layout("image", (coarse_side, coarse_side, channels))
    fine = spread_rows(jnp.eye(square.size), square).reshape(-1, 2 * coarse_side, 2 * coarse_side, channels)
    return patches(fine, side).mean(1)


def patch_means(side: int, coarse_side: int, channels: int) -> Float[Array, "numbers coarse_numbers"]:
    """B for patches of an image, if all fine patches in a block have the same output."""
    output = jnp.eye(side * side * channels).reshape(-1, side, side, channels)
    repeats = 2 * coarse_side // side
    tiled = jnp.tile(output, (1, repeats, repeats, 1))
    return block_rows(tiled.reshape(len(output), -1), Layout("image", tiled.shape[1:]))


def block_places(place: Float[AnyArray, "positions width"], sides: tuple[int, ...]) -> Float[Array, "blocks width"]:
    """Vectors of the positions of a lattice with these sides, averaged over blocks."""
    pairs = [side for half in sides for side in (half // 2, 2)]
    blocks = jnp.asarray(place).reshape(*pairs, -1).mean(tuple(range(1, len(pairs), 2)))
    return blocks.reshape(-1, place.shape[-1])


def block_kernel(kernel: Float[AnyArray, "9 inputs outputs"]) -> Float[Array, "9 inputs outputs"]:
    """B K U of a 3 x 3 convolution K, which is a 3 x 3 convolution too."""
    taps = np.array([[0.5, 0, 0], [0.5, 1, 0.5], [0, 0, 0.5]], np.float32)  # shares of the fine in the coarse neighbors
    return jnp.tensordot(jnp.kron(taps, taps), kernel, 1)


def _pairs(size: int) -> Float[Array, "{size} blocks"]:
    """1 where a position is in a block, else 0."""
    return jnp.repeat(jnp.eye(size // 2), 2, axis=0)
