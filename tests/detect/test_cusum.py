import numpy as np
import pytest

from jaxphase.detect import cusum


def test_the_nile_gives_the_statistics_of_statsmodels(nile):
    # statsmodels 0.14: breaks_cusumolsresid(y - y.mean(), ddof=1); RecursiveLS(y, ones).fit().cusum over its bounds.
    year, flow = nile
    assert cusum(year, flow).statistic == pytest.approx(2.95177, abs=1e-5)
    assert cusum(year, flow, kind="recursive").statistic == pytest.approx(2.0669, abs=1e-4)
    assert cusum(year, flow).index == 27
    assert cusum(year, flow).p_value < 1e-7


@pytest.mark.parametrize("kind", ["ols", "recursive"])
@pytest.mark.parametrize("n", [10, 20, 50])
def test_p_values_are_those_of_independent_noise(kind, n):
    p = np.asarray(cusum(np.arange(n), np.random.default_rng(n).standard_normal((20_000, n)), kind=kind).p_value)
    for level, slack in ((0.01, 0.006), (0.05, 0.017), (0.25, 0.045)):
        assert abs(np.mean(p <= level) - level) < slack


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
