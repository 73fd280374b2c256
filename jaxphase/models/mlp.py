"""Multilayer perceptron: blocks of a dense layer, RMSNorm and GELU; the encoder's output is the representation."""

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from jaxphase.data.source import Layout
from jaxphase.models.family import Head
from jaxphase.models.heads import Projector, outputs_of
from jaxphase.models.layers import Dense, RMSNorm
from jaxphase.models.parametrization import Parametrization


class Block(nnx.Module):
    """Dense layer, RMSNorm and GELU."""

    def __init__(
        self, inputs: int, width: int, role: str, scheme: Parametrization, rng: np.random.Generator | None
    ) -> None:
        self.dense = Dense(inputs, width, role, scheme, rng)
        self.norm = RMSNorm(width)

    def __call__(self, x: Float[Array, "*lead inputs"]) -> Float[Array, "*lead width"]:
        """Map the last axis."""
        return jax.nn.gelu(self.norm(self.dense(x)))


class MLP(nnx.Module):
    """`depth` blocks of one width and a head; with a bottleneck, a linear code and a mirrored decoder before the head.

    inputs -> width x depth -> head, or inputs -> width x depth -> bottleneck -> width x depth -> head. Tokens are read
    as one-hot vectors, so that the first layer knows their position (Bengio et al. 2003).
    """

    def __init__(
        self,
        input_layout: Layout,
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        depth: int = 2,
        bottleneck: int = 0,
    ) -> None:
        def stack(features: int) -> list[Block]:
            return [
                Block(width if i else features, width, "hidden" if i else "input", scheme, rng) for i in range(depth)
            ]

        self.input_layout, self.output = input_layout, head
        code = [Dense(width, bottleneck, "readout", scheme, rng)] if bottleneck else []
        self.encoder = nnx.List([*stack(outputs_of(input_layout)), *code])
        if head.layout is None:
            self.projector = Projector(bottleneck or width, head.dims, scheme, rng)
        else:
            mirror = stack(bottleneck) if bottleneck else []
            self.decoder = nnx.List([*mirror, Dense(width, outputs_of(head.layout), "readout", scheme, rng)])

    def numbers(self, rows: Shaped[Array, "n values"]) -> Float[Array, "n inputs"]:
        """Make what the first layer reads: the rows themselves, or their tokens as one-hot vectors."""
        vocabulary = self.input_layout.vocabulary
        return jax.nn.one_hot(rows, vocabulary).reshape(len(rows), -1) if vocabulary else rows

    def encode(self, rows: Shaped[Array, "n values"]) -> Float[Array, "n features"]:
        """Compute the representation, the last hidden layer or the bottleneck."""
        x = self.numbers(rows)
        for layer in self.encoder:
            x = layer(x)
        return x

    def __call__(self, rows: Shaped[Array, "n values"]) -> Float[Array, "n ..."]:
        """Compute what the head asks for."""
        x = self.encode(rows)
        if self.output.layout is None:
            return self.projector(x)
        for layer in self.decoder:
            x = layer(x)
        return self.output.layout.unflatten(x)
