"""Residual models of positions: a stem cuts a row into positions, blocks mix them, and a head reads each of them.

The representation is the mean of the normalized positions. With a bottleneck it is a linear code of that mean, from
which a mirrored stack rebuilds every position.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.family import Head
from jaxphase.models.heads import Projector, outputs_of
from jaxphase.models.layers import Dense, RMSNorm, from_patches, patches
from jaxphase.models.parametrization import Parametrization, normal

# Half the scale of the embedding that it is added to. With the customary 0.02 a small model learns positions last, and
# its representation is much worse.
POSITION_STD = 0.5


class Stack(nnx.Module):
    """A stem, `depth` blocks that map `[n, positions, width]` to itself, and a head."""

    def __init__(
        self,
        stem: Any,
        block: Callable[[], nnx.Module],
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        depth: int,
        bottleneck: int,
    ) -> None:
        self.stem = stem
        self.blocks = nnx.List([block() for _ in range(depth)])
        self.norm = RMSNorm(width)
        self.code = Dense(width, bottleneck, "readout", scheme, rng) if bottleneck else None
        self.output = head
        if head.layout is None:
            self.projector = Projector(bottleneck or width, head.dims, scheme, rng)
            return
        self.head = Dense(width, outputs_of(head.layout) // stem.positions, "readout", scheme, rng)
        if bottleneck:
            self.unfold = PositionalDense(bottleneck, stem.positions, width, scheme, rng)
            self.mirror = nnx.List([block() for _ in range(depth)])
            self.mirror_norm = RMSNorm(width)

    def hidden(self, rows: Shaped[Array, "n values"]) -> Float[Array, "n positions width"]:
        """Compute the normalized positions of rows."""
        x = self.stem(rows)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def encode(self, rows: Shaped[Array, "n values"]) -> Float[Array, "n features"]:
        """Compute the representation of rows."""
        return self._summary(self.hidden(rows))

    def _summary(self, hidden: Float[Array, "n positions width"]) -> Float[Array, "n features"]:
        """Mean over positions, or the linear code of it."""
        mean = jnp.mean(hidden, axis=1)
        return mean if self.code is None else self.code(mean)

    def __call__(self, rows: Shaped[Array, "n values"]) -> Float[Array, "n ..."]:
        """Compute what the head asks for."""
        x = self.hidden(rows)
        if self.output.layout is None:
            return self.projector(self._summary(x))
        if self.code is not None:
            x = self.unfold(self._summary(x)[:, None])
            for block in self.mirror:
                x = block(x)
            x = self.mirror_norm(x)
        return self.stem.join(self.head(x), self.output.layout)


class PositionalDense(nnx.Module):
    """A dense map of the inputs of every position plus a learned vector for the position."""

    def __init__(
        self, inputs: int, positions: int, width: int, scheme: Parametrization, rng: np.random.Generator | None
    ) -> None:
        self.dense = Dense(inputs, width, "input", scheme, rng)
        self.place = nnx.Param(normal(rng, (positions, width), POSITION_STD), role="input")

    def __call__(self, x: Float[Array, "n #positions inputs"]) -> Float[Array, "n positions width"]:
        """Map inputs, one for each position or the same for all."""
        return self.dense(x) + self.place[...]


class Patches(nnx.Module):
    """A stem that reads an image as squares of `side` x `side` pixels (Dosovitskiy et al. 2021)."""

    def __init__(
        self, input_layout: Layout, side: int, width: int, scheme: Parametrization, rng: np.random.Generator | None
    ) -> None:
        rows, columns, channels = input_layout.shape
        if side < 1 or rows % side or columns % side:
            raise InputError(f"patch is {side}: give a divisor of the image's sides {rows} and {columns}.")
        self.shape, self.side = input_layout.shape, side
        self.sides = rows // side, columns // side
        self.positions = self.sides[0] * self.sides[1]
        self.embed = PositionalDense(side * side * channels, self.positions, width, scheme, rng)

    def __call__(self, images: Float[Array, "n values"]) -> Float[Array, "n positions width"]:
        """Embed the squares of images."""
        return self.embed(patches(images.reshape(len(images), *self.shape), self.side))

    def join(self, squares: Float[Array, "n positions outputs"], layout: Layout) -> Float[Array, "n values"]:
        """Make flat images of a layout with the same sides from their squares."""
        return from_patches(squares, layout.shape, self.side).reshape(len(squares), -1)
