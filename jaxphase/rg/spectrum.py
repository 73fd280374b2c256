"""Spectra of weights and activations: how many directions they use, what stands out of noise, how heavy the tail is.

A matrix is `[..., rows, columns]`. If it is padded, its first `live_rows` x `live_columns` entries `[...]` count, and
the others are zeros: answers are those of the live part, to round-off. With p the shorter and n the longer side, the
eigenvalues are those of the smaller covariance, `s**2 / n` for singular values s. A permutation of rows or columns
changes nothing; a constant mean is a direction of its own, so center activations first.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri

from ..detect.status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true
from ..evaluate.representation import rank_of
from .power_tail import PowerTail, power_tail

LEAST_SIDE = 8


class Ranks(NamedTuple):
    """How many directions a matrix uses, each `[...]`, from 1 to p."""

    effective: jax.Array
    stable: jax.Array
    participation: jax.Array
    status: jax.Array


class MarchenkoPastur(NamedTuple):
    """The bulk of noise in a spectrum and what stands out of it, each `[...]`; see `marchenko_pastur`."""

    sigma2: jax.Array
    sigma2_se: jax.Array
    lower: jax.Array
    edge: jax.Array
    outliers: jax.Array
    distance: jax.Array
    p_value: jax.Array
    status: jax.Array


def spectral_ranks(matrix, live_rows=None, live_columns=None) -> Ranks:
    """Three counts of the directions that a matrix uses.

    effective: exp of the entropy of the normalized singular values (Roy & Vetterli 2007). stable: the sum of the
    eigenvalues over the largest, `|W|_F**2 / |W|_2**2`. participation: the squared sum of the eigenvalues over the sum
    of their squares. For independent Gaussian entries the latter are near `p / (1 + sqrt(p / n))**2` and
    `p / (1 + p / n)`. status 2: a matrix of zeros or with an entry that is not finite, NaN.
    """
    return _of_each(_ranks, matrix, live_rows, live_columns)


def marchenko_pastur(matrix, live_rows=None, live_columns=None, *, level=0.01) -> MarchenkoPastur:
    """Compare a spectrum with that of independent entries of mean 0 and variance sigma2 (Marchenko & Pastur 1967).

    lower, edge: `sigma2 (1 -+ sqrt(p / n))**2`, the ends of the bulk. outliers: eigenvalues beyond the edge by more
    than the largest of noise would be, but for a chance of `level` (Johnstone 2001, Ann. Stat. 29, 295; the law of
    Tracy and Widom as a gamma law, Chiani 2014, J. Multivar. Anal. 129, 69). sigma2 is that of the matrix without its k
    outliers, which is noise of sides p - k and n - k; the outliers are counted with the sigma2 of the median first,
    then in turn (Kritchman & Nadler 2009, IEEE Trans. Signal Process. 57, 3930). sigma2_se is that of Gaussian entries.
    Of Gaussian matrices of sides from 8 to 256 at most 1.5 % have an outlier at the default level. A spike in the
    covariance is counted if its strength is some way above the threshold sqrt(p / n) of Baik, Ben Arous & Peche (2005).

    distance: the largest between the distribution function of the bulk and that of the law. Eigenvalues repel each
    other, so it is about `(0.4 + 0.4 ln p) / p` for noise, far below Kolmogorov's `1 / sqrt(p)`; p_value is by a
    log-normal law fitted to simulations of p from 8 to 256 (below 0.05 for 2 to 6 % of Gaussian matrices).

    status 1: half of the eigenvalues are outliers, there is no bulk. status 2: half of the eigenvalues are zero, or an
    entry is not finite, NaN. status 3: p < 8, NaN. Outliers are 0 where NaN.
    """
    return _of_each(_marchenko_pastur, matrix, live_rows, live_columns, level=level)


def marchenko_pastur_density(eigenvalue, sigma2, ratio):
    """Density of the Marchenko-Pastur law of entry variance sigma2 and `ratio` = p / n <= 1, broadcast like numpy's."""
    x = eigenvalue / sigma2
    inside = jnp.maximum((1 + jnp.sqrt(ratio)) ** 2 - x, 0) * jnp.maximum(x - (1 - jnp.sqrt(ratio)) ** 2, 0)
    return jnp.sqrt(inside) / (2 * jnp.pi * ratio * jnp.where(inside > 0, x, 1) * sigma2)


