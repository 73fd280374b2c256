"""Multilayer perceptron: blocks of dense, RMSNorm, GELU; the encoder's output is the representation."""

import jax
import numpy as np
from flax import nnx
from jax import Array

from jaxphase.data.source import Layout
from jaxphase.models.family import Head
from jaxphase.models.heads import Projector, outputs_of
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
    """`depth` blocks of one width and a head; with a bottleneck, a linear code and a mirrored decoder before the head.

    inputs -> width x depth -> head, or inputs -> width x depth -> bottleneck -> width x depth -> head. Tokens are read
    as one-hot vectors, so that the first layer knows their position (Bengio et al. 2003).
    """

    def __init__(
        self,
        reads: Layout,
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        depth: int = 2,
        bottleneck: int = 0,
    ):
        def stack(features: int) -> list[Block]:
            return [
                Block(width if i else features, width, "hidden" if i else "input", scheme, rng) for i in range(depth)
            ]

        self.reads, self.answer = reads, head
        code = [Dense(width, bottleneck, "readout", scheme, rng)] if bottleneck else []
        self.encoder = nnx.List(stack(reads.size * max(reads.vocabulary, 1)) + code)
        if head.layout is None:
            self.projector = Projector(bottleneck or width, head.dims, scheme, rng)
        else:
            mirror = stack(bottleneck) if bottleneck else []
            self.decoder = nnx.List([*mirror, Dense(width, outputs_of(head.layout), "readout", scheme, rng)])

    def numbers(self, rows: Array) -> Array:
        """What the first layer reads [n, inputs]: the rows, or their tokens as one-hot vectors."""
        return jax.nn.one_hot(rows, self.reads.vocabulary).reshape(len(rows), -1) if self.reads.vocabulary else rows

    def encode(self, rows: Array) -> Array:
        """Representation [n, features] of rows [n, numbers or positions]: the last hidden layer, or the bottleneck."""
        x = self.numbers(rows)
        for layer in self.encoder:
            x = layer(x)
        return x

    def __call__(self, rows: Array) -> Array:
        """What the head is asked for."""
        x = self.encode(rows)
        if self.answer.layout is None:
            return self.projector(x)
        for layer in self.decoder:
            x = layer(x)
        return self.answer.layout.unfold(x)
