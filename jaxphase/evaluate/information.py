"""Information between labels and representations, in nats."""

import jax.numpy as jnp
from jax import Array


def label_entropy(labels: Array, classes: int) -> Array:
    """Entropy in nats of the label frequencies of labels [n]."""
    share = jnp.bincount(labels, length=classes) / labels.size
    return -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0))


def mutual_information(cross_entropy: Array, labels: Array, classes: int) -> Array:
    """H(Y) - cross-entropy of a probe on held-out labels: a lower bound on I(representation; Y) in nats.

    Not clipped: a probe worse than guessing the label frequencies gives a negative bound (McAllester & Stratos 2020).
    """
    return label_entropy(labels, classes) - cross_entropy
