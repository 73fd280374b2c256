"""Properties of the points of one curve, in rising x with the missing points anywhere."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Points = Float[Array, " n"]
Scalar = Float[Array, ""]


def count(weight: Points) -> Int[Array, ""]:
    """Number of points present."""
    return jnp.sum(weight > 0)


def new_x(x: Points, weight: Points) -> Bool[Array, " n"]:
    """Whether a point is present and has a greater x than all points before it."""
    seen = jnp.where(weight > 0, x, -jnp.inf)
    before = jnp.concatenate([jnp.full_like(x, -jnp.inf, shape=(1,)), seen[:-1]])
    return (weight > 0) & (x > before)


def distinct(x: Points, weight: Points) -> Int[Array, ""]:
    """Number of different x among the points present: repeated sizes (seeds) add weight, not resolution."""
    return jnp.sum(new_x(x, weight))


def smallest_gap(x: Points, weight: Points) -> Scalar:
    """Smallest distance between different x; infinite if there are fewer than two."""
    gap = jnp.diff(x)
    return jnp.min(jnp.where((weight[1:] > 0) & (weight[:-1] > 0) & (gap > 0), gap, jnp.inf), initial=jnp.inf)


def group(x: Points, weight: Points) -> Int[Array, " n"]:
    """Index of the distinct x that each point belongs to, counted from 0; 0 for missing points."""
    return jnp.maximum(jnp.cumsum(new_x(x, weight)) - 1, 0)


def pool_repeats(x: Points, y: Points, weight: Points) -> tuple[Points, Points, Points]:
    """One point for each different x, with the mean of its y and the sum of its weight; empty places come last."""
    member = (group(x, weight) == jnp.arange(len(x))[:, None]) & (weight > 0)
    total = jnp.sum(member * weight, axis=1)
    mean = jnp.sum(member * weight * y, axis=1) / jnp.where(total > 0, total, 1)
    last = jnp.max(jnp.where(weight > 0, x, -jnp.inf))
    position = jnp.max(jnp.where(member, x, -jnp.inf), axis=1)
    empty = jnp.where(jnp.isfinite(last), last, 0)
    return jnp.where(total > 0, position, empty), mean, total
