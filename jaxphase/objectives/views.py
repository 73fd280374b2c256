"""Two views of every row, which joint-embedding objectives bring together."""

import jax
from jaxtyping import Array, Key, Shaped

from jaxphase.data import augment
from jaxphase.data.source import Layout


def two_views(
    layout: Layout,
    first: Shaped[Array, "n values"],
    second: Shaped[Array, "n values"],
    strength: float,
    *,
    key: Key[Array, ""],
) -> tuple[Shaped[Array, "n values"], Shaped[Array, "n values"]]:
    """Distort two batches of rows independently.

    At strength 1, images move by up to an eighth of their side, change brightness and contrast by up to half, and get
    noise of a tenth of their standard deviation; vectors get noise of half of it; 30 % of the tokens are hidden.

    Args:
        layout: What a row is.
        first: Rows, `[n, numbers or positions]`.
        second: The same rows, or others that show the same things.
        strength: Multiplies all distortions.
        key: Decides the distortions.

    Returns:
        Both batches, distorted.
    """
    first_key, second_key = jax.random.split(key)
    return _view(layout, first, strength, first_key), _view(layout, second, strength, second_key)


def _view(
    layout: Layout, rows: Shaped[Array, "n values"], strength: float, key: Key[Array, ""]
) -> Shaped[Array, "n values"]:
    """Distort rows as their kind allows."""
    if layout.kind == "tokens":
        return augment.mask_tokens(rows, min(0.3 * strength, 0.95), layout.vocabulary, key=key)[0]
    if layout.kind == "vector":
        return augment.noise(rows, 0.5 * strength, key=key)
    shift_key, jitter_key, noise_key = jax.random.split(key, 3)
    images = rows.reshape(len(rows), *layout.shape)
    images = augment.shift(images, round(strength * min(layout.shape[:2]) / 8), key=shift_key)
    images = augment.jitter(images, 0.5 * strength, min(0.5 * strength, 1), key=jitter_key)
    return augment.noise(images, 0.1 * strength, key=noise_key).reshape(rows.shape)


def view_layout(layout: Layout) -> Layout:
    """Return the layout of views: tokens have one more in their vocabulary, which stands for what is hidden."""
    return layout._replace(vocabulary=layout.vocabulary + 1) if layout.kind == "tokens" else layout
