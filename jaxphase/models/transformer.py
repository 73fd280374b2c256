"""Pre-norm transformers, of tokens and of the patches of an image (ViT)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxphase.data.source import Layout
from jaxphase.models.family import Head
from jaxphase.models.layers import Attention, Dense, RMSNorm
from jaxphase.models.parametrization import Parametrization, normal
from jaxphase.models.stack import POSITION_STD, Patches, Stack


class Block(nnx.Module):
    """Attention and a perceptron of four times the width, each on the RMS-normalized stream and added to it.

    The gain of RMSNorm could be moved into the next matrix, so any rotation of the stream is a symmetry.
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
    ) -> None:
        self.attention_norm, self.perceptron_norm = RMSNorm(width), RMSNorm(width)
        self.attention = Attention(width, head_size, scheme, rng, causal=causal, rotary=rotary)
        self.up = Dense(width, 4 * width, "hidden", scheme, rng)
        self.down = Dense(4 * width, width, "hidden", scheme, rng)
        self.branch = branch

    def __call__(self, x: Float[Array, "n positions width"]) -> Float[Array, "n positions width"]:
        """Add the changes that attention and the perceptron make."""
        x = x + self.branch * self.attention(self.attention_norm(x))
        return x + self.branch * self.down(jax.nn.gelu(self.up(self.perceptron_norm(x))))


class Tokens(nnx.Module):
    """A stem that looks every token up in a table and, if not rotary, adds a learned vector for the position."""

    def __init__(
        self,
        input_layout: Layout,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        rotary: bool,
    ) -> None:
        self.sides = input_layout.shape
        (self.positions,) = input_layout.shape
        table = normal(rng, (input_layout.vocabulary, width), scheme.init_std("input", 1))
        self.table = nnx.Param(table, role="input")
        self.place = None if rotary else nnx.Param(normal(rng, (self.positions, width), POSITION_STD), role="input")

    def __call__(self, tokens: Int[Array, "n positions"]) -> Float[Array, "n positions width"]:
        """Embed tokens."""
        found = jnp.take(self.table[...], tokens, axis=0)
        return found if self.place is None else found + self.place[...]

    def join(
        self, logits: Float[Array, "n positions vocabulary"], layout: Layout
    ) -> Float[Array, "n positions vocabulary"]:
        """Return logits as they are."""
        return logits


class Transformer(Stack):
    """Transformer of tokens, bidirectional unless causal = 1, with learned positions unless rotary = 1."""

    def __init__(
        self,
        input_layout: Layout,
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
    ) -> None:
        options = {"head_size": head_size, "causal": bool(causal), "rotary": bool(rotary)}
        super().__init__(
            Tokens(input_layout, width, rng, scheme, rotary=bool(rotary)),
            lambda: Block(width, scheme.branch(depth), scheme, rng, **options),
            *(head, width, rng, scheme, depth, bottleneck),
        )


class ViT(Stack):
    """The same blocks, bidirectional, on the patches of an image."""

    def __init__(
        self,
        input_layout: Layout,
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        depth: int = 2,
        head_size: int = 8,
        patch: int = 2,
        bottleneck: int = 0,
    ) -> None:
        options = {"head_size": head_size, "causal": False, "rotary": False}
        super().__init__(
            Patches(input_layout, patch, width, scheme, rng),
            lambda: Block(width, scheme.branch(depth), scheme, rng, **options),
            *(head, width, rng, scheme, depth, bottleneck),
        )
