"""Errors of reconstruction."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def cross_entropy(
    logits: Float[Array, "n positions vocabulary"], tokens: Int[Array, "n positions"]
) -> Float[Array, "n positions"]:
    """Compute -log p(token) at every position.

    Args:
        logits: Unnormalized log probabilities, `[n, positions, vocabulary]`.
        tokens: The right tokens, `[n, positions]`.

    Returns:
        Cross-entropy in nats, `[n, positions]`.
    """
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[..., None], axis=-1)[..., 0]
