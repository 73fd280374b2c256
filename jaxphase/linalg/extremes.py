"""The index of the largest entry, by plain reductions: XLA's own `argmax` is several times slower on a CPU."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def index_of_largest(values: Float[Array, "*batch n"]) -> Int[Array, "*batch"]:
    """`argmax` over the last axis: the first index of the largest value."""
    size = values.shape[-1]
    index = jnp.arange(size, dtype=values.dtype)
    top = jnp.max(values, axis=-1, keepdims=True)
    return jnp.min(jnp.where(values == top, index, size - 1), axis=-1).astype(int)


def largest(values: Float[Array, " n"]) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """The largest of values that are not negative, and the first index that has it up to rounding."""
    best = jnp.max(values)
    # A compiler may compute the values twice and round them differently.
    close = values >= best * (1 - 8 * jnp.finfo(values.dtype).eps)
    return best, jnp.min(jnp.where(close, jnp.arange(len(values)), len(values) - 1))
