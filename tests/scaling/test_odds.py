"""The odds of bimodal outcomes: logistic regressions of all sizes, against scipy, and their sharpening."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import combine_pvalues

from jaxphase.scaling.odds import combined_p_value, fit_odds

SIZE, CONTROL = np.array([1.0, 4, 16, 64]), np.linspace(2, 4, 21)
CENTER, FIRST = 3.1, 0.9
MIDDLE = np.full(4, 0.5)


def outcomes(rng, sharpening=0.4, seeds=16, side=1):
    """Two peaks, near 0 and near 1, with logistic odds."""
    rate = 2 * np.log(9) / (FIRST * SIZE[:, None] ** -sharpening)
    odds = expit(side * rate * (CONTROL - CENTER))
    return (rng.random((4, 21, seeds)) < odds[..., None]) + 0.05 * rng.standard_normal((4, 21, seeds))


def test_centers_and_widths_are_those_of_logistic_regression():
    values = outcomes(np.random.default_rng(0))
    found = fit_odds(np.log(SIZE), CONTROL, values, MIDDLE)
    assert found.resolved.all()
    for i in range(3):
        upper = (values[i] > 0.5).mean(axis=1)

        def cost(p, upper=upper):
            z = np.exp(p[1]) * (CONTROL - p[0])
            return 16 * np.sum(np.logaddexp(0, z) - upper * z)

        best = minimize(cost, (3, 1.5), tol=1e-10, method="Nelder-Mead").x
        center, rate = best[0], np.exp(best[1])
        assert found.center[i] == pytest.approx(center, abs=2e-3)
        assert found.width[i] == pytest.approx(2 * np.log(9) / rate, rel=0.01)
        steps = 1e-3 * np.eye(2)
        curvature = [
            [sum(s * t * cost(best + s * a + t * b) for s in (1, -1) for t in (1, -1)) / 4e-6 for b in steps]
            for a in steps
        ]
        errors = np.sqrt(np.diag(np.linalg.inv(curvature)))
        assert found.center_se[i] == pytest.approx(errors[0], rel=0.05)
        assert found.width_se[i] == pytest.approx(found.width[i] * errors[1], rel=0.05)


@pytest.mark.parametrize("side", [1, -1])
def test_the_interval_holds_the_sharpening_on_either_side(side):
    rng = np.random.default_rng(1)
    found = [fit_odds(np.log(SIZE), CONTROL, outcomes(rng, side=side), MIDDLE) for _ in range(40)]
    ends = np.array([one.sharpening_interval for one in found])
    inside = np.mean((ends[:, 0] <= 0.4) & (ends[:, 1] >= 0.4))
    assert inside >= 0.85  # fewer than 34 of 40 have a probability of 3e-3 if 95 % should
    assert np.median([one.sharpening for one in found]) == pytest.approx(0.4, abs=0.05)
    assert np.median(np.ptp(ends, axis=1)) < 0.4
    still = [fit_odds(np.log(SIZE), CONTROL, outcomes(rng, 0.0), MIDDLE).sharpening_interval[0] for _ in range(40)]
    assert np.mean(np.array(still) > 0) <= 0.15


def test_a_step_is_known_to_be_narrow_and_one_peak_tells_nothing():
    rng = np.random.default_rng(2)
    values = outcomes(rng, sharpening=0.7, seeds=48)
    values[3] = (CONTROL > CENTER)[:, None] + 0.05 * rng.standard_normal((21, 48))
    found = fit_odds(np.log(SIZE), CONTROL, values, MIDDLE)
    assert found.resolved.tolist() == [True, True, True, False]
    np.testing.assert_allclose([found.width[3], found.width_se[3]], [0.1, 0.025])
    assert found.center[3] == pytest.approx(CENTER, abs=0.1) and found.center_se[3] == pytest.approx(0.1 / 12**0.5)
    assert found.sharpening_interval[0] > 0.5

    values[1] += 5
    one_peak = fit_odds(np.log(SIZE), CONTROL, values, MIDDLE)
    left_out = fit_odds(np.log(SIZE), CONTROL, values, np.where(np.arange(4) == 1, np.nan, MIDDLE))
    for some in (one_peak, left_out):
        assert np.isfinite(some.width).tolist() == [True, False, True, True] and np.isfinite(some.sharpening)
    without = fit_odds(np.log(SIZE[[0, 2, 3]]), CONTROL, values[[0, 2, 3]], MIDDLE[:3])
    np.testing.assert_allclose(left_out.sharpening_interval, without.sharpening_interval, atol=0.01)
    values[2] = np.nan
    few = fit_odds(np.log(SIZE), CONTROL, values, MIDDLE)
    assert np.isnan(few.sharpening) and np.isnan(few.sharpening_interval).all()


def test_p_values_together_are_those_of_fisher():
    p = np.array([0.04, 0.3, 0.011, 0.9])
    assert combined_p_value(p) == pytest.approx(combine_pvalues(p, method="fisher").pvalue)
    assert combined_p_value(np.append(p, np.nan)) == combined_p_value(p)
    assert np.isnan(combined_p_value(np.full(2, np.nan)))
