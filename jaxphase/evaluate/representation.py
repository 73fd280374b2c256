"""The geometry of a representation: how many dimensions it uses, and how it lies on the sphere.

Features [n, d] may end in columns of zeros, the padding of a narrow model: they count for nothing.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

FEWEST_RANKS = 5


class Spectrum(NamedTuple):
    """Singular values [min(n, d)] of features as they are, and of features less their mean; the largest first."""

    values: Array
    centred: Array


class SpectrumSlope(NamedTuple):
    """alpha of eigenvalue ~ rank^-alpha, and the standard error of the least-squares line."""

    alpha: Array
    alpha_se: Array


def spectrum(features: Array) -> Spectrum:
    """Spectrum of features [n, d]: about 2 n d^2 + 5 d^3 operations for n > d, hardly more than for one of the two."""
    n, d = features.shape
    mean = features.mean(0)
    # With R'R = n * covariance, the features themselves have the singular values of R and one row more for the mean.
    root = jnp.linalg.qr(features - mean, mode="r")
    rows = jnp.stack([jnp.sqrt(n) * mean, jnp.zeros(d, root.dtype)])
    both = jnp.concatenate([jnp.stack([root, root]), rows[:, None]], axis=1)
    values, centred = jnp.linalg.svd(both, compute_uv=False)[:, : min(n, d)]
    return Spectrum(values, centred)


def effective_rank(features: Array) -> Array:
    """exp of the entropy of the normalised singular values of features [n, d] (Roy & Vetterli 2007; "RankMe", 2023).

    Between 1 and min(n, d); padded features have singular value 0 and count for nothing; 0 if all features are 0.
    """
    return rank_of(jnp.linalg.svd(features, compute_uv=False))


def rank_of(values: Array) -> Array:
    """`effective_rank` of singular values, the largest first."""
    share = values / jnp.maximum(values.sum(), jnp.finfo(values.dtype).tiny)
    entropy = -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0))
    return jnp.where(values[0] > 0, jnp.exp(entropy), 0)


def spectrum_slope(features: Array, first_rank: int = 3, last_rank: int | None = None) -> SpectrumSlope:
    """alpha-ReQ (Agrawal et al. 2022): the decay of the eigenvalues of the covariance of features [n, d] with rank.

    The slope of log eigenvalue against log rank by least squares over ranks `first_rank` (the leading ones follow the
    classes, not the tail) to `last_rank` (all), with weights 1 / rank as Stringer et al. (2019) fit it: ranks count
    evenly on the logarithmic axis. Eigenvalues of 0 (padding), to rounding, are left out; NaN if fewer than 5 remain.
    The standard error is that of the line, not of the sample, whose eigenvalues are not independent and decay faster
    than those of the population: by about 0.08 for alpha = 1, d = 64 and n = 373.
    """
    return slope_of(spectrum(features), first_rank, last_rank)


def slope_of(spectrum: Spectrum, first_rank: int = 3, last_rank: int | None = None) -> SpectrumSlope:
    """`spectrum_slope` of a spectrum."""
    values = spectrum.centred
    rank = jnp.arange(1, len(values) + 1)
    # What rounding makes of a 0, in centring and in the decomposition, is in proportion to the features as they are.
    seen = values > 10 * jnp.finfo(values.dtype).eps * spectrum.values[0]
    used = seen & (rank >= first_rank) & (rank <= (last_rank or len(values)))
    x, y = jnp.log(rank), 2 * jnp.log(jnp.where(used, values, 1))
    weight, count = jnp.where(used, 1 / rank, 0), used.sum()
    x, y = (v - jnp.sum(weight * v) / jnp.maximum(weight.sum(), 1e-30) for v in (x, y))
    spread = jnp.maximum(jnp.sum(weight * x * x), 1e-30)
    slope = jnp.sum(weight * x * y) / spread
    variance = jnp.sum(weight * (y - slope * x) ** 2) / jnp.maximum(count - 2, 1) / spread
    answer = count >= FEWEST_RANKS
    return SpectrumSlope(jnp.where(answer, -slope, jnp.nan), jnp.where(answer, jnp.sqrt(variance), jnp.nan))


def alignment(a: Array, b: Array) -> Array:
    """Mean squared distance between the directions of a [n, d] and b [n, d], two views of the same n images.

    0 if the views agree, 2 if they know nothing of each other, 4 at most (Wang & Isola 2020, with exponent 2). A pair
    with a row of zeros has no direction and is left out; NaN if there is no other pair. O(n d).
    """
    squares = jnp.sum((directions(a) - directions(b)) ** 2, axis=1)
    paired = jnp.any(a != 0, axis=1) & jnp.any(b != 0, axis=1)
    return jnp.sum(jnp.where(paired, squares, 0)) / paired.sum()


@jax.default_matmul_precision("highest")
def uniformity(features: Array, t: float = 2) -> Array:
    """log of the mean of exp(-t |u - v|^2) over all pairs of directions u, v of features [n, d] (Wang & Isola 2020).

    0 if all rows point one way, and the lower the more evenly they cover the sphere. Rows of zeros are left out; NaN
    if fewer than two others remain. 2 n^2 d operations, n^2 numbers.
    """
    direction, pointing = directions(features), jnp.any(features != 0, axis=1)
    pairs = pointing[:, None] & pointing & ~jnp.eye(len(features), dtype=bool)
    exponent = -2 * t * (1 - jnp.clip(direction @ direction.T, -1, 1))
    return jax.nn.logsumexp(exponent, where=pairs) - jnp.log(pairs.sum())


def feature_std(features: Array) -> Array:
    """Mean over features of the standard deviation of directions [n, d], times sqrt(d) (Chen & He 2021).

    0 if all rows point one way, 1 at most, when every feature varies as much as every other about a mean of 0. Only
    features that vary are counted in d. O(n d).
    """
    direction = directions(features)
    std = jnp.std(direction, axis=0)
    live = jnp.sum(jnp.ptp(direction, axis=0) > 0)
    return jnp.sum(std) / jnp.sqrt(jnp.maximum(live, 1))


def directions(features: Array) -> Array:
    """Rows of features [n, d] over their Euclidean lengths; a row of zeros stays."""
    largest = jnp.max(jnp.abs(features), axis=1, keepdims=True)
    # Squares of numbers near 1: neither huge nor tiny features overflow.
    scaled = features / jnp.where(largest > 0, largest, 1)
    return scaled / jnp.where(largest > 0, jnp.linalg.norm(scaled, axis=1, keepdims=True), 1)


def standardise(features: Array, test_features: Array) -> tuple[Array, Array]:
    """Both less the mean and over the standard deviation of features [n, d]; 0 where a feature never varies."""
    mean, std = features.mean(0), features.std(0)
    # The mean of equal numbers is off by its rounding, and the deviation from it is not 0.
    varies = std > 1e-6 * jnp.maximum(jnp.max(std), jnp.abs(mean))
    scale = jnp.where(varies, 1 / jnp.maximum(std, 1e-30), 0)
    return (features - mean) * scale, (test_features - mean) * scale
