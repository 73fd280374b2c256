"""How much model and how much data for a given compute: the valley of a fitted surface of losses, with its errors.

Hoffmann et al. (2022, arXiv 2203.15556). Everything is worked out for the surface and for each of its bootstrap draws,
so that the errors of exponents and amplitudes, which are nearly one number, stay together.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .surface import middle_95


class Allocation(NamedTuple):
    """The best model and data for some compute, `params ~ compute**exponent`, each with its interval `[..., 2]`."""

    params: jax.Array
    data: jax.Array
    loss: jax.Array
    exponent: jax.Array
    params_interval: jax.Array
    data_interval: jax.Array
    loss_interval: jax.Array
    exponent_interval: jax.Array


class IsoFlop(NamedTuple):
    """The data that compute leaves for a model of some size, and the loss, with its interval `[..., 2]`."""

    data: jax.Array
    loss: jax.Array
    loss_interval: jax.Array


class RelativeToOptimum(NamedTuple):
    """`ratio` of a size to the best one for the same compute, above one if larger, and its interval `[..., 2]`."""

    ratio: jax.Array
    interval: jax.Array
    optimal_size: jax.Array


def allocate(surface, compute, *, flops_per_token_param=6.0) -> Allocation:
    """The N and D with the least loss for `compute = flops_per_token_param * N * D`, in floating-point operations.

        N_opt = (a A / (b B))**(1 / (a + b)) * (compute / flops_per_token_param)**(b / (a + b))

    compute: any shape; results have the shape of the surfaces followed by that of compute, exponent that of the
    surfaces. 95 % intervals are percentiles over the surface's draws; that of the loss is of the mean, without a run's
    noise. NaN where the surface is. Outside the N and D of the runs all this supposes that the law holds on.
    """
    best = _over_draws(_optimum, surface, _log(compute) - np.log(flops_per_token_param))
    exponent = _over_draws(_exponent, surface)
    values, intervals = zip(*best, *exponent, strict=True)
    return Allocation(*values, *intervals)


def isoflop(surface, compute, params, *, flops_per_token_param=6.0) -> IsoFlop:
    """Loss against model size at fixed compute, `L(N, compute / (flops_per_token_param N))`.

    compute and params broadcast (`compute[:, None], params` for a curve per budget); results have the shape of the
    surfaces followed by theirs. The 95 % interval is that of the mean, without a run's noise. NaN where the surface is.
    """
    log_n = _log(params)
    log_d = _log(compute) - np.log(flops_per_token_param) - log_n
    [(loss, interval)] = _over_draws(_loss, surface, log_n, log_d)
    return IsoFlop(jnp.broadcast_to(jnp.exp(log_d), loss.shape), loss, interval)


def relative_to_optimum(surface, critical_size, data_size, critical_interval=None) -> RelativeToOptimum:
    """Where a critical model size, measured at a data size, lies relative to the compute-optimal line.

        ratio = N_c / N_opt(C) at C = 6 N_c D = (N_c**a b B / (D**b a A))**(1 / (a + b))

    which is the same whatever a token costs. critical_size and data_size broadcast; results have the shape of the
    surfaces followed by theirs. critical_interval `[..., 2]`: the 95 % interval of the critical size, which adds in
    quadrature to that of the logarithm of the ratio; without one the size is taken as exact. Where the whole interval
    is above one, the compute-optimal model of that budget is below its transition. NaN where the surface is.
    """
    log_n = _log(critical_size)
    (log_ratio, interval), (share, _) = _over_draws(_place, surface, log_n, _log(data_size))
    if critical_interval is not None:
        ends = share[..., None] * (_log(critical_interval) - log_n[..., None])
        apart = jnp.hypot(interval - log_ratio[..., None], ends)
        interval = log_ratio[..., None] + apart * jnp.asarray([-1, 1], apart.dtype)
    return RelativeToOptimum(jnp.exp(log_ratio), jnp.exp(interval), jnp.exp(log_n - log_ratio))


def _log(values):
    return jnp.log(jnp.asarray(values, float))


@functools.partial(jax.jit, static_argnums=0)
def _over_draws(f, surface, *numbers):
    """Each output of `f(law, *numbers)` and its 95 % interval, law being E, ln A, a, ln B, b of the surface.

    Outputs have the shape of the surface, then that of the numbers.
    """
    best = jnp.stack([surface.E, jnp.log(surface.A), surface.a, jnp.log(surface.B), surface.b], axis=-1)
    laws = jnp.concatenate([best[..., None, :], surface.draws], axis=-2)
    laws = jnp.moveaxis(laws, (-1, -2), (0, 1))
    shape = jnp.broadcast_shapes(*(number.shape for number in numbers))
    laws = jnp.broadcast_to(laws.reshape(*laws.shape, *(1,) * len(shape)), laws.shape + shape)
    return [(values[0], middle_95(values[1:])) for values in f(laws, *numbers)]


def _loss(law, log_n, log_d):
    e, log_a, a, log_b, b = law
    return [e + jnp.exp(log_a - a * log_n) + jnp.exp(log_b - b * log_d)]


def _valley(law, log_nd):
    """ln N that is best for a product N D."""
    _, log_a, a, log_b, b = law
    return (jnp.log(a / b) + log_a - log_b + b * log_nd) / (a + b)


def _exponent(law):
    _, _, a, _, b = law
    return [b / (a + b)]


def _optimum(law, log_nd):
    log_n = _valley(law, log_nd)
    return [jnp.exp(log_n), jnp.exp(log_nd - log_n), *_loss(law, log_n, log_nd - log_n)]


def _place(law, log_n, log_d):
    """Logarithm of N over the best N for the same N D, and by how much it grows with ln N."""
    [exponent] = _exponent(law)
    return [log_n - _valley(law, log_n + log_d), 1 - exponent]
