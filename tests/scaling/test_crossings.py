import numpy as np
import pytest

from jaxphase.scaling import crossings

SIZES = (8, 16, 32, 64)


def family(rng, critical=0.3, inverse_nu=1.0, noise=0.005, correction=0.0):
    size = np.repeat(SIZES, 15)
    control = np.concatenate([critical + np.linspace(-1.5, 1.5, 15) * length**-inverse_nu for length in SIZES])
    x = (control - critical) * size**inverse_nu + correction / size
    error = np.full(len(x), noise)
    return size, control, 0.4 + 0.3 * np.tanh(x) + error * rng.standard_normal(len(x)), error


def test_crossings_find_the_critical_point_and_nu_within_their_errors():
    rng, pulls = np.random.default_rng(0), []
    for _ in range(200):
        found = crossings(*family(rng))
        pulls.append(
            [
                (found.critical - 0.3) / found.critical_se,
                *((found.control - 0.3) / found.control_se),
                *((found.value - 0.4) / found.value_se),
                *((found.inverse_nu - 1.0) / found.inverse_nu_se),
            ]
        )
    covered = np.mean(np.abs(pulls) < 1.96, axis=0)
    assert np.all(covered < 0.99), covered
    assert np.all(covered[:7] > 0.9), covered  # critical point, crossings, values
    assert np.all(covered[7:] > 0.84), covered  # exponents: a polynomial bends less than the curve


def test_a_drift_is_seen_and_without_one_seldom():
    rng = np.random.default_rng(1)
    still = [crossings(*family(rng)).drift_p for _ in range(200)]
    assert np.mean(np.array(still) < 0.05) < 0.11
    moving = [crossings(*family(rng, correction=3.0)).drift_p for _ in range(50)]
    assert np.mean(np.array(moving) < 0.05) > 0.9


def test_curves_that_do_not_cross_have_no_crossing():
    size, control, value, error = family(np.random.default_rng(2))
    apart = crossings(size, control, value + 0.5 * np.log(size), error)
    assert np.isnan(apart.control).all() and np.isnan(apart.critical)
    few = size != 16
    assert np.isfinite(crossings(size[few], control[few], value[few], error[few]).control).all()
    value[size == 16] = np.nan
    assert np.isfinite(crossings(size, control, value, error).critical)
    with pytest.raises(ValueError, match=r"\(60,\).*\(59,\)"):
        crossings(size, control, value[1:], error)
