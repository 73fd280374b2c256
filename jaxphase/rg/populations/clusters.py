"""Scaling of activations under pairing of the most correlated units: exponents of clusters of K = 1, 2, 4, ... units.

Meshulam, Gauthier, Brody, Tank & Bialek (2019), Phys. Rev. Lett. 123, 178103 and arXiv:1812.11904. Greedy pairing picks
large correlations, and so also those that are large by chance: measured in the samples that chose the pairs,
independent units have alpha > 1 and mu > 0. Here the samples are split into two halves. Each half is measured in the
clusters and along the eigenvectors that the other half has chosen, so that chance correlations do not count.

In each step the units are paired greedily by correlation and summed; if their number is odd, one is dropped. Errors
come from the jackknife over blocks, and from choosing the clusters again with half of the samples. Estimates are
corrected for their bias of order 1 / samples.

Single units follow no power law, so fits start at a smallest K. The largest clusters feel the finite size of the
system, and the errors do not include this. The page on renormalization in the documentation shows how much it matters
for the critical Ising model.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.correlation import correlation_length
from jaxphase.detect.status import Status, first_true
from jaxphase.rg.populations.halves import as_activations, cross_fit, jackknife, mean_of_halves, split_halves, usable
from jaxphase.rg.populations.levels import LEAST_SPECTRUM, Levels, measure_clusters

# Sizes that a fit of a line needs.
_LEAST_SIZES = 3
# The spectrum is fitted over ranks 2 to K / 4: the first is the sum itself, the last are differences of neighbors.
_FIRST_RANK, _LAST_RANK = 2, 1 / 4
# Silent clusters, over all samples, that a probability of silence needs.
_LEAST_SILENT = 30
# Errors by which an excess kurtosis must differ from 0 to enter a fit.
_SIGNIFICANT = 4.0


class Exponent(NamedTuple):
    """A slope in doubly logarithmic axes, each field `[...]`.

    Attributes:
        value: The slope; NaN if there is none.
        se: Its standard error.
        status: `Status`; see `cluster_flow`.
    """

    value: Float[Array, "*batch"]
    se: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


class ClusterFlow(NamedTuple):
    """Observables of clusters of K = 1, 2, 4, ... units, `[..., levels]`, and their exponents, `[...]`.

    Observables are means over clusters, NaN without clusters; `_se` marks standard errors.

    Attributes:
        size: Number K of units in a cluster, `[levels]`.
        clusters: Number of clusters.
        variance: `M2(K) / M2(1)`, the variance of the sums over that of the units.
        variance_se: Its standard error.
        silence: `-ln P0`, P0 being the probability that every unit of a cluster is silent; NaN with fewer than 30
            silent clusters.
        silence_se: Its standard error.
        kurtosis: `<y**4> / <y**2>**2` of the sums y about their mean; 3 if they are Gaussian.
        kurtosis_se: Its standard error.
        time: Samples over which their autocorrelation falls by e; NaN without order in time.
        time_se: Its standard error.
        spectrum: Variances along the eigenvectors of a cluster's covariance, `[..., levels, ranks]`, for 16 <= K <=
            largest.
        spectrum_se: Their standard errors, `[..., levels, ranks]`.
        alpha: Exponent of `variance ~ K**alpha`: 1 for independent units, 2 for locked ones.
        beta: Exponent of `silence ~ K**beta`.
        mu: Exponent of `spectrum ~ (rank / K)**-mu`, one for all K; 0 for independent units.
        z: Exponent of `time ~ K**z`.
        omega: Exponent of `kurtosis - 3 ~ K**-omega`: 1 for independent units, 0 at a non-Gaussian fixed point.
    """

    size: Int[Array, " levels"]
    clusters: Int[Array, "*batch levels"]
    variance: Float[Array, "*batch levels"]
    variance_se: Float[Array, "*batch levels"]
    silence: Float[Array, "*batch levels"]
    silence_se: Float[Array, "*batch levels"]
    kurtosis: Float[Array, "*batch levels"]
    kurtosis_se: Float[Array, "*batch levels"]
    time: Float[Array, "*batch levels"]
    time_se: Float[Array, "*batch levels"]
    spectrum: Float[Array, "*batch levels ranks"]
    spectrum_se: Float[Array, "*batch levels ranks"]
    alpha: Exponent
    beta: Exponent
    mu: Exponent
    z: Exponent
    omega: Exponent


def cluster_flow(
    activations: ArrayLike,
    *,
    blocks: int = 20,
    smallest: int = 2,
    largest: int | None = None,
    silent_at: float | None = None,
    time: bool = False,
) -> ClusterFlow:
    """Measure how clusters of paired units scale with their size.

    The errors do not include the finite size of the system, which the largest clusters feel.

    Args:
        activations: Activations, `[..., samples, units]`, brought to one scale if units differ in scale. A sample that
            is not finite somewhere is missing; a unit that does not vary does not count.
        blocks: Number of blocks of consecutive samples, even; a block should be longer than the autocorrelation time.
        smallest: Smallest size K in the fits.
        largest: Largest size K in the fits; None means an eighth of the units.
        silent_at: A unit is silent up to this value. None means 0 if no activation is negative; otherwise silence is
            not defined.
        time: Whether the samples are in order of time.

    Returns:
        A `ClusterFlow`. An exponent's status is NOT_IDENTIFIED, with NaN, if its observable is not defined, or for
        omega if the excess kurtosis is within four errors of 0 or changes sign. It is TOO_FEW_POINTS, with NaN, with
        fewer than three sizes in the fit (for mu: none), or if a half has fewer than two blocks with samples.

    Raises:
        ValueError: If the shape or an option is not valid.
    """
    x = as_activations(activations, blocks)
    for name, value in (("smallest", smallest), ("largest", largest)):
        if not (value is None and name == "largest") and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} must be an int of at least 1, got {value!r}")
    lead = x.shape[:-2]
    one = functools.partial(_flow, blocks=blocks, smallest=smallest, largest=largest, silent_at=silent_at, time=time)
    flow = jax.vmap(one)(x.reshape(math.prod(lead), *x.shape[-2:]))
    flow = jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), flow)
    return flow._replace(size=2 ** jnp.arange(flow.variance.shape[-1]))


@functools.partial(jax.jit, static_argnames=("blocks", "smallest", "largest", "silent_at", "time"))
def _flow(
    x: Float[Array, "samples units"],
    *,
    blocks: int,
    smallest: int,
    largest: int | None,
    silent_at: float | None,
    time: bool,
) -> ClusterFlow:
    """The clusters of one population."""
    halves = split_halves(x, blocks)
    there = halves.live[:, None, None] & halves.present[:, None]
    defined = (silent_at is not None) | ~jnp.any(there & (halves.raw < 0))
    silent = there & (halves.raw <= (0 if silent_at is None else silent_at))
    top = len(halves.live) // 8 if largest is None else largest

    def measure(covariance, half):
        parts = halves.deviation[half], silent[half], halves.present[half]
        return measure_clusters(covariance, *parts, live=halves.live, largest=top, time=time)

    with jax.default_matmul_precision("highest"):
        levels = jax.tree.map(mean_of_halves, cross_fit(halves, measure))
    used, enough = usable(halves.present)
    size, number = 2.0 ** np.arange(levels.variance.shape[1]), jnp.sum(halves.live)
    clusters = number // size.astype(int)
    known = (clusters > 0) & enough
    fitted = known & (size >= smallest) & (size <= (number / 8 if largest is None else largest))
    fit = _Fit(size, known, fitted, used)

    variance, variance_se, alpha = _variance(fit, levels)
    silence, silence_se, beta = _silence(fit, levels, defined)
    kurtosis, kurtosis_se, omega = _kurtosis(fit, levels.kurtosis / jnp.maximum(clusters, 1))
    length, length_se, z = _time(fit, levels.products, time)
    spectrum, spectrum_se, mu = _spectrum(fit, levels.spectrum, top)
    return ClusterFlow(
        size=jnp.asarray(size, int),
        clusters=clusters,
        variance=variance,
        variance_se=variance_se,
        silence=silence,
        silence_se=silence_se,
        kurtosis=kurtosis,
        kurtosis_se=kurtosis_se,
        time=length,
        time_se=length_se,
        spectrum=spectrum,
        spectrum_se=spectrum_se,
        alpha=alpha,
        beta=beta,
        mu=mu,
        z=z,
        omega=omega,
    )


class _Fit(NamedTuple):
    """Sizes of the clusters, which sizes have clusters, which are in the fits, and which blocks have samples."""

    size: Float[np.ndarray, " levels"]
    known: Bool[Array, " levels"]
    fitted: Bool[Array, " levels"]
    used: Bool[Array, " blocks"]


Profile = Float[Array, " levels"]


def _variance(fit: _Fit, levels: Levels) -> tuple[Profile, Profile, Exponent]:
    """Variance of the sums over that of their units, and alpha."""
    log_variance = jnp.log(fit.size) + _log(levels.variance) - _log(levels.of_units)
    return *_profile(fit, log_variance, fit.known, logarithm=True), _line(fit, log_variance, True)


def _silence(fit: _Fit, levels: Levels, defined: Bool[Array, ""]) -> tuple[Profile, Profile, Exponent]:
    """Minus the logarithm of the probability of silence, and beta."""
    free_energy = -_log(levels.silent / jnp.maximum(levels.trials, 1))
    enough = defined & (2 * levels.silent[0] >= _LEAST_SILENT) & jnp.all(levels.silent > 0, axis=0)
    beta = _line(fit, _log(free_energy), enough & jnp.all(free_energy > 0, axis=0))
    return *_profile(fit, free_energy, fit.known & enough), beta


def _kurtosis(fit: _Fit, kurtosis: Float[Array, "estimates levels"]) -> tuple[Profile, Profile, Exponent]:
    """Kurtosis of the sums, and omega of its excess."""
    value, error = jackknife(kurtosis, fit.used)
    sign = jnp.sign(kurtosis - 3)
    first = jnp.argmax(fit.fitted)
    significant = (jnp.abs(value - 3) > _SIGNIFICANT * error) & jnp.all(sign == sign[0, first], axis=0)
    # The fit ends where the excess is lost: a larger size at which noise makes it significant again does not count.
    significant = jnp.cumprod(significant | (jnp.arange(len(significant)) < first)) > 0
    omega = _line(fit, -_log(jnp.abs(kurtosis - 3)), significant)
    return *_profile(fit, kurtosis, fit.known), omega


def _time(
    fit: _Fit, products: Float[Array, "estimates levels lags"], in_order: bool
) -> tuple[Profile, Profile, Exponent]:
    """Samples over which the autocorrelation of the sums falls by e, and z."""
    length = correlation_length(products) if in_order else jnp.full(products.shape[:2], jnp.nan)
    decays = jnp.all(jnp.isfinite(length) & (length > 0), axis=0)
    length = jnp.where(decays, length, 1)
    # The length jumps when one more lag falls below 1/e, so that a correction of its bias would be wrong.
    value, error = _profile(fit, length, fit.known & decays, correct=False)
    return value, error, _line(fit, _log(length), decays)


def _spectrum(
    fit: _Fit, spectrum: Float[Array, "estimates levels ranks"], largest: int
) -> tuple[Float[Array, "levels ranks"], Float[Array, "levels ranks"], Exponent]:
    """Eigenvalues within clusters, and mu."""
    size, log_spectrum = fit.size[:, None], _log(spectrum)
    rank = np.arange(1, spectrum.shape[-1] + 1)
    rounding = jnp.square(jnp.finfo(spectrum.dtype).eps * size) * spectrum[0, :, :1]
    known = (
        fit.known[:, None] & (rank <= size) & (size >= LEAST_SPECTRUM) & (size <= largest) & (spectrum[0] > rounding)
    )
    use = known & fit.fitted[:, None] & (rank >= _FIRST_RANK) & (rank <= _LAST_RANK * size)
    slope, error = jackknife(-_slope(np.log(rank), log_spectrum, use), fit.used)
    mu = _exponent(slope, error, (jnp.sum(use) < _LEAST_SIZES, Status.TOO_FEW_POINTS))
    return *_profile(fit, log_spectrum, known, logarithm=True), mu


def _profile(
    fit: _Fit,
    values: Float[Array, "estimates *shape"],
    known: Bool[Array, "*shape"],
    *,
    logarithm: bool = False,
    correct: bool = True,
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Estimates and errors, NaN where not known; of `exp(values)` with logarithm=True."""
    value, error = jackknife(values, fit.used, correct=correct)
    if logarithm:
        value, error = jnp.exp(value), jnp.exp(value) * error
    return jnp.where(known, value, jnp.nan), jnp.where(known, error, jnp.nan)


