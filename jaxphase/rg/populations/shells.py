"""Coarse-graining of activations in momentum space: the modes of least variance are integrated out, shell by shell.

Bradde & Bialek (2017), J. Stat. Phys. 167, 462, "PCA meets RG". If units have places in space, the modes of their
covariance are plane waves, and those of large variance have long wavelengths. For units without places, modes ordered
by variance take the role of wavelengths.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.status import Status, first_true
from jaxphase.rg.populations.halves import (
    as_activations,
    cross_fit,
    jackknife,
    mean_of_halves,
    moments,
    split_halves,
    usable,
)


class MomentumFlow(NamedTuple):
    """Units projected on the modes of largest variance, at each step.

    Attributes:
        modes: Number of modes that are left, `[..., steps]`.
        variance: Share of the units' variance in these modes, `[..., steps]`.
        variance_se: Its standard error, `[..., steps]`.
        kurtosis: `<phi**4> / <phi**2>**2` of the projected units phi, mean over units, `[..., steps]`: the quartic
            coupling, 3 at the Gaussian fixed point whatever the covariance.
        kurtosis_se: Its standard error, `[..., steps]`.
        status: `Status`, `[...]`; see `momentum_flow`.
    """

    modes: Int[Array, "*batch steps"]
    variance: Float[Array, "*batch steps"]
    variance_se: Float[Array, "*batch steps"]
    kurtosis: Float[Array, "*batch steps"]
    kurtosis_se: Float[Array, "*batch steps"]
    status: Int[Array, "*batch"]


def momentum_flow(activations: ArrayLike, *, blocks: int = 20, factor: int = 2) -> MomentumFlow:
    """Follow the kurtosis of units while the modes of least variance are projected out.

    After step s the `ceil(units / factor**s)` modes u_m of largest variance are left, down to one, and unit i becomes
    `phi_i = sum_m sum_j u_im u_jm x_j`. The modes are those of one half of the samples, the kurtosis is measured in the
    other. Errors come from the jackknife over blocks and from choosing the modes again with half of the samples.

    Args:
        activations: Activations, `[..., samples, units]`; missing samples and constant units as in `cluster_flow`.
        blocks: Number of blocks of consecutive samples, even.
        factor: Factor by which a step reduces the number of modes.

    Returns:
        A `MomentumFlow`. If fewer than two units vary the status is NOT_IDENTIFIED, if a half has fewer than two blocks
        with samples it is TOO_FEW_POINTS, both with NaN.

    Raises:
        ValueError: If the shape or an option is not valid.
    """
    x = as_activations(activations, blocks)
    if not isinstance(factor, int) or factor < 2:
        raise ValueError(f"factor must be an int of at least 2, got {factor!r}")
    lead = x.shape[:-2]
    flow = jax.vmap(functools.partial(_flow, blocks=blocks, factor=factor))(x.reshape(math.prod(lead), *x.shape[-2:]))
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), flow)


@functools.partial(jax.jit, static_argnames=("blocks", "factor"))
def _flow(x: Float[Array, "samples units"], *, blocks: int, factor: int) -> MomentumFlow:
    """The modes of one population."""
    units = x.shape[1]
    halves = split_halves(x, blocks)
    number = jnp.sum(halves.live)
    steps = 1 + sum(factor**s < units for s in range(64))
    modes = jnp.maximum(-(-number // factor ** np.arange(steps)), 1)

    def measure(chosen, half):
        _, vectors = jnp.linalg.eigh(chosen)
        deviation, present = halves.deviation[half], halves.present[half]
        along = jnp.einsum("im,ibs->mbs", vectors, deviation)

        def step(_, kept):
            # eigh sorts the eigenvalues in rising order.
            filtered = vectors * (jnp.arange(units) >= units - kept)
            variance, kurtosis = moments(jnp.einsum("im,mbs->ibs", filtered, along), present)
            mean = (
                jnp.sum(jnp.where(halves.live, a, 0), axis=1) / jnp.maximum(number, 1) for a in (variance, kurtosis)
            )
            return None, tuple(mean)

        _, (variance, kurtosis) = jax.lax.scan(step, None, modes)
        return variance.T, kurtosis.T

    with jax.default_matmul_precision("highest"):
        variance, kurtosis = jax.tree.map(mean_of_halves, cross_fit(halves, measure))
    used, enough = usable(halves.present)
    status = first_true((~enough, Status.TOO_FEW_POINTS), (number < 2, Status.NOT_IDENTIFIED))
    share = variance / jnp.where(variance[:, :1] > 0, variance[:, :1], 1)
    (variance, variance_se), (kurtosis, kurtosis_se) = (
        (jnp.where(status == 0, a, jnp.nan) for a in jackknife(values, used)) for values in (share, kurtosis)
    )
    return MomentumFlow(modes, variance, variance_se, kurtosis, kurtosis_se, status)
