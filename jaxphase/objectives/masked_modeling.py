"""Masked modeling: reconstruct what is hidden of a row from what is visible (Devlin et al. 2019; He et al. 2022)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from jaxphase.data import augment
from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.family import Head
from jaxphase.objectives.reconstruction import cross_entropy


@dataclass(frozen=True)
class MaskedModeling:
    """Mean squared error on hidden numbers, or cross-entropy in nats on hidden tokens, of each row.

    Every `patch` x `patch` square of an image, number of a vector or token is hidden with probability `mask_fraction`.
    For images and vectors the model reads the numbers, 0 where hidden, and a channel that is 1 where they are visible.
    A hidden token is replaced by an extra token outside the vocabulary.

    Attributes:
        layout: What a row is.
        mask_fraction: Probability that a patch, number or token is hidden.
        patch: Side of a patch of an image, in pixels.
    """

    layout: Layout
    mask_fraction: float = 0.5
    patch: int = 2

    paired = False  # a loss of single rows

    def __post_init__(self) -> None:
        if not 0 < self.mask_fraction < 1:
            raise InputError(f"mask_fraction is {self.mask_fraction}: give a fraction between 0 and 1, such as 0.5.")
        sides = self.layout.shape[:2] if self.layout.kind == "image" else ()
        if self.patch < 1 or any(side % self.patch for side in sides):
            raise InputError(f"patch is {self.patch}: give a divisor of the image's sides {sides}.")

    @property
    def input_layout(self) -> Layout:
        """What the model reads."""
        kind, shape, vocabulary = self.layout
        if kind == "image":
            return Layout(kind, (*shape[:2], shape[2] + 1))
        return Layout(kind, shape, vocabulary + 1) if kind == "tokens" else Layout(kind, (2 * shape[0],))

    @property
    def head(self) -> Head:
        """What the model returns."""
        return Head(self.layout)

    def inputs(self, rows: Shaped[Array, "n values"], *, key: Key[Array, ""]) -> Shaped[Array, "n inputs"]:
        """Make what the model reads in training."""
        return self._mask(rows, key)[0]

    def loss(
        self, model: Callable[[Array], Array], rows: Shaped[Array, "n values"], *, key: Key[Array, ""]
    ) -> Float[Array, " n"]:
        """Compute the error of each row, averaged over what is hidden."""
        inputs, hidden = self._mask(rows, key)
        outputs = model(inputs)
        error = cross_entropy(outputs, rows) if self.layout.kind == "tokens" else jnp.square(outputs - rows)
        return jnp.sum(error * hidden, axis=-1) / jnp.maximum(jnp.sum(hidden, axis=-1), 1)

    def represent(self, model: Any, rows: Shaped[Array, "n values"]) -> Float[Array, "n features"]:
        """Compute the features of whole rows."""
        return model.encode(rows if self.layout.kind == "tokens" else self.with_mask(rows, jnp.ones_like(rows)))

    def with_mask(self, rows: Float[Array, "n values"], visible: Float[Array, "n values"]) -> Float[Array, "n inputs"]:
        """Set hidden numbers to 0 and append the channel that says which are visible (1) or hidden (0)."""
        if self.layout.kind == "vector":
            return jnp.concatenate([rows * visible, visible], axis=-1)
        shape = (len(rows), *self.layout.shape)
        channels = [(rows * visible).reshape(shape), visible.reshape(shape)[..., :1]]
        return jnp.concatenate(channels, axis=-1).reshape(len(rows), -1)

    def draw_mask(self, n: int, *, key: Key[Array, ""]) -> Float[Array, "n values"]:
        """Draw 1 where a number is hidden, 0 elsewhere; one random byte for a patch meets the fraction to 1/256."""
        threshold = min(round(256 * self.mask_fraction), 255)
        if self.layout.kind == "vector":
            return (jax.random.bits(key, (n, *self.layout.shape), jnp.uint8) < threshold).astype(jnp.float32)
        rows, columns, channels = self.layout.shape
        hidden = jax.random.bits(key, (n, rows // self.patch, columns // self.patch, 1), jnp.uint8) < threshold
        for axis, times in ((1, self.patch), (2, self.patch), (3, channels)):
            hidden = jnp.repeat(hidden, times, axis=axis)
        return hidden.reshape(n, -1).astype(jnp.float32)

    def _mask(
        self, rows: Shaped[Array, "n values"], key: Key[Array, ""]
    ) -> tuple[Shaped[Array, "n inputs"], Shaped[Array, "n values"]]:
        """Make what the model reads, and say what of the rows is hidden."""
        if self.layout.kind == "tokens":
            return augment.mask_tokens(rows, self.mask_fraction, self.layout.vocabulary, key=key)
        hidden = self.draw_mask(len(rows), key=key)
        return self.with_mask(rows, 1 - hidden), hidden
