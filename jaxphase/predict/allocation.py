"""How much model and how much data for a given compute: the optimum of a fitted surface of losses, with its errors.

Hoffmann et al. (2022, arXiv 2203.15556). Everything is computed for the surface and for each of its bootstrap draws, so
that the strong correlation between the errors of exponents and amplitudes is kept.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from jaxphase.predict.surface import Surface, middle_95

# E, ln A, a, ln B and b of the surface and its draws, `[5, 1 + draws, ...]`.
_Laws = Float[Array, "5 ..."]


class Allocation(NamedTuple):
    """The best model and data for some compute, see `allocate`.

    Every interval is the 95 % interval (low, high) over the draws of the surface.

    Attributes:
        params: Best number of parameters, `[surfaces, compute]`.
        data: Best amount of data, `[surfaces, compute]`.
        loss: Loss of that model, `[surfaces, compute]`.
        exponent: Exponent of `params ~ compute**exponent`, `[surfaces]`.
        params_interval: Interval of `params`, `[surfaces, compute, 2]`.
        data_interval: Interval of `data`, `[surfaces, compute, 2]`.
        loss_interval: Interval of `loss`, of the mean without the noise of a run, `[surfaces, compute, 2]`.
        exponent_interval: Interval of `exponent`, `[surfaces, 2]`.
    """

    params: Float[Array, "*surfaces_compute"]
    data: Float[Array, "*surfaces_compute"]
    loss: Float[Array, "*surfaces_compute"]
    exponent: Float[Array, "*surfaces"]
    params_interval: Float[Array, "*surfaces_compute 2"]
    data_interval: Float[Array, "*surfaces_compute 2"]
    loss_interval: Float[Array, "*surfaces_compute 2"]
    exponent_interval: Float[Array, "*surfaces 2"]


class IsoFlop(NamedTuple):
    """Loss against model size at fixed compute, see `isoflop`.

    Attributes:
        data: Data that a model of that size can be trained on with this compute, `[surfaces, sizes]`.
        loss: The loss, `[surfaces, sizes]`.
        loss_interval: Its 95 % interval, of the mean without the noise of a run, `[surfaces, sizes, 2]`.
    """

    data: Float[Array, "*surfaces_sizes"]
    loss: Float[Array, "*surfaces_sizes"]
    loss_interval: Float[Array, "*surfaces_sizes 2"]


class RelativeToOptimum(NamedTuple):
    """A model size relative to the best one for the same compute, see `relative_to_optimum`.

    Attributes:
        ratio: The size over the best size, `[surfaces, sizes]`.
        interval: 95 % interval of the ratio, `[surfaces, sizes, 2]`.
        optimal_size: The best size, `[surfaces, sizes]`.
    """

    ratio: Float[Array, "*surfaces_sizes"]
    interval: Float[Array, "*surfaces_sizes 2"]
    optimal_size: Float[Array, "*surfaces_sizes"]


def allocate(surface: Surface, compute: ArrayLike, *, flops_per_token_param: float = 6.0) -> Allocation:
    """Find the N and D with the least loss for `compute = flops_per_token_param * N * D`.

        N_opt = (a A / (b B))**(1 / (a + b)) * (compute / flops_per_token_param)**(b / (a + b))

    Args:
        surface: From `fit_surface`, of any batch shape.
        compute: Floating-point operations, of any shape.
        flops_per_token_param: Operations for each parameter and token, forward and backward.

    Returns:
        The allocation, in arrays whose shape is that of the surfaces followed by that of compute; NaN where the surface
        is NaN. Outside the N and D of the runs the law is extrapolated.

    Example:
        >>> best = jaxphase.predict.allocate(surface, 1e21)
        >>> best.params, best.params_interval

    References:
        Hoffmann et al. (2022), arXiv 2203.15556.
    """
    best = _over_draws(_optimum, surface, _log(compute) - np.log(flops_per_token_param))
    exponent = _over_draws(_exponent, surface)
    values, intervals = zip(*best, *exponent, strict=True)
    return Allocation(*values, *intervals)


def isoflop(surface: Surface, compute: ArrayLike, params: ArrayLike, *, flops_per_token_param: float = 6.0) -> IsoFlop:
    """Compute the loss against model size at fixed compute, `L(N, compute / (flops_per_token_param N))`.

    Args:
        surface: From `fit_surface`, of any batch shape.
        compute: Floating-point operations; broadcasts with params (`compute[:, None]` for a curve per budget).
        params: Model sizes in parameters.
        flops_per_token_param: Operations for each parameter and token, forward and backward.

    Returns:
        The curves, in arrays whose shape is that of the surfaces followed by that of the sizes; NaN where the surface
        is NaN.
    """
    log_n = _log(params)
    log_d = _log(compute) - np.log(flops_per_token_param) - log_n
    [(loss, interval)] = _over_draws(_loss, surface, log_n, log_d)
    return IsoFlop(jnp.broadcast_to(jnp.exp(log_d), loss.shape), loss, interval)


def relative_to_optimum(
    surface: Surface, critical_size: ArrayLike, data_size: ArrayLike, *, critical_size_interval: ArrayLike | None = None
) -> RelativeToOptimum:
    """Compare a critical model size, measured at some data size, with the best size for the same compute.

        ratio = N_c / N_opt(C) at C = 6 N_c D = (N_c**a b B / (D**b a A))**(1 / (a + b))

    The ratio does not depend on the operations per token. If its whole interval is above one, the compute-optimal model
    of that budget is below its transition.

    Args:
        surface: From `fit_surface`, of any batch shape.
        critical_size: Critical model sizes N_c in parameters; broadcasts with data_size.
        data_size: Data D, in the unit of the surface.
        critical_size_interval: 95 % intervals of the critical sizes, `[..., 2]`, added in quadrature to those of the
            logarithm of the ratio. Without them the sizes are taken as exact.

    Returns:
        The ratios, in arrays whose shape is that of the surfaces followed by that of the sizes; NaN where the surface
        is NaN.
    """
    log_n = _log(critical_size)
    (log_ratio, interval), (slope, _) = _over_draws(_log_ratio, surface, log_n, _log(data_size))
    if critical_size_interval is not None:
        from_size = slope[..., None] * (_log(critical_size_interval) - log_n[..., None])
        distance = jnp.hypot(interval - log_ratio[..., None], from_size)
        interval = log_ratio[..., None] + distance * jnp.asarray([-1, 1], distance.dtype)
    return RelativeToOptimum(jnp.exp(log_ratio), jnp.exp(interval), jnp.exp(log_n - log_ratio))


def _log(values: ArrayLike) -> Float[Array, "*shape"]:
    return jnp.log(jnp.asarray(values, float))


@functools.partial(jax.jit, static_argnums=0)
def _over_draws(
    f: Callable[..., list[Array]], surface: Surface, *numbers: Float[Array, "..."]
) -> list[tuple[Float[Array, "..."], Float[Array, "... 2"]]]:
    """Each output of `f(law, *numbers)` with its 95 % interval, law being E, ln A, a, ln B, b of the surface.

    Outputs have the shape of the surface, then that of the numbers.
    """
    best = jnp.stack([surface.E, jnp.log(surface.A), surface.a, jnp.log(surface.B), surface.b], axis=-1)
    laws = jnp.concatenate([best[..., None, :], surface.draws], axis=-2)
    laws = jnp.moveaxis(laws, (-1, -2), (0, 1))
    shape = jnp.broadcast_shapes(*(number.shape for number in numbers))
    laws = jnp.broadcast_to(laws.reshape(*laws.shape, *(1,) * len(shape)), laws.shape + shape)
    return [(values[0], middle_95(values[1:])) for values in f(laws, *numbers)]


def _loss(law: _Laws, log_n: Float[Array, "..."], log_d: Float[Array, "..."]) -> list[Array]:
    """Loss of N parameters on data D."""
    e, log_a, a, log_b, b = law
    return [e + jnp.exp(log_a - a * log_n) + jnp.exp(log_b - b * log_d)]


def _best_log_n(law: _Laws, log_nd: Float[Array, "..."]) -> Float[Array, "..."]:
    """ln N that is best for a product N D."""
    _, log_a, a, log_b, b = law
    return (jnp.log(a / b) + log_a - log_b + b * log_nd) / (a + b)


def _exponent(law: _Laws) -> list[Array]:
    """Exponent of the best N in the compute."""
    _, _, a, _, b = law
    return [b / (a + b)]


def _optimum(law: _Laws, log_nd: Float[Array, "..."]) -> list[Array]:
    """N, D and loss that are best for a product N D."""
    log_n = _best_log_n(law, log_nd)
    return [jnp.exp(log_n), jnp.exp(log_nd - log_n), *_loss(law, log_n, log_nd - log_n)]


def _log_ratio(law: _Laws, log_n: Float[Array, "..."], log_d: Float[Array, "..."]) -> list[Array]:
    """Logarithm of N over the best N for the same N D, and its slope in ln N."""
    [exponent] = _exponent(law)
    return [log_n - _best_log_n(law, log_n + log_d), 1 - exponent]
