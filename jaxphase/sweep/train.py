"""Training of one bucket: every lane a padded model with its own width, data, learning rate and randomness.

State and numbers of the lanes are pytrees whose leaves are [lanes, ...]. One program advances all lanes by any number
of steps, `shard_map(fori_loop(vmap(step)))`, without a word between devices or to the host; another measures them.
Everything random in a lane is a function of what the lane is (`identity`) and of the step, never of its neighbours.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxphase.config import SweepSpec
from jaxphase.data import Splits
from jaxphase.evaluate import (
    OF_PROBE,
    OF_VIEWS,
    Prepared,
    alignment,
    effective_rank,
    feature_std,
    info_nce_bound,
    mutual_information,
    prepare,
    probe_prepared,
    rank_of,
    slope_of,
    spectrum,
    uniformity,
    vote,
)
from jaxphase.models.layers import PerModel
from jaxphase.objectives.views import two_views
from jaxphase.runtime.mesh import EVERYWHERE, LANES, STEPS_OF_LANES, pad_rows
from jaxphase.sweep.plan import Bucket, Lane
from jaxphase.sweep.recipe import Recipe

EVALUATION_SEED = 0x5EED  # one fixed mask for all lanes and checkpoints: common random numbers


class Numbers(NamedTuple):
    """What a lane carries into the program beside its trained weights; every leaf [lanes, ...]."""

    width: Array
    data_size: Array
    data_offset: Array  # its data are data_size consecutive images of the shuffled pool, from here, round the end
    learning_rate: Array
    key: Array  # uint32 [lanes, 2]
    live_shapes: tuple[Array, ...]  # true shape of every weight array
    per_model: nnx.State


class State(NamedTuple):
    """What training changes; every leaf [lanes, ...]."""

    weights: nnx.State
    moments: object  # of the optimizer
    diverged_at: Array  # step at which loss or gradient were not finite, -1 while they are


def identity(lane: Lane) -> np.random.SeedSequence:
    """Entropy of all that is random in a lane: the same in any bucket, on any device, at any time."""
    return np.random.SeedSequence([lane.seed, lane.width, lane.data_size])


def initialise(bucket: Bucket, spec: SweepSpec, parts: Recipe, rows: int) -> tuple[State, Numbers]:
    """Fresh lanes on the host, drawn at their true shape and padded to the bucket's, filled up to `rows` lanes."""
    template = nnx.split(parts.build(bucket.width, None, bucket.depth), nnx.Param, PerModel)[1:]
    models, offsets, keys = [], [], []
    for lane in bucket.lanes:
        for_weights, for_data, for_steps = identity(lane).spawn(3)
        model = parts.build(lane.width, np.random.Generator(np.random.Philox(for_weights)), lane.depth)
        models.append(nnx.split(model, nnx.Param, PerModel)[1:])
        offset = np.random.Generator(np.random.Philox(for_data)).integers(len(parts.source.splits.train))
        offsets.append(offset - offset % 2 if parts.source.paired else offset)
        keys.append(for_steps.generate_state(2))

    def stack(which: int) -> nnx.State:
        padded = jax.tree.leaves(template[which])
        lanes = zip(*(jax.tree.leaves(model[which]) for model in models), strict=True)
        stacked = [_stack(arrays, like.shape, rows) for arrays, like in zip(lanes, padded, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(template[which]), stacked)

    weights = stack(0)
    leaves = [jax.tree.leaves(model[0]) for model in models]
    live_shapes = tuple(
        pad_rows(np.array([leaf.shape for leaf in same], np.int32), rows) for same in zip(*leaves, strict=True)
    )
    column = [np.array([getattr(lane, name) for lane in bucket.lanes]) for name in ("width", "data_size")]
    rates = np.array([lane.learning_rate for lane in bucket.lanes], np.float32)
    numbers = Numbers(
        *(pad_rows(values.astype(np.int32), rows) for values in (*column, np.array(offsets))),
        learning_rate=pad_rows(rates, rows),
        key=pad_rows(np.array(keys, np.uint32), rows),
        live_shapes=live_shapes,
        per_model=stack(1),
    )
    shapes = jax.eval_shape(parts.optimizer.init, template[0])
    moments = jax.tree.map(lambda leaf: np.zeros((rows, *leaf.shape), leaf.dtype), shapes)
    return State(weights, moments, np.full(rows, -1, np.int32)), numbers


def _stack(arrays: tuple[np.ndarray, ...], shape: tuple[int, ...], rows: int) -> np.ndarray:
    """Arrays of different true shapes as one [rows, *shape], zero beyond each."""
    stacked = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for row, array in enumerate(arrays):
        stacked[row, *map(slice, array.shape)] = array
    return pad_rows(stacked, rows)


def padding_moved(state: State, numbers: Numbers) -> bool:
    """Whether the first lane, the narrowest of its bucket, holds anything but zeros beyond its true shape."""

    def first(leaf: Array) -> np.ndarray:
        return np.asarray(leaf.addressable_shards[0].data)[0]

    for leaf, shape in zip(jax.tree.leaves(state.weights), numbers.live_shapes, strict=True):
        padding = first(leaf).copy()
        padding[tuple(map(slice, first(shape)))] = 0
        if padding.any():
            return True
    return False


class Programs(NamedTuple):
    """The functions of a bucket, to be jitted: all take lanes [lanes, ...] spread over the mesh.

    Training data are on every device, as `images.train`, or streamed: then this is None, `advance` takes the rows of
    its steps and `look` those of every lane that a training loss is measured on.
    """

    advance: jax.stages.Wrapped  # (state, numbers, images.train or [steps, lanes, ...], first, last) -> state, donated
    look: jax.stages.Wrapped  # (state, numbers, images, None or [lanes, ...]) -> ({metric: [lanes]}, Prepared or None)
    read: jax.stages.Wrapped  # (Prepared, images) -> {metric: [lanes]}


def programs(
    bucket: Bucket, spec: SweepSpec, parts: Recipe, mesh: jax.sharding.Mesh, streamed: bool = False
) -> Programs:
    """Functions of this bucket's width; buckets of one width share them."""
    template = parts.build(bucket.width, None, bucket.depth)
    graph, weights, _ = nnx.split(template, nnx.Param, PerModel)
    roles = [
        leaf.get_metadata()["role"]
        for leaf in jax.tree.leaves(weights, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    ]

    def advance(state: State, numbers: Numbers, rows: Array, first: Array, last: Array) -> State:
        def one(state, numbers, batch, step):
            batch = rows[batch_places(parts, numbers, step)] if batch is None else batch
            return train_step(graph, roles, spec, parts, state, numbers, batch, step)

        def body(step, state):
            batches = rows[step - first] if streamed else None
            return jax.vmap(one, in_axes=(0, 0, 0, None))(state, numbers, batches, step)

        return jax.lax.fori_loop(first, last, body, state)

    def look(
        state: State, numbers: Numbers, images: Splits, own: Array | None
    ) -> tuple[dict[str, Array], Prepared | None]:
        def one(state, numbers, own):
            own = images.train[own_places(parts, numbers)] if own is None else own
            return look_at_lane(graph, spec.metrics, parts, state, numbers, images, own)

        return jax.vmap(one)(state, numbers, own)

    def read(prepared: Prepared, images: Splits) -> dict[str, Array]:
        return jax.vmap(lambda lane: read_lane(spec.metrics, parts.source.classes, lane, images))(prepared)

    def spread(function, *specs):
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=LANES, check_vma=False)

    of_rows = STEPS_OF_LANES if streamed else EVERYWHERE
    return Programs(
        jax.jit(spread(advance, LANES, LANES, of_rows, EVERYWHERE, EVERYWHERE), donate_argnums=0),
        jax.jit(spread(look, LANES, LANES, EVERYWHERE, LANES)),
        jax.jit(spread(read, LANES, EVERYWHERE)),
    )


def train_step(
    graph, roles: list[str], spec: SweepSpec, parts: Recipe, state: State, numbers: Numbers, batch: Array, step: Array
) -> State:
    """One step of one lane on a batch of rows, its gradient clipped by the norm; from the first step whose loss or
    gradient is not finite, weights stay as they are.

    Exact layers give padding a gradient of exactly zero, and an exact optimizer leaves a zero with zero gradient alone:
    nothing is masked here, and `padding_moved` tells if it was needed.
    """
    for_objective = jax.random.fold_in(jax.random.wrap_key_data(numbers.key), 2 * step + 1)

    def loss_of(weights):
        return jnp.mean(parts.objective.loss(nnx.merge(graph, weights, numbers.per_model), batch, for_objective))

    loss, gradient = jax.value_and_grad(loss_of)(state.weights)
    norm = jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(gradient)))
    finite = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.isfinite(numbers.learning_rate)
    diverged_at = jnp.where((state.diverged_at < 0) & ~finite, step, state.diverged_at)
    alive = diverged_at < 0
    clip = jnp.minimum(1, spec.clip_norm / norm) if spec.clip_norm else 1
    gradient = jax.tree.map(lambda leaf: jnp.where(alive, clip * leaf, 0), gradient)
    direction, moments = parts.optimizer.update(gradient, state.moments, state.weights)

    warmup = jnp.minimum(1, (step + 1) / max(spec.warmup_steps, 1)).astype(loss.dtype)
    rate = jnp.where(alive, numbers.learning_rate * warmup, 0)
    width = numbers.width.astype(loss.dtype)

    def move(role: str, weight: Array, direction: Array) -> Array:
        decay = spec.weight_decay * parts.scheme.decay(role, width)
        return weight - rate * parts.scheme.rate(role, width) * (direction + decay * weight)

    weights, structure = jax.tree.flatten(state.weights)
    moved = map(move, roles, weights, jax.tree.leaves(direction))
    return State(jax.tree.unflatten(structure, moved), moments, diverged_at)