def spectral_exponent(matrix, live_rows=None, live_columns=None) -> PowerTail:
    """Exponent alpha of the tail of the density of eigenvalues, `density ~ eigenvalue**-alpha` from `start` on.

    alpha is the maximum-likelihood estimate from the `tail` eigenvalues above start, itself an eigenvalue (Hill 1975);
    start is where the tail is nearest to its power law by the Kolmogorov-Smirnov `distance`, among 32 lengths of the
    tail from 10 to all (Clauset, Shalizi & Newman 2009, SIAM Rev. 51, 661). An alpha of eigenvalues over their rank a,
    `eigenvalue ~ rank**-a`, is `alpha = 1 + 1 / a`; at alpha = 2 the sum of the eigenvalues starts to diverge.

    alpha_se is the deviation over bootstrap samples with start chosen anew in each: `(alpha - 1) / sqrt(tail)`, which
    takes start for known, is too small by 10 to 50 % and its 95 % interval covers 83 to 94 %; this one covers 92 to
    99 % where a power law begins sharply. It is that of independent eigenvalues. Where the law sets in slowly alpha is
    biased towards the body, and no error tells.

    log_ratio: the log-likelihood of the power law less that of the best log-normal in the tail, whose limit the power
    law is: never positive, so that Vuong's test does not apply and p_value is that of the likelihood ratio of nested
    laws (del Castillo & Puig 1999, J. Am. Stat. Assoc. 94, 529). It is below 0.01 for 0 to 3 % of power laws of 64 to
    512 eigenvalues, and for 57 % of Gaussian matrices 64 x 64, 79 % of 128 x 256: a tail that is not rejected may still
    be none.

    status 1: the tail is the shortest tried. status 2: a log-normal is better, p_value < 0.01, or the eigenvalues of
    the tail are equal, or an entry is not finite; alpha and its error NaN. status 3: fewer than 20 eigenvalues, NaN.
    """
    return _of_each(power_tail, matrix, live_rows, live_columns)


def _of_each(one_spectrum, matrix, live_rows, live_columns, **options):
    """`one_spectrum(values, short, long, finite)` of every matrix, short and long its live sides."""
    matrix = jnp.asarray(matrix)
    if matrix.ndim < 2 or 0 in matrix.shape[-2:]:
        raise ValueError(f"matrix must have shape [..., rows, columns] and no empty side, got {matrix.shape}")
    if jnp.issubdtype(matrix.dtype, jnp.complexfloating):
        raise ValueError(f"matrix must be real, got {matrix.dtype}")
    matrix = matrix.astype(jnp.promote_types(jnp.result_type(matrix, float), jnp.float32))
    lead = matrix.shape[:-2]
    sides = [matrix.shape[i] if live is None else live for i, live in ((-2, live_rows), (-1, live_columns))]
    try:
        sides = [jnp.broadcast_to(jnp.asarray(side, matrix.dtype), lead).reshape(-1) for side in sides]
    except (ValueError, TypeError):
        shapes = [jnp.shape(side) for side in sides]
        raise ValueError(f"live_rows, live_columns {shapes} do not broadcast to the matrices {lead}") from None

    result = _all_spectra(one_spectrum, matrix.reshape(math.prod(lead), *matrix.shape[-2:]), *sides, options)
    return jax.tree.map(lambda field: field.reshape(lead), result)


@functools.partial(jax.jit, static_argnames="one_spectrum")
def _all_spectra(one_spectrum, matrices, rows, columns, options):
    def one(matrix, rows, columns):
        finite = jnp.all(jnp.isfinite(matrix))
        values = jnp.linalg.svd(jnp.where(finite, matrix, 0), compute_uv=False)
        short, long = jnp.minimum(rows, columns), jnp.maximum(rows, columns)
        values = jnp.where(jnp.arange(len(values)) < short, values, 0)
        return one_spectrum(values, short, long, finite, **options)

    return jax.vmap(one)(matrices, rows, columns)


