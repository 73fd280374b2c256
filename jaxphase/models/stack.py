"""Residual models of positions: a stem cuts a row into positions, blocks mix them, a head answers at each of them.

The representation is the mean of the normalised positions; with a bottleneck it is a linear code of that mean, from
which a mirrored stack rebuilds every position.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.family import Head
from jaxphase.models.heads import Projector, outputs_of
from jaxphase.models.layers import Dense, RMSNorm, from_patches, patches
from jaxphase.models.parametrization import Parametrization, normal

# Half of what is there: from the customary 0.02 a small model learns places last, and of 8 x 8 digits, at 40,000
# parameters and 400 steps, a probe then tells 67 % instead of 85 %.
PLACE_STD = 0.5


class Stack(nnx.Module):
    """A stem, `depth` blocks that map [n, positions, width] to itself, and a head."""

    def __init__(
        self,
        stem: nnx.Module,
        block: Callable[[], nnx.Module],
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        depth: int,
        bottleneck: int,
    ):
        self.stem = stem
        self.blocks = nnx.List([block() for _ in range(depth)])
        self.norm = RMSNorm(width)
        self.code = Dense(width, bottleneck, "readout", scheme, rng) if bottleneck else None
        self.answer = head
        if head.layout is None:
            self.projector = Projector(bottleneck or width, head.dims, scheme, rng)
            return
        self.head = Dense(width, outputs_of(head.layout) // stem.positions, "readout", scheme, rng)
        if bottleneck:
            self.unfold = Places(bottleneck, stem.positions, width, scheme, rng)
            self.mirror = nnx.List([block() for _ in range(depth)])
            self.mirror_norm = RMSNorm(width)

    def hidden(self, rows: Array) -> Array:
        """Normalised positions [n, positions, width] of rows [n, numbers or positions]."""
        x = self.stem(rows)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def encode(self, rows: Array) -> Array:
        """Representation [n, features]."""
        return self._summary(self.hidden(rows))

    def _summary(self, hidden: Array) -> Array:
        mean = jnp.mean(hidden, axis=1)
        return mean if self.code is None else self.code(mean)

    def __call__(self, rows: Array) -> Array:
        """What the head is asked for."""
        x = self.hidden(rows)
        if self.answer.layout is None:
            return self.projector(self._summary(x))
        if self.code is not None:
            x = self.unfold(self._summary(x)[:, None])
            for block in self.mirror:
                x = block(x)
            x = self.mirror_norm(x)
        return self.stem.join(self.head(x), self.answer.layout)


class Places(nnx.Module):
    """A dense map of every position's inputs plus a learned vector for the position."""

    def __init__(
        self, inputs: int, positions: int, width: int, scheme: Parametrization, rng: np.random.Generator | None
    ):
        self.dense = Dense(inputs, width, "input", scheme, rng)
        self.place = nnx.Param(normal(rng, (positions, width), PLACE_STD), role="input")

    def __call__(self, x: Array) -> Array:
        """[n, positions or 1, inputs] -> [n, positions, width]."""
        return self.dense(x) + self.place[...]


class Patches(nnx.Module):
    """A stem that reads an image as squares of `side` x `side` pixels (Dosovitskiy et al. 2021)."""

    def __init__(self, reads: Layout, side: int, width: int, scheme: Parametrization, rng: np.random.Generator | None):
        rows, columns, channels = reads.shape
        if side < 1 or rows % side or columns % side:
            raise InputError(f"patch is {side}: give a divisor of the image's sides {rows} and {columns}.")
        self.shape, self.side = reads.shape, side
        self.sides = rows // side, columns // side
        self.positions = self.sides[0] * self.sides[1]
        self.embed = Places(side * side * channels, self.positions, width, scheme, rng)

    def __call__(self, images: Array) -> Array:
        """[n, numbers] -> [n, positions, width]."""
        return self.embed(patches(images.reshape(len(images), *self.shape), self.side))

    def join(self, squares: Array, layout: Layout) -> Array:
        """Rows [n, numbers] of a layout with the same sides from its squares [n, positions, numbers of a square]."""
        return from_patches(squares, layout.shape, self.side).reshape(len(squares), -1)
