"""Depth as a scale: over how many layers a network correlates its signals."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxphase.detect.status import AT_BOUND, NOT_IDENTIFIED, OK


class DepthCorrelation(NamedTuple):
    """Depth over which signals correlate, in layers."""

    length: jax.Array
    length_se: jax.Array
    status: jax.Array


@jax.jit
def depth_correlation(chi, chi_se=None) -> DepthCorrelation:
    """Depth `-1 / ln(chi)` over which a network of layer-to-layer susceptibility chi correlates its signals.

    chi, chi_se: `[...]`, chi the factor by which a layer multiplies a small difference of two inputs (Poole et al.
    2016; Schoenholz et al. 2017, ICLR). Positive below one (ordered: differences die over this depth), infinite at one,
    negative above one (chaotic: they grow by e over its absolute value). The error is `length**2 * chi_se / chi`, NaN
    without chi_se. status 1: chi is within two errors of one, so that even the sign is open. status 2: chi is not
    positive or not finite, NaN.
    """
    chi = jnp.asarray(chi)
    dtype = jnp.promote_types(jnp.result_type(chi, float), jnp.float32)
    chi, chi_se = jnp.broadcast_arrays(chi.astype(dtype), jnp.asarray(jnp.nan if chi_se is None else chi_se, dtype))
    known = (chi > 0) & jnp.isfinite(chi)
    rate = -jnp.log(jnp.where(known, chi, 0.5))
    marginal = rate == 0
    length = jnp.where(marginal, jnp.inf, 1 / jnp.where(marginal, 1, rate))
    open_sign = marginal | (jnp.abs(1 - chi) < 2 * chi_se)
    status = jnp.where(known, jnp.where(open_sign, AT_BOUND, OK), NOT_IDENTIFIED).astype(jnp.int32)
    error = jnp.where(jnp.isnan(chi_se), jnp.nan, jnp.square(length) * chi_se / jnp.where(known, chi, 1))
    return DepthCorrelation(jnp.where(known, length, jnp.nan), jnp.where(known, error, jnp.nan), status)
