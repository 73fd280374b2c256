"""The benchmark's models as one writes them in Flax; `model.loss(rows, key)` draws its masks from the key."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

MASKED = 0.5


def build(family: str, width: int, vocabulary: int, positions: int, rngs: nnx.Rngs) -> nnx.Module:
    if family == "transformer":
        return Transformer(width, vocabulary, positions, rngs)
    return {"mlp": Autoencoder, "resnet": ResNet}[family](width, rngs)


class Autoencoder(nnx.Module):
    """64-w-w-8-w-w-64 with RMSNorm and GELU; mean squared error."""

    def __init__(self, width: int, rngs: nnx.Rngs):
        def block(a: int, b: int) -> list:
            return [nnx.Linear(a, b, rngs=rngs), nnx.RMSNorm(b, rngs=rngs), nnx.gelu]

        encoder = [*block(64, width), *block(width, width), nnx.Linear(width, 8, rngs=rngs)]
        decoder = [*block(8, width), *block(width, width), nnx.Linear(width, 64, rngs=rngs)]
        self.stack = nnx.Sequential(*encoder, *decoder)

    def loss(self, rows: Array, key: Array) -> Array:
        return jnp.mean((self.stack(rows) - rows) ** 2)


class ResNet(nnx.Module):
    """Two pre-activation blocks on 4 x 4 squares of 2 x 2 pixels; squared error of the squares that are masked.

    A convolution is a product of the nine shifted images: inside a loop on a CPU, XLA's own takes three times as long.
    """

    def __init__(self, width: int, rngs: nnx.Rngs):
        def convolution() -> nnx.Linear:
            return nnx.Linear(9 * width, width, use_bias=False, rngs=rngs)

        self.embed = nnx.Linear(8, width, rngs=rngs)
        self.place = nnx.Param(0.02 * jax.random.normal(rngs.params(), (16, width)))
        norms = [nnx.GroupNorm(width, num_groups=None, group_size=4, epsilon=1e-5, rngs=rngs) for _ in range(4)]
        self.norms, self.convolutions = nnx.List(norms), nnx.List([convolution() for _ in range(4)])
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, 4, rngs=rngs)

    def __call__(self, squares: Array) -> Array:
        """[n, 16, 8] -> [n, 16, 4]."""
        x = (self.embed(squares) + self.place[...]).reshape(len(squares), 4, 4, -1)
        for first in (0, 2):
            change = x
            for i in (first, first + 1):
                change = self.convolutions[i](neighbors(nnx.gelu(self.norms[i](change))))
            x = x + change
        return self.head(self.norm(x)).reshape(len(squares), 16, 4)

    def loss(self, rows: Array, key: Array) -> Array:
        squares = rows.reshape(-1, 4, 2, 4, 2).swapaxes(2, 3).reshape(-1, 16, 4)
        hidden = jnp.broadcast_to(jax.random.bernoulli(key, MASKED, (len(rows), 16, 1)), squares.shape)
        seen = jnp.concatenate([squares * (1 - hidden), 1 - hidden], axis=-1)
        error = (self(seen) - squares) ** 2
        return jnp.mean(jnp.sum(error * hidden, (1, 2)) / jnp.maximum(jnp.sum(hidden, (1, 2)), 1))


class Transformer(nnx.Module):
    """Two pre-norm blocks, bidirectional, heads of 8; cross-entropy of the tokens that are masked."""

    def __init__(self, width: int, vocabulary: int, positions: int, rngs: nnx.Rngs):
        self.table = nnx.Embed(vocabulary + 1, width, rngs=rngs)
        self.place = nnx.Param(0.02 * jax.random.normal(rngs.params(), (positions, width)))
        self.blocks = nnx.List([Block(width, rngs) for _ in range(2)])
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, vocabulary, rngs=rngs)
        self.mask = vocabulary

    def __call__(self, tokens: Array) -> Array:
        """[n, positions] -> [n, positions, vocabulary]."""
        x = self.table(tokens) + self.place[...]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def loss(self, rows: Array, key: Array) -> Array:
        hidden = jax.random.bernoulli(key, MASKED, rows.shape)
        logits = jax.nn.log_softmax(self(jnp.where(hidden, self.mask, rows)))
        error = -jnp.take_along_axis(logits, rows[..., None], axis=-1)[..., 0]
        return jnp.mean(jnp.sum(error * hidden, 1) / jnp.maximum(jnp.sum(hidden, 1), 1))


class Block(nnx.Module):
    """Attention and a perceptron of four times the width."""

    def __init__(self, width: int, rngs: nnx.Rngs):
        self.norms = nnx.List([nnx.RMSNorm(width, rngs=rngs) for _ in range(2)])
        self.queries_keys_values = nnx.Linear(width, 3 * width, use_bias=False, rngs=rngs)
        self.out = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.up, self.down = nnx.Linear(width, 4 * width, rngs=rngs), nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        heads = self.queries_keys_values(self.norms[0](x)).reshape(*x.shape[:2], 3, -1, 8)
        x = x + self.out(nnx.dot_product_attention(*jnp.moveaxis(heads, 2, 0)).reshape(x.shape))
        return x + self.down(nnx.gelu(self.up(self.norms[1](x))))


def neighbors(x: Array) -> Array:
    """[n, rows, columns, features] -> [n, rows, columns, 9 features], zeros beyond the border."""
    rows, columns = x.shape[1:3]
    bordered = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate([bordered[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=-1)
