"""Against closed forms (error function, ReLU), published critical points, and quadrature of another kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.rg.mean_field import correlation_map, critical_line, fixed_point, variance_map
from jaxphase.scaling.fields import fit_correlation_exponent


def gelu(x):
    return jax.nn.gelu(x, approximate=False)


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(120)


def hermite(function, variance):
    """Mean over a normal number by Gauss and Hermite."""
    return WEIGHTS @ function(np.sqrt(variance) * NODES) / WEIGHTS.sum()


def test_the_variance_map_of_the_error_function_is_an_arc_sine():
    # Williams 1997, NeurIPS, eq. 11.
    q = np.array([1e-3, 0.3, 2.0, 50.0, 1000.0])
    exact = 1.5 * 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)) + 0.2
    np.testing.assert_allclose(variance_map(jax.lax.erf, q, 1.5**0.5, 0.2**0.5), exact, rtol=1e-6)


def test_the_correlation_map_of_relu_is_the_arc_cosine_kernel():
    # Cho & Saul 2009, NeurIPS, eq. 6.
    c = np.linspace(-0.95, 1, 12)
    exact = (np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c))) / np.pi
    np.testing.assert_allclose(correlation_map(jax.nn.relu, c, 3.0, 2**0.5, 0.0), exact, atol=1e-4)
    # The small difference of nearly equal inputs is right too.
    d = 1e-4
    angle = np.arccos(1 - d)
    exact = 1 - (np.sin(angle) + np.cos(angle) * (np.pi - angle)) / np.pi
    assert 1 - correlation_map(jax.nn.relu, 1 - d, 3.0, 2**0.5, 0.0) == pytest.approx(exact, rel=5e-3)


def test_the_critical_line_of_tanh_is_the_published_one():
    # Where chi_1 = 1 (Schoenholz et al. 2017, fig. 1), numbers recomputed in double precision with 400 nodes.
    line = critical_line(jnp.tanh, np.sqrt([0, 0.05, 0.1, 0.3]))
    np.testing.assert_allclose(line.sigma_w**2, [1, 1.76095, 1.98607, 2.50513], rtol=1e-5)
    assert np.all(line.variance_slope < 1)
    assert not np.any(line.status)


def test_relu_is_critical_at_one_point_and_gelu_half_stable_at_another():
    line = critical_line(jax.nn.relu, np.array([0.0, 0.1]))
    assert line.sigma_w[0] ** 2 == pytest.approx(2, rel=1e-6)
    assert line.status.tolist() == [0, 2]
    assert np.isnan(line.sigma_w[1])
    # Roberts, Yaida & Hanin 2022, 5.3.4: both slopes are one at (C_b, C_W) = (0.17292239, 1.98305826).
    line = critical_line(gelu, np.sqrt([0.1, 0.17292239, 0.3]))
    assert line.sigma_w[1] ** 2 == pytest.approx(1.98305826, rel=1e-5)
    assert line.variance_slope[1] == pytest.approx(1, abs=1e-5)
    assert line.variance_slope[0] > 1 > line.variance_slope[2]


@pytest.mark.parametrize(("weight", "bias"), [(1.2, 0.05), (2.5, 0.05), (4.0, 0.3)])
def test_the_fixed_points_of_tanh_are_those_of_the_iterated_maps(weight, bias):
    found = fixed_point(jnp.tanh, weight**0.5, bias**0.5)
    q = 1.0
    for _ in range(200):
        q = weight * hermite(lambda x: np.tanh(x) ** 2, q) + bias
    assert found.variance == pytest.approx(q, rel=1e-5)
    assert found.chi == pytest.approx(weight * hermite(lambda x: np.cosh(x) ** -4, q), rel=1e-5)
    z, w = np.polynomial.hermite_e.hermegauss(50)
    w = w[:, None] * w / w.sum() ** 2

    def both(c, function):
        return np.sum(w * function(q**0.5 * z[:, None]) * function(q**0.5 * (c * z[:, None] + (1 - c * c) ** 0.5 * z)))

    c = 0.5
    for _ in range(250):
        c = min((weight * both(c, np.tanh) + bias) / q, 1)
    assert found.correlation == pytest.approx(c, abs=1e-4)
    slope = weight * both(c, lambda x: np.cosh(x) ** -2)
    assert found.length == pytest.approx(-1 / np.log(slope), rel=2e-3)


def test_the_length_diverges_as_the_inverse_of_the_distance_or_of_its_square():
    critical = critical_line(jnp.tanh, 0.05**0.5).sigma_w ** 2
    distance = np.array([-0.05, -0.03, -0.02, 0.02, 0.03, 0.05])
    length = fixed_point(jnp.tanh, np.sqrt(critical + distance), 0.05**0.5).length
    fit = fit_correlation_exponent(critical + distance, length, 0.01 * length, critical=critical)
    assert fit.nu == pytest.approx(1, abs=0.03)
    # Both sides alike: chi at c* lies as far below one as chi_1 above.
    assert fit.amplitude[0] == pytest.approx(float(fit.amplitude[1]), rel=0.1)
    # Without biases the order of tanh ends in 1 / (1 - sigma_w**2), and its chaos begins with the square.
    ordered, *chaotic = fixed_point(jnp.tanh, np.sqrt([0.95, 1.05, 1.1]), 0.0).chi
    assert ordered == pytest.approx(0.95, rel=1e-4)
    assert (chaotic[1] - 1) / (chaotic[0] - 1) == pytest.approx(4, rel=0.15)
    assert chaotic[0] - 1 == pytest.approx(0.05**2 / 3, rel=0.15)


def test_unbounded_signals_and_senseless_numbers_are_reported():
    found = fixed_point(jax.nn.relu, np.sqrt([1.0, 2.0, 2.0, 2.4]), np.sqrt([0.3, 0.0, 0.1, 0.0]))
    np.testing.assert_allclose(found.chi, [0.5, 1, 1, 1.2], rtol=1e-5)
    np.testing.assert_allclose(found.variance[:2], [0.3 / 0.5, 1], rtol=1e-5)
    assert np.all(np.isinf(found.variance[2:]))
    assert np.all(np.isnan(found.length[2:]))
    assert found.status[2:].tolist() == [1, 1]
    # Signals of any size are kept where ReLU is critical.
    assert fixed_point(jax.nn.relu, 2**0.5, 0.0, start=7.0).variance == pytest.approx(7, rel=1e-5)
    senseless = fixed_point(jnp.tanh, np.array([-1.0, np.nan, 1.0]), np.array([0.1, 0.1, -0.1]))
    assert senseless.status.tolist() == [2, 2, 2]
    assert np.all(np.isnan(senseless.chi))
