"""How a function of one curve becomes a detector of any number of curves.

A detector's file holds the mathematics of ONE curve, a function `(x, y, weight, *, options) -> NamedTuple`. Decorated
with `curve_detector` it becomes `(x, y, *, weight=None, options)`: leading axes broadcast like numpy's, points come in
any order, missing points are marked by weight 0 or by anything that is not finite, and every shape is compiled once.
"""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap


def curve_detector(*, static=(), choices=None, per_point=(), positions=(), at_once=None):
    """Lift a function of one curve over leading axes.

    The function receives `x` in rising order with the missing points last. A missing point has weight 0, the `x` of the
    last point present and the mean `y`; the weights of the others average one. Equal `x` are ordered by `y`, so that a
    result cannot depend on the order in which points were given, not even by round-off.

    static: names of the options that are part of the program; `choices` maps such a name to its legal values.
    per_point: names of the result fields with one entry per point, given back in the caller's order, NaN where missing.
    positions: names of the result fields that are the index of a point, given back as an index into the caller's order.
    at_once: how many points, of all its curves, a CPU takes at a time, all if None: a detector that goes over its
    curves again and again is faster on as many as its cache holds.
    """

    def decorate(one_curve):
        @functools.partial(jax.jit, static_argnames=static)
        def all_curves(x, y, weight, **options):
            def judge(order, back, *curve):
                present, *curve = in_order(order, *curve)
                # An accelerator's default of 10 bits in a product would be the error of every fit.
                with jax.default_matmul_precision("highest"):
                    return in_callers_order(one_curve(*curve, **options), order, back, present)

            return _some_at_once(jax.vmap(judge), (*orders(x, y, weight), x, y, weight), at_once)

        def in_callers_order(result, order, back, present):
            restored = {
                name: jax.vmap(lambda field, here: jnp.where(here, field, jnp.nan))(getattr(result, name), present)[
                    back
                ]
                for name in per_point
            }
            restored |= {name: order[getattr(result, name)] for name in positions}
            return result._replace(**restored)

        @functools.wraps(one_curve)
        def detector(x, y, *, weight=None, **options):
            for name, legal in (choices or {}).items():
                check_choice(name, options.get(name, signature.parameters[name].default), legal)
            curves = as_curves(x, y, weight)
            lead, n = curves[0].shape[:-1], curves[0].shape[-1]
            result = all_curves(*(a.reshape(-1, n) for a in curves), **options)
            return jax.tree.map(lambda field: field.reshape(lead + field.shape[1:]), result)

        signature = inspect.signature(one_curve)
        detector.__signature__ = _public_signature(signature)
        return detector

    return decorate


def as_curves(x, y, weight=None):
    """`x`, `y` and `weight` as floating arrays of one shape `[..., n]`, or a `ValueError` with their shapes."""
    weight = 1.0 if weight is None else weight
    x, y, weight = (_as_numbers(a) for a in (x, y, weight))
    try:
        shape = jnp.broadcast_shapes(x.shape, y.shape, weight.shape)
    except ValueError:
        raise ValueError(
            f"x {x.shape}, y {y.shape} and weight {weight.shape} do not broadcast to curves [..., n]"
        ) from None
    if not shape or 0 in shape:
        raise ValueError(f"curves must have shape [..., n] with at least one point, got x {x.shape} and y {y.shape}")
    for name, values in (("x", x), ("y", y), ("weight", weight)):
        if jnp.issubdtype(values.dtype, jnp.complexfloating):
            raise ValueError(f"{name} must be real, got {values.dtype}")
    dtype = jnp.promote_types(jnp.result_type(x, y, float), jnp.float32)
    return tuple(jnp.broadcast_to(a.astype(dtype), shape) for a in (x, y, weight))


def _as_numbers(values):
    """An array of JAX; whole numbers of NumPy as floating ones, as JAX would wrap those beyond 2**31 round."""
    if isinstance(values, jax.Array):
        return values
    values = np.asarray(values)
    return jnp.asarray(values.astype(float) if np.issubdtype(values.dtype, np.integer) else values)


