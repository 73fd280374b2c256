"""Scaling of activations under pairing of the most correlated units: exponents of clusters of K = 1, 2, 4, ... units.

Meshulam, Gauthier, Brody, Tank & Bialek (2019), Phys. Rev. Lett. 123, 178103 and arXiv:1812.11904. Greedy pairing looks
for large correlations, and so it finds those that are large by chance: measured in the samples that chose the pairs,
independent units have alpha > 1 and mu > 0. Here the samples are in two halves, each measured in the clusters and along
the eigenvectors that the other half has chosen, so that what was chosen by chance counts for nothing.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase.detect.status import Status, first_true

from ...detect.correlation import correlation_length
from .halves import as_activations, choosing_and_measuring, in_halves, jackknife, mean_of_halves, usable
from .levels import LEAST_SPECTRUM, measure_clusters

# Points that a line needs.
_LEAST_SIZES = 3
# Ranks 2 to K / 4 follow the power law: the first is the sum itself, the last are differences of neighbours.
_FIRST_RANK, _LAST_RANK = 2, 1 / 4
# Silent clusters, of all samples, that a probability of silence needs; errors that an excess kurtosis must be from 0.
_LEAST_SILENT, _SEEN = 30, 4.0


class Exponent(NamedTuple):
    """A slope in doubly logarithmic axes with its standard error and status, each `[...]`."""

    value: jax.Array
    se: jax.Array
    status: jax.Array


class ClusterFlow(NamedTuple):
    """Clusters of `size` `[levels]` units and their exponents; see `cluster_flow` for every field."""

    size: jax.Array
    clusters: jax.Array
    variance: jax.Array
    variance_se: jax.Array
    silence: jax.Array
    silence_se: jax.Array
    kurtosis: jax.Array
    kurtosis_se: jax.Array
    time: jax.Array
    time_se: jax.Array
    spectrum: jax.Array
    spectrum_se: jax.Array
    alpha: Exponent
    beta: Exponent
    mu: Exponent
    z: Exponent
    omega: Exponent


def cluster_flow(activations, *, blocks=20, smallest=2, largest=None, silent_at=None, time=False) -> ClusterFlow:
    """Exponents of clusters of paired units.

    activations: `[..., samples, units]`, as they are: units of different scale should be brought to one before, as sums
    follow the largest. A sample that is not finite anywhere is missing, a unit that does not vary (dead, or padding) is
    no unit. In each step the units are paired greedily by correlation and summed; of an odd number one is dropped.
    blocks: consecutive samples, an even number of blocks, each longer than samples remember one another. Of every two
    one chooses clusters for the other. Errors are those of the jackknife over blocks and of the choice of clusters, as
    seen by choosing again in half of the samples; estimates are corrected for their bias of order 1 / samples.
    smallest, largest: sizes K of the fits; largest None is an eighth of the units. Single units are on no power law,
    and larger clusters feel the ends of the system: critical spins on a torus of N = 1024 have the slopes 1.77, 1.82,
    1.85, 1.87, 1.89, 1.89, 1.92, 1.94, 1.95 and 1.97 between successive K, for an exact 1.875. That no range is free of
    both is in no error: over K = 2 to N / 8 alpha is 1.874 +- 0.001 there, and mu 0.893 +- 0.004 for an exact 0.875.

    Observables `[..., levels]` of the clusters of `size` K, NaN where there is none, each with `_se`, and `clusters`,
    the number of them:
    variance: `M2(K) / M2(1)` of the sums, mean over clusters, M2(1) being that of the units in them; ~ K**alpha, alpha
    = 1 for independent units and 2 for units locked together.
    silence: `-ln P0`, P0 the share of samples, mean over clusters, in which every unit is at most silent_at; ~ K**beta.
    silent_at None is 0 for activations that are nowhere negative, and NaN for others: a unit that crosses 0 has no
    silence. NaN too where there are fewer than 30 silent clusters in all samples.
    kurtosis: `<y**4> / <y**2>**2` of the sums about their mean, mean over clusters, 3 for Gaussian ones; its excess
    over 3 ~ K**-omega, omega = 1 for independent units and 0 at a fixed point that is not Gaussian.
    time: samples over which the sums' autocorrelation falls by e, if the samples are in the order of time (time=True,
    else NaN); ~ K**z. It must be shorter than a block.
    spectrum `[..., levels, ranks]`: variance along the eigenvectors of the covariance within a cluster, mean over
    clusters, for 16 <= K <= largest; ~ (rank / K)**-mu over ranks 2 to K / 4, one mu for all K; 0 if independent.

    status 2: NaN, silence or time are not defined, or the excess kurtosis is within four errors of 0 or changes sign.
    status 3: NaN, fewer than three sizes (mu: none) between smallest and largest, or a half without two blocks.
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
def _flow(x, *, blocks, smallest, largest, silent_at, time):
    halves = in_halves(x, blocks)
    there = halves.live[:, None, None] & halves.present[:, None]
    defined = (silent_at is not None) | ~jnp.any(there & (halves.raw < 0))
    silent = there & (halves.raw <= (0 if silent_at is None else silent_at))
    top = len(halves.live) // 8 if largest is None else largest

    def measure(chosen, half):
        parts = halves.deviation[half], silent[half], halves.present[half]
        return measure_clusters(chosen, *parts, live=halves.live, top=top, time=time)

    with jax.default_matmul_precision("highest"):
        levels = jax.tree.map(mean_of_halves, choosing_and_measuring(halves, measure))
    used, enough = usable(halves.present)
    size, number = 2.0 ** np.arange(levels.variance.shape[1]), jnp.sum(halves.live)
    clusters = number // size.astype(int)
    known = (clusters > 0) & enough
    fitted = known & (size >= smallest) & (size <= (number / 8 if largest is None else largest))
    fit = _Fit(size, known, fitted, used)

    variance, alpha = _variance(fit, levels)
    silence, beta = _silence(fit, levels, defined)
    kurtosis, omega = _kurtosis(fit, levels.kurtosis / jnp.maximum(clusters, 1))
    length, z = _time(fit, levels.products, time)
    spectrum, mu = _spectrum(fit, levels.spectrum, top)
    profiles = (*variance, *silence, *kurtosis, *length, *spectrum)
    return ClusterFlow(size, clusters, *profiles, alpha, beta, mu, z, omega)