def _ranks(values, short, long, finite):
    del short, long
    share = jnp.square(values / jnp.where(values[0] > 0, values[0], 1))
    total = jnp.sum(share)
    known = finite & (values[0] > 0)
    result = Ranks(
        effective=rank_of(values),
        stable=total,
        participation=jnp.square(total) / jnp.maximum(jnp.sum(jnp.square(share)), 1e-30),
        status=first_true((~known, NOT_IDENTIFIED)),
    )
    return answered(result, known)


def _marchenko_pastur(values, short, long, finite, level):
    unit = jnp.where(values[0] > 0, values[0], 1)
    squares, index = jnp.square(values / unit), jnp.arange(len(values))
    most, reach = jnp.floor(short / 2), _tracy_widom_quantile(level)

    def outside(sigma2, k):
        """How many squares are beyond what noise of this variance and these sides reaches."""
        roots = jnp.sqrt(long - k - 0.5), jnp.sqrt(short - k - 0.5)
        top = jnp.square(sum(roots))
        scale = sum(roots) * jnp.cbrt(1 / roots[0] + 1 / roots[1])
        return jnp.minimum(jnp.sum(squares > sigma2 * (top + scale * reach)), most)

    def without(k):
        return jnp.sum(jnp.where(index >= k, squares, 0)) / ((short - k) * (long - k))

    half = jnp.floor((short - 1) / 2).astype(int), jnp.floor(short / 2).astype(int)
    middle = (squares[half[0]] + squares[half[1]]) / 2
    identified = finite & (values[0] > 0) & (middle > jnp.square(30 * jnp.finfo(values.dtype).eps))
    of_median = jnp.where(identified, middle, 1) / (long * _median(short / long))
    # The median of few eigenvalues is uncertain, and an edge that is too low takes the bulk for outliers.
    k = outside(of_median * (1 + 4 / short), 0)
    k = jax.lax.fori_loop(0, 6, lambda _, k: outside(without(k), k), k)

    sigma2, rows, columns = without(k), short - k, long - k
    ratio = rows / columns
    root = jnp.sqrt(ratio)
    place = (squares / (sigma2 * columns) - 1 - ratio) / (2 * root)
    below = 1 - _share_above(jnp.arccos(jnp.clip(place, -1, 1)), root)
    # Rank from below among the bulk, of which the largest has the index k.
    rank = short - index
    gap = jnp.maximum(jnp.abs(below - rank / rows), jnp.abs(below - (rank - 1) / rows))
    distance = jnp.max(jnp.where((index >= k) & (index < short), gap, 0))
    # Mean and scatter of the logarithm over simulations, for every ratio the same.
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
        status=first_true((few, TOO_FEW_POINTS), (~identified, NOT_IDENTIFIED), (k >= most, AT_BOUND)),
    )
    return answered(result, known)


def _tracy_widom_quantile(level):
    """What the largest eigenvalue of real noise, centered and scaled, exceeds with this chance, to 0.01."""
    shape = 46.446
    root = 1 - 1 / (9 * shape) - ndtri(level) / (3 * math.sqrt(shape))  # Wilson & Hilferty's, of a gamma law
    return 0.186054 * shape * root**3 - 9.84801


def _share_above(angle, root):
    """Share of the Marchenko-Pastur law above `1 + root**2 + 2 root cos(angle)`, root**2 the ratio of the sides."""
    turn = jnp.arctan2(root * jnp.sin(angle), 1 + root * jnp.cos(angle))
    return (angle - jnp.sin(angle) / root + (1 - root**2) * turn / root**2) / jnp.pi


def _median(ratio):
    """Median of the Marchenko-Pastur law of variance 1."""
    root = jnp.sqrt(ratio)
    angle = jnp.full_like(root, jnp.pi / 2)
    for _ in range(6):
        density = 2 / jnp.pi * jnp.square(jnp.sin(angle)) / (1 + ratio + 2 * root * jnp.cos(angle))
        angle += (0.5 - _share_above(angle, root)) / density
    return 1 + ratio + 2 * root * jnp.cos(angle)
