"""Where the training data of a bucket come from: the device, or the host if they do not fit there.

What a lane sees is a function of what the lane is and of the step, so the host can gather the rows of the next steps
while the device trains, and a streamed sweep sees the very rows that a resident one does.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxphase.runtime.mesh import LANES, STEPS_OF_LANES, abstract, spread
from jaxphase.sweep.recipe import Recipe
from jaxphase.sweep.train import Numbers, batch_places, own_places

PIECE_BYTES = 1 << 26  # gathered at a time; two pieces are on the devices together


class Resident(NamedTuple):
    """All of the data on every device."""

    train: Array
    own: None = None
    steps: int = 1 << 30

    def rows(self, first: int, last: int) -> Array:
        """What training takes its batches from."""
        return self.train

    def close(self) -> None:
        """Nothing to close."""


class Stream:
    """Rows for the lanes of one bucket, piece by piece; `own` is what every lane's training loss is measured on."""

    def __init__(self, parts: Recipe, numbers: Numbers, mesh: jax.sharding.Mesh):
        self.pool, self.mesh = parts.source.splits.train, mesh
        self.numbers = jax.tree.map(np.asarray, numbers)
        self.steps = piece_steps(parts, len(self.numbers.width))
        self.places = jax.jit(places_of_steps(parts))
        self.own = spread(self.gather(jax.jit(places_of_own(parts)), self.numbers), mesh)
        self.worker = ThreadPoolExecutor(max_workers=1)
        self.ahead: tuple[int, Future] | None = None

    def rows(self, first: int, last: int) -> Array:
        """Rows [steps, lanes, batch, ...] of the steps from `first` on; those from `last` on are gathered meanwhile."""
        ahead, self.ahead = self.ahead, None
        piece = ahead[1] if ahead and ahead[0] == first else self.worker.submit(self.piece, first)
        rows = piece.result()
        self.ahead = last, self.worker.submit(self.piece, last)
        return rows

    def piece(self, first: int) -> Array:
        """Rows of `steps` steps from `first` on, on the devices."""
        steps = np.arange(first, first + self.steps, dtype=np.int32)
        return spread(self.gather(self.places, self.numbers, steps), self.mesh, STEPS_OF_LANES)

    def gather(self, places, *arguments) -> np.ndarray:
        """Rows at the places that a program gives."""
        # On the host's own device: an accelerator would answer only after the steps that it is busy with.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            where = np.asarray(places(*arguments))
        return self.pool[where.ravel()].reshape(*where.shape, -1)

    def close(self) -> None:
        """Stop gathering."""
        self.worker.shutdown(cancel_futures=True)


def abstract_stream(parts: Recipe, numbers: Numbers, mesh: jax.sharding.Mesh) -> tuple[jax.ShapeDtypeStruct, ...]:
    """Shapes of a piece and of `own`, given those of the lanes' numbers."""
    steps = jnp.arange(piece_steps(parts, len(numbers.width)), dtype=jnp.int32)
    places = jax.eval_shape(places_of_steps(parts), numbers, steps), jax.eval_shape(places_of_own(parts), numbers)
    rows = parts.source.splits.train
    return tuple(
        abstract((*where.shape, rows.shape[1]), rows.dtype, mesh, axes)
        for where, axes in zip(places, (STEPS_OF_LANES, LANES), strict=True)
    )


def places_of_steps(parts: Recipe):
    """(numbers, steps) -> places [steps, lanes, batch, ...]."""
    of_lanes = jax.vmap(lambda numbers, step: batch_places(parts, numbers, step), (0, None))
    return jax.vmap(of_lanes, (None, 0))


def places_of_own(parts: Recipe):
    """numbers -> places [lanes, n, ...]."""
    return jax.vmap(lambda numbers: own_places(parts, numbers))


def piece_steps(parts: Recipe, lanes: int) -> int:
    """Steps of so many lanes whose rows make a piece."""
    rows = lanes * parts.batch_size * (2 if parts.objective.paired else 1)
    return max(1, PIECE_BYTES // (rows * parts.source.layout.row_bytes))
