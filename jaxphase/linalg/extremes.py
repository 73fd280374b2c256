"""The index of the largest entry, by plain reductions: XLA's own `argmax` is several times slower on a CPU."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def index_of_largest(values: Float[Array, "*batch n"]) -> Int[Array, "*batch"]:
    """Find the first index of the largest value along the last axis, as `argmax` does.

    Args:
        values: Values, `[..., n]`.

    Returns:
        The indices, `[...]`.
    """
    size = values.shape[-1]
    index = jnp.arange(size, dtype=values.dtype)
    top = jnp.max(values, axis=-1, keepdims=True)
    return jnp.min(jnp.where(values == top, index, size - 1), axis=-1).astype(int)


def largest(values: Float[Array, " n"]) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Find the largest of values that are not negative, and the first index that has it up to rounding.

    Args:
        values: Values, `[n]`.

    Returns:
        The value and its index.
    """
    best = jnp.max(values)
    # A compiler may compute the values twice and round them differently.
    close = values >= best * (1 - 8 * jnp.finfo(values.dtype).eps)
    return best, jnp.min(jnp.where(close, jnp.arange(len(values)), len(values) - 1))