def orders(x, y, weight):
    """How to sort curves `[batch, n]` by x with the missing points last, and how to undo it, both `[batch, n]`."""
    present = _present(x, y, weight)

    def sort():
        order = jnp.lexsort([jnp.where(present, key, jnp.inf) for key in (weight, y, x)])
        return order, jnp.argsort(order)

    # Sorting a thousand curves takes as long as some detectors do, and most come in order.
    index = jnp.broadcast_to(jnp.arange(x.shape[-1]), x.shape)
    return jax.lax.cond(jnp.all(present) & jnp.all(x[:, 1:] > x[:, :-1]), lambda: (index, index), sort)


def in_order(order, x, y, weight):
    """One sanitised curve: `(present, x, y, weight)` in rising x with the missing points last."""
    present = _present(x, y, weight)[order]
    count = jnp.sum(present)
    last = order[jnp.maximum(count - 1, 0)]
    x = jnp.where(present, x[order], jnp.where(count > 0, x[last], 0))
    weight = jnp.where(present, weight[order], 0)
    weight = weight / jnp.where(count > 0, jnp.sum(weight) / jnp.maximum(count, 1), 1)
    y = jnp.where(present, y[order], 0)
    y = jnp.where(present, y, jnp.sum(weight * y) / jnp.maximum(count, 1))
    return present, x, y, weight


def _present(x, y, weight):
    return jnp.isfinite(x) & jnp.isfinite(y) & jnp.isfinite(weight) & (weight > 0)


def once_per_grid(build, apply):
    """`f(grid, *curve) = apply(build(grid), *curve)` where `build` is dear and many curves share their grid.

    grid is `(u, weight, ...)`. Lifted over curves, `build` runs once if all curves with the most points have the same
    grid (the usual case: many metrics on one set of sizes), and once more for each of the others, which miss a point
    that the rest have. What a curve gets thus does not depend on another one that fails, not even by rounding. `build`
    and `apply` must not close over traced values.
    """

    @custom_vmap
    def one(grid, *curve):
        return apply(build(grid), *curve)

    @one.def_vmap
    def many(axis_size, in_batched, grid, *curve):
        grid_batched, *curve_batched = in_batched
        leaves, tree = jax.tree.flatten((grid, curve))
        along = jax.tree.leaves((grid_batched, tuple(curve_batched)))

        def single(i):
            return jax.tree.unflatten(tree, [leaf[i] if b else leaf for leaf, b in zip(leaves, along, strict=True)])

        def alone(i):
            grid, curve = single(i)
            return apply(build(grid), *curve)

        points = jnp.broadcast_to(jnp.sum(grid[1] > 0, axis=-1), axis_size)
        reference, _ = single(jnp.argmax(points))
        same = jnp.ones(axis_size, bool)
        for leaf, shared, batched in zip(*map(jax.tree.leaves, (grid, reference, grid_batched)), strict=True):
            if batched:
                same &= jnp.all((leaf == shared).reshape(axis_size, -1), axis=1)
        same &= jnp.all(same | (points < jnp.max(points)))
        axes = (None, *(0 if batched else None for batched in curve_batched))
        together = jax.vmap(apply, axes, axis_size=axis_size)(build(reference), *curve)

        def mend(i):
            return jax.lax.cond(same[i], lambda: jax.tree.map(lambda leaf: leaf[i], together), lambda: alone(i))

        mended = jax.lax.cond(jnp.all(same), lambda: together, lambda: jax.lax.map(mend, jnp.arange(axis_size)))
        return mended, jax.tree.map(lambda _: True, mended)

    return one


def _some_at_once(judge, curves, at_once):
    """`judge(*curves)`, on a CPU in equal parts of about `at_once` points, the last filled up with the first curves."""
    count, n = curves[0].shape
    if at_once is None or count * n <= at_once or jax.default_backend() != "cpu":
        return judge(*curves)
    parts = -(-count // max(at_once // n, 1))
    size = -(-count // parts)
    filled = (jnp.concatenate([a, a[: parts * size - count]]).reshape(parts, size, -1) for a in curves)
    result = jax.lax.map(lambda part: judge(*part), tuple(filled))
    return jax.tree.map(lambda field: field.reshape(parts * size, *field.shape[2:])[:count], result)


def check_choice(name, value, legal):
    """`ValueError` naming the option, its value and the legal values."""
    if value not in legal:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, legal))}, got {value!r}")


def _public_signature(signature):
    """The signature that users see: `weight` is a keyword that defaults to None."""
    x, y, weight, *options = signature.parameters.values()
    weight = weight.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=None)
    return signature.replace(parameters=[x, y, weight, *options])
