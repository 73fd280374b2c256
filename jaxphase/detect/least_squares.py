"""Least squares for a floor plus an amplitude times a bent shape, `y = floor + amplitude * shape(theta, u)`.

For given theta the best floor and amplitude are in closed form, so only theta is searched: variable projection
(Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413). The search starts at the best point of a grid and takes a fixed
number of Levenberg-Marquardt steps inside a box, so that one slow curve never holds back the others.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.linalg.orthonormal import orthonormal

from .batched import once_per_grid


class Unit(NamedTuple):
    """A centre and a positive scale: `(values - center) / scale` is of order one."""

    center: jax.Array
    scale: jax.Array


class Shape(NamedTuple):
    """The best member of a family of shapes: `y ~ floor + amplitude * shape(theta, u)`."""

    theta: jax.Array
    floor: jax.Array
    amplitude: jax.Array
    sse: jax.Array


def weighted_mean(values, weight):
    """Mean of the points present."""
    return jnp.sum(weight * values) / jnp.maximum(jnp.sum(weight), 1)


def standard_values(y, weight):
    """y in units of its standard deviation about its mean, and that unit; zeros if y is constant up to rounding."""
    center = weighted_mean(y, weight)
    variance = weighted_mean(jnp.square(y - center), weight)
    flat = variance <= jnp.square(4 * jnp.finfo(y.dtype).eps * center)
    scale = jnp.sqrt(jnp.where(flat, 1, variance))
    return jnp.where(flat, 0, (y - center) / scale), Unit(center, scale)


def axis_unit(x, weight):
    """Middle and half of the range, which sends the data to [-1, 1]."""
    present = weight > 0
    low, high = jnp.min(jnp.where(present, x, x[-1])), x[-1]
    return Unit((low + high) / 2, jnp.where(high > low, (high - low) / 2, 1))


def fit_shape(shape, u, y, weight, *, grid, low, high, steps=10, floor=True, newton=True):
    """Best `theta` in the box `[low, high]`, with the floor, the amplitude and the weighted sum of squared errors.

    shape(theta, u) -> [n] for theta [p]; u [n] of order one; grid [m, p] candidate starts, the same for every curve on
    the same u; floor=False holds the floor at zero; newton=False leaves out the second derivatives of the shape, of
    which there are p (p + 1) / 2. A grid [g, m, p] is for an sse with many local minima: the best of each of the g
    groups takes a third of the steps, and only the best of these goes on to take them all.
    The result can be differentiated with respect to u, y and weight: the implicit function theorem gives the derivative
    of a theta inside the box, one on the edge does not move.
    """

    def objective(theta, u, y, weight):
        return jnp.sum(weight * jnp.square(project(shape(theta, u), y, weight, floor=floor)[2]))

    @jax.custom_jvp
    def minimum(u, y, weight, low, high):
        start = best_of_grid(shape, u, y, weight, grid=grid, low=low, high=high, floor=floor)
        centred = y - _center(y, weight, floor)
        model = functools.partial(_expansion, shape, u, centred, weight, floor, newton)
        if start.ndim == 2:
            polish = functools.partial(levenberg_marquardt, model, low=low, high=high, steps=steps // 3)
            start, sse = jax.vmap(polish)(start)
            start = start[jnp.argmin(sse)]
        return levenberg_marquardt(model, start, low, high, steps=steps)[0]

    @minimum.defjvp
    def _(primals, tangents):
        theta, curve, (low, high) = minimum(*primals), primals[:3], primals[3:]
        slope = jax.grad(objective)
        curvature = jax.jacfwd(slope)(theta, *curve)
        drift = jax.jvp(lambda *curve: slope(theta, *curve), curve, tangents[:3])[1]
        inside = (theta > low) & (theta < high)
        identity = jnp.eye(len(theta), dtype=theta.dtype)
        inverse = solve(jnp.where(inside[:, None] & inside, curvature, identity), identity)
        return theta, -inverse @ jnp.where(inside, drift, 0)

    theta = minimum(u, y, weight, low, high)
    level, amplitude, error = project(shape(theta, u), y, weight, floor=floor)
    return Shape(theta, level, amplitude, jnp.sum(weight * jnp.square(error)))


def project(column, y, weight, *, floor=True):
    """Least squares on `[1, column]`, or on `[column]` if floor is False: floor, amplitude and the residuals."""
    centre_c, centre_y = _center(column, weight, floor), _center(y, weight, floor)
    c, v = column - centre_c, y - centre_y
    norm = jnp.sum(weight * jnp.square(c))
    # A column that is constant up to rounding explains nothing; dividing by its norm would explain the noise.
    level = jnp.square(8 * jnp.finfo(y.dtype).eps) * jnp.sum(weight * jnp.square(column))
    bent = norm > level
    amplitude = jnp.where(bent, jnp.sum(weight * c * v) / jnp.where(bent, norm, 1), 0)
    return centre_y - amplitude * centre_c, amplitude, v - amplitude * c


def best_of_grid(shape, u, y, weight, *, grid, low, high, floor):
    """The candidate, or that of each group, that explains most of y: one matrix product for all curves on one u."""

    def directions(axis):
        u, weight, low, high = axis
        theta = jnp.clip(jnp.asarray(grid, u.dtype), low, high)
        column = jnp.vectorize(lambda theta: shape(theta, u), signature="(p)->(n)")(theta)
        column = jnp.sqrt(weight) * (column - _center(column, weight, floor)[..., None])
        norm = jnp.linalg.norm(column, axis=-1, keepdims=True)
        return theta, column / jnp.where(norm > 0, norm, 1)

    def best(built, y):
        theta, direction = built
        choose = jnp.vectorize(lambda theta, gain: theta[index_of_largest(gain)], signature="(m,p),(m)->(p)")
        return choose(theta, jnp.square(direction @ y))

    centred = jnp.sqrt(weight) * (y - _center(y, weight, floor))
    return once_per_grid(directions, best)((u, weight, low, high), centred)


def index_of_largest(values):
    """`argmax` over the last axis in two plain passes, of which XLA's own takes three times as long on a CPU."""
    size = values.shape[-1]
    index = jnp.arange(size, dtype=values.dtype)
    top = jnp.max(values, axis=-1, keepdims=True)
    return jnp.min(jnp.where(values == top, index, size - 1), axis=-1).astype(int)


