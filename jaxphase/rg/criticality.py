"""How near a network is to the line between order and chaos.

The index is the share of a squared difference of inputs that one layer keeps (for chi > 1, the inverse of its growth);
over depth layers the share is index**depth. With `threshold = exp(-1 / depth)` a network is critical if signals stay
correlated through all of its layers. As an index is at most 1, an index within one error of 1 is too low by up to that
error.

The spectral index is the same function of alpha - 1. It is 1 at alpha = 2, where eigenvalues fall as 1 / rank and their
sum begins to diverge. It does not enter the phase: no length diverges at alpha = 2, a critical network may have no tail
(ReLU of variance 2, untrained), and a network far from critical may have one. A minimum, mean or product of both
indices would hide this.
"""

import enum
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.status import Status


class Phase(enum.IntEnum):
    """What depth does to small differences of inputs: they stay, shrink or grow."""

    CRITICAL = 0
    ORDERED = 1
    CHAOTIC = 2
    UNKNOWN = 3


class Criticality(NamedTuple):
    """How near a network is to critical, each `[...]`.

    Attributes:
        index: `min(chi, 1 / chi)`, 1 at criticality; NaN if chi is not positive or not finite.
        index_se: Its standard error.
        phase: `Phase`; UNKNOWN where `index` is NaN.
        spectral: `min(alpha - 1, 1 / (alpha - 1))` of the exponent alpha of a spectrum's tail; NaN without a tail.
        spectral_se: Its standard error.
        status: `Status`; see `criticality_index`.
    """

    index: Float[Array, "*batch"]
    index_se: Float[Array, "*batch"]
    phase: Int[Array, "*batch"]
    spectral: Float[Array, "*batch"]
    spectral_se: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


def criticality_index(
    chi: ArrayLike,
    chi_se: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    alpha_se: ArrayLike | None = None,
    *,
    threshold: float = 0.8,
) -> Criticality:
    """Tell how near a network is to critical, by `index = exp(-|ln chi|) = min(chi, 1 / chi)`.

    The index is 1 at chi = 1. The spectral index does the same for the tail of a spectrum, but enters neither index nor
    phase. Meaning of both: see the module `jaxphase.rg.criticality`.

    Args:
        chi: Factor by which a layer changes squared differences, `[...]`.
        chi_se: Its standard error, `[...]`; without it errors are NaN.
        alpha: Exponent of the tail of a spectrum, `[...]`, NaN where there is none.
        alpha_se: Its standard error, `[...]`.
        threshold: Lowest index of a critical network, between 0 and 1.

    Returns:
        A `Criticality`. The status is AT_BOUND if ln chi is within two errors of the threshold, so that the phase is
        open. Where chi is not positive or not finite the status is NOT_IDENTIFIED, the phase UNKNOWN and the rest NaN.

    Raises:
        ValueError: If threshold is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be between 0 and 1, got {threshold!r}")
    given = [jnp.nan if value is None else value for value in (chi, chi_se, alpha, alpha_se)]
    dtype = jnp.promote_types(jnp.result_type(*given, float), jnp.float32)
    chi, chi_se, alpha, alpha_se = jnp.broadcast_arrays(*(jnp.asarray(value, dtype) for value in given))
    index, index_se = _nearness(chi, chi_se)
    spectral, spectral_se = _nearness(alpha - 1, alpha_se)
    known = jnp.isfinite(index)
    phase = jnp.where(index < threshold, jnp.where(chi < 1, Phase.ORDERED, Phase.CHAOTIC), Phase.CRITICAL)
    open_phase = jnp.abs(jnp.log(index / threshold)) < 2 * index_se / index
    return Criticality(
        index=index,
        index_se=index_se,
        phase=jnp.where(known, phase, Phase.UNKNOWN).astype(jnp.int32),
        spectral=spectral,
        spectral_se=spectral_se,
        status=jnp.where(known, jnp.where(open_phase, Status.AT_BOUND, Status.OK), Status.NOT_IDENTIFIED).astype(
            jnp.int32
        ),
    )


def _nearness(
    ratio: Float[Array, "*batch"], se: Float[Array, "*batch"]
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """`min(ratio, 1 / ratio)` and its error, NaN unless the ratio is positive and finite."""
    known = (ratio > 0) & jnp.isfinite(ratio)
    ratio = jnp.where(known, ratio, 1)
    index = jnp.minimum(ratio, 1 / ratio)
    return jnp.where(known, index, jnp.nan), jnp.where(known, index * se / ratio, jnp.nan)
