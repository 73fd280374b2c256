"""Against maps whose fixed points are known in closed form, and differences taken one by one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.rg.beta_function import flow
from jaxphase.rg.maps import Direction, FixedPointKind, fixed_points
from jaxphase.systems import renormalization_maps as maps


@pytest.mark.parametrize("double", [False, True])
def test_migdal_kadanoff_has_its_three_fixed_points(double):
    # Evaluated apart from this library; K* is half the logarithm of the tribonacci constant.
    tribonacci = np.roots([1, -1, -1, -1])
    coupling = np.log(tribonacci[np.isreal(tribonacci)].real[0]) / 2
    with jax.enable_x64(double):
        start = jnp.array([[0.01], [0.2], [0.3], [0.5], [1.0], [5.0], [np.inf]])
        found = jax.tree.map(np.asarray, fixed_points(maps.migdal_kadanoff, start, 2))
    # Infinity, the third, is none that a program finds.
    np.testing.assert_array_equal(found.first, [0, 1, 1, 1, 1, 1, -1])
    np.testing.assert_array_equal(found.status, [0] * 6 + [2])
    np.testing.assert_array_equal(found.trivial, [True] + [False] * 6)
    assert found.kind.tolist() == [FixedPointKind.STABLE] + [FixedPointKind.UNSTABLE] * 5 + [FixedPointKind.NOT_FOUND]
    assert np.isnan(found.couplings[6, 0]) and np.isnan(found.y[6, 0]) and found.directions[6, 0] == Direction.NOT_FOUND
    rtol = 1e-12 if double else 1e-6
    np.testing.assert_allclose(found.couplings[1:6, 0], coupling, rtol=rtol)
    np.testing.assert_allclose(found.couplings[1:6, 0], 0.3046889, atol=1e-7)
    np.testing.assert_allclose(found.eigenvalues[1:6, 0], 1.678574, atol=1e-6)
    np.testing.assert_allclose(found.y[1:6, 0], 0.7472357, atol=1e-6)
    np.testing.assert_allclose(1 / found.y[1:6, 0], 1.3382658, atol=1e-6)


def test_the_ring_has_no_finite_fixed_point():
    found = fixed_points(maps.decimation, jnp.array([[0.1], [1.0], [3.0], [30.0]]), 2)
    here = found.status == 0
    assert np.all(found.trivial[here]) and np.all(np.isneginf(found.y[here]))
    np.testing.assert_array_equal(here, [True, True, False, False])


def test_two_couplings_have_their_eigenvalues_in_order():
    found = fixed_points(maps.block_triangles, jnp.array([[0.3, 0.1], [0.02, 0.01], [2.0, 1.0]]), 3**0.5)
    # Niemeyer & van Leeuwen (1973): exp(4 K*) = 1 + 2 sqrt(2), where the field grows by 3 / sqrt(2).
    np.testing.assert_allclose(found.couplings[0], [np.log(1 + 8**0.5) / 4, 0], atol=1e-6)
    step = 1e-6
    slopes = np.log(1 + 8**0.5) / 4 + np.array([-step, step])
    with jax.enable_x64(True):
        outer = np.asarray(maps.block_triangles(jnp.array([[k, 0.0] for k in slopes])))[:, 0]
    thermal = np.diff(outer)[0] / (2 * step)
    np.testing.assert_allclose(found.eigenvalues[0], [3 / 2**0.5, thermal], rtol=1e-5)
    np.testing.assert_allclose(found.y[0], np.log([3 / 2**0.5, thermal]) / np.log(3**0.5), rtol=1e-5)
    # At K = 0 free spins: majority of three multiplies a field by 3 / 2, and 2 K r**2 is K / 2.
    np.testing.assert_allclose(found.eigenvalues[1], [1.5, 0.5], rtol=1e-6)
    assert found.kind[:2].tolist() == [FixedPointKind.UNSTABLE, FixedPointKind.SADDLE]
    assert found.directions[1].tolist() == [Direction.RELEVANT, Direction.IRRELEVANT]
    assert found.trivial[1] and not found.trivial[0]


def test_linear_maps_turn_or_leave_a_line_where_it_is():
    matrices = jnp.array([[[0.5, 1.0], [-1.0, 0.5]], [[0.5, 0.0], [0.0, 1.0]]])
    start = jnp.array([[0.3, 0.0], [1.0, 2.0]])
    found = jax.jit(jax.vmap(lambda t: fixed_points(lambda k: 1 + t @ (k - 1), start, 2)))(matrices)
    spiral, line = (type(found)(*fields) for fields in zip(*found, strict=True))
    np.testing.assert_allclose(spiral.couplings, 1, atol=1e-6)
    np.testing.assert_allclose(np.sort(np.imag(spiral.eigenvalues[0])), [-1, 1], rtol=1e-6)
    np.testing.assert_allclose(spiral.y, np.log2(1.25**0.5), rtol=1e-5)
    np.testing.assert_allclose(line.couplings, [[1, 0], [1, 2]], atol=1e-6)
    np.testing.assert_array_equal(line.first, [0, 1])
    assert np.all(line.kind == FixedPointKind.MARGINAL)


def test_a_parameter_moves_two_fixed_points_until_they_meet_and_vanish():
    start = jnp.array([[-1.2], [0.4], [1.2]])

    def points(height):
        return fixed_points(lambda k: k - k**2 + height, start, 2)

    found = jax.jit(jax.vmap(points))(jnp.array([0.25, 0.0, -1.0, -5e-6]))
    np.testing.assert_allclose(found.couplings[0, :, 0], [-0.5, 0.5, 0.5], rtol=1e-5)
    np.testing.assert_allclose(found.y[0, :, 0], [1, -np.inf, -np.inf], atol=1e-4)
    assert found.kind[0].tolist() == [FixedPointKind.UNSTABLE] + [FixedPointKind.STABLE] * 2
    np.testing.assert_allclose(found.couplings[1], 0, atol=1e-3)
    assert np.all(found.directions[1] == Direction.MARGINAL) and np.all(found.first[1] == 0)
    # At the last height the map comes as near to the identity as rounding is to zero, and yet has no fixed point.
    for gone in (2, 3):
        assert np.all(found.status[gone] == 2) and np.all(np.isnan(found.couplings[gone]))


def test_beta_is_the_mean_difference_over_the_seeds():
    rng = np.random.default_rng(0)
    couplings = 5 + rng.standard_normal((2, 8, 4, 3)).cumsum(axis=2)
    couplings[1, 2, 1, 0] = np.nan
    couplings[1, :7, 3, 2] = np.inf
    result = flow(couplings, 3)
    for family, step, k in ((0, 0, 0), (0, 2, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1)):
        pair = couplings[family, :, step : step + 2, k]
        pair = pair[np.isfinite(pair).all(axis=1)]
        beta = np.diff(pair, axis=1)[:, 0] / np.log(3)
        where = family, step, k
        np.testing.assert_allclose(result.beta[where], beta.mean(), rtol=1e-5)
        np.testing.assert_allclose(result.beta_se[where], beta.std(ddof=1) / len(beta) ** 0.5, rtol=1e-5)
        np.testing.assert_allclose(result.midpoint[where], pair.mean(), rtol=1e-6)
    assert result.status[1, 2, 2] == 3 and np.isnan(result.beta_se[1, 2, 2]) and np.isfinite(result.beta[1, 2, 2])
    assert np.sum(result.status) == 3
    assert np.all(np.isnan(flow(np.full((2, 2, 1), np.nan), 2).beta))


def test_the_beta_function_of_an_exponential_decay_is_its_rate():
    # K = exp(-y ln scale), dK / d ln scale = -y K: the finite step of scale b errs by (y ln b)**2 / 12.
    scale = 1.2 ** np.arange(5.0)
    couplings = np.random.default_rng(1).uniform(1, 2, (6, 1, 1)) * scale[:, None] ** -0.5
    result = flow(couplings, 1.2)
    np.testing.assert_allclose(result.beta / result.midpoint, -0.5, rtol=1e-3)


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match=r"start must have shape .* \(3,\)"):
        fixed_points(maps.decimation, jnp.ones(3), 2)
    with pytest.raises(ValueError, match=r"gives shape \(\) for couplings of shape \(1,\)"):
        fixed_points(jnp.sum, jnp.ones((2, 1)), 2)
    with pytest.raises(ValueError, match="b must be greater than 1, got 1"):
        fixed_points(functools.partial(maps.decimation, b=2), jnp.ones((2, 1)), 1)
    with pytest.raises(ValueError, match=r"at least two steps, got \(4, 1, 2\)"):
        flow(np.ones((4, 1, 2)), 2)
