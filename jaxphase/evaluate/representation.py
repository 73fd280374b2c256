"""The geometry of a representation: how many dimensions it uses, and how it lies on the sphere.

Features `[n, d]` may end in columns of zeros, the padding of a narrow model. These change nothing.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Shaped

FEWEST_RANKS = 5


class Spectrum(NamedTuple):
    """Singular values of features, the largest first.

    Attributes:
        values: Singular values of the features as they are, `[min(n, d)]`.
        centered: Singular values of the features minus their mean, `[min(n, d)]`.
    """

    values: Float[Array, "*models ranks"]
    centered: Float[Array, "*models ranks"]


class SpectrumSlope(NamedTuple):
    """The decay of a spectrum with rank.

    Attributes:
        alpha: Exponent of eigenvalue ~ rank^-alpha; NaN with fewer than 5 ranks.
        alpha_se: Standard error of the least-squares line; NaN with fewer than 5 ranks.
    """

    alpha: Float[Array, "*models"]
    alpha_se: Float[Array, "*models"]


def spectrum(features: Float[ArrayLike, "n d"]) -> Spectrum:
    """Compute the singular values of features with and without their mean.

    For n > d it takes about 2 n d^2 + 5 d^3 operations, hardly more than one of the two alone.

    Args:
        features: Representation, `[n, d]`.

    Returns:
        A `Spectrum`.
    """
    features = jnp.asarray(features)
    n, d = features.shape
    mean = features.mean(0)
    # With R'R = n * covariance, the features have the singular values of R with one more row, sqrt(n) times the mean.
    root = jnp.linalg.qr(features - mean, mode="r")
    rows = jnp.stack([jnp.sqrt(n) * mean, jnp.zeros(d, root.dtype)])
    both = jnp.concatenate([jnp.stack([root, root]), rows[:, None]], axis=1)
    values, centered = jnp.linalg.svd(both, compute_uv=False)[:, : min(n, d)]
    return Spectrum(values, centered)


def effective_rank(features: Float[ArrayLike, "n d"]) -> Float[Array, ""]:
    """Compute the effective rank (RankMe), exp of the entropy of the normalized singular values.

    Args:
        features: Representation, `[n, d]`; a padded feature has singular value 0 and changes nothing.

    Returns:
        A number between 1 and min(n, d); 0 if all features are 0.

    References:
        Roy & Vetterli (2007), The effective rank; Garrido et al. (2023), RankMe.
    """
    return rank_of_spectrum(jnp.linalg.svd(features, compute_uv=False))


def rank_of_spectrum(values: Float[Array, " ranks"]) -> Float[Array, ""]:
    """Compute `effective_rank` from singular values.

    Args:
        values: Singular values, the largest first, `[ranks]`.

    Returns:
        The effective rank; 0 if all values are 0.
    """
    share = values / jnp.maximum(values.sum(), jnp.finfo(values.dtype).tiny)
    entropy = -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0))
    return jnp.where(values[0] > 0, jnp.exp(entropy), 0)


def spectrum_slope(
    features: Float[ArrayLike, "n d"], first_rank: int = 3, last_rank: int | None = None
) -> SpectrumSlope:
    """Compute alpha-ReQ, the decay of the eigenvalues of the covariance of features with rank.

    It is minus the slope of log eigenvalue against log rank by least squares with weights 1 / rank, so that ranks count
    evenly on the logarithmic axis. Eigenvalues of 0 (padding), up to rounding, are left out. The standard error is the
    error of the line, not of the sample: the eigenvalues of a sample are not independent, and decay somewhat faster
    than those of the population.

    Args:
        features: Representation, `[n, d]`.
        first_rank: First rank of the fit; the leading ranks follow the classes rather than the tail.
        last_rank: Last rank of the fit; all if None.

    Returns:
        A `SpectrumSlope`; NaN if fewer than 5 eigenvalues remain.

    References:
        Agrawal et al. (2022), alpha-ReQ; Stringer et al. (2019), Nature 571, 361.
    """
    return slope_of_spectrum(spectrum(features), first_rank, last_rank)


def slope_of_spectrum(spectrum: Spectrum, first_rank: int = 3, last_rank: int | None = None) -> SpectrumSlope:
    """Compute `spectrum_slope` from a spectrum.

    Args:
        spectrum: Singular values.
        first_rank: First rank of the fit.
        last_rank: Last rank of the fit; all if None.

    Returns:
        A `SpectrumSlope`; NaN if fewer than 5 eigenvalues remain.
    """
    values = spectrum.centered
    rank = jnp.arange(1, len(values) + 1)
    # Rounding, in centering and in the decomposition, turns a 0 into a number in proportion to the uncentered features.
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


def alignment(a: Float[ArrayLike, "n d"], b: Float[ArrayLike, "n d"]) -> Float[Array, ""]:
    """Compute the mean squared distance between the directions of two views.

    Args:
        a: Features of n rows, `[n, d]`.
        b: Features of the other views of the same rows, `[n, d]`. A pair with a row of zeros has no direction and is
            left out.

    Returns:
        0 if the views agree, 2 if they are unrelated, at most 4; NaN if there is no pair.

    References:
        Wang & Isola (2020), arXiv:2005.10242, with exponent 2.
    """
    a, b = jnp.asarray(a), jnp.asarray(b)
    squares = jnp.sum((directions(a) - directions(b)) ** 2, axis=1)
    paired = jnp.any(a != 0, axis=1) & jnp.any(b != 0, axis=1)
    return jnp.sum(jnp.where(paired, squares, 0)) / paired.sum()


@jax.default_matmul_precision("highest")
def uniformity(features: Float[ArrayLike, "n d"], t: Shaped[ArrayLike, ""] = 2) -> Float[Array, ""]:
    """Compute log of the mean of exp(-t |u - v|^2) over all pairs of directions u and v.

    It takes 2 n^2 d operations and memory for n^2 numbers.

    Args:
        features: Representation, `[n, d]`; rows of zeros are left out.
        t: Inverse squared length.

    Returns:
        0 if all rows point one way, and lower the more evenly they cover the sphere; NaN with fewer than two rows that
        are not zero.

    References:
        Wang & Isola (2020), arXiv:2005.10242.
    """
    features = jnp.asarray(features)
    direction, pointing = directions(features), jnp.any(features != 0, axis=1)
    pairs = pointing[:, None] & pointing & ~jnp.eye(len(features), dtype=bool)
    exponent = -2 * t * (1 - jnp.clip(direction @ direction.T, -1, 1))
    return jax.nn.logsumexp(exponent, where=pairs) - jnp.log(pairs.sum())


def feature_std(features: Float[ArrayLike, "n d"]) -> Float[Array, ""]:
    """Compute the mean over features of the standard deviation of directions, times sqrt(d).

    Args:
        features: Representation, `[n, d]`; only features that vary are counted in d.

    Returns:
        0 if all rows point one way, at most 1, when all features vary equally about a mean of 0.

    References:
        Chen & He (2021), arXiv:2011.10566.
    """
    direction = directions(features)
    std = jnp.std(direction, axis=0)
    live = jnp.sum(jnp.ptp(direction, axis=0) > 0)
    return jnp.sum(std) / jnp.sqrt(jnp.maximum(live, 1))


def directions(features: Float[ArrayLike, "n d"]) -> Float[Array, "n d"]:
    """Divide rows by their Euclidean lengths; a row of zeros stays."""
    features = jnp.asarray(features)
    largest = jnp.max(jnp.abs(features), axis=1, keepdims=True)
    # Squares of numbers near 1, so that neither huge nor tiny features leave the range of floats.
    scaled = features / jnp.where(largest > 0, largest, 1)
    return scaled / jnp.where(largest > 0, jnp.linalg.norm(scaled, axis=1, keepdims=True), 1)


def standardize(
    features: Float[ArrayLike, "n d"], test_features: Float[ArrayLike, "m d"]
) -> tuple[Float[Array, "n d"], Float[Array, "m d"]]:
    """Subtract the mean of `features` and divide by its standard deviation; 0 where a feature never varies."""
    features, test_features = jnp.asarray(features), jnp.asarray(test_features)
    mean, std = features.mean(0), features.std(0)
    # The mean of equal numbers is rounded, so their standard deviation is not exactly 0.
    varies = std > 1e-6 * jnp.maximum(jnp.max(std), jnp.abs(mean))
    scale = jnp.where(varies, 1 / jnp.maximum(std, 1e-30), 0)
    return (features - mean) * scale, (test_features - mean) * scale
