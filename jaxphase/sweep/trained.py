"""The models of a finished sweep, out of its folder: one as a plain module, or all of one data size side by side."""

import json
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from jaxphase.config import PhaseTransitionConfig, SweepSpec, read_toml
from jaxphase.errors import InputError
from jaxphase.sweep.checkpoint import Checkpointer
from jaxphase.sweep.plan import Bucket, Lane, Plan, plan
from jaxphase.sweep.recipe import Recipe, recipe
from jaxphase.sweep.run import Folder, empty_table, rows_of
from jaxphase.sweep.train import Numbers, State, initialise


class Trained(NamedTuple):
    """Models of one depth, data size and learning rate, in order of size and seed, padded to the widest.

    weights and per_model are states of `parts.build(width, None)` whose leaves are [lanes, ...]; diverged_at [lanes].
    """

    spec: SweepSpec
    config: PhaseTransitionConfig
    parts: Recipe
    lanes: tuple[Lane, ...]
    width: int
    weights: nnx.State
    per_model: nnx.State
    diverged_at: np.ndarray


def load(folder: str | Path, *, data_size: int | None = None, learning_rate: float | None = None) -> Trained:
    """All models of a finished sweep that were trained on `data_size` samples (the most) at `learning_rate` (the only).

    Raises InputError for a folder without a finished sweep, for what the sweep does not have, and if its sizes differ
    in depth: those are no one family.
    """
    files, spec, config, parts, the_plan = _open(folder)
    data_size = spec.data_sizes[-1] if data_size is None else data_size
    wanted = data_size, _one_rate(spec, learning_rate)
    found = []
    for number, bucket in enumerate(the_plan.buckets):
        if any((lane.data_size, lane.learning_rate) == wanted for lane in bucket.lanes):
            state, numbers = _restore(files, spec, parts, the_plan, number)
            for row, lane in enumerate(bucket.lanes):
                if (lane.data_size, lane.learning_rate) == wanted:
                    one = jax.tree.map(lambda leaf, row=row: np.asarray(leaf[row]), (state.weights, numbers.per_model))
                    found.append((lane, *one, int(state.diverged_at[row])))
    if not found:
        raise InputError(
            f"{folder} has no models of data size {wanted[0]} and learning rate {wanted[1]}: see spec.toml."
        )
    found.sort(key=lambda entry: (entry[0].size, entry[0].seed))
    lanes, weights, per_model, diverged_at = zip(*found, strict=True)
    if len({lane.depth for lane in lanes}) > 1:
        raise InputError(f"{folder} holds models of several depths: renormalize a sweep without the option aspect.")
    width = max(lane.width for lane in lanes)
    like = nnx.state(parts.build(width, None), nnx.Param)
    return Trained(spec, config, parts, lanes, width, _pad(weights, like), _stack(per_model), np.array(diverged_at))


def extract(
    folder: str | Path, *, size: int, data_size: int, seed: int, learning_rate: float | None = None
) -> nnx.Module:
    """A trained model of a finished sweep as a plain Flax module of its true shape, without padding.

    `size` is the requested size, as in the Dataset; learning_rate is needed if the sweep has several. Raises InputError
    for a lane that the sweep does not have.
    """
    files, spec, _, parts, the_plan = _open(folder)
    wanted = size, data_size, seed, _one_rate(spec, learning_rate)
    for number, bucket in enumerate(the_plan.buckets):
        for row, lane in enumerate(bucket.lanes):
            if (lane.size, lane.data_size, lane.seed, lane.learning_rate) == wanted:
                state, numbers = _restore(files, spec, parts, the_plan, number)
                model = parts.build(lane.width, None)
                structure = jax.tree.structure(nnx.state(model, nnx.Param))
                leaves = zip(jax.tree.leaves(state.weights), numbers.live_shapes, strict=True)
                live = [np.array(leaf[row][tuple(map(slice, shape[row]))]) for leaf, shape in leaves]
                nnx.update(model, jax.tree.unflatten(structure, live))
                return model
    raise InputError(
        f"{folder} has no model of size {size}, data size {data_size}, seed {seed} and learning rate {wanted[3]}: see "
        "its spec.toml."
    )


def _open(folder: str | Path) -> tuple[Folder, SweepSpec, PhaseTransitionConfig, Recipe, Plan]:
    files = Folder(Path(folder))
    if not files.result.exists():
        raise InputError(f"{folder} holds no finished sweep: finish it with resume, or name another folder.")
    spec, config = read_toml(files.spec)
    parts = recipe(spec)
    return files, spec, config, parts, plan(spec, parts, **json.loads(files.plan.read_text()))


def _one_rate(spec: SweepSpec, learning_rate: float | None) -> float:
    if learning_rate is None and len(spec.learning_rates) > 1:
        raise InputError(f"learning_rate is missing: choose one of {', '.join(map(str, spec.learning_rates))}.")
    return spec.learning_rates[0] if learning_rate is None else learning_rate


def _restore(files: Folder, spec: SweepSpec, parts: Recipe, the_plan: Plan, number: int) -> tuple[State, Numbers]:
    """The lanes of a bucket as they were at the end."""
    bucket: Bucket = the_plan.buckets[number]
    state, numbers = initialise(bucket, spec, parts, rows_of(the_plan, bucket))
    saver = Checkpointer(files.bucket(number))
    saved = saver.restore((state, empty_table(spec, state)))
    saver.close()
    if saved is None:
        raise InputError(f"{files.root} has lost the checkpoints of its models: train the sweep anew.")
    return saved[1][0], numbers


def _pad(trees: tuple[nnx.State, ...], like: nnx.State) -> nnx.State:
    """Weights of several paddings as one state [lanes, ...] of the shapes of `like`."""

    def fit(shape: tuple[int, ...], leaf: np.ndarray) -> np.ndarray:
        # A bucket may be wider than the widest of these lanes: what is cut is padding.
        cut = leaf[tuple(map(slice, shape))]
        return np.pad(cut, [(0, whole - live) for whole, live in zip(shape, cut.shape, strict=True)])

    leaves = zip(*map(jax.tree.leaves, trees), strict=True)
    shapes = [leaf.shape for leaf in jax.tree.leaves(like)]
    stacked = [np.stack([fit(shape, leaf) for leaf in same]) for shape, same in zip(shapes, leaves, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(like), stacked)


def _stack(trees: tuple[nnx.State, ...]) -> nnx.State:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
