"""Where the training data of a bucket come from: the device, or the host if they do not fit there.

The rows of a lane are a function of its identity and of the step. So the host can gather the rows of the next steps
while the device trains, and a streamed sweep sees the same rows as a resident one.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree, Shaped

from jaxphase.runtime.mesh import LANES, STEPS_OF_LANES, abstract, spread
from jaxphase.sweep.lanes import LaneConstants
from jaxphase.sweep.recipes import Recipe
from jaxphase.sweep.rows import batch_indices, own_indices

PIECE_BYTES = 1 << 26  # gathered at a time; two pieces are on the devices together


class Resident(NamedTuple):
    """All of the data on every device.

    Attributes:
        train: The training rows.
        own: None: the rows for the training loss of a lane are in `train`.
        steps: Steps that `rows` serves at a time: any number.
    """

    train: Shaped[Array | np.ndarray, "n values"]
    own: None = None
    steps: int = 1 << 30

    def rows(self, first: int, last: int) -> Shaped[Array | np.ndarray, "n values"]:
        """The rows that training takes its batches from."""
        return self.train

    def close(self) -> None:
        """Do nothing."""


class Stream:
    """Rows for the lanes of one bucket, piece by piece.

    Attributes:
        own: Rows `[lanes, n, ...]` that every lane's training loss is measured on, on the devices.
        steps: Steps of a piece.
    """

    def __init__(self, recipe: Recipe, constants: LaneConstants, mesh: jax.sharding.Mesh) -> None:
        self.pool, self.mesh = recipe.source.splits.train, mesh
        self.constants = jax.tree.map(np.asarray, constants)
        self.steps = piece_steps(recipe, len(self.constants.width))
        self.indices = jax.jit(_indices_of_steps(recipe))
        self.own = spread(self._gather(jax.jit(_indices_of_own(recipe)), self.constants), mesh)
        self.worker = ThreadPoolExecutor(max_workers=1)
        self.ahead: tuple[int, Future] | None = None

    def rows(self, first: int, last: int) -> Shaped[Array, "steps lanes *pair batch values"]:
        """Rows of the steps from `first` on; those from `last` on are gathered meanwhile."""
        ahead, self.ahead = self.ahead, None
        piece = ahead[1] if ahead and ahead[0] == first else self.worker.submit(self._piece, first)
        rows = piece.result()
        self.ahead = last, self.worker.submit(self._piece, last)
        return rows

    def close(self) -> None:
        """Stop gathering."""
        self.worker.shutdown(cancel_futures=True)

    def _piece(self, first: int) -> Shaped[Array, "steps lanes *pair batch values"]:
        """Rows of the steps of the piece that begins with `first`, on the devices."""
        steps = np.arange(first, first + self.steps, dtype=np.int32)
        return spread(self._gather(self.indices, self.constants, steps), self.mesh, STEPS_OF_LANES)

    def _gather(self, indices: Callable, *arguments: PyTree) -> Shaped[np.ndarray, "... values"]:
        """Rows at the indices that a program gives."""
        # On the host's own device: an accelerator would answer only after the steps that it is busy with.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            index = np.asarray(indices(*arguments))
        return np.asarray(self.pool[index.ravel()]).reshape(*index.shape, -1)


def abstract_stream(
    recipe: Recipe, constants: LaneConstants, mesh: jax.sharding.Mesh
) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Shapes of a piece and of `own` of a `Stream`, given the shapes of the lanes' constants."""
    steps = jnp.arange(piece_steps(recipe, len(constants.width)), dtype=jnp.int32)
    train = recipe.source.splits.train

    def rows(indices: Any, axes: jax.sharding.PartitionSpec) -> jax.ShapeDtypeStruct:
        return abstract((*indices.shape, train.shape[1]), train.dtype, mesh, axes)

    return (
        rows(jax.eval_shape(_indices_of_steps(recipe), constants, steps), STEPS_OF_LANES),
        rows(jax.eval_shape(_indices_of_own(recipe), constants), LANES),
    )


def piece_steps(recipe: Recipe, lanes: int) -> int:
    """Number of steps of so many lanes whose rows make a piece."""
    rows = lanes * recipe.batch_size * (2 if recipe.objective.paired else 1)
    return max(1, PIECE_BYTES // (rows * recipe.source.layout.row_bytes))


def _indices_of_steps(
    recipe: Recipe,
) -> Callable[[LaneConstants, Int[Array, " steps"]], Int[Array, "steps lanes *pair batch"]]:
    """Batch indices of all lanes for several steps."""
    of_lanes = jax.vmap(lambda constants, step: batch_indices(recipe, constants, step), (0, None))
    return jax.vmap(of_lanes, (None, 0))


def _indices_of_own(recipe: Recipe) -> Callable[[LaneConstants], Int[Array, "lanes *pair n"]]:
    """Indices of the rows that every lane's training loss is measured on."""
    return jax.vmap(lambda constants: own_indices(recipe, constants))
