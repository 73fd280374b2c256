"""The fixed point of a measured flow: whether there is one within the data, where, and the map linearized there.

Each step of each member's mean gives a pair (K[n], K[n + 1]). The three quarters of the pairs nearest to the fixed
point, with tricube weights, give `K' = K* + T (K - K*)`. Measuring errors of K[n] would make T too small, and so turn
noise into a stable fixed point. Their contribution to the second moments is estimated from the seeds and subtracted
(Fuller 1987).

Errors come from a jackknife over the seeds of every member. They are widened by `sqrt(chi2 / dof)` if that exceeds one,
and, because a map is curved, by the change of the fit if only the nearest two fifths of the steps are used.

Three cautions. The exponent y of a fixed point that was only just found is too far from 0. Seeds that scatter over a
curved part of the map shift K*. If K' depends on more than K, as when members obey different maps, only a large
`chi2 / dof` shows it.
"""

import enum
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Complex, Float, Inexact, Int

from jaxphase.detect.distributions import student_t_975
from jaxphase.detect.status import Status, answered, first_true
from jaxphase.rg.beta_function import as_couplings, check_scale
from jaxphase.rg.linearization import eigenvalues_of, exponents_of

LEAST_SEEDS = 3
_ITERATIONS = 10
# The linear map is fitted to this share of the steps, the nearest to the fixed point; a second fit to the smaller share
# shows by how much the map is curved.
_SPAN, _NARROW = 0.75, 0.4
# At least this share of the variance of K over the family must not be measuring error.
_RELIABLE = 0.7
# An eigenvalue must differ from 1 by this many errors: a map of slope 1 has no fixed point, or a line of them.
_DISTINCT = 3.0
# In a flow to the trivial point the distance to it must shrink to less than this share.
_CONTRACTED = 0.5


class FlowKind(enum.IntEnum):
    """Whether a measured flow has a fixed point within its data; TRIVIAL is the Gaussian one."""

    NOT_FOUND = 0
    TRIVIAL = 1
    FIXED_POINT = 2


class MeasuredFixedPoint(NamedTuple):
    """The fixed point of a measured flow; all numbers are NaN if none was found.

    Attributes:
        couplings: The fixed point K*, `[..., k]`.
        couplings_se: Its standard errors, `[..., k]`.
        interval: Its 95 % intervals, `[..., k, 2]`.
        matrix: The linearized map T, `[..., k, k]`.
        eigenvalues: Eigenvalues of T, `[..., k]`, complex, the largest modulus first.
        eigenvalues_se: Their standard errors, `[..., k]`.
        y: `ln(lambda) / ln b`, `[..., k]`; NaN for an eigenvalue that is not real and positive.
        y_se: Standard errors of `y`, `[..., k]`.
        chi2: Chi-squared of the steps about the linear map, `[...]`.
        dof: Its degrees of freedom, `[...]`.
        kind: `FlowKind`, `[...]`.
        status: `Status`, `[...]`; see `measured_fixed_point`.
    """

    couplings: Float[Array, "*batch k"]
    couplings_se: Float[Array, "*batch k"]
    interval: Float[Array, "*batch k 2"]
    matrix: Float[Array, "*batch k k"]
    eigenvalues: Complex[Array, "*batch k"]
    eigenvalues_se: Float[Array, "*batch k"]
    y: Float[Array, "*batch k"]
    y_se: Float[Array, "*batch k"]
    chi2: Float[Array, "*batch"]
    dof: Float[Array, "*batch"]
    kind: Int[Array, "*batch"]
    status: Int[Array, "*batch"]


