"""Whether a measured flow has a fixed point within its data, where it is, and what its linearized map is."""

import enum
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..detect.distributions import student_t_975
from ..detect.status import NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true
from .flow import as_couplings, check_scale
from .linearize import eigenvalues_of, exponents_of

LEAST_SEEDS = 3
_ITERATIONS = 10
# Share of the steps, the nearest to the fixed point, that tell the map about it, and that tell how far it is curved.
_SPAN, _NARROW = 0.75, 0.4
# Of the scatter of K over the family at least this share must be no error of its mean.
_RELIABLE = 0.7
# So many errors must lie between an eigenvalue and 1: a map of slope 1 has no fixed point, or a line of them.
_APART = 3.0
# A flow to the trivial point must come so much nearer to it.
_CONTRACTED = 0.5


class FlowKind(enum.IntEnum):
    """Whether a measured flow has a fixed point within its data; TRIVIAL is the Gaussian one."""

    NOT_FOUND = 0
    TRIVIAL = 1
    FIXED_POINT = 2


class MeasuredFixedPoint(NamedTuple):
    """couplings K* with errors and 95 % intervals, `[..., k]` and `[..., k, 2]`; the linearized map T `[..., k, k]`.

    eigenvalues: of T, complex, largest modulus first; y = ln(lambda) / ln b, NaN for those not real and positive.

    chi2, dof: of the steps about the linear map. kind is a `FlowKind`.
    """

    couplings: jax.Array
    couplings_se: jax.Array
    interval: jax.Array
    matrix: jax.Array
    eigenvalues: jax.Array
    eigenvalues_se: jax.Array
    y: jax.Array
    y_se: jax.Array
    chi2: jax.Array
    dof: jax.Array
    kind: jax.Array
    status: jax.Array


def measured_fixed_point(couplings, b, trivial=None) -> MeasuredFixedPoint:
    """Fixed point of a flow of couplings measured on a family, by a local linear fit of K_{n + 1} to K_n.

    couplings: `[..., members, seeds, steps, k]`: members begin at different couplings (sizes, settings), seeds are
    repeats. A seed that is not finite at every step is missing. trivial `[k]`: the couplings of the Gaussian fixed
    point, zero if None.

    Each step of each member's mean gives a pair (K_n, K_{n + 1}); the nearest three quarters, with tricube weights
    (Cleveland 1979, J. Am. Stat. Assoc. 74, 829), give K' = K* + T (K - K*). A plain regression would make T too small,
    as K_n is measured with errors, and so find a stable fixed point in the midst of noise: what these errors add to
    the moments, known from the seeds, is taken from them (Fuller 1987, Measurement Error Models, ch. 3). Errors are
    those of a jackknife over the seeds of every member, widened by sqrt(chi2 / dof) if that exceeds one, and, in
    quadrature, by what the fit moves if only two fifths of the steps tell it: a map is curved.

    FIXED_POINT: all eigenvalues of T differ from 1 by three errors, and the interval of K* lies within the measured
    K_n; a zero found outside of the data is none. TRIVIAL (the Gaussian fixed point): the interval holds the trivial
    couplings, which lie within the data too, or all members together came twice as near to them. NOT_FOUND:
    all else, then the numbers are NaN and the status is 2.

    Beware: y of a fixed point that was only just found is too far from 0, as others of the same flow were not found.
    Seeds that scatter over a curved part of the map move K*, as the mean of the map is not the map of the mean. That K'
    depends on other things than K, as when members obey different maps, is seen only by a large chi2.

    status 2: also if the members' means do not differ by more than their errors. status 3, NaN: fewer than three seeds
    of a member, or than k + 2 steps.
    """
    couplings = as_couplings(couplings, "[..., members, seeds, steps, k]", 4)
    check_scale(b)
    k = couplings.shape[-1]
    trivial = jnp.zeros(k) if trivial is None else jnp.asarray(trivial)
    if trivial.shape != (k,):
        raise ValueError(f"trivial must have shape ({k},) as the couplings, got {trivial.shape}")
    lead, core = couplings.shape[:-4], couplings.shape[-4:]
    flat = couplings.reshape(math.prod(lead), *core)
    result = _all(flat, trivial.astype(flat.dtype), float(b))
    return jax.tree.map(lambda field: field.reshape(lead + field.shape[1:]), result)


@jax.jit
def _all(couplings, trivial, b):
    with jax.default_matmul_precision("highest"):
        return jax.vmap(_measured, (0, None, None))(couplings, trivial, b)


class _Means(NamedTuple):
    """Means over seeds `[m, steps, k]` and the covariance of their errors `[m, steps, k, steps, k]`."""

    mean: jax.Array
    error: jax.Array


class _Weights(NamedTuple):
    """Of the steps `[m, steps - 1]`, and the derivative by K_n `[m, steps - 1, k]`."""

    value: jax.Array
    slope: jax.Array


class _Fit(NamedTuple):
    center: jax.Array
    matrix: jax.Array


