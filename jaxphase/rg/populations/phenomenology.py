"""Phenomenological renormalization of activations, compared with surrogates: does it end at the Gaussian fixed point?

Units that merely differ, units that share an input, and Gaussian units of the same covariance give power laws too
(Morrell, Sederberg & Nemenman 2021, Phys. Rev. Lett. 126, 118302; Briguglio et al. 2025, arXiv:2507.23030). So every
number comes with the same number for surrogates and with the difference.

TRIVIAL: alpha is equal to that of the shuffled units, or the clusters become Gaussian (omega is above 1/4 by two
errors, or their kurtosis is equal to that of the same-spectrum surrogate). Equal means within three errors that are at
most 0.15 for alpha and 0.3 for the kurtosis. A Gaussian with a broad spectrum is trivial too, whatever its exponents.

NON_TRIVIAL: alpha and kurtosis differ from those of these surrogates by three errors, omega is below 1/4 by two, and
`relation = alpha - 1 - mu` is 0 within 0.1 and two errors. A critical point looks like this, but this is no proof of
one.

The relation: where clusters of all sizes are alike, the variance of a sum is K times the largest eigenvalue, `K**mu`.
In a critical system in d dimensions `alpha - 1 = mu = (2 - eta) / d`. The relation is not 0 for an input that all units
share (alpha 2, mu 0), nor away from the critical point.
"""

import enum
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from jaxphase.rg.populations.clusters import ClusterFlow, Exponent, cluster_flow
from jaxphase.rg.populations.surrogates import phase_randomized, same_spectrum, shuffled

SURROGATES = ("shuffled", "same_spectrum", "phase_randomized")
COMPARED = ("alpha", "beta", "mu", "z", "omega", "kurtosis")

# A difference is significant from three errors on.
_SIGNIFICANT = 3.0
# There is no difference only if three errors are at most this large, for alpha and for the kurtosis.
_ALPHA_RESOLUTION, _KURTOSIS_RESOLUTION = 0.15, 0.3
# The border between a flow to the Gaussian fixed point, where the excess kurtosis falls with omega = 1, and no flow,
# with omega = 0.
_OMEGA_BORDER = 0.25
# How far alpha may be from 1 + mu, beyond two errors.
_RELATION_TOLERANCE = 0.1


class PopulationKind(enum.IntEnum):
    """Whether coarse-grained activations end at the Gaussian fixed point (TRIVIAL) or not (NON_TRIVIAL)."""

    TRIVIAL = 0
    NON_TRIVIAL = 1
    CANNOT_TELL = 2


class Phenomenological(NamedTuple):
    """The flow of activations, those of their surrogates, and how they differ.

    Attributes:
        data: `ClusterFlow` of the activations.
        surrogates: `ClusterFlow` of the surrogates, `[surrogates, ...]`, in the order of `SURROGATES`; the last one
            only if samples are in order of time.
        difference: Activations less surrogate of the numbers in `COMPARED`, `[surrogates, ..., 6]`. The kurtosis is
            taken at the largest clusters in the fits.
        difference_se: Its standard error, `[surrogates, ..., 6]`, as if both were independent, which makes it too large
            if anything.
        score: `difference / difference_se`, `[surrogates, ..., 6]`; NaN where either is.
        relation: `alpha - 1 - mu`, `[...]`; 0 if clusters of all sizes are alike.
        relation_se: Its standard error, `[...]`.
        kind: `PopulationKind`, `[...]`.
    """

    data: ClusterFlow
    surrogates: ClusterFlow
    difference: Float[Array, "surrogates *batch 6"]
    difference_se: Float[Array, "surrogates *batch 6"]
    score: Float[Array, "surrogates *batch 6"]
    relation: Float[Array, "*batch"]
    relation_se: Float[Array, "*batch"]
    kind: Int[Array, "*batch"]


