"""Which rows of the data a lane trains on and is measured on: functions of the lane and of the step alone.

For an objective of pairs, indices are [2, n]: those of the rows and those of their partners.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped

from jaxphase.data import Splits
from jaxphase.sweep.lanes import LaneConstants
from jaxphase.sweep.recipes import Recipe


def batch_indices(recipe: Recipe, constants: LaneConstants, step: Int[Array, ""]) -> Int[Array, "*pair batch"]:
    """Indices in the training pool of the rows that a lane trains on in a step."""
    key = jax.random.fold_in(jax.random.wrap_key_data(constants.key), 2 * step)
    # Bits modulo the size are biased by size / 2**32 at most; `randint` splits the key and draws twice.
    draws = jax.random.bits(key, (recipe.batch_size,)) % constants.data_size.astype(jnp.uint32)
    return with_partners(recipe, constants.data_offset + draws.astype(jnp.int32), len(recipe.source.splits.train))


def own_indices(recipe: Recipe, constants: LaneConstants) -> Int[Array, "*pair n"]:
    """Indices in the training pool of the rows that a lane's training loss is measured on.

    These are as many whole batches as the validation split has; a lane with less data goes through it again.
    """
    index = constants.data_offset + _whole_batches(recipe) % constants.data_size
    return with_partners(recipe, index, len(recipe.source.splits.train))


def held_out_rows(recipe: Recipe, splits: Splits) -> Shaped[Array, "*pair n values"]:
    """The rows that a validation loss is measured on: as many whole batches as the validation split has."""
    return jnp.asarray(splits.validation)[with_partners(recipe, _whole_batches(recipe), len(splits.validation))]


def with_partners(recipe: Recipe, index: Int[Array, " n"], count: int) -> Int[Array, "*pair n"]:
    """Indices in a circular pool of `count` rows, with those of their partners for an objective of pairs."""
    index = index % count
    return jnp.stack([index, (index ^ 1) % count]) if recipe.objective.paired else index


def _whole_batches(recipe: Recipe) -> Int[Array, " n"]:
    """Indices 0, 1, ... of as many whole batches as the validation split has, or of all of it if it has none."""
    held_out = len(recipe.source.splits.validation)
    return jnp.arange(max(held_out // recipe.batch_size, 1) * min(recipe.batch_size, held_out))
