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
    assert np.all(covered[7:] > 0.93), covered  # exponents


def without_noise(errors, points):
    """Curves of one shape in the scaled variable, each size with an error and a number of points of its own."""
    size, error = np.repeat(SIZES, points), np.repeat(errors, points)
    control = np.concatenate([0.3 + np.linspace(-2, 1.4, n) / length for n, length in zip(points, SIZES, strict=True)])
    return size, control, 0.4 + 0.3 * np.tanh((control - 0.3) * size), error


def test_what_polynomials_miss_is_not_in_the_exponent_however_precise_each_size():
    """Errors that differ between sizes would call for degrees that differ, and so for slopes with other biases."""
    found = crossings(*without_noise([0.2, 0.001, 0.05, 0.0005], [21] * 4))
    np.testing.assert_allclose(found.inverse_nu, 1.0, atol=0.002)
    np.testing.assert_allclose(found.value, 0.4, atol=0.002)  # a straight line, enough for the first size, is 0.01 off


def test_a_size_with_few_points_takes_no_degree_from_the_others():
    rows = without_noise([0.001] * 4, [21, 21, 21, 5])
    found = crossings(*rows)
    alone = crossings(*(column[:63] for column in rows))
    np.testing.assert_allclose(found.inverse_nu[:2], alone.inverse_nu)
    assert np.isfinite(found.inverse_nu[2])
    four = crossings(*(column[:67] for column in rows))
    np.testing.assert_array_equal(np.isnan(four.inverse_nu), [False, False, True])


def test_few_points_are_not_overfitted():
    """Nine points of a straight line, of which higher degrees make more scatter."""
    rng, spread = np.random.default_rng(4), []
    size = np.repeat(SIZES, 9)
    control = np.concatenate([np.linspace(-1, 1, 9) / length for length in SIZES])
    error = np.full(36, 0.1)
    for _ in range(100):
        found = crossings(size, control, control * size + error * rng.standard_normal(36), error)
        spread.append(found.inverse_nu - 1.0)
    # Of a line, ln(slope) has the variance error**2 / sum(x**2).
    line = np.sqrt(2) * 0.1 / np.linalg.norm(np.linspace(-1, 1, 9)) / np.log(2)
    assert np.std(spread) < 1.2 * line


def test_a_drift_is_seen_and_without_one_seldom():
    rng = np.random.default_rng(1)
    still = [crossings(*family(rng)).drift_p_value for _ in range(200)]
    assert np.mean(np.array(still) < 0.05) < 0.11
    moving = [crossings(*family(rng, correction=3.0)).drift_p_value for _ in range(50)]
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