def _line(fit: _Fit, values: Float[Array, "estimates levels"], defined: Bool[Array, " levels"] | bool) -> Exponent:
    """The slope over the logarithms of the sizes at which the values are defined."""
    use = fit.fitted & defined
    slope, error = jackknife(_slope(np.log(fit.size), values, use), fit.used)
    few = (jnp.sum(fit.fitted) < _LEAST_SIZES, Status.TOO_FEW_POINTS)
    return _exponent(slope, error, few, (jnp.sum(use) < _LEAST_SIZES, Status.NOT_IDENTIFIED))


def _slope(
    x: Float[np.ndarray, " points"], y: Float[Array, "estimates *rows points"], use: Bool[Array, "*rows points"]
) -> Float[Array, " estimates"]:
    """Least squares over all points in use, with a constant for each row."""
    many = jnp.maximum(jnp.sum(use, axis=-1, keepdims=True), 1)
    centered = jnp.where(use, x - jnp.sum(jnp.where(use, x, 0), axis=-1, keepdims=True) / many, 0)
    axes = tuple(range(-use.ndim, 0))
    norm = jnp.sum(jnp.square(centered))
    return jnp.sum(centered * jnp.where(use, y, 0), axis=axes) / jnp.where(norm > 0, norm, 1)


def _log(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The logarithm, 0 where the value is not positive."""
    return jnp.log(jnp.where(values > 0, values, 1))


def _exponent(value: Float[Array, ""], error: Float[Array, ""], *cases: tuple[Any, Status]) -> Exponent:
    """The exponent, NaN if one of the cases `(condition, status)` holds."""
    status = first_true(*cases)
    return Exponent(jnp.where(status == 0, value, jnp.nan), jnp.where(status == 0, error, jnp.nan), status)
