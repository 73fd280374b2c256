"""Least squares for a floor plus an amplitude times a shape, `y = floor + amplitude * shape(theta, u)`.

For given theta the best floor and amplitude are in closed form, so only theta is searched: variable projection
(Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413). The search starts at the best point of a grid and takes a fixed
number of Levenberg-Marquardt steps inside a box, so that no slow curve holds back the others.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.batched import once_per_grid
from jaxphase.detect.points import Points, Scalar
from jaxphase.linalg import Expansion, index_of_largest, levenberg_marquardt, orthonormalize, solve

Theta = Float[Array, " p"]
ShapeFunction = Callable[[Theta, Points], Points]


class Unit(NamedTuple):
    """A unit of measurement: `(values - center) / scale` is of order one.

    Attributes:
        center: Where the unit has its zero.
        scale: Its size, positive.
    """

    center: Scalar
    scale: Scalar


class Shape(NamedTuple):
    """The best member of a family of shapes: `y ~ floor + amplitude * shape(theta, u)`.

    Attributes:
        theta: Parameters of the shape, `[p]`.
        floor: The constant that is added to it.
        amplitude: The factor that it is multiplied by.
        sse: Weighted sum of squared errors.
    """

    theta: Theta
    floor: Scalar
    amplitude: Scalar
    sse: Scalar


def weighted_mean(values: Points, weight: Points) -> Scalar:
    """Weighted mean of the points present."""
    return jnp.sum(weight * values) / jnp.maximum(jnp.sum(weight), 1)


def standard_values(y: Points, weight: Points) -> tuple[Points, Unit]:
    """y about its mean in units of its standard deviation, and that unit; zeros if y is constant up to rounding."""
    center = weighted_mean(y, weight)
    variance = weighted_mean(jnp.square(y - center), weight)
    flat = variance <= jnp.square(4 * jnp.finfo(y.dtype).eps * center)
    scale = jnp.sqrt(jnp.where(flat, 1, variance))
    return jnp.where(flat, 0, (y - center) / scale), Unit(center, scale)


def axis_unit(x: Points, weight: Points) -> Unit:
    """The middle and half of the range, the unit in which the points go from -1 to 1."""
    present = weight > 0
    low, high = jnp.min(jnp.where(present, x, x[-1])), x[-1]
    return Unit((low + high) / 2, jnp.where(high > low, (high - low) / 2, 1))


def fit_shape(
    shape: ShapeFunction,
    u: Points,
    y: Points,
    weight: Points,
    *,
    grid: Float[np.ndarray, "*groups m p"],
    low: Theta,
    high: Theta,
    steps: int = 10,
    floor: bool = True,
    newton: bool = True,
) -> Shape:
    """Fit the parameters of a shape inside a box, with its floor and amplitude.

    The result can be differentiated by u, y and weight: a theta inside the box moves by the implicit function theorem,
    one on the edge of the box does not move.

    Args:
        shape: `shape(theta, u) -> [n]` for theta `[p]`.
        u: Positions of order one, `[n]`.
        y: Values, `[n]`.
        weight: Relative inverse variances, `[n]`.
        grid: Candidates to start from, `[m, p]`, the same for all curves on one u. For an sse with many local minima it
            has groups, `[g, m, p]`: the best of each group takes a third of the steps, and the best of these the rest.
        low: Lower corner of the box, `[p]`.
        high: Upper corner of the box, `[p]`.
        steps: Number of Levenberg-Marquardt steps.
        floor: False holds the floor at zero.
        newton: False leaves out the `p (p + 1) / 2` second derivatives of the shape.

    Returns:
        The best `Shape`.
    """

    def objective(theta, u, y, weight):
        return jnp.sum(weight * jnp.square(project(shape(theta, u), y, weight, floor=floor)[2]))

    @jax.custom_jvp
    def minimum(u, y, weight, low, high):
        start = best_of_grid(shape, u, y, weight, grid=grid, low=low, high=high, floor=floor)
        centered = y - _center(y, weight, floor)
        model = functools.partial(_expansion, shape, u, centered, weight, floor, newton)
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


def project(column: Points, y: Points, weight: Points, *, floor: bool = True) -> tuple[Scalar, Scalar, Points]:
    """Least squares on `[1, column]`, or on `[column]` if floor is False: floor, amplitude and the residuals."""
    center_c, center_y = _center(column, weight, floor), _center(y, weight, floor)
    c, v = column - center_c, y - center_y
    norm = jnp.sum(weight * jnp.square(c))
    # A column that is constant up to rounding explains nothing; dividing by its norm would explain the noise.
    level = jnp.square(8 * jnp.finfo(y.dtype).eps) * jnp.sum(weight * jnp.square(column))
    bent = norm > level
    amplitude = jnp.where(bent, jnp.sum(weight * c * v) / jnp.where(bent, norm, 1), 0)
    return center_y - amplitude * center_c, amplitude, v - amplitude * c


def best_of_grid(
    shape: ShapeFunction,
    u: Points,
    y: Points,
    weight: Points,
    *,
    grid: Float[np.ndarray, "*groups m p"],
    low: Theta,
    high: Theta,
    floor: bool,
) -> Float[Array, "*groups p"]:
    """The candidate of each group that explains most of y: one matrix product for all curves on one u."""

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

    centered = jnp.sqrt(weight) * (y - _center(y, weight, floor))
    return once_per_grid(directions, best)((u, weight, low, high), centered)


def spread(*ranges: ArrayLike | tuple[float, float], size: int) -> Float[np.ndarray, "{size} d"]:
    """Points `[size, d]` that fill a box evenly: multiples of the d-dimensional golden ratio, modulo one."""
    ratio = 2.0
    for _ in range(50):
        ratio = (1 + ratio) ** (1 / (len(ranges) + 1))
    part = (np.arange(1, size + 1)[:, None] * ratio ** -np.arange(1.0, len(ranges) + 1)) % 1
    low, high = np.array(ranges).T
    return low + (high - low) * part


def _center(values: Float[Array, "*rows n"], weight: Points, floor: bool) -> Float[Array, "*rows"]:
    """The best floor of each row, zero if there is none."""
    return floor * jnp.sum(weight * values, axis=-1) / jnp.maximum(jnp.sum(weight), 1)


def _expansion(
    shape: ShapeFunction, u: Points, centered_y: Points, weight: Points, floor: bool, newton: bool, theta: Theta
) -> Expansion:
    """The sum of squares with floor and amplitude projected out: its Hessian if newton, and its Gauss-Newton part.

    They come from the rows of Kaufman (1975, BIT 15, 49), the derivatives of the shape minus their projection on it.
    """
    size, unit = len(theta), jnp.eye(len(theta), dtype=theta.dtype)
    pairs = [(i, j) for i in range(size) for j in range(i, size)]

    def along(f, i):
        return lambda theta: jax.jvp(f, (theta,), (unit[i],))[1]

    slopes = [along(lambda theta: shape(theta, u), i) for i in range(size)]
    bends = [along(slopes[i], j)(theta) for i, j in pairs] if newton else []
    tangent, column = jax.jacfwd(lambda t: (shape(t, u),) * 2, has_aux=True)(theta)
    rows = jnp.concatenate([column[None], tangent.T])
    level = jnp.square(8 * jnp.finfo(u.dtype).eps) * jnp.sum(weight * jnp.square(rows[0]))
    rows = jnp.concatenate([rows - _center(rows, weight, floor)[:, None], centered_y[None]])
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


def _symmetric(upper: Float[Array, " entries"], size: int) -> Float[Array, "{size} {size}"]:
    """The matrix whose upper triangle is listed row by row."""
    first = [i * size - i * (i + 1) // 2 for i in range(size)]
    entries = [upper[first[min(i, j)] + max(i, j)] for i in range(size) for j in range(size)]
    return jnp.stack(entries).reshape(size, size)


def standard_errors(jacobian: Float[Array, "n p"], sse: Scalar, dof: Int[ArrayLike, ""]) -> Theta:
    """Standard errors of the parameters of a least-squares fit.

    The columns are scaled to norm one and orthonormalized, as the normal equations would square the condition number
    and lose half of the digits of float32.

    Args:
        jacobian: Derivatives of the fitted curve by its parameters, `[n, p]`, rows multiplied by the square root of
            their weight.
        sse: Weighted sum of squared errors.
        dof: Degrees of freedom of the residuals.

    Returns:
        The errors, `[p]`. A column of zeros is a parameter that the points do not determine: its error is infinite, and
        those of the others suppose that it is known.
    """
    norm = jnp.linalg.norm(jacobian, axis=0)
    scaled = jnp.nan_to_num(jacobian / jnp.where(norm > 0, norm, 1))
    _, inverse = orthonormalize(scaled.T)
    variance = sse / jnp.maximum(dof, 1)
    return jnp.where(norm > 0, jnp.linalg.norm(inverse, axis=1) / norm, jnp.inf) * jnp.sqrt(variance)
