"""Against exact sums over all states of 4 x 4 spins, free spins, known linear maps, and the 2-D Ising model at K_c."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from jaxphase.rg.linearization import critical_exponents, linearized
from jaxphase.scaling import identify_universality_class
from jaxphase.systems import ising
from jaxphase.systems.block_spins import even_operators, majority, odd_operators


def of_four_by_four(coupling, operators):
    """All states, their probabilities, and T from the sum over them and over the signs of all ties."""
    bits = np.arange(2**16)[:, None] >> np.arange(16) & 1
    spins = (2 * bits - 1).reshape(-1, 4, 4).astype(np.int8)
    bonds = sum(np.sum(spins * np.roll(spins, 1, axis), axis=(1, 2)) for axis in (1, 2))
    weight = np.exp(coupling * (bonds - 32.0))
    weight /= weight.sum()
    ties = (2 * (np.arange(16)[:, None] >> np.arange(4) & 1) - 1).reshape(16, 1, 2, 2)
    blocks = np.sign(2 * spins.reshape(-1, 2, 2, 2, 2).sum(axis=(2, 4)) + ties).astype(np.int8)
    fine, coarse = np.asarray(operators(spins), float), np.asarray(operators(blocks), float)
    mean = weight @ coarse.mean(axis=0)
    cross = np.einsum("s,sa,sb->ab", weight, coarse.mean(axis=0), fine) - np.outer(mean, weight @ fine)
    square = np.einsum("s,tsa,tsb->ab", weight, coarse, coarse) / 16 - np.outer(mean, mean)
    return spins, weight, np.linalg.solve(square, cross)


@pytest.mark.parametrize("of", [even_operators, odd_operators])
def test_the_map_is_that_of_all_states_within_honest_errors(of):
    operators = lambda spins: of(spins)[..., :2]  # noqa: E731
    spins, weight, exact = of_four_by_four(0.3, operators)
    rng = np.random.default_rng(0)
    drawn = jnp.asarray(spins[rng.choice(len(weight), (200, 600), p=weight)])
    found = linearized(operators(drawn), operators(majority(drawn, key=jax.random.key(0))), 2)
    eigenvalues = np.sort(np.linalg.eigvals(exact))[::-1]
    assert np.all(found.status == 0)
    for name, truth in (("matrix", exact), ("eigenvalues", eigenvalues), ("y", np.log2(eigenvalues))):
        pull = np.real((getattr(found, name) - truth) / getattr(found, name + "_se"))
        # 97.5 % point of Student's t for 19 degrees of freedom.
        covered = np.mean(np.abs(pull) < 2.093, axis=0)
        assert np.all((covered > 0.89) & (covered < 0.99)), (name, covered)
        assert np.all(np.abs(np.nanmean(pull, axis=0)) < 0.35), name


def test_free_spins_flow_to_the_trivial_fixed_point():
    spins = 2 * jax.random.bernoulli(jax.random.key(1), 0.5, (3000, 16, 16)).astype(jnp.int8) - 1
    blocks = majority(spins, key=jax.random.key(2))
    # A majority of four follows each of its spins by <|s1 + s2 + s3 + s4|> / 4 = 3/8, two blocks a pair across their
    # border by its square. Fields are multiplied by 4 * 3/8, and two of the bonds join the same two blocks. This is
    # neither 2 nor 2**1.875 of the critical point.
    odd, even = (linearized(of(spins)[:, :2], of(blocks)[:, :2], 2) for of in (odd_operators, even_operators))
    assert abs(odd.y[0] - np.log2(1.5)) < 4 * odd.y_se[0] < 0.1
    assert abs(even.matrix[0, 0] - 2 * 0.375**2) < 4 * even.matrix_se[0, 0] < 0.13
    assert even.y[0] < -1
    assert odd.status == even.status == 0


def test_the_critical_ising_model_has_its_exponents():
    # Swendsen (1979): y_t = 1, y_h = 15/8 from the second step and two operators on.
    key, *keys = jax.random.split(jax.random.key(3), 3)
    critical = np.array([ising.CRITICAL_COUPLING])
    drawn = ising.configurations(critical, 32, 3000, key=key, replicas=20, every=4)[0]
    once = majority(drawn, key=keys[0])
    twice = majority(once, key=keys[1])
    even, odd = (linearized(of(once)[:, :2], of(twice)[:, :2], 2) for of in (even_operators, odd_operators))
    assert abs(even.y[0] - 1) < 3 * even.y_se[0] < 0.08
    assert abs(odd.y[0] - 1.875) < 3 * odd.y_se[0] + 0.001 < 0.008
    covariance = np.cov(even.y_blocks[:, 0], odd.y_blocks[:, 0]) * 19 * 19 / 20
    np.testing.assert_allclose(np.diag(covariance) ** 0.5, [even.y_se[0], odd.y_se[0]], rtol=1e-3)


def test_an_ensemble_of_couplings_gives_the_map():
    exact = np.array([[1.7, 0.3], [0.1, 0.5]])
    eigenvalues = np.sort(np.linalg.eigvals(exact))[::-1]
    rng = np.random.default_rng(1)
    fine = rng.standard_normal((300, 60, 2)) * [1, 0.5] + [300, -2]
    coarse = fine @ exact.T + 0.3 * rng.standard_normal(fine.shape)
    found = linearized(fine, coarse, 2, measured="couplings")
    for name, truth in (("matrix", exact), ("y", np.log2(eigenvalues))):
        pull = (np.asarray(getattr(found, name)) - truth) / getattr(found, name + "_se")
        covered = np.mean(np.abs(pull) < 2.093, axis=0)
        assert np.all((covered > 0.9) & (covered < 0.985)), (name, covered)


def test_what_has_no_exponent_or_cannot_be_solved_says_so():
    rng = np.random.default_rng(3)
    fine = rng.standard_normal((7, 60, 2))
    coarse = fine + 0.1 * rng.standard_normal(fine.shape)
    coarse[1, :, 1] = 2 * coarse[1, :, 0]
    coarse[2, :, 0] = 7.3
    coarse[3, 3:] = np.nan
    coarse[4] = fine[4] @ np.array([[0.6, -0.8], [0.8, 0.6]])
    coarse[5] = fine[5] * [-1 / 1.5, 2]
    coarse[6] = fine[6] @ np.diag([2.0, 0.5])
    found = linearized(fine, coarse, 2)
    np.testing.assert_array_equal(found.status, [0, 2, 2, 3, 2, 2, 0])
    for name in ("eigenvalues", "y", "y_se", "matrix"):
        assert np.all(np.isnan(getattr(found, name)[1:4]))
    # A direction that turns and one that alternates are no powers of b.
    np.testing.assert_allclose(np.sort(np.imag(found.eigenvalues[4])), [-0.8, 0.8], rtol=1e-5)
    assert np.all(np.isnan(found.y[4]))
    np.testing.assert_allclose(found.eigenvalues[5], [-1.5, 0.5], rtol=1e-5)
    np.testing.assert_allclose(found.y[5], [np.nan, -1], rtol=1e-5)
    # The formula for operators gives the inverse of a map of couplings.
    np.testing.assert_allclose(found.y[6], [1, -1], rtol=1e-5)
    np.testing.assert_allclose(found.matrix[6], np.diag([0.5, 2.0]), atol=1e-5)


def test_mistakes_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users run it
    some = np.ones((6, 2))
    with pytest.raises(ValueError, match=r"fine \(3, 2\) and coarse \(6, 2\)"):
        linearized(some[:3], some, 2)
    with pytest.raises(ValueError, match="measured must be one of"):
        linearized(some, some, 2, measured="weights")
    with pytest.raises(ValueError, match="blocks must be an int of at least 2, got 1"):
        linearized(some, some, 2, blocks=1)
    with pytest.raises(ValueError, match=r"b must be greater than 1, got 0\.5"):
        linearized(some, some, 0.5)


def test_missing_samples_leave_the_plain_formula_and_large_means_do_not_round():
    rng = np.random.default_rng(4)
    fine = rng.standard_normal((60, 2))
    coarse = fine @ np.array([[1.4, 0.2], [0.1, 0.7]]) + 0.2 * rng.standard_normal(fine.shape)
    spoiled = np.insert(fine, 30, [np.nan, 1e9], axis=0) + 1000, np.insert(coarse, 30, 1e9, axis=0) - 3000
    found = linearized(*spoiled, 2, blocks=61)

    def plain(x, y):
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        matrix = np.linalg.solve(y.T @ y, y.T @ x)
        return matrix, np.log2(np.sort(np.linalg.eigvals(matrix).real)[::-1])

    matrix, y = plain(fine, coarse)
    np.testing.assert_allclose(found.matrix, matrix, rtol=3e-3)
    np.testing.assert_allclose(found.y, y, rtol=3e-3)
    # The jackknife with eigenvalues computed anew without each sample.
    without = [plain(np.delete(fine, i, 0), np.delete(coarse, i, 0)) for i in range(60)]
    for name, parts in zip(("matrix_se", "y_se"), zip(*without, strict=True), strict=True):
        np.testing.assert_allclose(getattr(found, name), np.std(parts, axis=0) * 59**0.5, rtol=0.04)


def test_exponents_of_onsager_follow_from_the_two_eigenvalues():
    found = critical_exponents(1.0, 1.875, 2, [0.003, 0.0002])
    for name, exact in ising.EXPONENTS.items():
        assert found.exponents[name] == pytest.approx(exact, abs=1e-12), name
    # Errors by small differences.
    order = list(found.exponents)
    for i, (d_t, d_h) in enumerate(((1e-6, 0), (0, 1e-6))):
        moved = critical_exponents(1 + d_t, 1.875 + d_h, 2, [0.003, 0.0002]).exponents
        slope = np.array([(moved[name] - found.exponents[name]) / 1e-6 for name in order])
        only = critical_exponents(1.0, 1.875, 2, np.diag([(0.003, 0), (0, 0.0002)][i]) ** 2).covariance
        error = slope * (0.003, 0.0002)[i]
        np.testing.assert_allclose(only, np.outer(error, error), rtol=1e-3, atol=1e-12)
    match = identify_universality_class(found.exponents, found.covariance, dimension=2)
    assert match.best == "2-D Ising"
    # Two numbers cannot check a relation among six.
    assert all(np.isnan(relation.p_value) for relation in match.relations.values())


def test_one_eigenvalue_gives_the_exponents_that_need_no_other():
    thermal = critical_exponents(0.7472357, np.nan, 2, [[0.01**2, np.nan], [np.nan, np.nan]])
    assert thermal.exponents["nu"] == pytest.approx(1.3382658, abs=1e-6)
    known = [name for name, value in thermal.exponents.items() if np.isfinite(value)]
    assert known == ["nu", "alpha"]
    errors = dict(zip(thermal.exponents, np.diag(thermal.covariance), strict=True))
    assert errors["nu"] == pytest.approx((0.01 / 0.7472357**2) ** 2)
    assert np.isnan(errors["beta"])
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        critical_exponents(1, 2, 2, [1, 2, 3])
