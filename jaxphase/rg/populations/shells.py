"""Coarse-graining of activations in momentum space: the modes of least variance are integrated out, shell by shell.

Bradde & Bialek (2017), J. Stat. Phys. 167, 462, "PCA meets RG". Where units are at places, the modes of their
covariance are plane waves and those of large variance are the long ones; for units without places they stand for them.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.detect.status import Status, first_true

from .halves import as_activations, choosing_and_measuring, in_halves, jackknife, mean_of_halves, moments, usable


class MomentumFlow(NamedTuple):
    """Kurtosis of units filtered by the `modes` `[..., steps]` of largest variance; see `momentum_flow`."""

    modes: jax.Array
    variance: jax.Array
    variance_se: jax.Array
    kurtosis: jax.Array
    kurtosis_se: jax.Array
    status: jax.Array


def momentum_flow(activations, *, blocks=20, factor=2) -> MomentumFlow:
    """Kurtosis of units as the modes of least variance are projected out, 1 / factor of them left after each step.

    activations: `[..., samples, units]`; missing samples, units that do not vary and blocks as in `cluster_flow`. After
    step s the `modes = ceil(units / factor**s)` of the largest variance are left, down to one: x_i becomes phi_i = sum
    over them of u_im u_jm x_j, in units of its own deviation. The modes are those of one half of the samples and the
    kurtosis is measured in the other.

    kurtosis: `<phi**4> / <phi**2>**2`, mean over units: the quartic coupling, 3 at the Gaussian fixed point, whichever
    the covariance. variance: the share of the units' variance in these modes. Errors are those of the jackknife over
    blocks, the choice of modes included. status 2: fewer than two units vary. status 3: a half has not two blocks with
    samples. NaN in both cases.
    """
    x = as_activations(activations, blocks)
    if not isinstance(factor, int) or factor < 2:
        raise ValueError(f"factor must be an int of at least 2, got {factor!r}")
    lead = x.shape[:-2]
    flow = jax.vmap(functools.partial(_flow, blocks=blocks, factor=factor))(x.reshape(math.prod(lead), *x.shape[-2:]))
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), flow)


@functools.partial(jax.jit, static_argnames=("blocks", "factor"))
def _flow(x, *, blocks, factor):
    units = x.shape[1]
    halves = in_halves(x, blocks)
    number = jnp.sum(halves.live)
    steps = 1 + sum(factor**s < units for s in range(64))
    modes = jnp.maximum(-(-number // factor ** np.arange(steps)), 1)

    def measure(chosen, half):
        _, vectors = jnp.linalg.eigh(chosen)
        deviation, present = halves.deviation[half], halves.present[half]
        along = jnp.einsum("im,ibs->mbs", vectors, deviation)

        def step(_, kept):
            # eigh has the largest last.
            filtered = vectors * (jnp.arange(units) >= units - kept)
            variance, kurtosis = moments(jnp.einsum("im,mbs->ibs", filtered, along), present)
            mean = (
                jnp.sum(jnp.where(halves.live, a, 0), axis=1) / jnp.maximum(number, 1) for a in (variance, kurtosis)
            )
            return None, tuple(mean)

        _, (variance, kurtosis) = jax.lax.scan(step, None, modes)
        return variance.T, kurtosis.T

    with jax.default_matmul_precision("highest"):
        variance, kurtosis = jax.tree.map(mean_of_halves, choosing_and_measuring(halves, measure))
    used, enough = usable(halves.present)
    status = first_true((~enough, Status.TOO_FEW_POINTS), (number < 2, Status.NOT_IDENTIFIED))
    share = variance / jnp.where(variance[:, :1] > 0, variance[:, :1], 1)
    numbers = (*jackknife(share, used), *jackknife(kurtosis, used))
    return MomentumFlow(modes, *(jnp.where(status == 0, a, jnp.nan) for a in numbers), status)