def phenomenological(
    activations: ArrayLike,
    *,
    key: Key[Array, ""],
    blocks: int = 20,
    smallest: int = 2,
    largest: int | None = None,
    silent_at: float | None = None,
    time: bool = False,
) -> Phenomenological:
    """Compare exponents of clusters of activations with those of surrogates, and judge.

    TRIVIAL means that the activations flow to the Gaussian fixed point, NON_TRIVIAL that they do not. A critical point
    is NON_TRIVIAL, but so may be other systems. The exact criteria: see the module
    `jaxphase.rg.populations.phenomenology`.

    Args:
        activations: Activations, `[..., samples, units]`, as in `cluster_flow`.
        key: Key of the surrogates.
        blocks: Number of blocks of consecutive samples, even.
        smallest: Smallest size of clusters in the fits.
        largest: Largest size of clusters in the fits; None means an eighth of the units.
        silent_at: A unit is silent up to this value; None as in `cluster_flow`.
        time: Whether the samples are in order of time.

    Returns:
        A `Phenomenological`. The kind is CANNOT_TELL if neither kind applies or a number is missing; mu takes 128
        units.

    Raises:
        ValueError: If the shape or an option is not valid.
    """
    x = jnp.asarray(activations)
    surrogates = (shuffled, same_spectrum, phase_randomized)[: 3 if time else 2]
    keys = jax.random.split(key, len(surrogates))
    drawn = [surrogate(x, key=key) for surrogate, key in zip(surrogates, keys, strict=True)]
    flows = cluster_flow(
        jnp.stack([x.astype(drawn[0].dtype), *drawn]),
        blocks=blocks,
        smallest=smallest,
        largest=largest,
        silent_at=silent_at,
        time=time,
    )
    # `size` is shared by all and has no axis of surrogates.
    of_data = jax.tree.map(lambda a: a[0], flows)._replace(size=flows.size)
    of_surrogates = jax.tree.map(lambda a: a[1:], flows)._replace(size=flows.size)

    value, error = _compared(flows, largest)
    difference, difference_se = value[0] - value[1:], jnp.sqrt(jnp.square(error[0]) + jnp.square(error[1:]))
    relation = of_data.alpha.value - 1 - of_data.mu.value
    relation_se = jnp.hypot(of_data.alpha.se, of_data.mu.se)
    alike = jnp.abs(relation) <= _RELATION_TOLERANCE + 2 * relation_se
    return Phenomenological(
        data=of_data,
        surrogates=of_surrogates,
        difference=difference,
        difference_se=difference_se,
        score=difference / difference_se,
        relation=relation,
        relation_se=relation_se,
        kind=_kind(difference, difference_se, of_data.omega, alike),
    )


def _compared(
    flows: ClusterFlow, largest: int | None
) -> tuple[Float[Array, "flows *batch 6"], Float[Array, "flows *batch 6"]]:
    """Values and errors of the numbers in COMPARED, of the activations first and then of the surrogates."""
    exponents = [getattr(flows, name) for name in COMPARED[:-1]]
    last = flows.clusters[..., :1] / 8 if largest is None else jnp.full_like(flows.kurtosis[..., :1], largest)
    level = jnp.sum(flows.size <= last, axis=-1, keepdims=True) - 1
    kurtosis, error = (
        jnp.take_along_axis(a, jnp.maximum(level, 0), axis=-1)[..., 0] for a in (flows.kurtosis, flows.kurtosis_se)
    )
    value = jnp.stack([*(exponent.value for exponent in exponents), kurtosis], axis=-1)
    return value, jnp.stack([*(exponent.se for exponent in exponents), error], axis=-1)


def _kind(
    difference: Float[Array, "surrogates *batch 6"],
    error: Float[Array, "surrogates *batch 6"],
    omega: Exponent,
    alike: Bool[Array, "*batch"],
) -> Int[Array, "*batch"]:
    """The `PopulationKind`; comparisons with NaN are false, so that nothing follows from a missing number."""
    alpha, kurtosis = COMPARED.index("alpha"), COMPARED.index("kurtosis")
    reach = _SIGNIFICANT * error
    differs, equals = jnp.abs(difference) > reach, jnp.abs(difference) <= reach
    correlated, beyond_gaussian = differs[0, ..., alpha], differs[1, ..., kurtosis]
    independent = equals[0, ..., alpha] & (reach[0, ..., alpha] <= _ALPHA_RESOLUTION)
    gaussian = equals[1, ..., kurtosis] & (reach[1, ..., kurtosis] <= _KURTOSIS_RESOLUTION)
    becomes_gaussian = omega.value - 2 * omega.se > _OMEGA_BORDER
    stays = omega.value + 2 * omega.se < _OMEGA_BORDER
    trivial = independent | (correlated & (gaussian | becomes_gaussian))
    non_trivial = correlated & beyond_gaussian & stays & alike
    kind = jnp.where(non_trivial, PopulationKind.NON_TRIVIAL, PopulationKind.CANNOT_TELL)
    return jnp.where(trivial, PopulationKind.TRIVIAL, kind).astype(jnp.int32)
