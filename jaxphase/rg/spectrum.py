"""Spectra of weights and activations: how many directions they use, what stands out of noise, how heavy the tail is.

A matrix is `[..., rows, columns]`. If it is padded, only its first `live_rows` x `live_columns` entries count, the
others are zeros, and the answers are those of the live part up to rounding. With p the shorter and n the longer side,
the eigenvalues are those of the smaller covariance, `s**2 / n` for singular values s. Permuting rows or columns changes
nothing. A constant mean is a direction of its own, so center activations first.

Noise: the largest eigenvalue follows the law of Tracy and Widom (Johnstone 2001), taken as a gamma law (Chiani 2014).
The variance comes first from the median and then from the matrix without its k outliers, which is noise of sides p - k
and n - k (Kritchman & Nadler 2009). A spike in the covariance is counted if it is some way above the threshold sqrt(p /
n) of Baik, Ben Arous & Peche (2005). Eigenvalues repel each other, so the distance of noise from the law is about
`(0.4 + 0.4 ln p) / p`, far below Kolmogorov's `1 / sqrt(p)`. Its p-value comes from a log-normal law fitted to
simulations of p from 8 to 256.

Tail: the start is the eigenvalue whose tail is nearest to its power law by the Kolmogorov-Smirnov distance, among 32
lengths of the tail from 10 eigenvalues to all (Clauset, Shalizi & Newman 2009). A power law is a limit of the
log-normal laws cut at the start, so their likelihood ratio tests it (del Castillo & Puig 1999); Vuong's test does not
apply. The error is over bootstrap samples, in each of which the start is chosen anew, and supposes independent
eigenvalues.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.status import Status, answered, first_true
from jaxphase.evaluate.representation import effective_rank, rank_of_spectrum
from jaxphase.rg.power_tail import PowerTail, power_tail

__all__ = [
    "MarchenkoPastur",
    "PowerTail",
    "Ranks",
    "effective_rank",
    "marchenko_pastur",
    "marchenko_pastur_density",
    "spectral_exponent",
    "spectral_ranks",
]

Scalar = Float[Array, ""]

LEAST_SIDE = 8


class Ranks(NamedTuple):
    """Three counts of the directions that a matrix uses, each `[...]`, from 1 to p; NaN if it has none.

    Attributes:
        effective: Exponential of the entropy of the normalized singular values.
        stable: Sum of the eigenvalues over the largest, `|W|_F**2 / |W|_2**2`.
        participation: Squared sum of the eigenvalues over the sum of their squares.
        status: `Status`; NOT_IDENTIFIED for a matrix of zeros or with an entry that is not finite.
    """

    effective: Float[Array, "*batch"]
    stable: Float[Array, "*batch"]
    participation: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


class MarchenkoPastur(NamedTuple):
    """The bulk of noise in a spectrum and what stands out of it, each `[...]`.

    Attributes:
        sigma2: Variance of the entries without the outliers.
        sigma2_se: Its standard error for Gaussian entries.
        lower: Lower end of the bulk, `sigma2 (1 - sqrt(p / n))**2`.
        edge: Upper end of the bulk, `sigma2 (1 + sqrt(p / n))**2`.
        outliers: Number of eigenvalues farther above the edge than noise reaches; 0 if there is no answer.
        distance: Largest distance between the distribution function of the bulk and that of the law.
        p_value: Probability of a larger distance for noise.
        status: `Status`; see `marchenko_pastur`.
    """

    sigma2: Float[Array, "*batch"]
    sigma2_se: Float[Array, "*batch"]
    lower: Float[Array, "*batch"]
    edge: Float[Array, "*batch"]
    outliers: Int[Array, "*batch"]
    distance: Float[Array, "*batch"]
    p_value: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


def spectral_ranks(
    matrix: ArrayLike, live_rows: ArrayLike | None = None, live_columns: ArrayLike | None = None
) -> Ranks:
    """Count the directions that a matrix uses, in three ways.

    For independent Gaussian entries the stable rank is near `p / (1 + sqrt(p / n))**2` and the participation ratio near
    `p / (1 + p / n)`.

    Args:
        matrix: Matrices, `[..., rows, columns]`.
        live_rows: Number of rows that are not padding, `[...]`; None means all.
        live_columns: Number of columns that are not padding, `[...]`; None means all.

    Returns:
        `Ranks`. For a matrix of zeros, or with an entry that is not finite, the status is NOT_IDENTIFIED with NaN.

    Raises:
        ValueError: If there is no matrix, an empty or complex one, or the live sides do not broadcast.

    References:
        Roy & Vetterli (2007), EUSIPCO: the effective rank.
    """
    return _of_each(_ranks, matrix, live_rows, live_columns)


def marchenko_pastur(
    matrix: ArrayLike,
    live_rows: ArrayLike | None = None,
    live_columns: ArrayLike | None = None,
    *,
    level: float = 0.01,
) -> MarchenkoPastur:
    """Compare a spectrum with the one of a matrix of independent entries of mean 0 (Marchenko & Pastur 1967).

    An outlier is an eigenvalue that exceeds the largest one of noise at the given level. How the noise is estimated:
    see the module `jaxphase.rg.spectrum`.

    Args:
        matrix: Matrices, `[..., rows, columns]`; p is the shorter side.
        live_rows: Number of rows that are not padding, `[...]`; None means all.
        live_columns: Number of columns that are not padding, `[...]`; None means all.
        level: Chance that noise has an outlier.

    Returns:
        A `MarchenkoPastur`. The status is AT_BOUND if half of the eigenvalues are outliers, so that there is no bulk.
        It is NOT_IDENTIFIED, with NaN, if half of the eigenvalues are zero or an entry is not finite, and
        TOO_FEW_POINTS, with NaN, if p < 8.

    Raises:
        ValueError: If there is no matrix, an empty or complex one, or the live sides do not broadcast.

    References:
        Johnstone (2001), Ann. Stat. 29, 295; Chiani (2014), J. Multivar. Anal. 129, 69; Kritchman & Nadler (2009), IEEE
        Trans. Signal Process. 57, 3930.
    """
    return _of_each(_marchenko_pastur, matrix, live_rows, live_columns, level=level)


def marchenko_pastur_density(eigenvalue: ArrayLike, sigma2: ArrayLike, ratio: ArrayLike) -> Float[Array, "..."]:
    """Compute the density of the Marchenko-Pastur law.

    Args:
        eigenvalue: Where to compute it, `[...]`.
        sigma2: Variance of the entries, `[...]`.
        ratio: Ratio p / n of the sides, at most 1, `[...]`.

    Returns:
        The density, `[...]`, broadcast as in NumPy.
    """
    x, ratio = jnp.asarray(eigenvalue) / sigma2, jnp.asarray(ratio)
    inside = jnp.maximum((1 + jnp.sqrt(ratio)) ** 2 - x, 0) * jnp.maximum(x - (1 - jnp.sqrt(ratio)) ** 2, 0)
    return jnp.sqrt(inside) / (2 * jnp.pi * ratio * jnp.where(inside > 0, x, 1) * sigma2)


def spectral_exponent(
    matrix: ArrayLike, live_rows: ArrayLike | None = None, live_columns: ArrayLike | None = None
) -> PowerTail:
    """Estimate the exponent alpha of the tail of the density of eigenvalues, `density ~ eigenvalue**-alpha`.

    alpha is the maximum-likelihood estimate from the eigenvalues above `start` (Hill 1975). If eigenvalues fall as
    `rank**-a`, `alpha = 1 + 1 / a`; at alpha = 2 their sum begins to diverge. Where the power law sets in slowly alpha
    is biased toward the body, which the error does not include. A tail that is not rejected may still be no power law.
    Start, test and error: see the module `jaxphase.rg.spectrum`.

    Args:
        matrix: Matrices, `[..., rows, columns]`.
        live_rows: Number of rows that are not padding, `[...]`; None means all.
        live_columns: Number of columns that are not padding, `[...]`; None means all.

    Returns:
        A `PowerTail`. The status is AT_BOUND if the tail is the shortest tried. It is NOT_IDENTIFIED if a log-normal is
        better (p_value < 0.01; alpha is NaN), the eigenvalues of the tail are equal, or an entry is not finite; and
        TOO_FEW_POINTS, with NaN, for fewer than 20 eigenvalues.

    Raises:
        ValueError: If there is no matrix, an empty or complex one, or the live sides do not broadcast.

    References:
        Clauset, Shalizi & Newman (2009), SIAM Rev. 51, 661; del Castillo & Puig (1999), J. Am. Stat. Assoc. 94, 529.
    """
    return _of_each(power_tail, matrix, live_rows, live_columns)


def _of_each(
    one_spectrum: Callable,
    matrix: ArrayLike,
    live_rows: ArrayLike | None,
    live_columns: ArrayLike | None,
    **options: float,
) -> Any:
    """`one_spectrum(values, short, long, finite)` of every matrix, with its singular values and its live sides."""
    matrix = jnp.asarray(matrix)
    if matrix.ndim < 2 or 0 in matrix.shape[-2:]:
        raise ValueError(f"matrix must have shape [..., rows, columns] and no empty side, got {matrix.shape}")
    if jnp.issubdtype(matrix.dtype, jnp.complexfloating):
        raise ValueError(f"matrix must be real, got {matrix.dtype}")
    matrix = matrix.astype(jnp.promote_types(jnp.result_type(matrix, float), jnp.float32))
    lead = matrix.shape[:-2]
    given = [matrix.shape[i] if live is None else live for i, live in ((-2, live_rows), (-1, live_columns))]
    try:
        sides = [jnp.broadcast_to(jnp.asarray(side, matrix.dtype), lead).reshape(-1) for side in given]
    except (ValueError, TypeError):
        shapes = [jnp.shape(side) for side in given]
        raise ValueError(f"live_rows, live_columns {shapes} do not broadcast to the matrices {lead}") from None

    result = _all_spectra(one_spectrum, matrix.reshape(math.prod(lead), *matrix.shape[-2:]), *sides, options)
    return jax.tree.map(lambda field: field.reshape(lead), result)


@functools.partial(jax.jit, static_argnames="one_spectrum")
def _all_spectra(
    one_spectrum: Callable,
    matrices: Float[Array, "matrices rows columns"],
    rows: Float[Array, " matrices"],
    columns: Float[Array, " matrices"],
    options: dict[str, Array],
) -> Any:
    """`one_spectrum` of matrices with one leading axis."""

    def one(matrix, rows, columns):
        finite = jnp.all(jnp.isfinite(matrix))
        values = jnp.linalg.svd(jnp.where(finite, matrix, 0), compute_uv=False)
        short, long = jnp.minimum(rows, columns), jnp.maximum(rows, columns)
        values = jnp.where(jnp.arange(len(values)) < short, values, 0)
        return one_spectrum(values, short, long, finite, **options)

    return jax.vmap(one)(matrices, rows, columns)


def _ranks(values: Float[Array, " side"], short: Scalar, long: Scalar, finite: Bool[Array, ""]) -> Ranks:
    """The ranks of one matrix by its singular values, the largest first."""
    del short, long
    share = jnp.square(values / jnp.where(values[0] > 0, values[0], 1))
    total = jnp.sum(share)
    known = finite & (values[0] > 0)
    result = Ranks(
        effective=rank_of_spectrum(values),
        stable=total,
        participation=jnp.square(total) / jnp.maximum(jnp.sum(jnp.square(share)), 1e-30),
        status=first_true((~known, Status.NOT_IDENTIFIED)),
    )
    return answered(result, known)


def _marchenko_pastur(
    values: Float[Array, " side"], short: Scalar, long: Scalar, finite: Bool[Array, ""], level: Scalar
) -> MarchenkoPastur:
    """The bulk of one matrix by its singular values, the largest first."""
    unit = jnp.where(values[0] > 0, values[0], 1)
    squares, index = jnp.square(values / unit), jnp.arange(len(values))
    most, reach = jnp.floor(short / 2), _tracy_widom_quantile(level)

    def count_outliers(sigma2, k):
        """How many squares exceed the largest one of noise of this variance, with k rows and columns fewer."""
        long_root, short_root = jnp.sqrt(long - k - 0.5), jnp.sqrt(short - k - 0.5)
        both = long_root + short_root
        scale = both * jnp.cbrt(1 / long_root + 1 / short_root)
        return jnp.minimum(jnp.sum(squares > sigma2 * (jnp.square(both) + scale * reach)), most)

    def variance_without(k):
        return jnp.sum(jnp.where(index >= k, squares, 0)) / ((short - k) * (long - k))

    half = jnp.floor((short - 1) / 2).astype(int), jnp.floor(short / 2).astype(int)
    median = (squares[half[0]] + squares[half[1]]) / 2
    identified = finite & (values[0] > 0) & (median > jnp.square(30 * jnp.finfo(values.dtype).eps))
    sigma2_of_median = jnp.where(identified, median, 1) / (long * _median(short / long))
    # The median of few eigenvalues is uncertain, and with too low an edge the bulk would count as outliers.
    k = count_outliers(sigma2_of_median * (1 + 4 / short), 0)
    k = jax.lax.fori_loop(0, 6, lambda _, k: count_outliers(variance_without(k), k), k)

    sigma2, rows, columns = variance_without(k), short - k, long - k
    ratio = rows / columns
    root = jnp.sqrt(ratio)
    place = (squares / (sigma2 * columns) - 1 - ratio) / (2 * root)
    below = 1 - _share_above(jnp.arccos(jnp.clip(place, -1, 1)), root)
    # Rank from below within the bulk, whose largest eigenvalue has the index k.
    rank = short - index
    gap = jnp.maximum(jnp.abs(below - rank / rows), jnp.abs(below - (rank - 1) / rows))
    distance = jnp.max(jnp.where((index >= k) & (index < short), gap, 0))
    # Mean and standard deviation of the logarithm over simulations; they do not depend on the ratio of the sides.
    expected = jnp.log(0.416 + 0.394 * jnp.log(rows)) - jnp.log(rows)
    spread = jnp.maximum(0.198 - 0.0195 * jnp.log(rows / 8), 0.08)
    few, known = short < LEAST_SIDE, identified & (short >= LEAST_SIDE)
    sigma2 = sigma2 * jnp.square(unit)
    result = MarchenkoPastur(
        sigma2=sigma2,
        sigma2_se=sigma2 * jnp.sqrt(2 / (rows * columns)),
        lower=sigma2 * jnp.square(1 - root) * columns / long,
        edge=sigma2 * jnp.square(1 + root) * columns / long,
        outliers=jnp.where(known, k, 0).astype(jnp.int32),
        distance=distance,
        p_value=ndtr((expected - jnp.log(distance)) / spread),
        status=first_true(
            (few, Status.TOO_FEW_POINTS), (~identified, Status.NOT_IDENTIFIED), (k >= most, Status.AT_BOUND)
        ),
    )
    return answered(result, known)


def _tracy_widom_quantile(level: Scalar) -> Scalar:
    """The value that the largest eigenvalue of real noise, centered and scaled, exceeds with this chance, to 0.01."""
    shape = 46.446
    root = 1 - 1 / (9 * shape) - ndtri(level) / (3 * math.sqrt(shape))  # Wilson & Hilferty's, of a gamma law
    return 0.186054 * shape * root**3 - 9.84801


def _share_above(angle: Float[Array, "..."], root: Scalar) -> Float[Array, "..."]:
    """Share of the Marchenko-Pastur law above `1 + root**2 + 2 root cos(angle)`, root**2 the ratio of the sides."""
    turn = jnp.arctan2(root * jnp.sin(angle), 1 + root * jnp.cos(angle))
    return (angle - jnp.sin(angle) / root + (1 - root**2) * turn / root**2) / jnp.pi


def _median(ratio: Scalar) -> Scalar:
    """Median of the Marchenko-Pastur law of variance 1."""
    root = jnp.sqrt(ratio)
    angle = jnp.full_like(root, jnp.pi / 2)
    for _ in range(6):
        density = 2 / jnp.pi * jnp.square(jnp.sin(angle)) / (1 + ratio + 2 * root * jnp.cos(angle))
        angle += (0.5 - _share_above(angle, root)) / density
    return 1 + ratio + 2 * root * jnp.cos(angle)