def measured_fixed_point(
    couplings: ArrayLike, b: float, trivial: ArrayLike | Sequence[float] | None = None
) -> MeasuredFixedPoint:
    """Find the fixed point of a flow that was measured on a family, by a local linear fit of K[n + 1] to K[n].

    How the fit works, and three cautions: see the module `jaxphase.rg.measured_flow`.

    Args:
        couplings: Couplings after 0, 1, ... steps, `[..., members, seeds, steps, k]`. Members start at different
            couplings; a seed that is not finite at every step is missing.
        b: Length of one step, greater than 1.
        trivial: Couplings of the Gaussian fixed point, `[k]`; None means zero.

    Returns:
        A `MeasuredFixedPoint`. The kind is FIXED_POINT if all eigenvalues differ from 1 by three errors and the
        interval of K* lies within the measured K[n]. It is TRIVIAL if the interval holds the trivial couplings, and
        these lie within the data or the members' mean distance to them was at least halved. Otherwise, or if the
        members' means do not differ by more than their errors, the kind is NOT_FOUND, the status NOT_IDENTIFIED and the
        numbers are NaN. With fewer than three seeds of a member, or fewer than k + 2 steps, the status is
        TOO_FEW_POINTS.

    Raises:
        ValueError: If a shape does not fit, or b is not greater than 1.

    References:
        Fuller (1987), Measurement Error Models, ch. 3; Cleveland (1979), J. Am. Stat. Assoc. 74, 829.
    """
    couplings = as_couplings(couplings, "[..., members, seeds, steps, k]", 4)
    check_scale(b)
    k = couplings.shape[-1]
    gaussian = jnp.zeros(k) if trivial is None else jnp.asarray(trivial)
    if gaussian.shape != (k,):
        raise ValueError(f"trivial must have shape ({k},) as the couplings, got {gaussian.shape}")
    lead, core = couplings.shape[:-4], couplings.shape[-4:]
    flat = couplings.reshape(math.prod(lead), *core)
    result = _all(flat, gaussian.astype(flat.dtype), float(b))
    return jax.tree.map(lambda field: field.reshape(lead + field.shape[1:]), result)


@jax.jit
def _all(
    couplings: Float[Array, "many members seeds steps k"], trivial: Float[Array, " k"], b: Float[Array, ""]
) -> MeasuredFixedPoint:
    """The fixed point of every family."""
    with jax.default_matmul_precision("highest"):
        return jax.vmap(_measured, (0, None, None))(couplings, trivial, b)


class _Means(NamedTuple):
    """Means over seeds and the covariance of their errors."""

    mean: Float[Array, "members steps k"]
    covariance: Float[Array, "members steps k steps k"]


class _Weights(NamedTuple):
    """Weights of the steps and their derivatives by K[n]."""

    value: Float[Array, "members intervals"]
    slope: Float[Array, "members intervals k"]


class _Fit(NamedTuple):
    """The fixed point and the matrix of a linear map."""

    center: Float[Array, " k"]
    matrix: Float[Array, "k k"]


class _Moments(NamedTuple):
    """Mean of a side, its products with K[n] about the means, and the part of the products that is due to errors."""

    mean: Float[Array, " k"]
    products: Float[Array, "k k"]
    due_to_errors: Float[Array, "k k"]


def _measured(
    couplings: Float[Array, "members seeds steps k"], trivial: Float[Array, " k"], b: Float[Array, ""]
) -> MeasuredFixedPoint:
    """The fixed point of one family."""
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
    distinct = jnp.all(jnp.abs(values - 1) > _DISTINCT * values_se)
    # A fit that moves when distant steps count less shows that the map is curved, which is an error of the linear fit.
    # For eigenvalues most of the move is due to chance, and this part is subtracted.
    chance = _jackknife_error(wide_values - narrow_values, present)
    moved = jnp.square(jnp.abs(values - narrow_value)) - jnp.square(chance)
    center_se, values_se = jnp.hypot(center_se, center - narrow), jnp.sqrt(values_se**2 + jnp.maximum(moved, 0))

    count = jnp.sum(present, axis=1)
    reach = student_t_975(jnp.sum(count - 1)) * center_se
    inside, is_trivial = _within(means.mean, center, reach, trivial)
    few = (jnp.min(count) < LEAST_SEEDS) | (pairs < k + 2)
    known = ~few & distinct & (_reliability(means, weight) > _RELIABLE) & (inside | is_trivial)
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
        status=first_true((few, Status.TOO_FEW_POINTS), (~known, Status.NOT_IDENTIFIED)),
    )
    return answered(found, known)._replace(eigenvalues=jnp.where(known, values, jnp.nan))


