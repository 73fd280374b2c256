"""Errors of reconstruction."""

import jax
import jax.numpy as jnp
from jax import Array


def cross_entropy(logits: Array, tokens: Array) -> Array:
    """-log p(token) in nats, [n, positions], of logits [n, positions, vocabulary]."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[..., None], axis=-1)[..., 0]
