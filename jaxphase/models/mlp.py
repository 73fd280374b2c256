"""Multilayer perceptron: blocks of dense, RMSNorm, GELU; the encoder's output is the representation."""

import jax
import numpy as np
from flax import nnx
from jax import Array

from jaxphase.errors import InputError
from jaxphase.models.layers import Dense, RMSNorm
from jaxphase.models.parametrization import Parametrization


class Block(nnx.Module):
    """Dense, RMSNorm, GELU."""

    def __init__(self, inputs: int, width: int, role: str, scheme: Parametrization, rng: np.random.Generator | None):
        self.dense = Dense(inputs, width, role, scheme, rng)
        self.norm = RMSNorm(width)

    def __call__(self, x: Array) -> Array:
        """[..., inputs] -> [..., width]."""
        return jax.nn.gelu(self.norm(self.dense(x)))


class MLP(nnx.Module):
    """`depth` blocks of one width and a linear readout; with a bottleneck, a linear code and a mirrored decoder.

    inputs -> width x depth -> outputs, or inputs -> width x depth -> bottleneck -> width x depth -> outputs.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        depth: int = 2,
        bottleneck: int = 0,
    ):
        if depth < 1:
            raise InputError(f"depth is {depth}: an mlp needs at least one block.")

        def stack(features: int) -> list[Block]:
            return [
                Block(width if i else features, width, "hidden" if i else "input", scheme, rng) for i in range(depth)
            ]

        code = [Dense(width, bottleneck, "readout", scheme, rng)] if bottleneck else []
        self.encoder = nnx.List(stack(inputs) + code)
        mirror = stack(bottleneck) if bottleneck else []
        self.decoder = nnx.List([*mirror, Dense(width, outputs, "readout", scheme, rng)])

    def encode(self, x: Array) -> Array:
        """Representation [..., features] of inputs [..., inputs]: the last hidden layer, or the bottleneck."""
        for layer in self.encoder:
            x = layer(x)
        return x

    def decode(self, features: Array) -> Array:
        """Outputs [..., outputs] from a representation [..., features]."""
        for layer in self.decoder:
            features = layer(features)
        return features
