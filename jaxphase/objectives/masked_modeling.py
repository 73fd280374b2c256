"""Masked modelling: reconstruct what is hidden of a row from what is visible (Devlin et al. 2019; He et al. 2022)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from jaxphase.data import augment
from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.family import Head
from jaxphase.objectives.reconstruction import cross_entropy


@dataclass(frozen=True)
class MaskedModeling:
    """Mean squared error on hidden numbers, or cross-entropy in nats on hidden tokens, of each row.

    Every `patch` x `patch` square of an image, number of a vector or token is hidden with probability `mask_fraction`.
    Of images and vectors the model sees the numbers, 0 where hidden, and one channel more: 1 where they are visible.
    Hidden tokens are one token more than the vocabulary has.
    """

    layout: Layout
    mask_fraction: float = 0.5
    patch: int = 2

    paired = False  # a loss of single rows

    def __post_init__(self):
        if not 0 < self.mask_fraction < 1:
            raise InputError(f"mask_fraction is {self.mask_fraction}: give a fraction between 0 and 1, such as 0.5.")
        sides = self.layout.shape[:2] if self.layout.kind == "image" else ()
        if self.patch < 1 or any(side % self.patch for side in sides):
            raise InputError(f"patch is {self.patch}: give a divisor of the image's sides {sides}.")

    @property
    def reads(self) -> Layout:
        """Rows that the model reads."""
        kind, shape, vocabulary = self.layout
        if kind == "image":
            return Layout(kind, (*shape[:2], shape[2] + 1))
        return Layout(kind, shape, vocabulary + 1) if kind == "tokens" else Layout(kind, (2 * shape[0],))

    @property
    def head(self) -> Head:
        """What the model gives back."""
        return Head(self.layout)

    def inputs(self, rows: Array, key: Array) -> Array:
        """What the model reads of rows in training."""
        return self._masked(rows, key)[0]

    def loss(self, model, rows: Array, key: Array) -> Array:
        """Error per row [n], averaged over what is hidden, of rows [n, numbers or positions]."""
        seen, hidden = self._masked(rows, key)
        answers = model(seen)
        error = cross_entropy(answers, rows) if self.layout.kind == "tokens" else jnp.square(answers - rows)
        return jnp.sum(error * hidden, axis=-1) / jnp.maximum(jnp.sum(hidden, axis=-1), 1)

    def represent(self, model, rows: Array) -> Array:
        """Representation [n, features] of whole rows."""
        return model.encode(rows if self.layout.kind == "tokens" else self.view(rows, jnp.ones_like(rows)))

    def view(self, rows: Array, visible: Array) -> Array:
        """What the model reads [n, numbers of `reads`] when only the `visible` numbers (1 or 0) are shown."""
        if self.layout.kind == "vector":
            return jnp.concatenate([rows * visible, visible], axis=-1)
        images = (len(rows), *self.layout.shape)
        seen = [(rows * visible).reshape(images), visible.reshape(images)[..., :1]]
        return jnp.concatenate(seen, axis=-1).reshape(len(rows), -1)

    def draw_mask(self, key: Array, n: int) -> Array:
        """1 where a number is hidden [n, numbers]. One random byte a patch: the fraction is met to 1/256."""
        threshold = min(round(256 * self.mask_fraction), 255)
        if self.layout.kind == "vector":
            return (jax.random.bits(key, (n, *self.layout.shape), jnp.uint8) < threshold).astype(jnp.float32)
        rows, columns, channels = self.layout.shape
        hidden = jax.random.bits(key, (n, rows // self.patch, columns // self.patch, 1), jnp.uint8) < threshold
        for axis, times in ((1, self.patch), (2, self.patch), (3, channels)):
            hidden = jnp.repeat(hidden, times, axis=axis)
        return hidden.reshape(n, -1).astype(jnp.float32)

    def _masked(self, rows: Array, key: Array) -> tuple[Array, Array]:
        """What is seen of rows, and what of them is hidden."""
        if self.layout.kind == "tokens":
            return augment.mask_tokens(key, rows, self.mask_fraction, self.layout.vocabulary)
        hidden = self.draw_mask(key, len(rows))
        return self.view(rows, 1 - hidden), hidden
