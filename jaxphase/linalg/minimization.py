"""Minimization of a sum of squares over a few parameters in a box, in a fixed number of steps."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxphase.linalg.elimination import eliminate


class Expansion(NamedTuple):
    """A sum of squares to second order about a point of its p parameters.

    Attributes:
        value: The sum of squares.
        slope: Half of its gradient, `[p]`.
        curvatures: Half of its Hessian, `[c, p, p]`: one or more approximations, the best first. The last one has no
            negative eigenvalue.
    """

    value: Float[Array, ""]
    slope: Float[Array, " p"]
    curvatures: Float[Array, "c p p"]


def levenberg_marquardt(
    model: Callable[[Float[Array, " p"]], Expansion],
    start: Float[Array, " p"],
    low: Float[Array, " p"],
    high: Float[Array, " p"],
    *,
    steps: int,
) -> tuple[Float[Array, " p"], Float[Array, ""]]:
    """Minimize a sum of squares over a box by Levenberg and Marquardt's method.

    A step uses the first of the curvatures that is positive definite after damping. The Gauss-Newton curvature alone
    converges slowly where the noise is large, so a model may offer the full Hessian before it. The number of steps is
    fixed: in a batch, no slow problem holds back the others.

    Args:
        model: Expands the sum of squares about a point `[p]`.
        start: Where the search begins, `[p]`.
        low: Lower corner of the box, `[p]`.
        high: Upper corner of the box, `[p]`.
        steps: Number of steps that are tried.

    Returns:
        The best point `[p]` and its sum of squares.
    """
    tiny = jnp.finfo(start.dtype).tiny ** 0.5

    def trial(state, _):
        theta, damping, here = state
        free = ~(((theta <= low) & (here.slope > 0)) | ((theta >= high) & (here.slope < 0)))
        damped = jnp.diag(jnp.diagonal(here.curvatures[-1]) * damping + tiny + ~free)
        steps = [eliminate(c * (free[:, None] & free) + damped, -here.slope * free) for c in here.curvatures]
        step, _ = steps.pop()
        for better, convex in reversed(steps):
            step = jnp.where(convex, better, step)
        proposed = jnp.clip(theta + step, low, high)
        there = model(proposed)
        better = there.value < here.value
        damping = jnp.clip(jnp.where(better, damping / 8, damping * 4), 1e-7, 1e7)
        theta, here = jax.tree.map(lambda a, b: jnp.where(better, a, b), (proposed, there), (theta, here))
        return (theta, damping, here), None

    # The first trial is the start itself, so that the model is compiled once.
    first = jax.eval_shape(model, start)
    curvatures = jnp.broadcast_to(jnp.eye(len(start), dtype=start.dtype), first.curvatures.shape)
    nowhere = Expansion(jnp.full((), jnp.inf, start.dtype), jnp.zeros_like(start), curvatures)
    state = start, jnp.asarray(0.1, start.dtype), nowhere
    (theta, _, here), _ = jax.lax.scan(trial, state, length=steps + 1)
    return theta, here.value