@jax.default_matmul_precision("highest")
def look_at_lane(
    graph, wanted: tuple[str, ...], parts: Recipe, state: State, numbers: Numbers, images: Splits, own: Array
) -> tuple[dict[str, Array], Prepared | None]:
    """What is wanted of losses and spectra of one lane as it is, and its probe made ready if that is wanted."""
    model = nnx.merge(graph, state.weights, numbers.per_model)
    train_loss, val_loss = evaluation_losses(parts, model, own, held_out_rows(parts, images))
    metrics = {"train_loss": train_loss, "val_loss": val_loss, "generalization_gap": val_loss - train_loss}
    if set(wanted) <= set(metrics):
        return metrics, None

    rows = [images.validation, images.probe]
    if of_views := not set(wanted).isdisjoint(OF_VIEWS):
        rows += evaluation_views(parts, images)
    features = represent(parts, model, jnp.concatenate(rows))
    features, fitted, *views = jnp.split(features, np.cumsum([len(part) for part in rows[:-1]]))
    if of_views:
        metrics |= {"alignment": alignment(*views), "info_nce": info_nce_bound(*views)}
    metrics |= {"uniformity": uniformity(features), "feature_std": feature_std(features)}
    if "spectrum_slope" in wanted:
        decomposed = spectrum(features)
        metrics |= {"effective_rank": rank_of(decomposed.values), "spectrum_slope": slope_of(decomposed).alpha}
    else:
        metrics["effective_rank"] = effective_rank(features)
    prepared = None
    if not set(wanted).isdisjoint(OF_PROBE):
        prepared = prepare(fitted, features)
        metrics["effective_capacity"] = prepared.degrees_of_freedom
    return {name: value for name, value in metrics.items() if name in wanted}, prepared


