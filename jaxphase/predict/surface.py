"""The loss of many runs as a law of their model size and their data.

    L(N, D) = E + A / N**a + B / D**b

It is fitted as in approach 3 of Hoffmann et al. (2022, arXiv 2203.15556) to the logarithm of the loss, by the sum of
Huber losses. Their delta of 1e-3 makes this nearly the sum of absolute values, which outliers do not harm. It is
minimized from 36 starts. Besiroglu et al. (2024, arXiv 2404.10102) show that the published fit was wrong: the optimizer
stopped early, since a tolerance meant for a sum was applied to an average, and the intervals were too narrow for so few
runs.

Errors and intervals come from refits to cells drawn with replacement, a cell being all runs of one (N, D). Drawing the
S seeds within their cells would miss the error of the law and 1 / S of the variance of the seeds. Drawing single runs
would count S times an error of the law that all seeds of a cell share.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from numpy.typing import ArrayLike

from jaxphase.detect.least_squares import Unit, weighted_mean
from jaxphase.detect.status import Status, answered, first_true
from jaxphase.predict.surface_search import Runs, best_law, box, descend, log_law

# ln N and ln D can be told apart if at least this share of the variance of each is not explained by the other.
_APART = 0.01


class Surface(NamedTuple):
    """A fitted law `L(N, D) = E + A / N**a + B / D**b`, see `fit_surface`.

    Attributes:
        E: Floor of the loss, `[...]`.
        A: Amplitude of the model size.
        a: Exponent of the model size.
        B: Amplitude of the data.
        b: Exponent of the data.
        E_se: Standard error of E.
        log_A_se: Standard error of ln A.
        a_se: Standard error of a.
        log_B_se: Standard error of ln B.
        b_se: Standard error of b.
        interval: 95 % intervals of E, A, a, B, b, `[..., 5, 2]`.
        covariance: Covariance of E, ln A, a, ln B, b, `[..., 5, 5]`.
        draws: Bootstrap draws of E, ln A, a, ln B, b, `[..., draws, 5]`.
        rms: Root mean square of the residuals of ln L.
        status: A member of `jaxphase.detect.Status`; from `NOT_IDENTIFIED` on all else is NaN.
    """

    E: Float[Array, "*surfaces"]
    A: Float[Array, "*surfaces"]
    a: Float[Array, "*surfaces"]
    B: Float[Array, "*surfaces"]
    b: Float[Array, "*surfaces"]
    E_se: Float[Array, "*surfaces"]
    log_A_se: Float[Array, "*surfaces"]
    a_se: Float[Array, "*surfaces"]
    log_B_se: Float[Array, "*surfaces"]
    b_se: Float[Array, "*surfaces"]
    interval: Float[Array, "*surfaces 5 2"]
    covariance: Float[Array, "*surfaces 5 5"]
    draws: Float[Array, "*surfaces draws 5"]
    rms: Float[Array, "*surfaces"]
    status: Int[Array, "*surfaces"]


def fit_surface(
    params: ArrayLike,
    data: ArrayLike,
    loss: ArrayLike,
    *,
    error: ArrayLike | None = None,
    delta: float | Float[Array, ""] = 1e-3,
    draws: int = 400,
    key: Key[Array, ""] | None = None,
) -> Surface:
    """Fit `L(N, D) = E + A / N**a + B / D**b` to the losses of many runs.

    The sum of Huber losses of `ln L - ln L(N, D)` is minimized. Coverage of the intervals: see
    `experiments/allocation.json`.

    Args:
        params: Model sizes N, `[..., n]`, one entry per run. A run with a number that is not positive and finite is
            missing.
        data: Data D, `[..., n]`, in any unit; `allocate` needs the unit of compute.
        loss: Losses L, `[..., n]`.
        error: Standard errors of the losses, `[..., n]`; only their ratios matter.
        delta: Residual up to which the Huber loss is quadratic; 1 is least squares.
        draws: Number of refits.
        key: Key of the refits, by default `jax.random.key(0)`.

    Returns:
        The surface. `status` is `AT_BOUND` if the interval of the floor reaches 0; `NOT_IDENTIFIED` (all NaN) if ln N
        and ln D lie on a line, as with `D = 20 N`, or another parameter reaches the edge of the search;
        `TOO_FEW_POINTS` (all NaN) for fewer than six different (N, D), three N or three D.

    Raises:
        ValueError: If the shapes do not broadcast, or draws or delta cannot be used.

    Example:
        >>> surface = jaxphase.predict.fit_surface(params, tokens, loss)
        >>> surface.a, surface.a_se

    References:
        Hoffmann et al. (2022), arXiv 2203.15556; Besiroglu et al. (2024), arXiv 2404.10102.
    """
    if not isinstance(draws, int) or draws < 40:
        raise ValueError(f"draws must be a whole number from 40 on, got {draws!r}")
    if isinstance(delta, int | float) and not 0 < delta < np.inf:
        raise ValueError(f"delta must be positive and finite, got {delta}")
    # As whole numbers of 32 bits, sizes beyond 2e9 would wrap around.
    rows = [jnp.asarray(values, float) for values in (params, data, loss, loss if error is None else error)]
    shapes = [values.shape for values in rows]
    try:
        shape = jnp.broadcast_shapes(*shapes)
    except ValueError:
        shape = ()
    if 0 in shape or not shape:
        raise ValueError(f"params, data, loss and error must broadcast to runs [..., n], got shapes {shapes}")
    rows = [jnp.broadcast_to(values, shape).reshape(-1, shape[-1]) for values in rows]
    surfaces = _surfaces(*rows, delta, jax.random.key(0) if key is None else key, draws=draws)
    return jax.tree.map(lambda field: field.reshape(shape[:-1] + field.shape[1:]), surfaces)


def middle_95(draws: Float[Array, "draws *shape"]) -> Float[Array, "*shape 2"]:
    """The middle 95 % of draws along the first axis, as a last axis (low, high)."""
    return jnp.moveaxis(jnp.quantile(draws, jnp.asarray([0.025, 0.975], draws.dtype), axis=0), 0, -1)


@functools.partial(jax.jit, static_argnames="draws")
def _surfaces(
    params: Float[Array, "surfaces n"],
    data: Float[Array, "surfaces n"],
    loss: Float[Array, "surfaces n"],
    error: Float[Array, "surfaces n"],
    delta: float | Float[Array, ""],
    key: Key[Array, ""],
    *,
    draws: int,
) -> Surface:
    """Fit one after another: the draws of one fill the machine, and memory does not grow with their number."""

    def one(rows: tuple[Float[Array, " n"], ...]) -> Surface:
        # An accelerator's default of 10 bits in a product would be the error of every fit.
        with jax.default_matmul_precision("highest"):
            return _surface(jnp.stack(rows), delta, key, draws)

    return jax.lax.map(one, (params, data, loss, error))


def _surface(numbers: Float[Array, "4 n"], delta: float | Float[Array, ""], key: Key[Array, ""], draws: int) -> Surface:
    """Fit one surface to N, D, L and the error of L."""
    present = jnp.all((numbers > 0) & jnp.isfinite(numbers), axis=0)
    order = jnp.lexsort((numbers[2], numbers[1], numbers[0], ~present))
    weight = present[order].astype(numbers.dtype)
    log_n, log_d, log_l, log_error = jnp.log(jnp.where(present, numbers, 1)[:, order])
    (u, size), (v, amount), center = _standard(log_n, weight), _standard(log_d, weight), weighted_mean(log_l, weight)
    accuracy = jnp.exp(log_l - log_error)
    accuracy = accuracy / jnp.sqrt(weighted_mean(jnp.square(accuracy), weight))
    runs = Runs(u, v, log_l - center, accuracy)

    theta = best_law(runs, weight, delta)
    cell = _cells(u, v, weight)
    cells = jnp.max(cell) + 1
    drawn = weight * _times_drawn(key, cells, len(cell), draws)[:, cell]
    thetas, _ = jax.vmap(lambda weight: descend(runs, weight, delta, theta))(drawn)

    law, laws = (_in_user_units(values, size, amount, center) for values in (theta, thetas))
    ends = jnp.concatenate([middle_95(thetas), theta[:, None]], axis=1).T
    low, high = box(theta)
    at_edge = jnp.any((ends <= low) | (ends >= high), axis=0)
    status = first_true(
        ((cells < 6) | (_different(u, weight) < 3) | (_different(v, weight) < 3), Status.TOO_FEW_POINTS),
        (_on_a_line(u, v, weight) | jnp.any(at_edge[1:]) | jnp.any(jnp.isinf(jnp.exp(law))), Status.NOT_IDENTIFIED),
        (at_edge[0], Status.AT_BOUND),
    )
    rms = jnp.sqrt(weighted_mean(jnp.square(log_law(theta, u, v)[0] - runs.y), weight))
    return answered(_summary(law, laws, rms, status), status < Status.NOT_IDENTIFIED)


def _summary(
    law: Float[Array, "5"], laws: Float[Array, "draws 5"], rms: Float[Array, ""], status: Int[Array, ""]
) -> Surface:
    """The surface of an estimate and draws of E, ln A, a, ln B, b."""
    is_log = jnp.asarray([False, True, False, True, False])
    interval, covariance = middle_95(laws), jnp.cov(laws, rowvar=False)
    return Surface(
        *jnp.where(is_log, jnp.exp(law), law),
        *jnp.sqrt(jnp.diagonal(covariance)),
        interval=jnp.where(is_log[:, None], jnp.exp(interval), interval),
        covariance=covariance,
        draws=laws,
        rms=rms,
        status=status,
    )


def _standard(values: Float[Array, " n"], weight: Float[Array, " n"]) -> tuple[Float[Array, " n"], Unit]:
    """The values mapped to [-1, 1], missing ones to 0, and their unit."""
    low = jnp.min(jnp.where(weight > 0, values, jnp.inf))
    high = jnp.max(jnp.where(weight > 0, values, -jnp.inf))
    unit = Unit((low + high) / 2, jnp.where(high > low, (high - low) / 2, 1))
    return jnp.where(weight > 0, (values - unit.center) / unit.scale, 0), unit


def _in_user_units(
    theta: Float[Array, "*draws 5"], size: Unit, amount: Unit, center: Float[Array, ""]
) -> Float[Array, "*draws 5"]:
    """E, ln A, a, ln B, b; a floor at the lower edge of the search is 0."""
    low, _ = box(theta)
    log_e, log_a, a, log_b, b = jnp.moveaxis(theta, -1, 0)
    a, b = a / size.scale, b / amount.scale
    floor = jnp.where(log_e <= low[0], 0, jnp.exp(log_e + center))
    return jnp.stack([floor, log_a + center + a * size.center, a, log_b + center + b * amount.center, b], axis=-1)


def _cells(u: Float[Array, " n"], v: Float[Array, " n"], weight: Float[Array, " n"]) -> Int[Array, " n"]:
    """Index of the (N, D) of each run, for sorted runs with the missing ones last, whose index means nothing."""
    before = jnp.concatenate([jnp.full((2, 1), jnp.nan, u.dtype), jnp.stack([u, v])[:, :-1]], axis=1)
    new = (weight > 0) & jnp.any(jnp.stack([u, v]) != before, axis=0)
    return jnp.maximum(jnp.cumsum(new) - 1, 0)


def _times_drawn(key: Key[Array, ""], cells: Int[Array, ""], size: int, draws: int) -> Float[Array, "draws size"]:
    """How often each cell is drawn if as many are drawn as there are; zero from `cells` on."""
    chosen = jax.random.randint(key, (draws, size), 0, cells)
    counted = (jnp.arange(size) < cells).astype(float)
    return jax.vmap(lambda chosen: jnp.zeros(size).at[chosen].add(counted))(chosen)


def _different(values: Float[Array, " n"], weight: Float[Array, " n"]) -> Int[Array, ""]:
    """Number of different values among the runs present."""
    ordered = jnp.sort(jnp.where(weight > 0, values, jnp.inf))
    return jnp.sum(jnp.isfinite(ordered) & (ordered != jnp.concatenate([jnp.full(1, jnp.nan), ordered[:-1]])))


def _on_a_line(u: Float[Array, " n"], v: Float[Array, " n"], weight: Float[Array, " n"]) -> Bool[Array, ""]:
    """Whether u and v are so correlated that their effects cannot be told apart."""
    u, v = u - weighted_mean(u, weight), v - weighted_mean(v, weight)
    uu, uv, vv = (weighted_mean(product, weight) for product in (u * u, u * v, v * v))
    return uu * vv - uv * uv < _APART * uu * vv
