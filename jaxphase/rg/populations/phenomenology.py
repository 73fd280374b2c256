"""Phenomenological renormalization of activations beside surrogates: does it end at the Gaussian fixed point?

Units that only differ from one another, units that share an input, and Gaussian units of the same covariance give power
laws too (Morrell, Sederberg & Nemenman 2021, Phys. Rev. Lett. 126, 118302; Briguglio et al. 2025, arXiv:2507.23030), so
every number comes with that of surrogates and the difference.
"""

import enum
from typing import NamedTuple

import jax
import jax.numpy as jnp

from .clusters import ClusterFlow, cluster_flow
from .surrogates import phase_randomized, same_spectrum, shuffled

SURROGATES = ("shuffled", "same_spectrum", "phase_randomized")
COMPARED = ("alpha", "beta", "mu", "z", "omega", "kurtosis")

# A difference is seen from three errors on, and is none if three errors are at most so large, of alpha and of kurtosis.
_SURE, _NO_DIFFERENCE, _GAUSSIAN = 3.0, 0.15, 0.3
# The exponent omega of the excess kurtosis that parts a flow to the Gaussian (1, asymptotically) from none (0).
_FLOWS = 0.25
# How far alpha may be from 1 + mu, beyond two errors.
_RELATION = 0.1


class PopulationKind(enum.IntEnum):
    """Whether coarse-grained activations end at the Gaussian fixed point (trivial) or at another."""

    TRIVIAL = 0
    NON_TRIVIAL = 1
    CANNOT_TELL = 2


class Phenomenological(NamedTuple):
    """The flow of the activations, of surrogates `[surrogates, ...]`, and how they differ; see `phenomenological`."""

    data: ClusterFlow
    surrogates: ClusterFlow
    difference: jax.Array
    difference_se: jax.Array
    score: jax.Array
    relation: jax.Array
    relation_se: jax.Array
    kind: jax.Array


def phenomenological(
    activations, key, *, blocks=20, smallest=2, largest=None, silent_at=None, time=False
) -> Phenomenological:
    """Exponents of clusters of activations beside those of surrogates, and a verdict.

    activations and options as in `cluster_flow`. surrogates: one of each of SURROGATES, the last only if time.
    difference `[surrogates, ..., 6]`: of the activations' numbers COMPARED from the surrogate's, `kurtosis` being that
    of the largest clusters in the fits; difference_se takes both for independent, which makes it too large rather than
    too small; score is their quotient. NaN where either is: Gaussian surrogates have no silence without silent_at.

    relation `[...]`: alpha - 1 - mu. Where clusters of every size are alike, the variance of a sum is K times the
    largest eigenvalue, K**mu, so that it is 0: of a critical system in d dimensions alpha - 1 and mu are both
    (2 - eta) / d. It is not 0 for an input that all units share (alpha 2, mu 0), nor off the critical point.

    kind `[...]`, a `PopulationKind`:
    trivial: alpha is that of the shuffled units, within three errors that are at most 0.15; or the clusters become
    Gaussian: omega is above 1/4 by two errors, or their kurtosis is that of the same-spectrum surrogate within three
    errors that are at most 0.3. Exponents may still differ from 1 and 0: a Gaussian with a broad spectrum is trivial.
    non-trivial: alpha and kurtosis differ from these by three errors, omega is below 1/4 by two, and relation is 0
    within 0.1 and two errors: at these sizes clusters are alike, and are not Gaussian. That is what a critical point
    looks like, and no proof of one.
    cannot tell: neither, or the numbers needed are NaN: mu takes 128 units or more.

    same_spectrum has the covariance of the samples with all its chance correlations, which are real ones to it: with
    few samples its alpha and mu are a little above those of the activations (0.03 for 8 samples a unit, all iid).
    """
    x = jnp.asarray(activations)
    makers = (shuffled, same_spectrum, phase_randomized)[: 3 if time else 2]
    made = [make(key, x) for make, key in zip(makers, jax.random.split(key, len(makers)), strict=True)]
    options = {"blocks": blocks, "smallest": smallest, "largest": largest, "silent_at": silent_at, "time": time}
    flows = cluster_flow(jnp.stack([x.astype(made[0].dtype), *made]), **options)
    data, surrogates = (
        jax.tree.map(lambda a, part=part: a[part], flows)._replace(size=flows.size) for part in (0, slice(1, None))
    )

    value, error = _compared(flows, largest)
    difference, difference_se = value[0] - value[1:], jnp.sqrt(jnp.square(error[0]) + jnp.square(error[1:]))
    score = difference / difference_se
    relation = data.alpha.value - 1 - data.mu.value
    relation_se = jnp.hypot(data.alpha.se, data.mu.se)
    alike = jnp.abs(relation) <= _RELATION + 2 * relation_se
    kind = _verdict(difference, difference_se, data.omega, alike)
    return Phenomenological(data, surrogates, difference, difference_se, score, relation, relation_se, kind)


def _compared(flows, largest):
    """Values and errors `[1 + surrogates, ..., 6]` of the numbers in COMPARED."""
    exponents = [getattr(flows, name) for name in COMPARED[:-1]]
    last = flows.clusters[..., :1] / 8 if largest is None else jnp.full_like(flows.kurtosis[..., :1], largest)
    level = jnp.sum(flows.size <= last, axis=-1, keepdims=True) - 1
    kurtosis, error = (
        jnp.take_along_axis(a, jnp.maximum(level, 0), axis=-1)[..., 0] for a in (flows.kurtosis, flows.kurtosis_se)
    )
    value = jnp.stack([*(exponent.value for exponent in exponents), kurtosis], axis=-1)
    return value, jnp.stack([*(exponent.se for exponent in exponents), error], axis=-1)


def _verdict(difference, error, omega, alike):
    alpha, kurtosis = COMPARED.index("alpha"), COMPARED.index("kurtosis")
    reach = _SURE * error
    # Comparisons with NaN are false, so that nothing is concluded from it.
    apart, same = jnp.abs(difference) > reach, jnp.abs(difference) <= reach
    correlated, peculiar = apart[0, ..., alpha], apart[1, ..., kurtosis]
    independent = same[0, ..., alpha] & (reach[0, ..., alpha] <= _NO_DIFFERENCE)
    gaussian = same[1, ..., kurtosis] & (reach[1, ..., kurtosis] <= _GAUSSIAN)
    flows, stays = omega.value - 2 * omega.se > _FLOWS, omega.value + 2 * omega.se < _FLOWS
    trivial = independent | (correlated & (gaussian | flows))
    others = jnp.where(correlated & peculiar & stays & alike, PopulationKind.NON_TRIVIAL, PopulationKind.CANNOT_TELL)
    return jnp.where(trivial, PopulationKind.TRIVIAL, others).astype(jnp.int32)
