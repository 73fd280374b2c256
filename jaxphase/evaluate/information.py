"""Information between labels, views and representations, in nats."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxphase.evaluate.representation import directions


def label_entropy(labels: Array, classes: int) -> Array:
    """Entropy in nats of the label frequencies of labels [n]."""
    share = jnp.bincount(labels, length=classes) / labels.size
    return -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0))


def mutual_information(cross_entropy: Array, labels: Array, classes: int) -> Array:
    """H(Y) - cross-entropy of a probe on held-out labels: a lower bound on I(representation; Y) in nats.

    Not clipped: a probe worse than guessing the label frequencies gives a negative bound (McAllester & Stratos 2020).
    """
    return label_entropy(labels, classes) - cross_entropy


@jax.default_matmul_precision("highest")
def info_nce_bound(a: Array, b: Array, temperature: float | tuple[float, ...] = (0.05, 0.1, 0.2, 0.5, 1.0)) -> Array:
    """InfoNCE lower bound on I(a; b) in nats from a [n, d] and b [n, d], n independent positive pairs of rows.

    log n minus the cross-entropy of telling, by the critic cosine(a, b) / temperature, which of the n rows of b
    belongs to a row of a (van den Oord et al. 2018); the mean of that and of its mirror image, both bounds. It cannot
    exceed its cap log n, whatever there is to know (Poole et al. 2019). It is a bound on average over samples: one
    sample may lie above by its noise, and the best of several temperatures by a little more. Negative where the critic
    is worse than guessing. Columns of zeros (padding) count for nothing; a row of zeros is a pair without a hint.
    2 n^2 d operations and, a temperature, 2 n^2 exponentials and n^2 numbers.
    """
    cosine = directions(a) @ directions(b).T

    def bound(temperature: Array) -> Array:
        score = cosine / temperature
        own, normalisers = jnp.diagonal(score), (jax.nn.logsumexp(score, axis=axis) for axis in (0, 1))
        return jnp.mean(own) - sum(jnp.mean(total) for total in normalisers) / 2 + jnp.log(len(score))

    # Not a loop: on a CPU a program that has one after a decomposition waits for ever (see `probe.prepare`).
    return jnp.max(jax.vmap(bound)(jnp.ravel(jnp.asarray(temperature, cosine.dtype))))