def _standardized(
    couplings: Float[Array, "members seeds steps k"], present: Bool[Array, "members seeds"]
) -> tuple[Float[Array, "members seeds steps k"], Float[Array, " k"], Float[Array, " k"]]:
    """Couplings less their mean over everything, in units of their standard deviation; and this mean and unit."""
    here = present[:, :, None, None]
    weight = here / jnp.maximum(jnp.sum(present) * couplings.shape[2], 1)
    couplings = jnp.where(here, couplings, 0)
    origin = jnp.sum(weight * couplings, axis=(0, 1, 2))
    unit = jnp.sqrt(jnp.sum(weight * jnp.square(couplings - origin), axis=(0, 1, 2)))
    unit = jnp.where(unit > 0, unit, 1)
    return jnp.where(here, (couplings - origin) / unit, 0), origin, unit


def _without_each(
    couplings: Float[Array, "members seeds steps k"],
    present: Bool[Array, "members seeds"],
    means: _Means,
    weights: _Weights,
) -> _Fit:
    """The fits without each seed of each member, with axes `[weights, members * seeds]` in front."""

    def without(member, seed):
        changed = _means(couplings[member][None], present[member].at[seed].set(False)[None])
        part = _Means(*(whole.at[member].set(new[0]) for whole, new in zip(means, changed, strict=True)))
        return jax.vmap(_fit, (None, 0))(part, weights)

    return jax.vmap(without, out_axes=1)(*(index.ravel() for index in jnp.indices(present.shape)))


def _jackknife_error(
    without: Inexact[Array, "replicates k"], present: Bool[Array, "members seeds"]
) -> Float[Array, " k"]:
    """Stratified jackknife error: each member is a stratum with its own number of seeds (Efron 1982, The Jackknife)."""
    without, here = without.reshape(*present.shape, -1), present[:, :, None]
    n = jnp.maximum(jnp.sum(here, axis=1, keepdims=True), 1)
    mean = jnp.sum(jnp.where(here, without, 0), axis=1, keepdims=True) / n
    squares = jnp.where(here, jnp.square(jnp.abs(without - mean)), 0)
    return jnp.sqrt(jnp.sum((n - 1) / n * squares, axis=(0, 1)))


def _within(
    mean: Float[Array, "members steps k"],
    center: Float[Array, " k"],
    reach: Float[Array, " k"],
    trivial: Float[Array, " k"],
) -> tuple[Bool[Array, ""], Bool[Array, ""]]:
    """Whether the interval is within the data, and whether it contains a trivial point that the data approach."""
    low, high = (extreme(mean[:, :-1], axis=(0, 1)) for extreme in (jnp.min, jnp.max))
    away = jnp.mean(jnp.linalg.norm(mean - trivial, axis=-1), axis=0)
    reached = (away[-1] < _CONTRACTED * away[0]) | jnp.all((trivial >= low) & (trivial <= high))
    holds = jnp.all((jnp.abs(trivial - center) <= reach) & (reach < (high - low) / 2))
    return jnp.all((center - reach > low) & (center + reach < high)), holds & reached


def _means(couplings: Float[Array, "members seeds steps k"], present: Bool[Array, "members seeds"]) -> _Means:
    """Means over the seeds that are present, with the covariance of their errors."""
    count = jnp.maximum(jnp.sum(present, axis=1), 1)[:, None, None]
    mean = jnp.sum(couplings, axis=1, where=present[:, :, None, None]) / count
    deviation = jnp.where(present[:, :, None, None], couplings - mean[:, None], 0)
    products = jnp.einsum("msta,msub->mtaub", deviation, deviation)
    count = count[..., None, None]
    return _Means(mean, products / (count * jnp.maximum(count - 1, 1)))


