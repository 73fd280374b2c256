"""Depth as a scale: over how many layers a network correlates its signals."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.status import Status


class DepthCorrelation(NamedTuple):
    """Depth over which signals correlate.

    Attributes:
        length: Depth in layers, `[...]`.
        length_se: Its standard error, `[...]`.
        status: `Status`, `[...]`; see `depth_correlation`.
    """

    length: Float[Array, "*batch"]
    length_se: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


def depth_correlation(chi: ArrayLike, error: ArrayLike | None = None) -> DepthCorrelation:
    """Compute the depth `-1 / ln(chi)` over which a network correlates its signals.

    The susceptibility chi is the factor by which a layer multiplies a small difference of two inputs. The depth is
    positive below one (ordered: differences fall by e over this depth), infinite at one, and negative above one
    (chaotic: differences grow by e over its absolute value).

    Args:
        chi: Susceptibility from layer to layer, `[...]`.
        error: Its standard error, `[...]`.

    Returns:
        A `DepthCorrelation`, with the error `length**2 * error / chi`, NaN if no error is given. The status is
        AT_BOUND if chi is within two errors of one, so that even the sign of the depth is open. It is NOT_IDENTIFIED,
        with NaN, if chi is not positive or not finite.

    Example:
        >>> jaxphase.scaling.depth_correlation(0.9).length

    References:
        Poole et al. (2016), NeurIPS; Schoenholz et al. (2017), ICLR.
    """
    return _depth_correlation(chi, jnp.nan if error is None else error)


@jax.jit
def _depth_correlation(chi: ArrayLike, error: ArrayLike) -> DepthCorrelation:
    """The depth, compiled."""
    chi = jnp.asarray(chi)
    dtype = jnp.promote_types(jnp.result_type(chi, float), jnp.float32)
    chi, chi_se = jnp.broadcast_arrays(chi.astype(dtype), jnp.asarray(error, dtype))
    known = (chi > 0) & jnp.isfinite(chi)
    rate = -jnp.log(jnp.where(known, chi, 0.5))
    marginal = rate == 0
    length = jnp.where(marginal, jnp.inf, 1 / jnp.where(marginal, 1, rate))
    open_sign = marginal | (jnp.abs(1 - chi) < 2 * chi_se)
    status = jnp.where(known, jnp.where(open_sign, Status.AT_BOUND, Status.OK), Status.NOT_IDENTIFIED).astype(jnp.int32)
    length_se = jnp.where(jnp.isnan(chi_se), jnp.nan, jnp.square(length) * chi_se / jnp.where(known, chi, 1))
    return DepthCorrelation(jnp.where(known, length, jnp.nan), jnp.where(known, length_se, jnp.nan), status)