class _Fit(NamedTuple):
    """Sizes `[levels]`, which have clusters and which are in the fits, and which blocks `[blocks]` have samples."""

    size: np.ndarray
    known: jax.Array
    fitted: jax.Array
    used: jax.Array


def _variance(fit: _Fit, levels):
    log_variance = jnp.log(fit.size) + _log(levels.variance) - _log(levels.of_units)
    return _profile(fit, log_variance, fit.known, logarithm=True), _line(fit, log_variance, True)


def _silence(fit: _Fit, levels, defined):
    free_energy = -_log(levels.silent / jnp.maximum(levels.trials, 1))
    seen = defined & (2 * levels.silent[0] >= _LEAST_SILENT) & jnp.all(levels.silent > 0, axis=0)
    beta = _line(fit, _log(free_energy), seen & jnp.all(free_energy > 0, axis=0))
    return _profile(fit, free_energy, fit.known & seen), beta


def _kurtosis(fit: _Fit, kurtosis):
    value, error = jackknife(kurtosis, fit.used)
    sign = jnp.sign(kurtosis - 3)
    first = jnp.argmax(fit.fitted)
    seen = (jnp.abs(value - 3) > _SEEN * error) & jnp.all(sign == sign[0, first], axis=0)
    # Up to where it is lost: beyond, a size at which noise makes it large again is none to fit.
    seen = jnp.cumprod(seen | (jnp.arange(len(seen)) < first)) > 0
    return _profile(fit, kurtosis, fit.known), _line(fit, -_log(jnp.abs(kurtosis - 3)), seen)


def _time(fit: _Fit, products, in_order):
    length = correlation_length(products) if in_order else jnp.full(products.shape[:2], jnp.nan)
    decays = jnp.all(jnp.isfinite(length) & (length > 0), axis=0)
    length = jnp.where(decays, length, 1)
    # It jumps where a lag more falls below 1/e: not a number to correct for its bias.
    return _profile(fit, length, fit.known & decays, correct=False), _line(fit, _log(length), decays)


def _spectrum(fit: _Fit, spectrum, top):
    size, log_spectrum = fit.size[:, None], _log(spectrum)
    rank = np.arange(1, spectrum.shape[-1] + 1)
    round_off = jnp.square(jnp.finfo(spectrum.dtype).eps * size) * spectrum[0, :, :1]
    known = fit.known[:, None] & (rank <= size) & (size >= LEAST_SPECTRUM) & (size <= top) & (spectrum[0] > round_off)
    use = known & fit.fitted[:, None] & (rank >= _FIRST_RANK) & (rank <= _LAST_RANK * size)
    slope, error = jackknife(-_slope(np.log(rank), log_spectrum, use), fit.used)
    mu = _exponent(slope, error, (jnp.sum(use) < _LEAST_SIZES, Status.TOO_FEW_POINTS))
    return _profile(fit, log_spectrum, known, logarithm=True), mu


def _profile(fit: _Fit, values, known, *, logarithm=False, correct=True):
    """Estimates and errors of `[1 + blocks + 2, levels, ...]`, NaN where not known."""
    value, error = jackknife(values, fit.used, correct=correct)
    if logarithm:
        value, error = jnp.exp(value), jnp.exp(value) * error
    return tuple(jnp.where(known, a, jnp.nan) for a in (value, error))


def _line(fit: _Fit, values, defined) -> Exponent:
    """The slope of `[1 + blocks + 2, levels]` over the logarithms of the sizes at which they are defined."""
    use = fit.fitted & defined
    slope, error = jackknife(_slope(np.log(fit.size), values, use), fit.used)
    few = (jnp.sum(fit.fitted) < _LEAST_SIZES, Status.TOO_FEW_POINTS)
    return _exponent(slope, error, few, (jnp.sum(use) < _LEAST_SIZES, Status.NOT_IDENTIFIED))


def _slope(x, y, use):
    """Least squares over the last axis of `use`, with a constant for each row of it if it has more than one."""
    many = jnp.maximum(jnp.sum(use, axis=-1, keepdims=True), 1)
    x = jnp.where(use, x - jnp.sum(jnp.where(use, x, 0), axis=-1, keepdims=True) / many, 0)
    axes = tuple(range(-use.ndim, 0))
    norm = jnp.sum(jnp.square(x))
    return jnp.sum(x * jnp.where(use, y, 0), axis=axes) / jnp.where(norm > 0, norm, 1)


def _log(values):
    return jnp.log(jnp.where(values > 0, values, 1))


def _exponent(value, error, *cases) -> Exponent:
    status = first_true(*cases)
    value, error = (jnp.where(status == 0, a, jnp.nan) for a in (value, error))
    return Exponent(value, error, status)
