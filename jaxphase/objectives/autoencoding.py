"""Autoencoding: reconstruct the image itself, through a bottleneck (Hinton & Salakhutdinov 2006)."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array


@dataclass(frozen=True)
class Autoencoding:
    """Mean squared error over all pixels; without a bottleneck in the model it can learn the identity."""

    shape: tuple[int, int]

    @property
    def inputs(self) -> int:
        """Numbers that the model reads."""
        return self.shape[0] * self.shape[1]

    @property
    def outputs(self) -> int:
        """Numbers that the model returns."""
        return self.shape[0] * self.shape[1]

    def loss(self, model, images: Array, key: Array) -> Array:
        """Squared error per image [n] of images [n, pixels]; deterministic, the key is not used."""
        return jnp.mean((model.decode(model.encode(images)) - images) ** 2, axis=-1)

    def represent(self, model, images: Array) -> Array:
        """Code [n, features] of images [n, pixels]."""
        return model.encode(images)
