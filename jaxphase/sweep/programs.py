"""The programs of a bucket: one advances all its lanes by any number of steps, one measures them, one probes them.

Training is `shard_map(fori_loop(vmap(train_step)))`, without communication between devices or with the host.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
from flax import nnx
from jaxtyping import Array, Int, Shaped

from jaxphase.config import SweepSpec
from jaxphase.data import Splits
from jaxphase.evaluate import PreparedFeatures
from jaxphase.models.layers import PerModel
from jaxphase.runtime.mesh import EVERYWHERE, LANES, STEPS_OF_LANES
from jaxphase.sweep.lanes import LaneConstants, TrainState
from jaxphase.sweep.measuring import Metrics, measure_lane, probe_lane
from jaxphase.sweep.planning import Bucket
from jaxphase.sweep.recipes import Recipe
from jaxphase.sweep.rows import batch_indices, own_indices
from jaxphase.sweep.training import train_step

Rows = Shaped[Array, "..."]


class Programs(NamedTuple):
    """The jitted functions of a bucket; lanes are spread over the mesh.

    Training data are on every device, as `splits.train`, or streamed: then `splits.train` is None, `advance` takes the
    rows of its steps, and `measure` the rows for the training loss of every lane.

    Attributes:
        advance: `(state, constants, splits.train or rows [steps, lanes, ...], first, last) -> state`, of which the
            first is donated.
        measure: `(state, constants, splits, None or rows [lanes, ...]) -> (metrics, PreparedFeatures or None)`.
        probe: `(prepared, splits) -> metrics`.
    """

    advance: jax.stages.Wrapped
    measure: jax.stages.Wrapped
    probe: jax.stages.Wrapped


def make_programs(
    bucket: Bucket, spec: SweepSpec, recipe: Recipe, mesh: jax.sharding.Mesh, *, streamed: bool = False
) -> Programs:
    """Make the functions of a bucket; all buckets of its width and depth can use them.

    Args:
        bucket: Gives width and depth.
        spec: The sweep.
        recipe: What its models have in common.
        mesh: The devices.
        streamed: Whether training rows come from the host.

    Returns:
        The functions, not yet compiled.
    """
    graph, params, _ = nnx.split(recipe.build(bucket.width, None, bucket.depth), nnx.Param, PerModel)
    variables = jax.tree.leaves(params, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    roles = [variable.get_metadata()["role"] for variable in variables]

    def advance(
        state: TrainState, constants: LaneConstants, rows: Rows, first: Int[Array, ""], last: Int[Array, ""]
    ) -> TrainState:
        def one(state, constants, batch, step):
            batch = rows[batch_indices(recipe, constants, step)] if batch is None else batch
            return train_step(graph, roles, spec, recipe, state, constants, batch, step)

        def body(step, state):
            batches = rows[step - first] if streamed else None
            return jax.vmap(one, in_axes=(0, 0, 0, None))(state, constants, batches, step)

        return jax.lax.fori_loop(first, last, body, state)

    def measure(
        state: TrainState, constants: LaneConstants, splits: Splits, own: Rows | None
    ) -> tuple[Metrics, PreparedFeatures | None]:
        def one(state, constants, own):
            own = splits.train[own_indices(recipe, constants)] if own is None else own
            model = nnx.merge(graph, state.params, constants.per_model)
            return measure_lane(spec.metrics, recipe, model, splits, own)

        return jax.vmap(one)(state, constants, own)

    def probe(prepared: PreparedFeatures, splits: Splits) -> Metrics:
        return jax.vmap(lambda lane: probe_lane(spec.metrics, recipe.source.classes, lane, splits))(prepared)

    def spread(function: Callable, *specs: jax.sharding.PartitionSpec) -> Callable:
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=LANES, check_vma=False)

    of_rows = STEPS_OF_LANES if streamed else EVERYWHERE
    return Programs(
        jax.jit(spread(advance, LANES, LANES, of_rows, EVERYWHERE, EVERYWHERE), donate_argnums=0),
        jax.jit(spread(measure, LANES, LANES, EVERYWHERE, LANES)),
        jax.jit(spread(probe, LANES, EVERYWHERE)),
    )
