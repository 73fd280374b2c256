"""The distributions that the detectors need, as functions that can be compiled."""

import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, ArrayLike, Float, Shaped

# 97.5 % points of Student's t for 10 to 1 degrees of freedom (any table; scipy.stats.t.ppf(0.975, dof)).
_T_975 = (2.2281389, 2.2621572, 2.3060041, 2.3646243, 2.4469119, 2.5705818, 2.7764451, 3.1824463, 4.3026527, 12.706205)


def student_t_975(dof: Shaped[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """The 97.5 % point of Student's t: half of a 95 % interval in standard errors.

    Up to 10 degrees of freedom it interpolates a table, between whose entries it is at most 3 % too large (0.5 % from
    two degrees on); beyond, it is the Cornish-Fisher expansion (Abramowitz & Stegun 26.7.5).

    Args:
        dof: Degrees of freedom, `[...]`, not necessarily whole.

    Returns:
        The points, `[...]`; NaN below one degree of freedom.
    """
    dof = jnp.asarray(dof)
    z = 1.959963984540054
    v = 1 / jnp.maximum(dof, 1)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    far = z + v * (terms[0] + v * (terms[1] + v * (terms[2] + v * terms[3])))
    near = jnp.exp(jnp.interp(v, 1 / jnp.arange(len(_T_975), 0, -1), jnp.log(jnp.asarray(_T_975))))
    return jnp.where(dof >= 1, jnp.where(dof <= len(_T_975), near, far), jnp.nan)


def kolmogorov_sf(value: Shaped[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """P(sup |Brownian bridge| > value), Kolmogorov (1933), from whichever of its two series converges."""
    value = jnp.asarray(value)
    k = jnp.arange(1, 13)
    v = jnp.maximum(value, 0.05)[..., None]
    tail = 2 * jnp.sum(jnp.where(k % 2 == 1, 1, -1) * jnp.exp(-2 * (k * v) ** 2), axis=-1)
    body = 1 - jnp.sqrt(2 * jnp.pi) / v[..., 0] * jnp.sum(jnp.exp(-(((2 * k - 1) * jnp.pi / v) ** 2) / 8), axis=-1)
    return jnp.where(jnp.isnan(value), jnp.nan, jnp.clip(jnp.where(value > 1, tail, body), 0, 1))


def brownian_crossing_sf(slope: Shaped[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """P(a Brownian motion on [0, 1] leaves +-slope * (1 + 2 t)), the boundary of Brown, Durbin & Evans (1975).

    The sum of both one-sided probabilities minus the probability of crossing both sides, by reflections (Zeileis 2004,
    Commun. Stat. Theory Methods 33, 915). The error is below 1e-3 where p < 0.6; for smaller slopes p is a line to 1.
    """
    a = jnp.asarray(slope)
    crossing = ndtr(-3 * a) + jnp.exp(-4 * a**2) * (ndtr(a) - ndtr(-5 * a)) - jnp.exp(-16 * a**2) * ndtr(-a)
    return jnp.clip(jnp.where(a < 0.3, 1 - 0.1464 * a, 2 * crossing), 0, 1)


def share_above(sample: Float[Array, " draws"], statistic: Float[Array, ""]) -> Float[Array, ""]:
    """p-value of a statistic among sorted simulated ones, itself counted (Davison & Hinkley 1997)."""
    return ((1 + sample.size - jnp.searchsorted(sample, statistic)) / (1 + sample.size)).astype(sample.dtype)