def spread(*ranges, size):
    """Points `[size, d]` that fill a box evenly: multiples of the d-dimensional golden ratio, modulo one."""
    ratio = 2.0
    for _ in range(50):
        ratio = (1 + ratio) ** (1 / (len(ranges) + 1))
    part = (np.arange(1, size + 1)[:, None] * ratio ** -np.arange(1.0, len(ranges) + 1)) % 1
    low, high = np.array(ranges).T
    return low + (high - low) * part


def _center(values, weight, floor):
    """What the best floor takes off each row."""
    return floor * jnp.sum(weight * values, axis=-1) / jnp.maximum(jnp.sum(weight), 1)


class Expansion(NamedTuple):
    """A sum of squares about theta [p]: half its gradient and half of its curvatures [c, p, p], the best one first and
    last the one that has no negative eigenvalue."""

    value: jax.Array
    slope: jax.Array
    curvatures: jax.Array


def _expansion(shape, u, centred_y, weight, floor, newton, theta):
    """The sum of squares with floor and amplitude projected out, its Hessian if newton, and Gauss and Newton's part of
    it, from the rows of Kaufman (1975, BIT 15, 49): the derivatives of the shape less what of them is along it."""
    size, unit = len(theta), jnp.eye(len(theta), dtype=theta.dtype)
    pairs = [(i, j) for i in range(size) for j in range(i, size)]

    def along(f, i):
        return lambda theta: jax.jvp(f, (theta,), (unit[i],))[1]

    slopes = [along(lambda theta: shape(theta, u), i) for i in range(size)]
    bends = [along(slopes[i], j)(theta) for i, j in pairs] if newton else []
    tangent, column = jax.jacfwd(lambda t: (shape(t, u),) * 2, has_aux=True)(theta)
    rows = jnp.concatenate([column[None], tangent.T])
    level = jnp.square(8 * jnp.finfo(u.dtype).eps) * jnp.sum(weight * jnp.square(rows[0]))
    rows = jnp.concatenate([rows - _center(rows, weight, floor)[:, None], centred_y[None]])
    share = jnp.sum(weight * rows[0] * rows, axis=1)
    bent = share[0] > level
    norm = jnp.where(bent, share[0], 1)
    share = jnp.where(bent, share / norm, 0)
    rows = rows[1:] - share[1:, None] * rows[0]
    gram = jnp.sum(weight * rows[:, None] * rows, axis=-1)
    slope, amplitude = gram[-1, :-1], share[-1]
    gauss = jnp.square(amplitude) * gram[:-1, :-1]
    curvatures = [gauss]
    if newton:
        bend = jnp.sum(weight * rows[-1] * jnp.stack(bends), axis=1)
        cross = jnp.outer(share[1:-1], slope)
        bend = cross + cross.T - _symmetric(bend, size)
        curvatures.insert(0, gauss - jnp.outer(slope, slope) / norm + amplitude * bend)
    return Expansion(gram[-1, -1], -amplitude * slope, jnp.stack(curvatures))