def _measured(couplings, trivial, b):
    present = jnp.all(jnp.isfinite(couplings), axis=(2, 3))
    couplings, origin, unit = _standardized(couplings, present)
    trivial, k = (trivial - origin) / unit, len(trivial)
    pairs = len(present) * (couplings.shape[2] - 1)
    means = _means(couplings, present)
    nearest = [min(pairs, max(k + 3, math.ceil(span * pairs))) for span in (_SPAN, _NARROW)]
    weights = jax.vmap(_nearest_steps, (None, 0))(means, jnp.array(nearest))
    (center, narrow), matrices = jax.vmap(_fit, (None, 0))(means, weights)
    matrix, weight = matrices[0], _Weights(*(field[0] for field in weights))
    chi2, dof = _misfit(means, center, matrix, weight.value)

    without = _without_each(couplings, present, means, weights)
    values, others = eigenvalues_of(jnp.concatenate([matrices, *without.matrix]))
    narrow_value, (wide_values, narrow_values) = others[0], jnp.split(others[1:], 2)
    widened = jnp.sqrt(jnp.maximum(1, chi2 / jnp.maximum(dof, 1)))
    center_se, values_se = (widened * _jackknife_error(each, present) for each in (without.center[0], wide_values))
    apart = jnp.all(jnp.abs(values - 1) > _APART * values_se)
    # What the fit moves as the steps farther out count less is the error of a curved map that is taken for a linear.
    # Of eigenvalues it is mostly chance, which is taken away.
    chance = _jackknife_error(wide_values - narrow_values, present)
    moved = jnp.square(jnp.abs(values - narrow_value)) - jnp.square(chance)
    center_se, values_se = jnp.hypot(center_se, center - narrow), jnp.sqrt(values_se**2 + jnp.maximum(moved, 0))

    count = jnp.sum(present, axis=1)
    reach = student_t_975(jnp.sum(count - 1)) * center_se
    inside, is_trivial = _within(means.mean, center, reach, trivial)
    few = (jnp.min(count) < LEAST_SEEDS) | (pairs < k + 2)
    known = ~few & apart & (_reliability(means, weight) > _RELIABLE) & (inside | is_trivial)
    found = MeasuredFixedPoint(
        couplings=origin + unit * center,
        couplings_se=unit * center_se,
        interval=(origin + unit * (center + reach * jnp.array([[-1], [1]]))).T,
        matrix=matrix * unit[:, None] / unit,
        eigenvalues=values,
        eigenvalues_se=values_se,
        y=exponents_of(values, b),
        y_se=jnp.where(jnp.isnan(exponents_of(values, b)), jnp.nan, values_se / (jnp.abs(values) * jnp.log(b))),
        chi2=chi2,
        dof=dof,
        kind=jnp.where(known, jnp.where(is_trivial, FlowKind.TRIVIAL, FlowKind.FIXED_POINT), FlowKind.NOT_FOUND).astype(
            jnp.int32
        ),
        status=first_true((few, TOO_FEW_POINTS), (~known, NOT_IDENTIFIED)),
    )
    return answered(found, known)._replace(eigenvalues=jnp.where(known, values, jnp.nan))


def _standardized(couplings, present):
    """In units of the scatter of all that was measured, about its mean; and that mean and unit `[k]`."""
    here = present[:, :, None, None]
    weight = here / jnp.maximum(jnp.sum(present) * couplings.shape[2], 1)
    couplings = jnp.where(here, couplings, 0)
    origin = jnp.sum(weight * couplings, axis=(0, 1, 2))
    unit = jnp.sqrt(jnp.sum(weight * jnp.square(couplings - origin), axis=(0, 1, 2)))
    unit = jnp.where(unit > 0, unit, 1)
    return jnp.where(here, (couplings - origin) / unit, 0), origin, unit


def _without_each(couplings, present, means, weights):
    """The fits without each seed of each member, `[weights, members * seeds, ...]`."""

    def without(member, seed):
        changed = _means(couplings[member][None], present[member].at[seed].set(False)[None])
        part = _Means(*(whole.at[member].set(new[0]) for whole, new in zip(means, changed, strict=True)))
        return jax.vmap(_fit, (None, 0))(part, weights)

    return jax.vmap(without, out_axes=1)(*(index.ravel() for index in jnp.indices(present.shape)))


def _jackknife_error(without, present):
    """Of strata: the members, each with its own number of seeds (Efron 1982, The Jackknife)."""
    without, here = without.reshape(*present.shape, -1), present[:, :, None]
    n = jnp.maximum(jnp.sum(here, axis=1, keepdims=True), 1)
    mean = jnp.sum(jnp.where(here, without, 0), axis=1, keepdims=True) / n
    squares = jnp.where(here, jnp.square(jnp.abs(without - mean)), 0)
    return jnp.sqrt(jnp.sum((n - 1) / n * squares, axis=(0, 1)))


def _within(mean, center, reach, trivial):
    """Whether the interval is within the data, and whether it holds the trivial point that the data reach or near."""
    low, high = (extreme(mean[:, :-1], axis=(0, 1)) for extreme in (jnp.min, jnp.max))
    away = jnp.mean(jnp.linalg.norm(mean - trivial, axis=-1), axis=0)
    reached = (away[-1] < _CONTRACTED * away[0]) | jnp.all((trivial >= low) & (trivial <= high))
    holds = jnp.all((jnp.abs(trivial - center) <= reach) & (reach < (high - low) / 2))
    return jnp.all((center - reach > low) & (center + reach < high)), holds & reached


