"""Random changes of a batch that keep its content, for use inside a training step.

Every function draws anew for each row, keeps shapes, and costs a few passes over the batch.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


def shift(
    images: Float[Array, "n rows columns channels"], most: int, *, key: Key[Array, ""]
) -> Float[Array, "n rows columns channels"]:
    """Move images along each axis by a random whole number of pixels, filling with zeros.

    Args:
        images: `[n, rows, columns, channels]`.
        most: Largest move, in pixels.
        key: Decides the moves.

    Returns:
        Images of the same shape.
    """
    n, *shape = images.shape
    framed = jnp.pad(images, ((0, 0), (most, most), (most, most), (0, 0)))
    corners = jnp.pad(jax.random.randint(key, (n, 2), 0, 2 * most + 1), ((0, 0), (0, 1)))
    # A gather of whole images is faster on a CPU than products with shift matrices or selected rolls.
    return jax.vmap(lambda image, corner: jax.lax.dynamic_slice(image, corner, shape))(framed, corners)


def jitter(
    images: Float[Array, "n ..."], brightness: float = 0.5, contrast: float = 0.5, *, key: Key[Array, ""]
) -> Float[Array, "n ..."]:
    """Scale and offset each image by random numbers, uniform in 1 +- contrast and +- brightness.

    Args:
        images: `[n, ...]`.
        brightness: Largest offset.
        contrast: Largest change of the scale.
        key: Decides scales and offsets.

    Returns:
        Images of the same shape.
    """
    shape = (2, len(images), *(1,) * (images.ndim - 1))
    scale, offset = jax.random.uniform(key, shape, images.dtype, -1, 1)
    return images * (1 + contrast * scale) + brightness * offset


def erase(
    images: Float[Array, "n rows columns channels"], side: int, *, key: Key[Array, ""]
) -> Float[Array, "n rows columns channels"]:
    """Set a random square of each image to 0, the mean of standardized images.

    The square always lies inside the image, unlike in the reference.

    Args:
        images: `[n, rows, columns, channels]`.
        side: Side of the square in pixels, at most the image's sides.
        key: Decides the places.

    Returns:
        Images of the same shape.

    References:
        DeVries & Taylor (2017), Cutout, arXiv:1708.04552.
    """
    n, rows, columns, _ = images.shape
    row_key, column_key = jax.random.split(key)

    def inside(key: Key[Array, ""], length: int) -> Bool[Array, "n length"]:
        first = jax.random.randint(key, (n, 1), 0, length - side + 1)
        at = jnp.arange(length)
        return (at >= first) & (at < first + side)

    square = inside(row_key, rows)[:, :, None, None] & inside(column_key, columns)[:, None, :, None]
    return jnp.where(square, 0, images)


def noise(x: Float[Array, "..."], std: float, *, key: Key[Array, ""]) -> Float[Array, "..."]:
    """Add independent Gaussian numbers.

    Args:
        x: Any shape.
        std: Their standard deviation.
        key: Decides the numbers.

    Returns:
        The sum, of the shape of x.
    """
    return x + std * jax.random.normal(key, x.shape, x.dtype)


def mask_tokens(
    tokens: Int[Array, "n positions"], fraction: float, mask_id: int, *, key: Key[Array, ""]
) -> tuple[Int[Array, "n positions"], Bool[Array, "n positions"]]:
    """Replace each token by `mask_id` with a given probability.

    Args:
        tokens: `[n, positions]`.
        fraction: The probability; it is met to 1/65536, since two random bytes decide.
        mask_id: The token in place of hidden tokens.
        key: Decides which are hidden.

    Returns:
        The tokens, and whether each is hidden.
    """
    hidden = jax.random.bits(key, tokens.shape, jnp.uint16).astype(jnp.uint32) < round(65536 * fraction)
    return jnp.where(hidden, mask_id, tokens), hidden