def _symmetric(upper, size):
    """The matrix whose upper triangle is listed row by row."""
    first = [i * size - i * (i + 1) // 2 for i in range(size)]
    entries = [upper[first[min(i, j)] + max(i, j)] for i in range(size) for j in range(size)]
    return jnp.stack(entries).reshape(size, size)


def levenberg_marquardt(model, start, low, high, *, steps):
    """Minimise over a box in `steps` trials: theta and value; model(theta) is an expansion about theta.

    A trial uses the best of the curvatures that, damped, bends up in every direction. Gauss and Newton's alone creeps
    where the noise is large: on half-seen logistics 24 of its steps end further from the minimum than 8 of Newton's.
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


def solve(matrix, right):
    """`matrix^-1 right` for a small positive definite matrix."""
    return eliminate(matrix, right)[0]


def eliminate(matrix, right):
    """`matrix^-1 right` for a small symmetric matrix, and whether that is positive definite: Gauss-Jordan elimination
    without pivots, unrolled over its p rows."""
    size, positive = matrix.shape[-1], True
    table = jnp.concatenate([matrix, right.reshape(size, -1)], axis=1)
    for i in range(size):
        positive &= table[i, i] > 4 * jnp.finfo(table.dtype).eps * matrix[i, i]
        row = table[i] / table[i, i]
        table = table - jnp.outer(table[:, i] - jnp.eye(size, dtype=table.dtype)[i], row)
    return table[:, size:].reshape(right.shape), positive


def standard_errors(jacobian, sse, dof):
    """Standard errors [p] from the full Jacobian [n, p] of the fitted curve, its rows times the root of their weight.

    A column of zeros is a parameter of which the points say nothing: its error is infinite, those of the others suppose
    that it is known. From orthonormal columns, scaled to norm one before, as squaring the condition number would cost
    half the digits of float32.
    """
    norm = jnp.linalg.norm(jacobian, axis=0)
    scaled = jnp.nan_to_num(jacobian / jnp.where(norm > 0, norm, 1))
    _, inverse = orthonormal(scaled.T)
    variance = sse / jnp.maximum(dof, 1)
    return jnp.where(norm > 0, jnp.linalg.norm(inverse, axis=1) / norm, jnp.inf) * jnp.sqrt(variance)
