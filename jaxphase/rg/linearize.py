"""The renormalization map linearized about a fixed point, from how fluctuations before and after a step are correlated.

Near a fixed point K* the couplings of a step obey K' - K* = T (K - K*). An eigenvalue b**y of T with y > 0 belongs to a
direction that a renormalization by the length b drives away from the fixed point, and y gives the critical exponents
(Wilson & Kogut 1974, Phys. Rep. 12, 75; Cardy 1996, Scaling and Renormalization in Statistical Physics, ch. 3).
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..detect.batched import check_choice
from ..detect.status import NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true

MEASURED = ("operators", "couplings")
# Below this share of the largest, times the rounding, a pivot of the correlations says that two quantities are one.
_COLLINEAR = 32


class Linearized(NamedTuple):
    """T `[..., k, k]`, its eigenvalues `[..., k]`, complex and largest modulus first, and y = ln(lambda) / ln b.

    y is NaN where an eigenvalue is not real and positive: such a direction turns or alternates and is no power of b.
    y_blocks `[..., blocks, k]` is y without each block: of two results of the same samples it gives the covariance.
    """

    matrix: jax.Array
    matrix_se: jax.Array
    eigenvalues: jax.Array
    eigenvalues_se: jax.Array
    y: jax.Array
    y_se: jax.Array
    y_blocks: jax.Array
    status: jax.Array


class CriticalExponents(NamedTuple):
    """exponents by name and their covariance in the same order, as `scaling.identify_universality_class` takes them."""

    exponents: dict
    covariance: np.ndarray


def linearized(fine, coarse, b, *, blocks=20, measured="operators") -> Linearized:
    """Linearized map of one renormalization step by b, from k quantities before and after it on the same samples.

    fine, coarse: `[..., samples, k]`, samples in the order in which they were drawn. A sample that is not finite in
    either is missing.

    measured="operators": sums over the system that couplings multiply in the energy (Swendsen 1979, Phys. Rev. Lett.
    42, 859). As d<S'_a> / dK_b = cov(S'_a, S_b), T solves cov(S', S') T = cov(S', S). Operators of different symmetry
    do not mix: give the even ones for y_t and the odd ones for y_h apart. The first few eigenvalues count; they
    converge as steps bring the couplings to the fixed point and operators are added, so look at a table of both.
    measured="couplings": the samples are systems (trained networks) that differ a little in their couplings, and
    T cov(K, K) = cov(K', K), a regression. The other formula would give the inverse of every eigenvalue. Errors in
    measuring K, which do not carry over to K', make this T too small: `measured_fixed_point` corrects for them.

    Errors are those of a jackknife over blocks of consecutive samples, longer than samples remember one another, of the
    eigenvalues to first order. status 2: the largest eigenvalue is not real and positive, or a quantity is constant or
    follows from others, then all NaN. status 3, NaN: fewer than k + 2 samples outside of a block.
    """
    fine, coarse = jnp.asarray(fine), jnp.asarray(coarse)
    check_choice("measured", measured, MEASURED)
    if fine.shape != coarse.shape or fine.ndim < 2 or 0 in fine.shape[-2:]:
        raise ValueError(f"fine {fine.shape} and coarse {coarse.shape} must have one shape [..., samples, k]")
    if not isinstance(blocks, int) or blocks < 2:
        raise ValueError(f"blocks must be an int of at least 2, got {blocks!r}")
    if not b > 1:
        raise ValueError(f"b must be greater than 1, got {b!r}")
    dtype = jnp.promote_types(jnp.result_type(fine, coarse, float), jnp.float32)
    lead, core = fine.shape[:-2], fine.shape[-2:]
    flat = (a.astype(dtype).reshape(math.prod(lead), *core) for a in (fine, coarse))
    result = _all(*flat, float(b), blocks=min(blocks, core[0]), operators=measured == "operators")
    return jax.tree.map(lambda field: field.reshape(lead + field.shape[1:]), result)


def critical_exponents(y_t, y_h, dimension, covariance) -> CriticalExponents:
    """nu, beta, gamma, alpha, delta and eta from the eigenvalue exponents of temperature and field.

    nu = 1 / y_t, beta = (d - y_h) / y_t, gamma = (2 y_h - d) / y_t, alpha = 2 - d / y_t, delta = y_h / (d - y_h),
    eta = d + 2 - 2 y_h (Cardy 1996, ch. 3). covariance: `[2, 2]` of (y_t, y_h), or their standard errors `[2]` if they
    are independent. If one of the two is NaN, so are the exponents that need it.

    All six come from two numbers, so that every scaling relation among them holds identically and checks nothing. To
    check one, give `scaling.identify_universality_class` exponents that were measured in different ways.

    Works on the host, on numbers.
    """
    y = np.array([y_t, y_h], complex)
    given = np.asarray(covariance, float)
    if y.shape != (2,) or given.shape not in ((2,), (2, 2)):
        raise ValueError(f"y_t and y_h must be numbers with covariance [2, 2] or [2], got {given.shape}")
    given = np.diag(given**2) if given.ndim == 1 else given
    values = _exponents(y, dimension)
    # Derivatives by a complex step do not round (Squire & Trapp 1998, SIAM Rev. 40, 110).
    steps = [_exponents(y + 1e-30j * unit, dimension) for unit in np.eye(2)]
    slope = np.array([[step[name].imag / 1e-30 for step in steps] for name in values])
    # What does not depend on an exponent does not know that it is missing.
    spread = np.where(np.isnan(given) & ~np.isfinite(y.real * y.real[:, None]), 0, given)
    return CriticalExponents({name: float(value.real) for name, value in values.items()}, slope @ spread @ slope.T)


def _exponents(y, dimension):
    y_t, y_h = y
    with np.errstate(all="ignore"):
        return {
            "nu": 1 / y_t,
            "beta": (dimension - y_h) / y_t,
            "gamma": (2 * y_h - dimension) / y_t,
            "alpha": 2 - dimension / y_t,
            "delta": y_h / (dimension - y_h),
            "eta": dimension + 2 - 2 * y_h,
        }


@functools.partial(jax.jit, static_argnames=("blocks", "operators"))
def _all(fine, coarse, b, *, blocks, operators):
    # An accelerator's default of 10 bits in a product would be the error of every covariance.
    with jax.default_matmul_precision("highest"):
        return jax.vmap(functools.partial(_linearized, b=b, blocks=blocks, operators=operators))(fine, coarse)


def _linearized(fine, coarse, *, b, blocks, operators):
    k = fine.shape[-1]
    given, result = (coarse, fine) if operators else (fine, coarse)
    (given, result), scales, count = _covariances(given, result, blocks)
    collinear = _collinear(given[0])
    # cov(S', S') T = cov(S', S) or cov(K, K) T^t = cov(K, K'), in units of the standard deviations.
    matrix = jnp.linalg.solve(jnp.where(collinear, jnp.eye(k), given), result)
    matrix = matrix * scales[1] / scales[0][:, None]
    matrix = matrix if operators else jnp.swapaxes(matrix, -1, -2)

    values, without = eigenvalues_of(jnp.where(jnp.isfinite(matrix), matrix, 0))
    y = exponents_of(values, b)
    y_blocks = y + (without / values - 1).real / jnp.log(b)
    error = functools.partial(jackknife_error, used=count[1:] < count[0])
    few = jnp.min(count) < k + 2
    found = Linearized(
        matrix=matrix[0],
        matrix_se=error(matrix[1:]),
        eigenvalues=values,
        eigenvalues_se=error(without),
        y=y,
        y_se=error(y_blocks),
        y_blocks=y_blocks,
        status=first_true((few, TOO_FEW_POINTS), (collinear | jnp.isnan(y[0]), NOT_IDENTIFIED)),
    )
    found = answered(found, ~few & ~collinear)
    return found._replace(eigenvalues=jnp.where(few | collinear, jnp.nan, found.eigenvalues))


def _covariances(x, y, blocks):
    """Of all samples and of all but each block: correlations of x with x and with y, each `[1 + blocks, k, k]`, the
    two standard deviations `[2, k]` that are their units, and the numbers of samples `[1 + blocks]`."""
    present = jnp.all(jnp.isfinite(x) & jnp.isfinite(y), axis=-1)
    weight = present.astype(x.dtype)
    many = jnp.maximum(jnp.sum(weight), 1)

    def standardized(values):
        values = jnp.where(present[:, None], values, 0)
        values = jnp.where(present[:, None], values - jnp.sum(values, axis=0) / many, 0)
        deviation = jnp.sqrt(jnp.sum(jnp.square(values), axis=0) / many)
        deviation = jnp.where(deviation > 0, deviation, 1)
        return values / deviation, deviation

    (x, x_scale), (y, y_scale) = standardized(x), standardized(y)
    size = -(-len(x) // blocks)
    gap = -len(x) % size

    def parts(values):
        return jnp.pad(values, [(0, gap)] + [(0, 0)] * (values.ndim - 1)).reshape(-1, size, *values.shape[1:])

    def without_each(sums):
        total = jnp.sum(sums, axis=0)
        return jnp.concatenate([total[None], total - sums])

    x, y = parts(x), parts(y)
    count = without_each(jnp.sum(parts(weight), axis=1))
    number = jnp.maximum(count, 1)[:, None, None]
    x_mean, y_mean = (without_each(jnp.sum(a, axis=1))[:, :, None] / number for a in (x, y))

    def covariance(other, mean):
        products = without_each(jnp.einsum("nsa,nsb->nab", x, other))
        return products / number - x_mean * jnp.swapaxes(mean, 1, 2)

    return (covariance(x, x_mean), covariance(y, y_mean)), jnp.stack([x_scale, y_scale]), count


def _collinear(correlation):
    """Whether a quantity is constant or follows from those before it, up to rounding."""
    pivots = jnp.square(jnp.diagonal(jnp.linalg.cholesky(correlation)))
    return ~jnp.all(pivots > _COLLINEAR * jnp.finfo(correlation.dtype).eps)


def eigenvalues_of(matrices):
    """Of the first of matrices `[1 + n, k, k]` the eigenvalues `[k]`, largest modulus first, and those of the others
    to first order in their difference from it `[n, k]`, which cannot change places."""
    values, right = jnp.linalg.eig(matrices[0])
    order = jnp.argsort(-jnp.abs(values))
    values, right = values[order], right[:, order]
    left = jnp.linalg.inv(right)
    change = (matrices[1:] - matrices[0]).astype(left.dtype)
    return values, values + jnp.einsum("ai,nij,ja->na", left, change, right)


def exponents_of(values, b):
    """ln(lambda) / ln(b) of the eigenvalues that are real and positive, else NaN."""
    real = (values.real > 0) & (values.imag == 0)
    return jnp.log(jnp.where(real, values.real, jnp.nan)) / jnp.log(b)


def jackknife_error(without, used):
    """Standard error from the estimates without each of n blocks, along the first axis, of which some had no samples
    (Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans)."""
    used = used.reshape(-1, *(1,) * (without.ndim - 1))
    n = jnp.maximum(jnp.sum(used), 1)
    mean = jnp.sum(jnp.where(used, without, 0), axis=0) / n
    return jnp.sqrt((n - 1) / n * jnp.sum(jnp.where(used, jnp.square(jnp.abs(without - mean)), 0), axis=0))
