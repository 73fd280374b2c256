"""The loss of many runs as a law of their model size and their data.

    L(N, D) = E + A / N**a + B / D**b

fitted as in approach 3 of Hoffmann et al. (2022, arXiv 2203.15556) to the logarithm of the loss, by the sum of Huber
losses. Besiroglu et al. (2024, arXiv 2404.10102) show what went wrong there: an optimizer that stopped early, as a
tolerance meant for a sum does on an average, and intervals too narrow to come from so few runs.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..detect.least_squares import Unit, weighted_mean
from ..detect.status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true
from .surface_search import Runs, best_law, box, descend, log_law

# ln N and ln D are told apart if at least this part of the variance of one is not that of the other.
_APART = 0.01


class Surface(NamedTuple):
    """`L = E + A / N**a + B / D**b`; see `fit_surface`.

    `interval` `[..., 5, 2]`: the 95 % intervals of E, A, a, B, b. `covariance` `[..., 5, 5]` and `draws`
    `[..., draws, 5]`: of E, ln A, a, ln B, b; the errors `*_se` are the roots of its diagonal. `rms`: that of the
    residuals of ln L.
    """

    E: jax.Array
    A: jax.Array
    a: jax.Array
    B: jax.Array
    b: jax.Array
    E_se: jax.Array
    log_A_se: jax.Array
    a_se: jax.Array
    log_B_se: jax.Array
    b_se: jax.Array
    interval: jax.Array
    covariance: jax.Array
    draws: jax.Array
    rms: jax.Array
    status: jax.Array


def fit_surface(params, data, loss, loss_se=None, *, delta=1e-3, draws=400, key=None) -> Surface:
    """Fit `L(N, D) = E + A / N**a + B / D**b` to the losses of many runs.

    params N, data D, loss L `[..., n]`: positive, one entry per run, leading axes broadcast; what is not positive and
    finite is missing. Any units will do here, but `allocate` takes D for all that was trained on, in the unit that
    compute counts. loss_se `[..., n]`: standard errors of the losses, of which only the ratios matter.

    The sum of the Huber losses of `ln L - ln L(N, D)` is minimised: squares up to `delta`, straight beyond. The papers'
    1e-3 is less than the noise of most runs and thus nearly the sum of absolute values: an outlier does no harm, and
    errors are 1.4 times those of least squares (delta=1) where noise is Gaussian. 36 starts take 96 damped Newton steps
    each, in which delta shrinks to its value.

    Errors and intervals, by percentiles, are those of `draws` refits to cells drawn with replacement, a cell being all
    runs of one (N, D). To draw seeds within their cells would miss where the law is wrong and, of S seeds, 1 / S of
    their variance; to draw runs would count an error of the law that the seeds of a cell share S times over. Of 800
    surfaces on 5 x 5 to 9 x 9 grids with 1 to 3 seeds and a noise of 0.5 or 2 %, the intervals hold the truth in 95 to
    97 of a hundred, in 91 to 100 for any one grid and noise; with delta=1 in 88 to 96.
    key: a `jax.random` key, `key(0)` if None, so that equal calls give equal answers.

    status 1: the interval of the floor reaches 0, as E itself may. status 2: ln N and ln D lie on a line (D = 20 N, or
    one budget), or an amplitude or exponent or its 95 % interval reaches the edge of the search (for exponents 0.02 and
    8 per half of the range of the logarithm), or no float holds A or B; all NaN. status 3: fewer than six cells, three
    different N or three different D; all NaN.
    """
    if not isinstance(draws, int) or draws < 40:
        raise ValueError(f"draws must be a whole number from 40 on, got {draws!r}")
    if isinstance(delta, int | float) and not 0 < delta < np.inf:
        raise ValueError(f"delta must be positive and finite, got {delta}")
    # As whole numbers of 32 bits, sizes beyond 2e9 would wrap around.
    rows = [jnp.asarray(a, float) for a in (params, data, loss, loss if loss_se is None else loss_se)]
    shapes = [a.shape for a in rows]
    try:
        shape = jnp.broadcast_shapes(*shapes)
    except ValueError:
        shape = ()
    if 0 in shape or not shape:
        raise ValueError(f"params, data, loss and loss_se must broadcast to runs [..., n], got shapes {shapes}")
    rows = [jnp.broadcast_to(a, shape).reshape(-1, shape[-1]) for a in rows]
    surfaces = _surfaces(*rows, delta, jax.random.key(0) if key is None else key, draws=draws)
    return jax.tree.map(lambda field: field.reshape(shape[:-1] + field.shape[1:]), surfaces)


@functools.partial(jax.jit, static_argnames="draws")
def _surfaces(params, data, loss, loss_se, delta, key, *, draws):
    """One after another: the draws of one fill the machine, and memory does not grow with the number of surfaces."""

    def one(rows):
        # An accelerator's default of 10 bits in a product would be the error of every fit.
        with jax.default_matmul_precision("highest"):
            return _surface(*rows, delta, key, draws)

    return jax.lax.map(one, (params, data, loss, loss_se))


def _surface(params, data, loss, loss_se, delta, key, draws):
    numbers = jnp.stack([params, data, loss, loss_se])
    present = jnp.all((numbers > 0) & jnp.isfinite(numbers), axis=0)
    order = jnp.lexsort((loss, data, params, ~present))
    weight = present[order].astype(loss.dtype)
    log_n, log_d, log_l, log_se = jnp.log(jnp.where(present, numbers, 1)[:, order])
    (u, size), (v, amount), center = _standard(log_n, weight), _standard(log_d, weight), weighted_mean(log_l, weight)
    accuracy = jnp.exp(log_l - log_se)
    accuracy = accuracy / jnp.sqrt(weighted_mean(jnp.square(accuracy), weight))
    runs = Runs(u, v, log_l - center, accuracy)

    theta = best_law(runs, weight, delta)
    cell = _cells(u, v, weight)
    cells = jnp.max(cell) + 1
    drawn = weight * _times_drawn(key, cells, len(cell), draws)[:, cell]
    thetas, _ = jax.vmap(lambda weight: descend(runs, weight, delta, theta))(drawn)

    law, laws = (_in_users_units(t, size, amount, center) for t in (theta, thetas))
    ends = jnp.concatenate([middle_95(thetas), theta[:, None]], axis=1).T
    low, high = box(theta)
    at_edge = jnp.any((ends <= low) | (ends >= high), axis=0)
    status = first_true(
        ((cells < 6) | (_different(u, weight) < 3) | (_different(v, weight) < 3), TOO_FEW_POINTS),
        (_on_a_line(u, v, weight) | jnp.any(at_edge[1:]) | jnp.any(jnp.isinf(jnp.exp(law))), NOT_IDENTIFIED),
        (at_edge[0], AT_BOUND),
    )
    rms = jnp.sqrt(weighted_mean(jnp.square(log_law(theta, u, v)[0] - runs.y), weight))
    return answered(_summary(law, laws, rms, status), status < NOT_IDENTIFIED)


def _summary(law, laws, rms, status):
    """The surface of estimate `[5]` and draws `[draws, 5]` of E, ln A, a, ln B, b."""
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


def middle_95(draws):
    """The middle 95 % of draws along the first axis, as a last axis of two."""
    return jnp.moveaxis(jnp.quantile(draws, jnp.asarray([0.025, 0.975], draws.dtype), axis=0), 0, -1)


def _standard(values, weight):
    """The values sent to [-1, 1], missing ones to 0, and their unit."""
    low = jnp.min(jnp.where(weight > 0, values, jnp.inf))
    high = jnp.max(jnp.where(weight > 0, values, -jnp.inf))
    unit = Unit((low + high) / 2, jnp.where(high > low, (high - low) / 2, 1))
    return jnp.where(weight > 0, (values - unit.center) / unit.scale, 0), unit


def _in_users_units(theta, size, amount, center):
    """E, ln A, a, ln B, b `[..., 5]`; a floor at the edge of the search is none."""
    low, _ = box(theta)
    log_e, log_a, a, log_b, b = jnp.moveaxis(theta, -1, 0)
    a, b = a / size.scale, b / amount.scale
    floor = jnp.where(log_e <= low[0], 0, jnp.exp(log_e + center))
    return jnp.stack([floor, log_a + center + a * size.center, a, log_b + center + b * amount.center, b], axis=-1)


def _cells(u, v, weight):
    """Index of the (N, D) that each run belongs to, for runs in order with the missing ones last, which get any."""
    before = jnp.concatenate([jnp.full((2, 1), jnp.nan, u.dtype), jnp.stack([u, v])[:, :-1]], axis=1)
    new = (weight > 0) & jnp.any(jnp.stack([u, v]) != before, axis=0)
    return jnp.maximum(jnp.cumsum(new) - 1, 0)


def _times_drawn(key, cells, size, draws):
    """How often each cell is drawn when as many are drawn as there are, `[draws, size]`, zero from `cells` on."""
    chosen = jax.random.randint(key, (draws, size), 0, cells)
    counted = (jnp.arange(size) < cells).astype(float)
    return jax.vmap(lambda chosen: jnp.zeros(size).at[chosen].add(counted))(chosen)


def _different(values, weight):
    """Number of different values among the runs present."""
    ordered = jnp.sort(jnp.where(weight > 0, values, jnp.inf))
    return jnp.sum(jnp.isfinite(ordered) & (ordered != jnp.concatenate([jnp.full(1, jnp.nan), ordered[:-1]])))


def _on_a_line(u, v, weight):
    u, v = u - weighted_mean(u, weight), v - weighted_mean(v, weight)
    uu, uv, vv = (weighted_mean(product, weight) for product in (u * u, u * v, v * v))
    return uu * vv - uv * uv < _APART * uu * vv
