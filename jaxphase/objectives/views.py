"""Two views of every row, which joint-embedding objectives bring together."""

import jax
from jax import Array

from jaxphase.data import augment
from jaxphase.data.source import Layout


def two_views(layout: Layout, key: Array, first: Array, second: Array, strength: float) -> tuple[Array, Array]:
    """Independent distortions of two times rows [n, numbers or positions], as strong as `strength` says.

    Images are moved by up to an eighth of their side and change brightness and contrast by up to half, and get noise of
    a tenth of their standard deviation; vectors get noise of half of it; 30 % of the tokens are hidden. A strength
    other than 1 multiplies these.
    """
    of_first, of_second = jax.random.split(key)
    return _view(layout, of_first, first, strength), _view(layout, of_second, second, strength)


def _view(layout: Layout, key: Array, rows: Array, strength: float) -> Array:
    if layout.kind == "tokens":
        return augment.mask_tokens(key, rows, min(0.3 * strength, 0.95), layout.vocabulary)[0]
    if layout.kind == "vector":
        return augment.noise(key, rows, 0.5 * strength)
    moved, lit, noisy = jax.random.split(key, 3)
    images = rows.reshape(len(rows), *layout.shape)
    images = augment.shift(moved, images, round(strength * min(layout.shape[:2]) / 8))
    images = augment.jitter(lit, images, 0.5 * strength, min(0.5 * strength, 1))
    return augment.noise(noisy, images, 0.1 * strength).reshape(rows.shape)


def reads(layout: Layout) -> Layout:
    """Rows of views: tokens have one more, for what is hidden."""
    return layout._replace(vocabulary=layout.vocabulary + 1) if layout.kind == "tokens" else layout
