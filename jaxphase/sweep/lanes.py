"""The lanes of a bucket: the arrays of each model for the programs, drawn from its identity and padded to one width.

Leaves of all pytrees are [lanes, ...] on the host and in the programs, and [...] in a function of one lane. All random
numbers of a lane are a function of its `identity` and of the step, never of other lanes.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, PyTree, Shaped, UInt32

from jaxphase.config import SweepSpec
from jaxphase.models.layers import PerModel
from jaxphase.runtime.mesh import pad_rows
from jaxphase.sweep.grid import Lane
from jaxphase.sweep.planning import Bucket
from jaxphase.sweep.recipes import Recipe


class TrainState(NamedTuple):
    """The state that training changes.

    Attributes:
        params: The trained weights.
        opt_state: State of the optimizer.
        diverged_at: First step at which the loss or the gradient was not finite, -1 while both are.
    """

    params: nnx.State
    opt_state: PyTree
    diverged_at: Int[Array, "*lanes"]


class LaneConstants(NamedTuple):
    """The properties that training does not change.

    Attributes:
        width: True width of the model.
        data_size: Number of samples that it trains on.
        data_offset: First of these samples, which are consecutive in the shuffled pool and wrap around its end.
        learning_rate: Learning rate at the base width.
        key: Data of the key that batches and objectives draw from.
        live_shapes: True shape of every array of `params`.
        per_model: Numbers that the model reads and does not train, such as its live width.
    """

    width: Int[Array, "*lanes"]
    data_size: Int[Array, "*lanes"]
    data_offset: Int[Array, "*lanes"]
    learning_rate: Float[Array, "*lanes"]
    key: UInt32[Array, "*lanes 2"]
    live_shapes: tuple[Int[Array, "*lanes rank"], ...]
    per_model: nnx.State


def identity(lane: Lane) -> np.random.SeedSequence:
    """Entropy for all random numbers of a lane: the same in any bucket, on any device, at any time."""
    return np.random.SeedSequence([lane.seed, lane.width, lane.data_size])


def initialize(bucket: Bucket, recipe: Recipe, rows: int) -> tuple[TrainState, LaneConstants]:
    """Draw fresh lanes on the host, at their true shape, and pad them to that of the bucket.

    Args:
        bucket: The lanes.
        recipe: What they have in common.
        rows: Number of lanes to fill up to, with copies of the first.

    Returns:
        State and constants as NumPy arrays `[rows, ...]`.
    """
    template = _split(recipe.build(bucket.width, None, bucket.depth))
    models, offsets, keys = [], [], []
    for lane in bucket.lanes:
        for_params, for_data, for_steps = identity(lane).spawn(3)
        models.append(_split(recipe.build(lane.width, np.random.Generator(np.random.Philox(for_params)), lane.depth)))
        offset = np.random.Generator(np.random.Philox(for_data)).integers(len(recipe.source.splits.train))
        offsets.append(offset - offset % 2 if recipe.source.paired else offset)
        keys.append(for_steps.generate_state(2))

    params, per_model = (
        _stack_states(states, like, rows) for states, like in zip(zip(*models, strict=True), template, strict=True)
    )
    shapes = jax.eval_shape(recipe.optimizer.init, template[0])
    opt_state = jax.tree.map(lambda leaf: np.zeros((rows, *leaf.shape), leaf.dtype), shapes)

    def column(values: list, dtype: type = np.int32) -> Any:
        return pad_rows(np.array(values, dtype), rows)

    constants = LaneConstants(
        width=column([lane.width for lane in bucket.lanes]),
        data_size=column([lane.data_size for lane in bucket.lanes]),
        data_offset=column(offsets),
        learning_rate=column([lane.learning_rate for lane in bucket.lanes], np.float32),
        key=column(keys, np.uint32),
        live_shapes=tuple(
            column([np.array(leaf.shape) for leaf in same])
            for same in zip(*(jax.tree.leaves(params) for params, _ in models), strict=True)
        ),
        per_model=per_model,
    )
    return TrainState(params, opt_state, column([-1])), constants


def empty_table(spec: SweepSpec, state: TrainState) -> dict[str, Float[np.ndarray, "checkpoints lanes"]]:
    """Make room for every metric of a bucket, NaN until it is measured."""
    return {name: np.full((len(spec.checkpoints), len(state.diverged_at)), np.nan, np.float32) for name in spec.metrics}


def padding_moved(state: TrainState, constants: LaneConstants) -> bool:
    """Tell whether the first lane, the narrowest of its bucket, holds anything but zeros beyond its true shape."""

    def first(leaf: Array) -> np.ndarray:
        return np.asarray(leaf.addressable_shards[0].data)[0]

    for leaf, shape in zip(jax.tree.leaves(state.params), constants.live_shapes, strict=True):
        padding = first(leaf).copy()
        padding[tuple(map(slice, first(shape)))] = 0
        if padding.any():
            return True
    return False


def _split(model: nnx.Module) -> tuple[nnx.State, nnx.State]:
    """The trained parameters of a model, and the numbers that it reads."""
    _, params, per_model = nnx.split(model, nnx.Param, PerModel)
    return params, per_model


def _stack_states(states: tuple[nnx.State, ...], like: nnx.State, rows: int) -> nnx.State:
    """States of different true shapes as one whose leaves are [rows, *shape of the leaf of `like`]."""
    leaves, structure = jax.tree.flatten(like)
    same = zip(*map(jax.tree.leaves, states), strict=True)
    return jax.tree.unflatten(
        structure, [_stack(arrays, leaf.shape, rows) for arrays, leaf in zip(same, leaves, strict=True)]
    )


def _stack(arrays: tuple[Any, ...], shape: tuple[int, ...], rows: int) -> Shaped[np.ndarray, "rows ..."]:
    """Arrays of different true shapes as one [rows, *shape], zero beyond each."""
    stacked = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for row, array in enumerate(arrays):
        stacked[row, *map(slice, array.shape)] = array
    return pad_rows(stacked, rows)
