"""What stands between a representation and what an objective compares."""

import jax
import numpy as np
from flax import nnx
from jax import Array

from jaxphase.data.source import Layout
from jaxphase.models.layers import Dense, RMSNorm
from jaxphase.models.parametrization import Parametrization


class Projector(nnx.Module):
    """Two layers to a space of one size for all widths, in which joint-embedding objectives compare rows."""

    def __init__(self, features: int, dims: int, scheme: Parametrization, rng: np.random.Generator | None):
        self.first = Dense(features, dims, "readout", scheme, rng)
        self.norm = RMSNorm(dims, "finite")
        self.second = Dense(dims, dims, "finite", scheme, rng)

    def __call__(self, x: Array) -> Array:
        """[n, features] -> [n, dims]."""
        return self.second(jax.nn.gelu(self.norm(self.first(x))))


def outputs_of(layout: Layout) -> int:
    """Numbers that a row of this layout is given back as: itself, or logits over the vocabulary at every position."""
    return layout.size * max(layout.vocabulary, 1)
