"""Onsets: fits of curves that are zero on one side and a rounded power on the other."""

import numpy as np
import pytest

from jaxphase.scaling.onset import fit_onsets, sigmoid_chi2

SIZE = np.array([1.0, 4, 16, 64])
CONTROL = np.linspace(3, 5, 25)  # any place and range
SHARPENING, CENTER, FIRST = 0.5, 3.9, 0.4


def curves(rng, sharpening=SHARPENING, noise=0.01, side=1, power=0.5):
    """Roots whose corner is rounded by a hyperbola, with a bend; values and errors [sizes, controls]."""
    width = FIRST * SIZE[:, None] ** -sharpening
    z = side * (CONTROL - CENTER)
    u = (z + np.sqrt(z**2 + width**2)) / 2
    value = 0.2 - u**power * (2 - 0.3 * u)
    return value + noise * rng.standard_normal(value.shape), np.full_like(value, noise)


@pytest.mark.parametrize("side", [1, -1])
def test_what_is_put_in_comes_out_on_either_side(side):
    found = fit_onsets(np.log(SIZE), CONTROL, *curves(np.random.default_rng(0), noise=1e-4, side=side))
    assert found.power == 0.5
    np.testing.assert_allclose(found.center, CENTER, atol=1e-3)
    np.testing.assert_allclose(found.width, FIRST * SIZE**-0.5, rtol=0.01)
    assert found.sharpening == pytest.approx(SHARPENING, abs=0.03)


def test_intervals_hold_the_truth_for_powers_between_those_that_are_tried():
    rng, inside, pulls = np.random.default_rng(1), [], []
    for _ in range(40):
        found = fit_onsets(np.log(SIZE), CONTROL, *curves(rng, power=rng.uniform(0.3, 0.9)))
        low, high = found.sharpening_interval
        inside.append(low <= SHARPENING <= high)
        pulls.append((found.center[2] - CENTER) / found.center_se[2])
    assert np.mean(inside) >= 0.85  # fewer than 34 of 40 have a probability of 3e-3 if 95 % should
    assert np.mean(np.abs(pulls) < 1.96) >= 0.85 and np.std(pulls) > 0.4


def test_a_corner_that_keeps_its_width_does_not_sharpen():
    rng = np.random.default_rng(2)
    found = [fit_onsets(np.log(SIZE), CONTROL, *curves(rng, sharpening=0)) for _ in range(10)]
    assert sum(one.sharpening_interval[0] > 0 for one in found) <= 1
    assert np.median([one.sharpening for one in found]) == pytest.approx(0, abs=0.1)


def test_what_the_controls_do_not_resolve_has_no_error_and_missing_points_do_not_count():
    value, error = curves(np.random.default_rng(3), sharpening=2.0, noise=0.03)
    found = fit_onsets(np.log(SIZE), CONTROL, value, error)
    assert np.isfinite(found.width_se[0]) and np.isnan(found.width_se[3])
    assert found.sharpening_interval[0] > 0.5 and np.ptp(found.sharpening_interval) > 0.5
    gap = value.copy()
    gap[:, 3] = np.nan
    wrong = value.copy()
    wrong[:, 3] = 7
    missing = fit_onsets(np.log(SIZE), CONTROL, gap, error)
    masked = fit_onsets(np.log(SIZE), CONTROL, wrong, np.where(np.isnan(gap), np.nan, error))
    assert np.isfinite(missing.chi2) and missing.chi2 == masked.chi2 < found.chi2


def test_sigmoids_fit_logistic_steps_to_their_noise_and_roots_not():
    rng, noise = np.random.default_rng(4), 0.01
    width = 0.6 * SIZE[:, None] ** -0.3
    steps = 1 + 0.5 * np.tanh((CONTROL - CENTER) / width)
    error = np.full_like(steps, noise)
    dof = steps.size - 4 * len(SIZE)
    found = [sigmoid_chi2(CONTROL, steps + noise * rng.standard_normal(steps.shape), error) / dof for _ in range(10)]
    assert 0.85 < np.mean(found) < 1.15  # of a mean of 1 and a deviation of .05
    assert sigmoid_chi2(CONTROL, steps, error) < 1e-3 * dof
    assert sigmoid_chi2(CONTROL, *curves(rng)) > 5 * dof
