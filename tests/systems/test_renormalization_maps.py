"""The maps against sums over the spins that they remove, and their known answers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.systems import ising
from jaxphase.systems import renormalization_maps as maps


@pytest.mark.parametrize("b", [2, 3])
@pytest.mark.parametrize("coupling", [-0.7, 0.0, 0.2, 1.3])
def test_decimation_sums_over_the_spins_between(coupling, b):
    weight = np.zeros((2, 2))
    for chain in itertools.product((-1, 1), repeat=b + 1):
        bonds = sum(x * y for x, y in itertools.pairwise(chain))
        weight[(chain[0] + 1) // 2, (chain[-1] + 1) // 2] += np.exp(coupling * bonds)
    assert maps.decimation(coupling, b) == pytest.approx(np.log(weight[0, 0] / weight[0, 1]) / 2, abs=1e-6)


def test_migdal_kadanoff_is_the_formula_of_two_dimensions_near_and_far():
    coupling = np.array([0.0, 1e-3, 0.3, 0.49, 0.51, 2.0, 8.0])
    exact = np.log(np.cosh(4 * coupling)) / 2
    np.testing.assert_allclose(maps.migdal_kadanoff(coupling), exact, rtol=2e-6, atol=1e-8)
    np.testing.assert_allclose(maps.migdal_kadanoff(-coupling), exact, rtol=2e-6, atol=1e-8)
    slope = jax.vmap(jax.grad(maps.migdal_kadanoff))(jnp.asarray(coupling))
    np.testing.assert_allclose(slope, 2 * np.tanh(4 * coupling), rtol=1e-5, atol=1e-6)
    # d = 3: four bonds moved together, then two in a row, summed over the spin between.
    moved = 4 * 0.1
    between = [np.exp(2 * moved) + np.exp(-2 * moved), 2.0]
    assert maps.migdal_kadanoff(0.1, dimension=3) == pytest.approx(np.log(between[0] / between[1]) / 2, rel=1e-5)


def test_the_answers_in_closed_form():
    known = maps.MIGDAL_KADANOFF
    # Evaluated apart from this library: K*, lambda, y_t, nu.
    np.testing.assert_allclose(list(known.values()), [0.3046889, 1.678574, 0.7472357, 1.3382658], atol=1e-6)
    known = maps.BLOCK_TRIANGLES
    with jax.enable_x64(True):
        point = jnp.array([known["coupling"], 0.0])
        np.testing.assert_allclose(maps.block_triangles(point), point, rtol=1e-12)
        slope = np.asarray(jax.jacfwd(maps.block_triangles)(point))
    np.testing.assert_allclose(np.diag(slope), known["eigenvalues"][::-1], rtol=1e-12)
    np.testing.assert_allclose([known["y_h"], known["y_t"]], np.log(known["eigenvalues"]) / np.log(3**0.5))


def test_steps_close_to_one_tend_to_the_exact_critical_coupling():
    b, exact = 1.0001, ising.CRITICAL_COUPLING
    with jax.enable_x64(True):
        speed = lambda k: (maps.migdal_kadanoff(k, b) - k) / np.log(b)  # noqa: E731
        assert abs(speed(exact)) < 1e-4
        assert jax.grad(speed)(exact) == pytest.approx(2 - 2 * 2**0.5 * exact, abs=1e-3)


def test_block_triangles_sum_over_the_spins_of_a_block():
    coupling, field = 0.27, 1e-4
    moments = np.zeros(2)
    for spins in itertools.product((-1, 1), repeat=3):
        pairs = spins[0] * spins[1] + spins[1] * spins[2] + spins[0] * spins[2]
        if sum(spins) > 0:
            moments += np.exp(coupling * pairs) * np.array([1, spins[0]])
    corner = moments[1] / moments[0]
    # Two bonds of two corners join neighboring blocks, and a field acts on three corners.
    expected = [2 * coupling * corner**2, 3 * field * corner]
    np.testing.assert_allclose(maps.block_triangles(jnp.array([coupling, field])), expected, rtol=1e-5)
