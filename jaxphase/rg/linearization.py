"""The renormalization map linearized about a fixed point, by how fluctuations before and after a step correlate.

Near a fixed point K* the couplings before and after a step obey K' - K* = T (K - K*). An eigenvalue b**y of T with y >
0 belongs to a direction in which a renormalization by the length b leads away from the fixed point, and y gives the
critical exponents (Wilson & Kogut 1974, Phys. Rep. 12, 75; Cardy 1996, Scaling and Renormalization in Statistical
Physics, ch. 3).

Operators are the sums over the system that the couplings multiply in the energy. As `d<S'_a> / dK_b = cov(S'_a, S_b)`,
T solves `cov(S', S') T = cov(S', S)` (Swendsen 1979). The first few eigenvalues converge as more steps approach the
fixed point and more operators are given, so compare several of both. With couplings, T solves the regression
`T cov(K, K) = cov(K', K)`.
"""

import functools
import math
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, ArrayLike, Bool, Complex, Float, Inexact, Int

from jaxphase.detect.batched import check_choice
from jaxphase.detect.status import Status, answered, first_true
from jaxphase.rg.beta_function import check_scale

Measured = Literal["operators", "couplings"]
# If a pivot of the correlations is below this many units of rounding, a quantity depends linearly on others.
_COLLINEAR = 32


class Linearized(NamedTuple):
    """The linearized map of one step, each number with its standard error.

    Attributes:
        matrix: The map T, `[..., k, k]`.
        matrix_se: Standard error of each entry, `[..., k, k]`.
        eigenvalues: Eigenvalues of T, `[..., k]`, complex, the largest modulus first.
        eigenvalues_se: Their standard errors, `[..., k]`.
        y: `ln(lambda) / ln b`, `[..., k]`; NaN where an eigenvalue is not real and positive, as such a direction turns
            or alternates and is no power of b.
        y_se: Standard errors of `y`, `[..., k]`.
        y_blocks: `y` without each block of samples, `[..., blocks, k]`. From the blocks of two results on the same
            samples follows their covariance.
        status: `Status`, `[...]`; see `linearized`.
    """

    matrix: Float[Array, "*batch k k"]
    matrix_se: Float[Array, "*batch k k"]
    eigenvalues: Complex[Array, "*batch k"]
    eigenvalues_se: Float[Array, "*batch k"]
    y: Float[Array, "*batch k"]
    y_se: Float[Array, "*batch k"]
    y_blocks: Float[Array, "*batch blocks k"]
    status: Int[Array, "*batch"]


class CriticalExponents(NamedTuple):
    """Critical exponents, in the form that `scaling.identify_universality_class` takes.

    Attributes:
        exponents: nu, beta, gamma, alpha, delta and eta by name; NaN where one is not known.
        covariance: Their covariance, in the same order.
    """

    exponents: dict[str, float]
    covariance: Float[np.ndarray, "6 6"]


def linearized(
    fine: ArrayLike, coarse: ArrayLike, b: float, *, blocks: int = 20, measured: Measured = "operators"
) -> Linearized:
    """Estimate the linearized map of one step from k quantities before and after it on the same samples.

    With "operators" the quantities are the terms of the energy. Operators of different symmetry do not mix: give the
    even ones for y_t and the odd ones for y_h in separate calls. With "couplings" the samples are systems (trained
    networks) whose couplings differ a little. Errors in measuring the couplings make this map too small;
    `measured_fixed_point` corrects for them.

    Args:
        fine: Quantities before the step, `[..., samples, k]`, in the order drawn; a sample that is not finite is
            missing.
        coarse: The same quantities after the step, `[..., samples, k]`.
        b: Length of the step, greater than 1.
        blocks: Number of blocks of consecutive samples for the jackknife, each longer than the autocorrelation time.
        measured: What the quantities are.

    Returns:
        A `Linearized`; errors of eigenvalues are to first order. The status is NOT_IDENTIFIED if the largest eigenvalue
        is not real and positive, or, all NaN, if a quantity is constant or depends linearly on others. It is
        TOO_FEW_POINTS, all NaN, if fewer than k + 2 samples are left without a block.

    Raises:
        ValueError: If the shapes differ, or an option is not valid.

    References:
        Swendsen (1979), Phys. Rev. Lett. 42, 859.
    """
    fine, coarse = jnp.asarray(fine), jnp.asarray(coarse)
    check_choice("measured", measured, get_args(Measured))
    if fine.shape != coarse.shape or fine.ndim < 2 or 0 in fine.shape[-2:]:
        raise ValueError(f"fine {fine.shape} and coarse {coarse.shape} must have one shape [..., samples, k]")
    if not isinstance(blocks, int) or blocks < 2:
        raise ValueError(f"blocks must be an int of at least 2, got {blocks!r}")
    check_scale(b)
    dtype = jnp.promote_types(jnp.result_type(fine, coarse, float), jnp.float32)
    lead, core = fine.shape[:-2], fine.shape[-2:]
    flat = (a.astype(dtype).reshape(math.prod(lead), *core) for a in (fine, coarse))
    result = _all(*flat, float(b), blocks=min(blocks, core[0]), operators=measured == "operators")
    return jax.tree.map(lambda field: field.reshape(lead + field.shape[1:]), result)


