import numpy as np
import pytest

from jaxphase.detect import cusum


def test_the_nile_gives_the_statistics_of_statsmodels(nile):
    # statsmodels 0.14: breaks_cusumolsresid(y - y.mean(), ddof=1); RecursiveLS(y, ones).fit().cusum over its bounds.
    year, flow = nile
    assert cusum(year, flow).statistic == pytest.approx(2.95177, abs=1e-5)
    assert cusum(year, flow, kind="recursive").statistic == pytest.approx(2.0669, abs=1e-4)
    assert cusum(year, flow).index == 27
    assert cusum(year, flow, null="limit").p_value == pytest.approx(5.4e-8, rel=0.01)
    assert cusum(year, flow).p_value == pytest.approx(1e-4)


@pytest.mark.parametrize("kind", ["ols", "recursive"])
@pytest.mark.parametrize("n", [8, 30])
def test_p_values_are_uniform_under_independent_noise(kind, n):
    p = np.asarray(cusum(np.arange(n), np.random.default_rng(n).standard_normal((20_000, n)), kind=kind).p_value)
    for level in (0.01, 0.05, 0.25, 0.75):
        # The simulated null has 10,000 curves and its own error.
        assert abs(np.mean(p <= level) - level) < 4 * np.sqrt(level * (1 - level) * (1 / 10_000 + 1 / 20_000))


@pytest.mark.parametrize("kind", ["ols", "recursive"])
def test_many_points_come_to_the_limit(kind):
    walk = np.random.default_rng(0).standard_normal((1000, 400))
    simulated, limit = (cusum(np.arange(400), walk, kind=kind, null=null).p_value for null in ("iid", "limit"))
    assert np.max(np.abs(simulated - limit)) < 0.07
    assert np.mean(limit) > np.mean(simulated)


def test_weights_are_inverse_variances():
    weight = np.tile([1.0, 25.0], 10)
    noise = np.random.default_rng(0).standard_normal((20_000, 20)) / np.sqrt(weight)
    for kind in ("ols", "recursive"):
        p = cusum(np.arange(20), noise, weight=weight, kind=kind).p_value
        assert abs(np.mean(p <= 0.05) - 0.05) < 0.01


def test_seeds_of_one_size_enter_together():
    x = np.repeat(np.arange(6), 5)
    noise = np.random.default_rng(0).standard_normal((20_000, 30))
    assert abs(np.mean(cusum(x, noise).p_value <= 0.05) - 0.05) < 0.01
    jump = cusum(x, 3 * (x > 2) + noise[0])
    assert x[jump.index] == 2
    assert jump.p_value < 0.01


def test_a_constant_has_no_p_value():
    result = cusum(np.arange(10), np.full(10, 2.3))
    assert result.status == 2
    assert np.isnan(result.p_value)
