"""Masked modelling: reconstruct the hidden patches of an image from the visible ones (He et al. 2022, "MAE")."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from jaxphase.errors import InputError


@dataclass(frozen=True)
class MaskedModeling:
    """Mean squared error on hidden pixels; every patch x patch square is hidden with probability `mask_fraction`.

    The model sees 2 numbers a pixel: its value, 0 where hidden, and whether it is visible.
    """

    shape: tuple[int, int]
    mask_fraction: float = 0.5
    patch: int = 2

    def __post_init__(self):
        if not 0 < self.mask_fraction < 1:
            raise InputError(f"mask_fraction is {self.mask_fraction}: give a fraction between 0 and 1, such as 0.5.")
        if self.patch < 1 or any(side % self.patch for side in self.shape):
            raise InputError(f"patch is {self.patch}: give a divisor of the image's sides {self.shape}.")

    @property
    def inputs(self) -> int:
        """Numbers that the model reads."""
        return 2 * self.shape[0] * self.shape[1]

    @property
    def outputs(self) -> int:
        """Numbers that the model returns."""
        return self.shape[0] * self.shape[1]

    def loss(self, model, images: Array, key: Array) -> Array:
        """Squared error per image [n], averaged over its hidden pixels, of images [n, pixels]."""
        hidden = self.draw_mask(key, len(images))
        error = model.decode(model.encode(self.view(images, 1 - hidden))) - images
        return jnp.sum(error * error * hidden, axis=-1) / jnp.maximum(jnp.sum(hidden, axis=-1), 1)

    def represent(self, model, images: Array) -> Array:
        """Representation [n, features] of whole images [n, pixels]."""
        return model.encode(self.view(images, jnp.ones_like(images)))

    def view(self, images: Array, visible: Array) -> Array:
        """What the model reads [n, 2 * pixels] when only `visible` pixels (1 or 0) are shown."""
        return jnp.concatenate([images * visible, visible], axis=-1)

    def draw_mask(self, key: Array, n: int) -> Array:
        """1 where a pixel is hidden [n, pixels]. One random byte a patch: the fraction is met to 1/256."""
        rows, columns = (side // self.patch for side in self.shape)
        threshold = min(round(256 * self.mask_fraction), 255)
        hidden = jax.random.bits(key, (n, rows, columns), jnp.uint8) < threshold
        hidden = jnp.repeat(jnp.repeat(hidden, self.patch, axis=1), self.patch, axis=2)
        return hidden.reshape(n, -1).astype(jnp.float32)