def critical_exponents(y_t: float, y_h: float, dimension: float, covariance: npt.ArrayLike) -> CriticalExponents:
    """Compute nu, beta, gamma, alpha, delta and eta from the exponents y of temperature and field.

    `nu = 1 / y_t`, `beta = (d - y_h) / y_t`, `gamma = (2 y_h - d) / y_t`, `alpha = 2 - d / y_t`,
    `delta = y_h / (d - y_h)`, `eta = d + 2 - 2 y_h`. All six come from two numbers, so every scaling relation among
    them holds identically and checks nothing. To check one, give `scaling.identify_universality_class` exponents that
    were measured in different ways.

    Args:
        y_t: Exponent of the temperature.
        y_h: Exponent of the field.
        dimension: Dimension d of space.
        covariance: Covariance of (y_t, y_h), `[2, 2]`, or their standard errors, `[2]`, if they are independent.

    Returns:
        `CriticalExponents`, computed on the host. If y_t or y_h is NaN, so are the exponents that need it.

    Raises:
        ValueError: If y_t and y_h are not numbers, or the covariance has another shape.

    References:
        Cardy (1996), Scaling and Renormalization in Statistical Physics, ch. 3.
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
    # An unknown y_t or y_h must not make the error of an exponent that does not depend on it NaN.
    spread = np.where(np.isnan(given) & ~np.isfinite(np.outer(np.real(y), np.real(y))), 0, given)
    return CriticalExponents({name: float(value.real) for name, value in values.items()}, slope @ spread @ slope.T)


def _exponents(y: Inexact[np.ndarray, "2"], dimension: float) -> dict[str, np.complexfloating]:
    """The six exponents by name, complex for derivatives by a complex step."""
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
def _all(
    fine: Float[Array, "many samples k"],
    coarse: Float[Array, "many samples k"],
    b: Float[Array, ""],
    *,
    blocks: int,
    operators: bool,
) -> Linearized:
    """The linearized map of every pair of arrays."""
    # By default an accelerator rounds products to 10 bits, which would dominate the error of every covariance.
    with jax.default_matmul_precision("highest"):
        return jax.vmap(functools.partial(_linearized, b=b, blocks=blocks, operators=operators))(fine, coarse)


def _linearized(
    fine: Float[Array, "samples k"],
    coarse: Float[Array, "samples k"],
    *,
    b: Float[Array, ""],
    blocks: int,
    operators: bool,
) -> Linearized:
    """The linearized map of one pair of arrays."""
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
        status=first_true((few, Status.TOO_FEW_POINTS), (collinear | jnp.isnan(y[0]), Status.NOT_IDENTIFIED)),
    )
    found = answered(found, ~few & ~collinear)
    return found._replace(eigenvalues=jnp.where(few | collinear, jnp.nan, found.eigenvalues))


def _covariances(
    x: Float[Array, "samples k"], y: Float[Array, "samples k"], blocks: int
) -> tuple[
    tuple[Float[Array, "estimates k k"], Float[Array, "estimates k k"]], Float[Array, "2 k"], Float[Array, " estimates"]
]:
    """Correlations of x with x and of x with y, the standard deviations of x and y, and the numbers of samples.

    The first of `1 + blocks` estimates is from all samples, each other one from all samples without one block.
    """
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


def _collinear(correlation: Float[Array, "k k"]) -> Bool[Array, ""]:
    """Whether a quantity is constant or follows from those before it, up to rounding."""
    pivots = jnp.square(jnp.diagonal(jnp.linalg.cholesky(correlation)))
    return ~jnp.all(pivots > _COLLINEAR * jnp.finfo(correlation.dtype).eps)


def eigenvalues_of(matrices: Float[Array, "matrices k k"]) -> tuple[Complex[Array, " k"], Complex[Array, "others k"]]:
    """Eigenvalues of the first matrix, the largest modulus first, and of the others to first order in their difference.

    To first order eigenvalues cannot change places, so the eigenvalues of all matrices correspond to one another.
    """
    values, right = jnp.linalg.eig(matrices[0])
    order = jnp.argsort(-jnp.abs(values))
    values, right = values[order], right[:, order]
    left = jnp.linalg.inv(right)
    change = (matrices[1:] - matrices[0]).astype(left.dtype)
    return values, values + jnp.einsum("ai,nij,ja->na", left, change, right)


def exponents_of(values: Complex[Array, " k"], b: Float[Array, ""]) -> Float[Array, " k"]:
    """ln(lambda) / ln(b) of the eigenvalues that are real and positive, else NaN."""
    real = (values.real > 0) & (values.imag == 0)
    return jnp.log(jnp.where(real, values.real, jnp.nan)) / jnp.log(b)


def jackknife_error(without: Inexact[Array, "blocks *shape"], used: Bool[Array, " blocks"]) -> Float[Array, "*shape"]:
    """Standard error from the estimates without each block; a block without samples is not used.

    Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans.
    """
    used = used.reshape(-1, *(1,) * (without.ndim - 1))
    n = jnp.maximum(jnp.sum(used), 1)
    mean = jnp.sum(jnp.where(used, without, 0), axis=0) / n
    return jnp.sqrt((n - 1) / n * jnp.sum(jnp.where(used, jnp.square(jnp.abs(without - mean)), 0), axis=0))