def _means(couplings, present):
    count = jnp.maximum(jnp.sum(present, axis=1), 1)[:, None, None]
    mean = jnp.sum(couplings, axis=1, where=present[:, :, None, None]) / count
    off = jnp.where(present[:, :, None, None], couplings - mean[:, None], 0)
    count = count[..., None, None]
    return _Means(mean, jnp.einsum("msta,msub->mtaub", off, off) / (count * jnp.maximum(count - 1, 1)))


def _nearest_steps(means, nearest):
    """Tricube weights of so many steps, the nearest to the fixed point of the fit to themselves."""
    x = means.mean[:, :-1]

    def near(center):
        off = x - jnp.where(jnp.isfinite(center), center, 0)
        width = 1.05 * jnp.sort(jnp.linalg.norm(off, axis=-1), axis=None)[nearest - 1]
        off = off / jnp.where(width > 0, width, 1)
        ratio = jnp.minimum(jnp.linalg.norm(off, axis=-1), 1)
        return _Weights((1 - ratio**3) ** 3, -9 / width * (ratio * (1 - ratio**3) ** 2)[..., None] * off)

    def again(_, center):
        return jnp.clip(_fit(means, near(center)).center, jnp.min(x, axis=(0, 1)), jnp.max(x, axis=(0, 1)))

    everywhere = _fit(means, _Weights(jnp.ones(x.shape[:2]), jnp.zeros(x.shape)))
    return near(jax.lax.fori_loop(0, _ITERATIONS, again, everywhere.center))


def _fit(means, weight):
    """Fixed point and matrix of K' = K* + T (K - K*) by the moments less what the errors add to them."""
    (x_mean, square, square_error), (y_mean, cross, cross_error) = _moments(means, weight)
    matrix = jnp.linalg.solve(square - square_error, cross - cross_error).T
    return _Fit(x_mean + jnp.linalg.solve(jnp.eye(len(matrix)) - matrix, y_mean - x_mean), matrix)


def _moments(means, weight):
    """Of K_n and of K_{n + 1}: its mean without errors, sum of products of K_n about its mean with it, and what the
    errors add to this.

    K_n = x + e is chosen by its own error, so that E[g(K_n) e] = var(e) E[g'(K_n)] (Stein 1981, Ann. Stat. 9, 1135)
    with g = weight * (K_n - mean): within a window errors add less than they do to the scatter over all.
    """
    value, slope = weight
    total = jnp.sum(value)
    x = means.mean[:, :-1]
    x_mean = jnp.einsum("mt,mta->a", value, x) / total
    bend = value[..., None, None] * jnp.eye(x.shape[-1]) + (x - x_mean)[..., None] * slope[..., None, :]
    steps = jnp.eye(x.shape[1]) - value[..., None] / total
    found = []
    for side, error in ((x, means.error[:, :-1, :, :-1]), (means.mean[:, 1:], means.error[:, 1:, :, :-1])):
        mean = jnp.einsum("mt,mta->a", value, side) / total
        products = jnp.einsum("mt,mta,mtb->ab", value, x - x_mean, side - mean)
        added = jnp.einsum("mtu,muac,mtbuc->ab", steps, bend, error)
        found.append((mean - jnp.einsum("mtbtc,mtc->b", error, slope) / total, products, added))
    return found


def _reliability(means, weight):
    """The smallest share, over all directions, of the scatter of K_n that is no error."""
    (_, square, error), _ = _moments(means, weight)
    root = jnp.linalg.cholesky(square)
    half = jax.scipy.linalg.solve_triangular(root, (error + error.T) / 2, lower=True)
    return 1 - jnp.max(jnp.linalg.eigvalsh(jax.scipy.linalg.solve_triangular(root, half.T, lower=True)))


def _misfit(means, center, matrix, weight):
    """chi2 of the steps about the linear map, by the mean covariance of their errors, and its degrees of freedom."""
    k = len(center)
    off = means.mean[:, 1:] - center - (means.mean[:, :-1] - center) @ matrix.T
    own = [means.error[:, 1:, :, 1:], means.error[:, 1:, :, :-1], means.error[:, :-1, :, :-1]]
    yy, yx, xx = (jnp.einsum("mt,mtatb->ab", weight, error) / jnp.sum(weight) for error in own)
    cross = yx @ matrix.T
    error = yy - cross - cross.T + matrix @ xx @ matrix.T
    error = error + jnp.finfo(error.dtype).eps * jnp.eye(k, dtype=error.dtype)
    chi2 = jnp.einsum("mt,mta,mta->", weight, off, jnp.linalg.solve(error, off[..., None])[..., 0])
    # Each weighted step counts for its weight, and the map has k (k + 1) numbers.
    return chi2, jnp.maximum(jnp.sum(weight) * k - k * (k + 1), 0)
