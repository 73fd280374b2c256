"""Information between labels, views and representations, in nats."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Integer

from jaxphase.evaluate.representation import directions


def label_entropy(labels: Integer[ArrayLike, " n"], classes: int) -> Float[Array, ""]:
    """Compute the entropy of the frequencies of labels.

    Args:
        labels: Class of each row, `[n]`.
        classes: Number of classes.

    Returns:
        Entropy in nats.
    """
    labels = jnp.asarray(labels)
    share = jnp.bincount(labels, length=classes) / labels.size
    return -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0))


def mutual_information(
    cross_entropy: Float[ArrayLike, ""], labels: Integer[ArrayLike, " n"], classes: int
) -> Float[Array, ""]:
    """Bound the mutual information between a representation and labels from below by H(Y) - cross-entropy of a probe.

    The bound is not clipped: a probe that is worse than guessing from the label frequencies gives a negative one.

    Args:
        cross_entropy: Cross-entropy of the probe on held-out rows, in nats.
        labels: Class of each held-out row, `[n]`.
        classes: Number of classes.

    Returns:
        The bound in nats.

    References:
        McAllester & Stratos (2020), Formal limitations on the measurement of mutual information.
    """
    return label_entropy(labels, classes) - cross_entropy


@jax.default_matmul_precision("highest")
def info_nce_bound(
    a: Float[ArrayLike, "n d"],
    b: Float[ArrayLike, "n d"],
    temperature: Float[ArrayLike, "..."] | Sequence[Float[ArrayLike, ""]] = (0.05, 0.1, 0.2, 0.5, 1.0),
) -> Float[Array, ""]:
    """Bound the information between two views from below by InfoNCE.

    The bound is log n minus the cross-entropy of guessing which of the n rows of b belongs to a row of a, with the
    critic `cosine(a, b) / temperature`; it is averaged over both directions. It cannot exceed log n, however large the
    information is. It holds on average over samples: one sample can lie above it by noise, and the best of several
    temperatures by a little more. It is negative where the critic is worse than guessing.

    Args:
        a: Features of n independent rows, `[n, d]`; columns of zeros (padding) change nothing.
        b: Features of the other views of the same rows, `[n, d]`; a pair with a row of zeros carries no information.
        temperature: One temperature, or several of which the best is taken.

    Returns:
        The bound in nats.

    References:
        van den Oord et al. (2018), arXiv:1807.03748; Poole et al. (2019), arXiv:1905.06922.
    """
    cosine = directions(a) @ directions(b).T

    def bound(temperature: Float[Array, ""]) -> Float[Array, ""]:
        score = cosine / temperature
        own, normalizers = jnp.diagonal(score), (jax.nn.logsumexp(score, axis=axis) for axis in (0, 1))
        return jnp.mean(own) - sum(jnp.mean(total) for total in normalizers) / 2 + jnp.log(len(score))

    # Not a loop: on a CPU a program with a loop after a matrix decomposition hangs (see `probe.prepare_features`).
    return jnp.max(jax.vmap(bound)(jnp.ravel(jnp.asarray(temperature, cosine.dtype))))
