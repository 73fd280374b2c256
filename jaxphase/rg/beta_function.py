"""The beta function of measured couplings: how fast they flow as the length scale grows."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.status import Status


class Flow(NamedTuple):
    """Speed of the flow, averaged over seeds, at the midpoint of each step.

    Attributes:
        midpoint: Mean coupling halfway through the step, `[..., steps - 1, k]`.
        midpoint_se: Its standard error over seeds, `[..., steps - 1, k]`.
        beta: `dK / d ln b` at the midpoint, `[..., steps - 1, k]`.
        beta_se: Its standard error over seeds, `[..., steps - 1, k]`.
        status: `Status`, `[..., steps - 1, k]`; TOO_FEW_POINTS with fewer than two seeds.
    """

    midpoint: Float[Array, "*batch intervals k"]
    midpoint_se: Float[Array, "*batch intervals k"]
    beta: Float[Array, "*batch intervals k"]
    beta_se: Float[Array, "*batch intervals k"]
    status: Int[Array, "*batch intervals k"]


def flow(couplings: ArrayLike, b: float) -> Flow:
    """Estimate the beta function from couplings measured at successive steps.

    It is `(K[n + 1] - K[n]) / ln b` at the midpoint `(K[n + 1] + K[n]) / 2`: right to second order in the step, if the
    flow depends on these couplings alone. Means and standard errors are over the differences of each seed, so a
    constant offset of a seed adds no error.

    Args:
        couplings: Couplings after 0, 1, ... steps, `[..., seeds, steps, k]`, of repeats of one family. A seed that is
            not finite before or after a step is missing in it.
        b: Length of one step, greater than 1.

    Returns:
        A `Flow`. With one seed the errors are NaN and the status is TOO_FEW_POINTS; with none everything is NaN.

    Raises:
        ValueError: If there are fewer than two steps, or b is not greater than 1.
    """
    couplings = as_couplings(couplings, "[..., seeds, steps, k]", 3)
    check_scale(b)
    before, after = couplings[..., :-1, :], couplings[..., 1:, :]
    present = jnp.isfinite(before) & jnp.isfinite(after)
    count = jnp.sum(present, axis=-3)

    def over_seeds(values):
        mean = jnp.sum(jnp.where(present, values, 0), axis=-3) / jnp.where(count > 0, count, jnp.nan)
        deviation = jnp.where(present, values - mean[..., None, :, :], 0)
        variance = jnp.sum(jnp.square(deviation), axis=-3) / jnp.where(count > 1, count - 1, jnp.nan)
        return mean, jnp.sqrt(variance / count)

    midpoint, midpoint_se = over_seeds((before + after) / 2)
    beta, beta_se = over_seeds((after - before) / math.log(b))
    return Flow(
        midpoint, midpoint_se, beta, beta_se, jnp.where(count < 2, Status.TOO_FEW_POINTS, Status.OK).astype(jnp.int32)
    )


def as_couplings(couplings: ArrayLike, shape: str, axes: int) -> Float[Array, "..."]:
    """Couplings as floats; ValueError unless they have at least `axes` axes and two steps."""
    couplings = jnp.asarray(couplings)
    if couplings.ndim < axes or 0 in couplings.shape[-axes:] or couplings.shape[-2] < 2:
        raise ValueError(f"couplings must have shape {shape} with at least two steps, got {couplings.shape}")
    return couplings.astype(jnp.promote_types(jnp.result_type(couplings, float), jnp.float32))


def check_scale(b: float) -> None:
    """ValueError unless b makes a system coarser."""
    if not b > 1:
        raise ValueError(f"b must be greater than 1, got {b!r}")
