import numpy as np
from scipy import special, stats

from jaxphase.detect.distributions import brownian_crossing_sf, kolmogorov_sf, student_t_975


def test_student_quantiles_are_those_of_scipy():
    dof = np.array([1, 2, 3, 5, 10, 11, 16, 40, 1000])
    np.testing.assert_allclose(student_t_975(dof), stats.t.ppf(0.975, dof), rtol=5e-6)
    assert np.isnan(student_t_975(0))
    between = np.arange(20, 110) / 10
    assert np.all(np.abs(student_t_975(between) / stats.t.ppf(0.975, between) - 1) < 0.005)


def test_the_kolmogorov_tail_is_that_of_scipy():
    values = np.array([0.01, 0.3, 0.9, 1.0, 1.001, 1.358, 2.95177])
    np.testing.assert_allclose(kolmogorov_sf(values), special.kolmogorov(values), rtol=1e-4, atol=2e-6)


def test_the_crossing_of_brown_durbin_and_evans_has_their_critical_values():
    # Brown, Durbin & Evans (1975), p. 154.
    np.testing.assert_allclose(brownian_crossing_sf(np.array([0.850, 0.948, 1.143])), [0.10, 0.05, 0.01], atol=1e-4)
