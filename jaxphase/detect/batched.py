"""How a function of one curve becomes a detector of any number of curves.

The file of a detector holds the mathematics of one curve, a function `(x, y, weight, *, options) -> NamedTuple`.
`curve_detector` lifts it to `(x, y, *, weight=None, options)`: leading axes broadcast as in NumPy, points come in any
order, missing points have weight 0 or a value that is not finite, and each shape is compiled once.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@runtime_checkable
class Detector(Protocol[Result_co]):
    """A function of any number of curves, as `curve_detector` makes it."""

    def __call__(self, x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None, **options: Any) -> Result_co:
        """Judge curves `[..., n]`; every field of the result has their leading axes."""
        ...


def curve_detector(
    *,
    static: Sequence[str] = (),
    choices: Mapping[str, Sequence[Any]] | None = None,
    per_point: Sequence[str] = (),
    positions: Sequence[str] = (),
    at_once: int | None = None,
) -> Callable[[Callable[Concatenate[Array, Array, Array, ...], Result]], Detector[Result]]:
    """Make a decorator that turns a function of one curve into a function of any number of curves.

    The function gets `x`, `y` and `weight` `[n]` in rising x, with the missing points last. A missing point has weight
    0, the `x` of the last valid point and the mean `y`; the other weights have mean one. Points of equal `x` are
    ordered by `y`, so that no result depends on the order of the points.

    Args:
        static: Names of the options that are fixed at compilation.
        choices: The legal values of such options, by name.
        per_point: Names of result fields with one entry per point; they come back in the caller's order, NaN at missing
            points.
        positions: Names of result fields that are the index of a point, which come back as indices in the caller's
            order.
        at_once: How many points, of all curves together, a CPU processes at a time; None processes all. A detector that
            passes over its curves many times is faster if they fit into the cache.

    Returns:
        A decorator from `(x, y, weight, *, options) -> NamedTuple` to a `Detector` with the same options.

    Example:
        >>> class Range(NamedTuple):
        ...     size: jax.Array
        >>> @curve_detector()
        ... def value_range(x, y, weight) -> Range:
        ...     return Range(jnp.max(y) - jnp.min(y))
        >>> value_range(x, y).size
    """

    def decorate(one_curve: Callable[Concatenate[Array, Array, Array, ...], Result]) -> Detector[Result]:
        @functools.partial(jax.jit, static_argnames=static)
        def all_curves(x, y, weight, **options):
            def judge(order, back, *curve):
                present, *curve = in_order(order, *curve)
                # An accelerator's default of 10 bits in a product would be the error of every fit.
                with jax.default_matmul_precision("highest"):
                    return in_callers_order(one_curve(*curve, **options), order, back, present)

            return _some_at_once(jax.vmap(judge), (*orders(x, y, weight), x, y, weight), at_once)

        def in_callers_order(result, order, back, present):
            masked = jax.vmap(lambda field, here: jnp.where(here, field, jnp.nan))
            restored = {name: masked(getattr(result, name), present)[back] for name in per_point}
            restored |= {name: order[getattr(result, name)] for name in positions}
            return result._replace(**restored)

        def detector(x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None, **options: Any) -> Result:
            for name, legal in (choices or {}).items():
                check_choice(name, options.get(name, parameters[name].default), legal)
            curves = as_curves(x, y, weight)
            lead, n = curves[0].shape[:-1], curves[0].shape[-1]
            result = all_curves(*(a.reshape(-1, n) for a in curves), **options)
            return jax.tree.map(lambda field: field.reshape(lead + field.shape[1:]), result)

        parameters = inspect.signature(one_curve).parameters
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(detector, name, getattr(one_curve, name))
        return detector

    return decorate


Curves = Float[Array, "*curves n"]


def as_curves(x: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None) -> tuple[Curves, Curves, Curves]:
    """`x`, `y` and `weight` as floating arrays of one shape `[..., n]`, or a `ValueError` with their shapes."""
    x, y, weight = (_as_numbers(a) for a in (x, y, 1.0 if weight is None else weight))
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
    x, y, weight = (jnp.broadcast_to(a.astype(dtype), shape) for a in (x, y, weight))
    return x, y, weight


def _as_numbers(values: ArrayLike) -> Shaped[Array, "..."]:
    """A JAX array; integers of NumPy become floating first, as JAX would wrap those beyond 2**31 around."""
    if isinstance(values, jax.Array):
        return values
    values = np.asarray(values)
    return jnp.asarray(values.astype(float) if np.issubdtype(values.dtype, np.integer) else values)


def orders(
    x: Float[Array, "batch n"], y: Float[Array, "batch n"], weight: Float[Array, "batch n"]
) -> tuple[Int[Array, "batch n"], Int[Array, "batch n"]]:
    """How to sort curves by x with the missing points last, and how to undo it."""
    present = _present(x, y, weight)

    def sort():
        order = jnp.lexsort([jnp.where(present, key, jnp.inf) for key in (weight, y, x)])
        return order, jnp.argsort(order)

    # Sorting a thousand curves takes as long as some detectors do, and most come in order.
    index = jnp.broadcast_to(jnp.arange(x.shape[-1]), x.shape)
    return jax.lax.cond(jnp.all(present) & jnp.all(x[:, 1:] > x[:, :-1]), lambda: (index, index), sort)


def in_order(
    order: Int[Array, " n"], x: Float[Array, " n"], y: Float[Array, " n"], weight: Float[Array, " n"]
) -> tuple[Bool[Array, " n"], Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]:
    """One cleaned curve: `(present, x, y, weight)` in rising x with the missing points last."""
    present = _present(x, y, weight)[order]
    count = jnp.sum(present)
    last = order[jnp.maximum(count - 1, 0)]
    x = jnp.where(present, x[order], jnp.where(count > 0, x[last], 0))
    weight = jnp.where(present, weight[order], 0)
    weight = weight / jnp.where(count > 0, jnp.sum(weight) / jnp.maximum(count, 1), 1)
    y = jnp.where(present, y[order], 0)
    y = jnp.where(present, y, jnp.sum(weight * y) / jnp.maximum(count, 1))
    return present, x, y, weight


def _present(
    x: Float[Array, "*curves n"], y: Float[Array, "*curves n"], weight: Float[Array, "*curves n"]
) -> Bool[Array, "*curves n"]:
    """Whether a point can be used."""
    return jnp.isfinite(x) & jnp.isfinite(y) & jnp.isfinite(weight) & (weight > 0)


def once_per_grid(build: Callable[[Any], Any], apply: Callable[..., Result]) -> Callable[..., Result]:
    """Share work that depends on the grid alone among all curves on one grid.

    The result is `f(grid, *curve) = apply(build(grid), *curve)` for a `build` that is expensive. Lifted over curves,
    `build` runs once if all curves with the most points have the same grid (the usual case: many metrics on one set of
    sizes), and once more for each of the others, which miss a point. So no curve depends on another one that failed,
    not even by rounding.

    Args:
        build: A function of the grid, a tuple `(u, weight, ...)`. Neither function may close over traced values.
        apply: A function of what `build` returns and of the arrays of one curve.

    Returns:
        The function of a grid and the arrays of one curve, to be lifted by `jax.vmap`.
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


def _some_at_once(
    judge: Callable[..., Result], curves: tuple[Shaped[Array, "batch n"], ...], at_once: int | None
) -> Result:
    """`judge(*curves)`, on a CPU in equal parts of about `at_once` points, the last filled up with the first curves."""
    count, n = curves[0].shape
    if at_once is None or count * n <= at_once or jax.default_backend() != "cpu":
        return judge(*curves)
    parts = -(-count // max(at_once // n, 1))
    size = -(-count // parts)
    filled = (jnp.concatenate([a, a[: parts * size - count]]).reshape(parts, size, -1) for a in curves)
    result = jax.lax.map(lambda part: judge(*part), tuple(filled))
    return jax.tree.map(lambda field: field.reshape(parts * size, *field.shape[2:])[:count], result)


def check_choice(name: str, value: Any, legal: Sequence[Any]) -> None:
    """Raise a `ValueError` with the option, its value and the legal values, if it is none of them."""
    if value not in legal:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, legal))}, got {value!r}")
