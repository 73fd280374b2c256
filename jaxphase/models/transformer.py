"""Pre-norm transformer: of tokens, and of the patches of an image (ViT)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxphase.data.source import Layout
from jaxphase.models.family import Head
from jaxphase.models.layers import Attention, Dense, RMSNorm
from jaxphase.models.parametrization import Parametrization, normal
from jaxphase.models.stack import PLACE_STD, Patches, Stack


class Block(nnx.Module):
    """Attention and a perceptron of four times the width, each on the RMS-normalised stream and added to it.

    RMSNorm, whose gain could be moved into the next matrix, makes any rotation of the stream a symmetry.
    """

    def __init__(
        self,
        width: int,
        branch: float,
        scheme: Parametrization,
        rng: np.random.Generator | None,
        *,
        head_size: int,
        causal: bool,
        rotary: bool,
    ):
        self.attention_norm, self.perceptron_norm = RMSNorm(width), RMSNorm(width)
        self.attention = Attention(width, head_size, scheme, rng, causal=causal, rotary=rotary)
        self.up = Dense(width, 4 * width, "hidden", scheme, rng)
        self.down = Dense(4 * width, width, "hidden", scheme, rng)
        self.branch = branch

    def __call__(self, x: Array) -> Array:
        """[n, positions, width] -> [n, positions, width]."""
        x = x + self.branch * self.attention(self.attention_norm(x))
        return x + self.branch * self.down(jax.nn.gelu(self.up(self.perceptron_norm(x))))


class Tokens(nnx.Module):
    """A stem that looks every token up in a table, and adds a learned vector for the position unless that is rotary."""

    def __init__(
        self, reads: Layout, width: int, rng: np.random.Generator | None, scheme: Parametrization, *, places: bool
    ):
        self.sides = reads.shape
        (self.positions,) = reads.shape
        self.table = nnx.Param(normal(rng, (reads.vocabulary, width), scheme.init_std("input", 1)), role="input")
        self.place = nnx.Param(normal(rng, (self.positions, width), PLACE_STD), role="input") if places else None

    def __call__(self, tokens: Array) -> Array:
        """[n, positions] -> [n, positions, width]."""
        found = jnp.take(self.table[...], tokens, axis=0)
        return found if self.place is None else found + self.place[...]

    def join(self, logits: Array, layout: Layout) -> Array:
        """Logits [n, positions, vocabulary] are what a row of tokens is given back as."""
        return logits


class Transformer(Stack):
    """Transformer of tokens, bidirectional unless causal = 1, with learned positions unless rotary = 1."""

    def __init__(
        self,
        reads: Layout,
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        depth: int = 2,
        head_size: int = 8,
        causal: int = 0,
        rotary: int = 0,
        bottleneck: int = 0,
    ):
        options = {"head_size": head_size, "causal": bool(causal), "rotary": bool(rotary)}
        super().__init__(
            Tokens(reads, width, rng, scheme, places=not rotary),
            lambda: Block(width, scheme.branch(depth), scheme, rng, **options),
            *(head, width, rng, scheme, depth, bottleneck),
        )


class ViT(Stack):
    """The same blocks, bidirectional, on the patches of an image."""

    def __init__(
        self,
        reads: Layout,
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        depth: int = 2,
        head_size: int = 8,
        patch: int = 2,
        bottleneck: int = 0,
    ):
        options = {"head_size": head_size, "causal": False, "rotary": False}
        super().__init__(
            Patches(reads, patch, width, scheme, rng),
            lambda: Block(width, scheme.branch(depth), scheme, rng, **options),
            *(head, width, rng, scheme, depth, bottleneck),
        )
