"""The mean-field magnet against sums over all spin states, and the crossings of its Binder cumulants."""

import jax
import numpy as np
import pytest
from scipy.special import gamma

from jaxphase.systems import curie_weiss


def test_moments_are_sums_over_all_spins():
    spins = 2 * (np.arange(2**10)[:, None] >> np.arange(10) & 1) - 1
    total = spins.sum(axis=1)
    coupling = np.array([0.3, 1.0, 1.7])
    weight = np.exp(coupling[:, None] * total**2 / 20)
    weight /= weight.sum(axis=1, keepdims=True)
    m = total / 10
    found = curie_weiss.moments(coupling, 10)
    second, fourth, absolute = weight @ m**2, weight @ m**4, weight @ np.abs(m)
    np.testing.assert_allclose(found.second, second, rtol=1e-12)
    np.testing.assert_allclose(found.binder, 1 - fourth / (3 * second**2), rtol=1e-11)
    np.testing.assert_allclose(found.susceptibility, 10 * (second - absolute**2), rtol=1e-11)
    step = 1e-5
    rise = curie_weiss.moments(coupling + step, 10).binder - curie_weiss.moments(coupling - step, 10).binder
    np.testing.assert_allclose(found.binder_slope, rise / (2 * step), rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "coupling", "binder", "exponent"),
    # Computed apart from this library, by the same sums in log space.
    [(128, 1.011532, 0.32266, 0.53157), (1024, 1.001454, 0.28883, 0.51181), (16384, 1.000091, 0.27508, 0.50302)],
)
def test_crossings_have_their_published_digits(size, coupling, binder, exponent):
    found = curie_weiss.crossing(size)
    assert found[0] == pytest.approx(coupling, abs=6e-7)
    assert found[1] == pytest.approx(binder, abs=6e-6)
    assert found[2] == pytest.approx(exponent, abs=6e-6)


def test_at_the_critical_point_moments_have_their_limits():
    # Ellis & Newman (1978): the density of N**(1/4) m is ~ exp(-x**4 / 12).
    limit = np.sqrt(12) * gamma(0.75) / gamma(0.25)
    scaled = [np.sqrt(n) * curie_weiss.moments(1.0, n).second for n in (10**4, 10**6)]
    assert scaled[0] == pytest.approx(1.168101, abs=6e-7)
    assert scaled[1] == pytest.approx(limit, abs=5e-4)
    assert pytest.approx(1 - gamma(0.25) ** 4 / (24 * np.pi**2), abs=1e-6) == curie_weiss.CRITICAL_BINDER
    assert curie_weiss.moments(1.0, 10**6).binder == pytest.approx(curie_weiss.CRITICAL_BINDER, abs=1e-3)


def test_far_from_it_they_have_those_of_mean_field_theory():
    found = curie_weiss.moments(np.array([0.5, 1.5]), 100_000)
    m = 0.8
    for _ in range(200):
        m = np.tanh(1.5 * m)
    assert found.absolute[1] == pytest.approx(m, abs=1e-4)
    assert 100_000 * found.second[0] == pytest.approx(1 / (1 - 0.5), rel=1e-3)
    np.testing.assert_allclose(found.binder, [0, 2 / 3], atol=1e-4)


def test_draws_have_the_exact_distribution():
    coupling = np.array([0.7, 1.0, 1.2])
    drawn = curie_weiss.sample(coupling, 50, 40_000, key=jax.random.key(0))
    m, log_weight = curie_weiss.states(coupling, 50)
    for row, weight in zip(drawn, np.exp(log_weight), strict=True):
        counts = np.bincount(np.rint((row + 1) * 25).astype(int), minlength=51)
        expected = weight * 40_000
        often = expected > 10
        excess = np.sum((counts - expected)[often] ** 2 / expected[often]) - np.sum(often)
        assert abs(excess) < 4 * np.sqrt(2 * np.sum(often))  # chi squared, four standard deviations
        assert np.all(np.isin(row, m))