def _nearest_steps(means: _Means, nearest: Int[Array, ""]) -> _Weights:
    """Tricube weights of the steps nearest to the fixed point, which a fit with the same weights finds."""
    x = means.mean[:, :-1]

    def around(center):
        offset = x - jnp.where(jnp.isfinite(center), center, 0)
        width = 1.05 * jnp.sort(jnp.linalg.norm(offset, axis=-1), axis=None)[nearest - 1]
        offset = offset / jnp.where(width > 0, width, 1)
        ratio = jnp.minimum(jnp.linalg.norm(offset, axis=-1), 1)
        return _Weights((1 - ratio**3) ** 3, -9 / width * (ratio * (1 - ratio**3) ** 2)[..., None] * offset)

    def refit(_, center):
        return jnp.clip(_fit(means, around(center)).center, jnp.min(x, axis=(0, 1)), jnp.max(x, axis=(0, 1)))

    everywhere = _fit(means, _Weights(jnp.ones(x.shape[:2]), jnp.zeros(x.shape)))
    return around(jax.lax.fori_loop(0, _ITERATIONS, refit, everywhere.center))


def _fit(means: _Means, weight: _Weights) -> _Fit:
    """Fixed point and matrix of `K' = K* + T (K - K*)`, by moments without the part that is due to errors."""
    before, after = _moments(means, weight)
    matrix = jnp.linalg.solve(before.products - before.due_to_errors, after.products - after.due_to_errors).T
    shift = jnp.linalg.solve(jnp.eye(len(matrix)) - matrix, after.mean - before.mean)
    return _Fit(before.mean + shift, matrix)


def _moments(means: _Means, weight: _Weights) -> tuple[_Moments, _Moments]:
    """Weighted moments of K[n] and of K[n + 1], each with K[n].

    The weight of K[n] = x + e depends on its error e, so `E[g(K[n]) e] = var(e) E[g'(K[n])]` with
    `g = weight * (K[n] - mean)` (Stein 1981, Ann. Stat. 9, 1135): within a window errors add less to the products than
    they add to those of all steps.
    """
    value, slope = weight
    total = jnp.sum(value)
    x = means.mean[:, :-1]
    x_mean = jnp.einsum("mt,mta->a", value, x) / total
    bend = value[..., None, None] * jnp.eye(x.shape[-1]) + (x - x_mean)[..., None] * slope[..., None, :]
    steps = jnp.eye(x.shape[1]) - value[..., None] / total
    found = []
    for side, error in (
        (x, means.covariance[:, :-1, :, :-1]),
        (means.mean[:, 1:], means.covariance[:, 1:, :, :-1]),
    ):
        mean = jnp.einsum("mt,mta->a", value, side) / total
        products = jnp.einsum("mt,mta,mtb->ab", value, x - x_mean, side - mean)
        added = jnp.einsum("mtu,muac,mtbuc->ab", steps, bend, error)
        found.append(_Moments(mean - jnp.einsum("mtbtc,mtc->b", error, slope) / total, products, added))
    return found[0], found[1]


def _reliability(means: _Means, weight: _Weights) -> Float[Array, ""]:
    """The smallest share, over all directions, of the variance of K[n] that is not due to errors."""
    (_, square, error), _ = _moments(means, weight)
    root = jnp.linalg.cholesky(square)
    half = jax.scipy.linalg.solve_triangular(root, (error + error.T) / 2, lower=True)
    return 1 - jnp.max(jnp.linalg.eigvalsh(jax.scipy.linalg.solve_triangular(root, half.T, lower=True)))


def _misfit(
    means: _Means, center: Float[Array, " k"], matrix: Float[Array, "k k"], weight: Float[Array, "members intervals"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Chi-squared of the steps about the linear map, by the mean covariance of their errors; degrees of freedom."""
    k = len(center)
    residual = means.mean[:, 1:] - center - (means.mean[:, :-1] - center) @ matrix.T
    own = [means.covariance[:, 1:, :, 1:], means.covariance[:, 1:, :, :-1], means.covariance[:, :-1, :, :-1]]
    yy, yx, xx = (jnp.einsum("mt,mtatb->ab", weight, error) / jnp.sum(weight) for error in own)
    cross = yx @ matrix.T
    error = yy - cross - cross.T + matrix @ xx @ matrix.T
    error = error + jnp.finfo(error.dtype).eps * jnp.eye(k, dtype=error.dtype)
    chi2 = jnp.einsum("mt,mta,mta->", weight, residual, jnp.linalg.solve(error, residual[..., None])[..., 0])
    # A step counts with its weight, and the map has k (k + 1) parameters.
    return chi2, jnp.maximum(jnp.sum(weight) * k - k * (k + 1), 0)
