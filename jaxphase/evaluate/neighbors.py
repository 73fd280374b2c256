"""Nearest neighbors: a readout of a representation without parameters to fit."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Integer

from jaxphase.errors import InputError
from jaxphase.evaluate.representation import directions, standardize


def knn_accuracy(
    features: Float[ArrayLike, "n d"],
    labels: Integer[ArrayLike, " n"],
    test_features: Float[ArrayLike, "m d"],
    test_labels: Integer[ArrayLike, " m"],
    *,
    classes: int,
    neighbors: int = 10,
    temperature: Float[ArrayLike, ""] = 0.07,
) -> Float[Array, ""]:
    """Measure how often the nearest labeled rows elect the right class.

    Each of the `neighbors` rows of largest cosine similarity s votes for its class with weight exp(s / temperature).
    Features are standardized first, as for the linear probe: an offset common to all rows would make every cosine 1.
    All rows that tie with the last neighbor vote, so the order of the rows does not matter; if no feature varies, the
    most common class wins everywhere.

    Args:
        features: Labeled rows, `[n, d]`; a feature that never varies (padding) changes nothing.
        labels: Their classes, `[n]`.
        test_features: Rows to classify, `[m, d]`.
        test_labels: Their classes, `[m]`.
        classes: Number of classes.
        neighbors: Number of rows that vote, 1 to n.
        temperature: Scale of the similarity.

    Returns:
        Fraction of the test rows whose class is elected.

    Raises:
        ValueError: If `neighbors` is not between 1 and n.

    References:
        Wu et al. (2018), Unsupervised feature learning via non-parametric instance discrimination.
    """
    return vote_accuracy(*standardize(features, test_features), labels, test_labels, classes, neighbors, temperature)


@jax.default_matmul_precision("highest")
def vote_accuracy(
    x: Float[Array, "n d"],
    x_test: Float[Array, "m d"],
    labels: Integer[ArrayLike, " n"],
    test_labels: Integer[ArrayLike, " m"],
    classes: int,
    neighbors: int = 10,
    temperature: Float[ArrayLike, ""] = 0.07,
) -> Float[Array, ""]:
    """Compute `knn_accuracy` of features that are standardized already.

    It takes 2 n m (d + classes) operations, a partial sort of m rows of n numbers, and memory for 3 n m numbers.

    Args:
        x: Standardized features of the labeled rows, `[n, d]`.
        x_test: Standardized features of the test rows, `[m, d]`.
        labels: Classes, `[n]`.
        test_labels: Classes, `[m]`.
        classes: Number of classes.
        neighbors: Number of rows that vote, 1 to n.
        temperature: Scale of the similarity.

    Returns:
        Fraction of the test rows whose class is elected.

    Raises:
        ValueError: If `neighbors` is not between 1 and n.
    """
    if not 1 <= neighbors <= len(x):
        raise InputError(f"neighbors is {neighbors}: give a number from 1 to the {len(x)} rows to choose from.")
    similarity = directions(x_test) @ directions(x).T
    nearest = jax.lax.top_k(similarity, neighbors)[0]
    # Not the last column: from a slice of top_k, XLA on a CPU makes a sort of whole rows, which is much slower.
    closest, last = nearest.max(1, keepdims=True), nearest.min(1, keepdims=True)
    weight = jnp.where(similarity >= last, jnp.exp((similarity - closest) / temperature), 0)
    elected = jnp.argmax(weight @ jax.nn.one_hot(labels, classes, dtype=x.dtype), axis=1)
    return jnp.mean(elected == test_labels)
