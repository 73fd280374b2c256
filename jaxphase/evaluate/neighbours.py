"""Nearest neighbours: the readout of a representation that has nothing to fit."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxphase.errors import InputError
from jaxphase.evaluate.representation import directions, standardise


def knn_accuracy(
    features: Array,
    labels: Array,
    test_features: Array,
    test_labels: Array,
    *,
    classes: int,
    neighbours: int = 10,
    temperature: float = 0.07,
) -> Array:
    """Share of test_features [m, d] whose label the nearest of features [n, d] with labels [n] elect.

    The weighted vote of Wu et al. (2018): each of the `neighbours` of largest cosine similarity s votes for its class
    with weight exp(s / temperature). Features are standardised first, as for the linear probe: an offset common to all
    images would make every cosine 1, and a feature that never varies (padding) counts for nothing. All that tie with
    the last neighbour vote, so the order of the rows does not matter: without a feature that varies, the commonest
    class wins everywhere.
    """
    return vote(*standardise(features, test_features), labels, test_labels, classes, neighbours, temperature)


@jax.default_matmul_precision("highest")
def vote(
    x: Array,
    x_test: Array,
    labels: Array,
    test_labels: Array,
    classes: int,
    neighbours: int = 10,
    temperature: float = 0.07,
) -> Array:
    """`knn_accuracy` of standardised features, in 2 n m (d + classes) operations, a partial sort of m rows of n numbers
    and n m exponentials; 3 n m numbers."""
    if not 1 <= neighbours <= len(x):
        raise InputError(f"neighbours is {neighbours}: give a number from 1 to the {len(x)} rows to choose from.")
    similarity = directions(x_test) @ directions(x).T
    nearest = jax.lax.top_k(similarity, neighbours)[0]
    # Not the last column: of a slice of its top_k, XLA makes on a CPU a sort of whole rows, 15 times as slow.
    closest, last = nearest.max(1, keepdims=True), nearest.min(1, keepdims=True)
    weight = jnp.where(similarity >= last, jnp.exp((similarity - closest) / temperature), 0)
    elected = jnp.argmax(weight @ jax.nn.one_hot(labels, classes, dtype=x.dtype), axis=1)
    return jnp.mean(elected == test_labels)
