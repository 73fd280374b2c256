"""The models of a finished sweep, read from its folder: one as a plain module, or all of one data size side by side."""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Int, PyTree, Shaped

from jaxphase.config import PhaseTransitionConfig, SweepSpec, read_toml
from jaxphase.errors import InputError
from jaxphase.sweep.checkpoint import Checkpointer
from jaxphase.sweep.folders import Folder
from jaxphase.sweep.grid import Lane
from jaxphase.sweep.lanes import LaneConstants, TrainState, empty_table, initialize
from jaxphase.sweep.planning import Bucket, Plan
from jaxphase.sweep.recipes import Recipe, make_recipe


class Trained(NamedTuple):
    """Models of one depth, data size and learning rate, in order of size and seed, padded to the widest.

    Attributes:
        spec: The sweep.
        config: The question that was stored beside it.
        recipe: What its models have in common.
        lanes: The models.
        width: Width that they are padded to.
        params: Trained weights, a state of `recipe.build(width, None)` whose leaves are `[lanes, ...]`.
        per_model: Numbers that models read and do not train, such as their live widths, `[lanes, ...]`.
        diverged_at: Step at which each diverged, -1 for never.
    """

    spec: SweepSpec
    config: PhaseTransitionConfig
    recipe: Recipe
    lanes: tuple[Lane, ...]
    width: int
    params: nnx.State
    per_model: nnx.State
    diverged_at: Int[np.ndarray, " lanes"]


class Sweep(NamedTuple):
    """The contents of the folder of a finished sweep."""

    folder: Folder
    spec: SweepSpec
    config: PhaseTransitionConfig
    recipe: Recipe
    plan: Plan


def load(folder: str | Path, *, data_size: int | None = None, learning_rate: float | None = None) -> Trained:
    """Load all models of a finished sweep that were trained on one data size, at one learning rate.

    Args:
        folder: Folder of the sweep.
        data_size: Number of training samples; by default the largest number in the sweep.
        learning_rate: Learning rate; needed if the sweep has several.

    Returns:
        The models side by side.

    Raises:
        InputError: If the folder has no finished sweep or no such models, or if its models differ in depth, so that
            they are not one family.

    Example:
        >>> trained = jaxphase.sweep.load("runs/depth3")
        >>> trained.lanes[0].params, trained.diverged_at
    """
    sweep = _open(folder)
    data_size = sweep.spec.data_sizes[-1] if data_size is None else data_size
    wanted = data_size, _one_rate(sweep.spec, learning_rate)
    found = []
    for number, bucket in enumerate(sweep.plan.buckets):
        if any((lane.data_size, lane.learning_rate) == wanted for lane in bucket.lanes):
            state, constants = _restore(sweep, number)
            for row, lane in enumerate(bucket.lanes):
                if (lane.data_size, lane.learning_rate) == wanted:
                    trees = state.params, constants.per_model
                    one = jax.tree.map(lambda leaf, row=row: np.asarray(leaf[row]), trees)
                    found.append((lane, *one, int(state.diverged_at[row])))
    if not found:
        raise InputError(
            f"{folder} has no models of data size {wanted[0]} and learning rate {wanted[1]}: see spec.toml."
        )
    found.sort(key=lambda entry: (entry[0].size, entry[0].seed))
    lanes, params, per_model, diverged_at = zip(*found, strict=True)
    if len({lane.depth for lane in lanes}) > 1:
        raise InputError(f"{folder} holds models of several depths: renormalize a sweep without the option aspect.")
    width = max(lane.width for lane in lanes)
    like = nnx.state(sweep.recipe.build(width, None), nnx.Param)
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *per_model)
    shared = sweep.spec, sweep.config, sweep.recipe
    return Trained(*shared, lanes, width, _stack_padded(params, like), stacked, np.array(diverged_at))


def extract(
    folder: str | Path, *, size: int, data_size: int, seed: int, learning_rate: float | None = None
) -> nnx.Module:
    """Extract a trained model of a finished sweep as a plain Flax module of its true shape, without padding.

    Args:
        folder: Folder of the sweep.
        size: Requested size of the model, as in the Dataset.
        data_size: Number of training samples.
        seed: Number of the repeat.
        learning_rate: Learning rate; needed if the sweep has several.

    Returns:
        The model.

    Raises:
        InputError: If the folder has no finished sweep or no such model.

    Example:
        >>> model = jaxphase.sweep.extract("runs/depth3", size=16_000, data_size=1024, seed=0)
    """
    sweep = _open(folder)
    wanted = size, data_size, seed, _one_rate(sweep.spec, learning_rate)
    for number, bucket in enumerate(sweep.plan.buckets):
        for row, lane in enumerate(bucket.lanes):
            if (lane.size, lane.data_size, lane.seed, lane.learning_rate) == wanted:
                state, constants = _restore(sweep, number)
                model = sweep.recipe.build(lane.width, None)
                structure = jax.tree.structure(nnx.state(model, nnx.Param))
                leaves = zip(jax.tree.leaves(state.params), constants.live_shapes, strict=True)
                live = [np.array(leaf[row][tuple(map(slice, shape[row]))]) for leaf, shape in leaves]
                nnx.update(model, jax.tree.unflatten(structure, live))
                return model
    raise InputError(
        f"{folder} has no model of size {size}, data size {data_size}, seed {seed} and learning rate {wanted[3]}: see "
        "its spec.toml."
    )


def _open(path: str | Path) -> Sweep:
    """The contents of a folder; InputError if it holds no finished sweep."""
    folder = Folder(Path(path))
    if not folder.result.exists():
        raise InputError(f"{path} holds no finished sweep: finish it with resume, or name another folder.")
    spec, config = read_toml(folder.spec)
    recipe = make_recipe(spec)
    return Sweep(folder, spec, config, recipe, folder.read_plan(spec, recipe))


def _one_rate(spec: SweepSpec, learning_rate: float | None) -> float:
    """The chosen learning rate; InputError if none is given and the sweep has several."""
    only, *others = spec.learning_rates
    if learning_rate is None and others:
        raise InputError(f"learning_rate is missing: choose one of {', '.join(map(str, spec.learning_rates))}.")
    return only if learning_rate is None else learning_rate


def _restore(sweep: Sweep, number: int) -> tuple[TrainState, LaneConstants]:
    """The lanes of a bucket as they were at the end."""
    bucket: Bucket = sweep.plan.buckets[number]
    state, constants = initialize(bucket, sweep.recipe, sweep.plan.rows(bucket))
    saver = Checkpointer(sweep.folder.bucket(number))
    saved = saver.restore((state, empty_table(sweep.spec, state)))
    saver.close()
    if saved is None:
        raise InputError(f"{sweep.folder.root} has lost the checkpoints of its models: train the sweep anew.")
    return saved[1][0], constants


def _stack_padded(trees: tuple[PyTree, ...], like: nnx.State) -> nnx.State:
    """Weights of several paddings as one state [lanes, ...] of the shapes of `like`."""

    def fit(shape: tuple[int, ...], leaf: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        # A bucket may be wider than the widest of these lanes: only padding is cut.
        cut = leaf[tuple(map(slice, shape))]
        return np.pad(cut, [(0, whole - live) for whole, live in zip(shape, cut.shape, strict=True)])

    leaves = zip(*map(jax.tree.leaves, trees), strict=True)
    shapes = [leaf.shape for leaf in jax.tree.leaves(like)]
    stacked = [np.stack([fit(shape, leaf) for leaf in same]) for shape, same in zip(shapes, leaves, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(like), stacked)
