"""One training step of one lane: a padded model with its own width, data, learning rate and randomness."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Shaped

from jaxphase.config import SweepSpec
from jaxphase.sweep.lanes import LaneConstants, TrainState
from jaxphase.sweep.recipes import Recipe


def train_step(
    graph: nnx.GraphDef,
    roles: list[str],
    spec: SweepSpec,
    recipe: Recipe,
    state: TrainState,
    constants: LaneConstants,
    batch: Shaped[Array, "*pair batch values"],
    step: Int[Array, ""],
) -> TrainState:
    """Take one step on a batch; from the first step whose loss or gradient is not finite, parameters stay as they are.

    Exact layers give padding a gradient of exactly zero, and an exact optimizer does not change a zero with zero
    gradient. So nothing is masked here; `padding_moved` checks that this is right.

    Args:
        graph: Graph of the padded model.
        roles: Role of every leaf of the parameters in the parametrization.
        spec: The sweep.
        recipe: What its models have in common.
        state: The lane before the step.
        constants: The properties of the lane that the step reads and does not change.
        batch: Rows to train on.
        step: Number of the step, from 0.

    Returns:
        The lane after the step.
    """
    loss_key = jax.random.fold_in(jax.random.wrap_key_data(constants.key), 2 * step + 1)

    def loss_fn(params: nnx.State) -> Float[Array, ""]:
        return jnp.mean(recipe.objective.loss(nnx.merge(graph, params, constants.per_model), batch, key=loss_key))

    loss, grads = jax.value_and_grad(loss_fn)(state.params)
    finite = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(grads)) & jnp.isfinite(constants.learning_rate)
    diverged_at = jnp.where((state.diverged_at < 0) & ~finite, step, state.diverged_at)
    alive = diverged_at < 0

    grads = jax.tree.map(lambda grad: jnp.where(alive, grad, 0), grads)
    directions, opt_state = recipe.optimizer.update(grads, state.opt_state, state.params)

    warmup = optax.linear_schedule(0.0, 1.0, max(spec.warmup_steps, 1))(step + 1)
    learning_rate = jnp.where(alive, constants.learning_rate * warmup, 0).astype(loss.dtype)
    width = constants.width.astype(loss.dtype)

    def update(role: str, param: Float[Array, "..."], direction: Float[Array, "..."]) -> Float[Array, "..."]:
        decay = spec.weight_decay * recipe.scheme.decay(role, width)
        return -learning_rate * recipe.scheme.rate(role, width) * (direction + decay * param)

    params, structure = jax.tree.flatten(state.params)
    updates = jax.tree.unflatten(structure, map(update, roles, params, jax.tree.leaves(directions)))
    new_params: Any = optax.apply_updates(state.params, updates)
    return TrainState(new_params, opt_state, diverged_at)
