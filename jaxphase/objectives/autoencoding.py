"""Autoencoding: reproduce the row itself, through a bottleneck (Hinton & Salakhutdinov 2006)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from jaxphase.data import augment
from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.family import Head
from jaxphase.objectives.reconstruction import cross_entropy
from jaxphase.objectives.views import view_layout


@dataclass(frozen=True)
class Autoencoding:
    """Mean squared error over all numbers, or cross-entropy in nats over all tokens, of each row.

    A model without a bottleneck can learn the identity.

    Attributes:
        layout: What a row is.
        noise: Standard deviation of Gaussian numbers that are added to what the model reads (Vincent et al. 2008).
    """

    layout: Layout
    noise: float = 0.0

    paired = False  # a loss of single rows

    def __post_init__(self) -> None:
        if self.noise and self.layout.kind == "tokens":
            raise InputError(f"noise is {self.noise}: tokens are not numbers; use masked_modeling to corrupt them.")

    @property
    def input_layout(self) -> Layout:
        """What the model reads."""
        return view_layout(self.layout)

    @property
    def head(self) -> Head:
        """What the model returns."""
        return Head(self.layout)

    def inputs(self, rows: Shaped[Array, "n values"], *, key: Key[Array, ""]) -> Shaped[Array, "n values"]:
        """Make what the model reads in training."""
        return augment.noise(rows, self.noise, key=key) if self.noise else rows

    def loss(
        self, model: Callable[[Array], Array], rows: Shaped[Array, "n values"], *, key: Key[Array, ""]
    ) -> Float[Array, " n"]:
        """Compute the error of each row."""
        outputs = model(self.inputs(rows, key=key))
        if self.layout.kind == "tokens":
            return jnp.mean(cross_entropy(outputs, rows), axis=-1)
        return jnp.mean((outputs - rows) ** 2, axis=-1)

    def represent(self, model: Any, rows: Shaped[Array, "n values"]) -> Float[Array, "n features"]:
        """Compute the code of each row."""
        return model.encode(rows)
