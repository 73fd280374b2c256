"""Against spectra whose law is known: noise, spikes of the known threshold, samples of a power law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.stats
from flax import nnx

from jaxphase.rg.power_tail import PowerTail, power_tail
from jaxphase.rg.spectrum import (
    marchenko_pastur,
    marchenko_pastur_density,
    spectral_exponent,
    spectral_ranks,
)
from jaxphase.systems import spiked

FUNCTIONS = (spectral_ranks, marchenko_pastur, spectral_exponent)


def noise(shape, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def of_spectrum(eigenvalues, columns, seed=0):
    """Matrices whose covariance `W W' / columns` has these eigenvalues `[..., rows]`."""
    rng, rows = np.random.default_rng(seed), eigenvalues.shape[-1]
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (rows, columns))
    return (left * np.sqrt(eigenvalues * columns)[..., None, :]) @ right[:rows]


def power_law_samples(alpha, count, repeats, body=0.0, seed=0):
    """Sorted samples, the largest first, of which a share `body` is uniform below where the power law begins."""
    rng = np.random.default_rng(seed)
    tail = rng.pareto(alpha - 1, (repeats, count)) + 1
    return -np.sort(-np.where(rng.random((repeats, count)) < body, rng.random((repeats, count)), tail), axis=1)


def nearest_tail(eigenvalues, lengths):
    """Clauset, Shalizi & Newman by SciPy: exponent and distance of the best of the tails of these lengths."""
    found = []
    for length in lengths:
        ratio = eigenvalues[: length - 1] / eigenvalues[length - 1]
        exponent = 1 + len(ratio) / np.log(ratio).sum()
        found.append((scipy.stats.kstest(ratio, scipy.stats.pareto(exponent - 1).cdf).statistic, exponent, len(ratio)))
    return min(found)


def test_ranks_of_noise_and_of_a_known_spectrum():
    # Wishart: participation p / (1 + p / n), stable rank p / (1 + sqrt(p / n))**2, entropy of Page's kind.
    ranks = spectral_ranks(noise((256, 512)))
    assert ranks.participation == pytest.approx(256 / 1.5, rel=0.01)
    assert ranks.stable == pytest.approx(256 / (1 + 0.5**0.5) ** 2, rel=0.04)
    values = np.array([5.0, 3.0, 2.0, 1.0])
    ranks = spectral_ranks(of_spectrum(values**2, 7))
    assert ranks.effective == pytest.approx(np.exp(scipy.stats.entropy(values)), rel=1e-5)
    assert ranks.stable == pytest.approx(39 / 25, rel=1e-5)
    assert ranks.participation == pytest.approx(39**2 / (625 + 81 + 16 + 1), rel=1e-5)


@pytest.mark.parametrize("one_spectrum", FUNCTIONS)
def test_padding_permutation_transposition_and_scale_change_nothing(one_spectrum):
    rng = np.random.default_rng(1)
    # Eigenvalues that fall as one over their rank, so that there is a tail.
    matrix = np.arange(1, 41)[:, None] ** -0.5 * noise((40, 60), 1)
    padded = np.zeros((3, 64, 64), np.float32)
    padded[:, :40, :60] = matrix, matrix[rng.permutation(40)][:, rng.permutation(60)], 100 * matrix
    alone, together = one_spectrum(matrix), one_spectrum(padded, np.full(3, 40), 60)
    assert alone.status == 0
    transposed = one_spectrum(matrix.T)
    for name, field in alone._asdict().items():
        unit = 1e4 if name in ("sigma2", "sigma2_se", "lower", "edge", "start") else 1
        several = getattr(together, name)
        np.testing.assert_allclose(getattr(transposed, name), field, rtol=2e-4, atol=2e-5, err_msg=name)
        np.testing.assert_allclose(several, field * np.array([1, 1, unit]), rtol=2e-4, atol=2e-5, err_msg=name)


def test_the_density_is_a_density():
    for ratio in (0.1, 0.5, 0.9):
        low, high = 2 * (1 - ratio**0.5) ** 2, 2 * (1 + ratio**0.5) ** 2
        x = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, 2001))) / 2
        density = np.asarray(marchenko_pastur_density(x, 2.0, ratio))
        assert np.trapezoid(density, x) == pytest.approx(1, abs=1e-3)
        assert np.trapezoid(density * x, x) == pytest.approx(2, abs=1e-3)
    assert marchenko_pastur_density(np.array([0.0, 9.0]), 2.0, 0.5).tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(16, 16), (32, 96)])
def test_noise_has_its_variance_and_seldom_an_outlier(shape):
    found = marchenko_pastur(noise((400, *shape), scale=0.3))
    pull = (found.sigma2 - 0.09) / found.sigma2_se
    assert abs(np.mean(pull)) < 0.25
    assert 0.9 < np.std(pull) < 1.12
    assert np.mean(np.asarray(found.outliers) > 0) < 0.03
    assert 0.01 < np.mean(np.asarray(found.p_value) < 0.05) < 0.1
    assert not np.any(found.status)


def test_the_level_is_the_share_of_noise_with_an_outlier():
    found = marchenko_pastur(noise((400, 48, 64), 2), level=0.2)
    assert 0.12 < np.mean(np.asarray(found.outliers) > 0) < 0.26


def test_the_distance_is_kolmogorovs_to_the_law():
    matrix = noise((60, 150), 3)
    found = marchenko_pastur(matrix)
    eigenvalues = np.linalg.svd(matrix, compute_uv=False) ** 2 / 150
    low, high = float(found.lower), float(found.edge)
    x = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, 4001))) / 2
    below = scipy.integrate.cumulative_trapezoid(marchenko_pastur_density(x, found.sigma2, 60 / 150), x, initial=0)
    assert found.distance == pytest.approx(
        scipy.stats.kstest(eigenvalues, lambda v: np.interp(v, x, below)).statistic, abs=1e-3
    )
    assert found.edge == pytest.approx(float(found.sigma2) * (1 + 0.4**0.5) ** 2, rel=1e-5)


def test_spikes_above_the_threshold_are_counted_and_those_below_are_not():
    rows, columns = 64, 128
    critical = spiked.critical_strength(rows / columns)
    strengths = np.zeros((3, rows))
    strengths[1, :5] = critical * np.array([3.5, 4, 5, 6, 40])
    strengths[2, :5] = 0.6 * critical
    matrices = 0.1 * np.sqrt(1 + strengths)[:, None, :, None] * noise((10, rows, columns), 4)
    found = marchenko_pastur(matrices)
    count = np.asarray(found.outliers)
    assert np.mean(count[0] == 0) >= 0.9
    assert np.mean(count[1] == 5) >= 0.9
    assert np.mean(count[2] <= 1) >= 0.9
    # Without the spikes, which hold four times the rest, the variance is that of the noise.
    np.testing.assert_allclose(np.mean(found.sigma2[1]), 0.01, rtol=0.02)


def test_an_untrained_network_is_noise():
    initializers = nnx.initializers.lecun_normal(), nnx.initializers.he_uniform()
    layers = [nnx.Linear(64, 96, kernel_init=initializers[i % 2], rngs=nnx.Rngs(i)) for i in range(12)]
    kernels = np.stack([layer.kernel[...] for layer in layers])
    found = marchenko_pastur(kernels)
    assert np.sum(np.asarray(found.outliers) > 0) <= 1
    assert np.max(found.distance) < 0.06
    assert np.sum(np.asarray(found.p_value) < 0.05) <= 3
    # Training adds directions: one of four times the norm that noise has.
    direction = np.outer(np.ones(64), np.ones(96)) / (64 * 96) ** 0.5
    norm = np.linalg.norm(kernels, 2, axis=(1, 2))[:, None, None]
    assert np.all(marchenko_pastur(kernels + 4 * norm * direction.astype(np.float32)).outliers == 1)


def test_a_spectrum_without_a_bulk_or_an_answer_says_so():
    few = marchenko_pastur(noise((7, 50)))
    assert (few.status, few.outliers) == (3, 0)
    assert np.isnan(few.sigma2)
    low_rank = marchenko_pastur(noise((40, 4)) @ noise((4, 40), 1))
    assert low_rank.status == 2
    assert np.isnan(low_rank.edge)
    unbounded = noise((3, 32, 32))
    unbounded[1, 2, 3], unbounded[2] = np.nan, 0
    for one_spectrum in FUNCTIONS:
        assert one_spectrum(unbounded).status[1:].tolist() in ([2, 2], [2, 3])
    assert np.isfinite(marchenko_pastur(unbounded).sigma2[0])


def test_the_exponent_is_clausets():
    eigenvalues = power_law_samples(2.5, 80, 1, body=0.5, seed=5)[0]
    found = spectral_exponent(of_spectrum(eigenvalues, 90))
    lengths = np.unique(np.round(10 * 8 ** np.linspace(0, 1, 32)).astype(int))
    distance, exponent, tail = nearest_tail(eigenvalues, lengths)
    assert found.tail == tail
    assert found.alpha == pytest.approx(exponent, rel=1e-3)
    assert found.distance == pytest.approx(distance, abs=1e-4)
    assert found.start == pytest.approx(eigenvalues[tail], rel=1e-3)
    assert found.status == 0


def of_values(eigenvalues) -> PowerTail:
    """`spectral_exponent` of eigenvalues, without the matrix."""
    side = jnp.float32(np.shape(eigenvalues)[-1])
    one = jax.jit(lambda values: power_tail(values, side, side, jnp.bool_(True)))
    return jax.lax.map(one, np.sqrt(eigenvalues).astype(np.float32))


@pytest.mark.parametrize(("alpha", "body"), [(2.0, 0.7), (3.0, 0.5)])
def test_two_errors_hold_the_exponent_in_95_of_100(alpha, body):
    found = of_values(power_law_samples(alpha, 200, 200, body))
    known = np.asarray(found.status) != 2
    pull = ((found.alpha - alpha) / found.alpha_se)[known]
    assert np.mean(known) > 0.95
    assert 0.925 < np.mean(np.abs(pull) < 1.96) <= 0.995
    # The error for a known start is too small.
    naive = (found.alpha - alpha)[known] * np.sqrt(found.tail[known]) / (found.alpha[known] - 1)
    assert np.mean(np.abs(naive) < 1.96) < 0.925


def test_the_ratio_of_likelihoods_is_that_of_the_best_log_normal():
    rng = np.random.default_rng(6)
    eigenvalues = -np.sort(-np.exp(rng.normal(0, 1, (3, 300))))
    found = of_values(eigenvalues)
    for i in range(3):
        tail = int(found.tail[i])
        excess = np.log(eigenvalues[i, :tail] / eigenvalues[i, tail])
        exponential = np.sum(scipy.stats.expon.logpdf(excess, scale=excess.mean()))

        def loss(theta, excess=excess):
            mean, deviation = theta[0], np.exp(theta[1])
            return -np.sum(
                scipy.stats.norm.logpdf(excess, mean, deviation) - scipy.stats.norm.logsf(0, mean, deviation)
            )

        best = scipy.optimize.minimize(loss, [-1.0, 0.0], method="Nelder-Mead", options={"maxiter": 2000}).fun
        assert found.log_ratio[i] == pytest.approx(exponential + best, abs=2e-3)


def test_a_log_normal_is_no_power_law():
    rng = np.random.default_rng(7)
    narrow = of_values(-np.sort(-np.exp(rng.normal(0, 0.3, (40, 400)))))
    heavy = of_values(power_law_samples(2.5, 400, 40, seed=8))
    assert np.mean(np.asarray(narrow.p_value) < 0.05) > 0.3
    assert np.mean(np.asarray(heavy.p_value) < 0.05) < 0.15
    rejected = np.asarray(narrow.p_value) < 0.01
    assert np.all(np.asarray(narrow.status)[rejected] == 2)
    assert np.all(np.isnan(narrow.alpha) == rejected)


def test_misuse_names_the_value():
    with pytest.raises(ValueError, match=r"\(5,\)"):
        spectral_ranks(np.ones(5))
    with pytest.raises(ValueError, match=r"\(3,\)"):
        marchenko_pastur(np.ones((2, 9, 9)), live_rows=np.array([9, 9, 9]))
    assert spectral_exponent(noise((19, 40))).status == 3
