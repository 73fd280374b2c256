"""Against the root found by scipy, and regressions on Gaussian features solved one by one."""

import jax
import numpy as np
import pytest
from scipy.optimize import brentq

from jaxphase.rg.kernel_regression import kernel_flow

MODES, SAMPLES, RIDGE, NOISE = 300, 40, 1e-3, 0.05
SPECTRUM = np.arange(1.0, MODES + 1) ** -1.5
CUTOFFS = (300, 120, 40, 12)


def theory(spectrum, target, ridge, noise, samples=SAMPLES):
    """kappa and loss of the self-consistent theory, in float64."""
    excess = lambda t: np.sum(spectrum / (spectrum + np.exp(t))) + ridge / np.exp(t) - samples  # noqa: E731
    kappa = np.exp(brentq(excess, -40, 10, xtol=1e-13))
    learned = spectrum / (spectrum + kappa)
    return kappa, (noise + np.sum((1 - learned) ** 2 * target)) / (1 - np.sum(learned**2) / samples)


@pytest.fixture(scope="module")
def flow():
    return kernel_flow(SPECTRUM, RIDGE, SAMPLES, target=SPECTRUM, noise=NOISE, cutoffs=CUTOFFS)


@pytest.fixture(scope="module")
def regressions(flow):
    """Losses of 200 ridge regressions [200, 1 + cutoffs], with all modes and with the leading ridge for those cut."""
    rng, losses = np.random.default_rng(0), []
    settings = [(MODES, RIDGE), *zip(CUTOFFS, np.asarray(flow.leading_ridge, float), strict=True)]
    for _ in range(200):
        x, target = rng.standard_normal((SAMPLES, MODES)), np.sqrt(SPECTRUM) * rng.standard_normal(MODES)
        y, row = x @ target + np.sqrt(NOISE) * rng.standard_normal(SAMPLES), []
        for cut, ridge in settings:
            kernel = (x[:, :cut] * SPECTRUM[:cut]) @ x[:, :cut].T
            found = SPECTRUM[:cut] * (x[:, :cut].T @ np.linalg.solve(kernel + ridge * np.eye(SAMPLES), y))
            row.append(np.sum((found - target[:cut]) ** 2) + np.sum(target[cut:] ** 2) + NOISE)
        losses.append(row)
    return np.array(losses)


def test_kappa_and_loss_are_the_same_at_every_cutoff(flow):
    kappa, loss = theory(SPECTRUM, SPECTRUM, RIDGE, NOISE)
    np.testing.assert_allclose([flow.kappa, flow.loss], [kappa, loss], rtol=1e-5)
    for cut, ridge, noise in zip(CUTOFFS, np.asarray(flow.ridge, float), np.asarray(flow.noise, float), strict=True):
        kept = SPECTRUM[:cut]
        np.testing.assert_allclose(theory(kept, kept, ridge, noise), [kappa, loss], rtol=1e-5)


def test_the_leading_flow_adds_eigenvalues_and_is_off_by_their_learnability(flow):
    for i, cut in enumerate(CUTOFFS):
        beyond, kept = SPECTRUM[cut:], SPECTRUM[:cut]
        ridge, noise = RIDGE + beyond.sum(), NOISE + beyond.sum()
        np.testing.assert_allclose([flow.leading_ridge[i], flow.leading_noise[i]], [ridge, noise], rtol=1e-5)
        kappa, loss = theory(kept, kept, ridge, noise)
        np.testing.assert_allclose([flow.leading_kappa[i], flow.leading_loss[i]], [kappa, loss], rtol=1e-5)
        learned = beyond / (beyond + float(flow.kappa))
        np.testing.assert_allclose(
            flow.leading_ridge[i] - flow.ridge[i], np.sum(beyond * learned), rtol=1e-3, atol=1e-7
        )
    assert np.all(np.diff(flow.leading_kappa) > 0)


def test_the_predicted_losses_are_those_of_regressions(flow, regressions):
    mean, error = regressions.mean(axis=0), regressions.std(axis=0) / np.sqrt(len(regressions))
    assert abs(mean[0] - flow.loss) < 3 * error[0] < 0.03
    assert np.all(np.abs(mean[1:] - flow.leading_loss) < 3 * error[1:])
    # Paired, what is lost by cutting is far better known: at the lowest cutoffs it is seen by more than ten errors.
    lost = regressions[:, 2:] - regressions[:, :1]
    expected = np.asarray(flow.leading_loss[1:] - flow.loss)
    error = lost.std(axis=0) / np.sqrt(len(lost))
    assert np.all(np.abs(lost.mean(axis=0) - expected) < 3 * error + 0.1 * expected)
    assert np.all((expected > 10 * error)[1:])


def test_equal_eigenvalues_have_the_root_of_a_quadratic_equation():
    # n kappa**2 + (n - p - delta) kappa - delta = 0 for p eigenvalues of one.
    n, p, delta = 30, 20, 2.0
    kappa = (-(n - p - delta) + np.sqrt((n - p - delta) ** 2 + 4 * n * delta)) / (2 * n)
    flow = kernel_flow(np.ones(p), delta, n, cutoffs=(p,))
    assert flow.kappa == pytest.approx(kappa, rel=1e-5)


def test_without_a_ridge_there_is_double_descent():
    # Ridgeless regression of p = 100 equal modes: noise n / (n - p) beyond, norm (1 - n / p) + noise p / (p - n) below.
    flow = kernel_flow(np.append(np.ones(100), np.zeros(20)), 0, np.array([50, 100, 200]), target=0.01, noise=0.1)
    np.testing.assert_allclose(flow.loss[::2], [(0.2 + 0.1 + 0.01 * 100 * 0.25) * 2, (0.2 + 0.1) * 2], rtol=1e-5)
    assert np.isinf(flow.loss[1])
    np.testing.assert_array_equal(flow.status, [0, 1, 1])
    np.testing.assert_array_equal(flow.kappa[1:], 0)


def test_bad_numbers_are_nan_and_bad_shapes_are_errors():
    flow = kernel_flow(np.array([[1, 0.5], [1, -1], [0, 0], [np.nan, 1]]), 0.1, 10)
    np.testing.assert_array_equal(flow.status, [0, 2, 2, 2])
    assert np.all(np.isnan(flow.loss[1:])) and np.all(np.isnan(flow.ridge[1:]))
    np.testing.assert_array_equal(flow.cutoff, [2, 1])
    with pytest.raises(ValueError, match=r"cutoffs must be ints from 1 to the number of modes, 2, got \(3,\)"):
        kernel_flow(np.ones(2), 1, 1, cutoffs=(3,))
    with pytest.raises(ValueError, match=r"do not broadcast: .*\(3,\)"):
        kernel_flow(np.ones((2, 2)), np.ones(3), 1)


def test_lanes_compile_under_vmap():
    loss = lambda ridge: kernel_flow(SPECTRUM, ridge, SAMPLES, target=SPECTRUM, noise=NOISE, cutoffs=(40,)).loss  # noqa: E731
    ridges = np.array([0.01, 0.1, 1.0], np.float32)
    lanes = jax.jit(jax.vmap(loss))(ridges)
    np.testing.assert_allclose(lanes, [theory(SPECTRUM, SPECTRUM, float(r), NOISE)[1] for r in ridges], rtol=1e-5)
