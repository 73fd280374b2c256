"""Autoencoding: give the row itself back, through a bottleneck (Hinton & Salakhutdinov 2006)."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from jaxphase.data import augment
from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.family import Head
from jaxphase.objectives.reconstruction import cross_entropy
from jaxphase.objectives.views import reads


@dataclass(frozen=True)
class Autoencoding:
    """Mean squared error over all numbers, or cross-entropy in nats over all tokens of a row; without a bottleneck in
    the model it can learn the identity.

    `noise` is the standard deviation of what is added to the numbers that the model reads (Vincent et al. 2008).
    """

    layout: Layout
    noise: float = 0.0

    paired = False  # a loss of single rows

    def __post_init__(self):
        if self.noise and self.layout.kind == "tokens":
            raise InputError(f"noise is {self.noise}: tokens are not numbers; use masked_modeling to corrupt them.")

    @property
    def reads(self) -> Layout:
        """Rows that the model reads."""
        return reads(self.layout)

    @property
    def head(self) -> Head:
        """What the model gives back."""
        return Head(self.layout)

    def inputs(self, rows: Array, key: Array) -> Array:
        """What the model reads of rows in training."""
        return augment.noise(key, rows, self.noise) if self.noise else rows

    def loss(self, model, rows: Array, key: Array) -> Array:
        """Error per row [n] of rows [n, numbers or positions]."""
        answers = model(self.inputs(rows, key))
        if self.layout.kind == "tokens":
            return jnp.mean(cross_entropy(answers, rows), axis=-1)
        return jnp.mean((answers - rows) ** 2, axis=-1)

    def represent(self, model, rows: Array) -> Array:
        """Code [n, features] of rows."""
        return model.encode(rows)