def represent(parts: Recipe, model, rows: Array) -> Array:
    """Features [n, features] of many rows, computed a batch at a time: no more memory than training takes, and so
    little that a CPU's cache holds it, which makes it four times as fast for a transformer of width 64."""
    batches = -(-len(rows) // parts.batch_size)
    filled = rows[jnp.arange(batches * parts.batch_size) % len(rows)].reshape(batches, parts.batch_size, -1)
    features = jax.lax.map(lambda batch: parts.objective.represent(model, batch), filled)
    return features.reshape(-1, features.shape[-1])[: len(rows)]


def evaluation_views(parts: Recipe, images: Splits) -> tuple[Array, Array]:
    """Two views of every row to validate on, the same for all lanes and checkpoints."""
    source, index = parts.source, jnp.arange(len(images.validation))
    partner = (index ^ 1) % len(index) if source.paired else index
    pair = images.validation, images.validation[partner]
    return two_views(source.layout, jax.random.key(EVALUATION_SEED), *pair, strength=1.0)


def evaluation_losses(parts: Recipe, model, *rows: Array) -> Array:
    """Mean loss [k] on each of k sets of rows, as many in each, in whole batches.

    All in one pass, which is half the program to compile; the masks and views of all are the same: common random
    numbers.
    """
    axis = rows[0].ndim - 2
    batches = max(rows[0].shape[axis] // parts.batch_size, 1)
    together = jnp.concatenate(rows, axis)
    together = together.reshape(*together.shape[:axis], len(rows) * batches, -1, together.shape[-1])
    keys = jnp.tile(jax.random.split(jax.random.key(EVALUATION_SEED), batches), len(rows))
    cut = jnp.moveaxis(together, axis, 0), keys
    losses = jax.lax.map(lambda one: jnp.mean(parts.objective.loss(model, *one)), cut)
    return losses.reshape(len(rows), batches).mean(axis=1)


def held_out_rows(parts: Recipe, images: Splits) -> Array:
    """The rows that a validation loss is measured on: as many whole batches as the validation split has."""
    return images.validation[places(parts, whole_batches(parts), len(images.validation))]


def whole_batches(parts: Recipe) -> Array:
    """Places 0, 1, ... of as many whole batches as the validation split has, or of all of it if it has none."""
    held_out = len(parts.source.splits.validation)
    return jnp.arange(max(held_out // parts.batch_size, 1) * min(parts.batch_size, held_out))


def batch_places(parts: Recipe, numbers: Numbers, step: Array) -> Array:
    """Places in the pool of the rows that a lane trains on in a step."""
    key = jax.random.fold_in(jax.random.wrap_key_data(numbers.key), 2 * step)
    # Bits modulo the size are biased by size / 2**32 at most; `randint` splits the key and draws twice.
    draws = jax.random.bits(key, (parts.batch_size,)) % numbers.data_size.astype(jnp.uint32)
    return places(parts, numbers.data_offset + draws.astype(jnp.int32), len(parts.source.splits.train))


def own_places(parts: Recipe, numbers: Numbers) -> Array:
    """Places of the rows that a lane's training loss is measured on: whole batches, as many as the validation split
    has. A lane with less data than that goes through it again."""
    index = numbers.data_offset + whole_batches(parts) % numbers.data_size
    return places(parts, index, len(parts.source.splits.train))


def places(parts: Recipe, index: Array, count: int) -> Array:
    """Places [n] in a pool of `count` rows that goes round, or, for an objective of pairs, these and their partners'
    [2, n]."""
    index = index % count
    return jnp.stack([index, (index ^ 1) % count]) if parts.objective.paired else index


def read_lane(wanted: tuple[str, ...], classes: int, prepared: Prepared, images: Splits) -> dict[str, Array]:
    """What readouts get out of one lane's representation, on images that neither was fitted on."""
    labels = images.probe_labels, images.validation_labels
    probe = probe_prepared(prepared, *labels, classes)
    metrics = {
        "accuracy": probe.accuracy,
        "probe_cross_entropy": probe.cross_entropy,
        "mutual_information": mutual_information(probe.cross_entropy, images.validation_labels, classes),
    }
    if "knn_accuracy" in wanted:
        metrics["knn_accuracy"] = vote(prepared.x, prepared.x_test, *labels, classes)
    return metrics
