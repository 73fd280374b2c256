"""From a representation to what an objective compares."""

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxphase.data.source import Layout
from jaxphase.models.layers import Dense, RMSNorm
from jaxphase.models.parametrization import Parametrization


class Projector(nnx.Module):
    """Two layers to a space of one size for all widths, in which joint-embedding objectives compare rows."""

    def __init__(self, features: int, dims: int, scheme: Parametrization, rng: np.random.Generator | None) -> None:
        self.first = Dense(features, dims, "readout", scheme, rng)
        self.norm = RMSNorm(dims, "finite")
        self.second = Dense(dims, dims, "finite", scheme, rng)

    def __call__(self, x: Float[Array, "n features"]) -> Float[Array, "n dims"]:
        """Project features."""
        return self.second(jax.nn.gelu(self.norm(self.first(x))))


def outputs_of(layout: Layout) -> int:
    """Count the outputs for a row of this layout: its numbers, or logits over the vocabulary at every position."""
    return layout.size * max(layout.vocabulary, 1)
