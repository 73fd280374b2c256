import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.detect.status import Status
from jaxphase.scaling import bimodality, binder_cumulant, susceptibility


def test_susceptibility_is_the_unbiased_variance_times_the_volume():
    outcomes = np.random.default_rng(0).normal(3.0, 0.5, (5, 16)).astype(np.float32)
    result = susceptibility(outcomes, volume=100.0)
    np.testing.assert_allclose(result.value, 100 * outcomes.var(axis=1, ddof=1), rtol=1e-4)


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(1)
    normal = rng.normal(0, 2.0, (2000, 32))
    ends = np.sign(rng.random((2000, 32)) - 0.5) + rng.normal(0, 0.3, (2000, 32))
    fourth, second = 1 + 6 * 0.09 + 3 * 0.0081, 1.09
    cases = (
        (susceptibility(normal), 4.0, 0.92),
        (susceptibility(ends), second, 0.92),
        (binder_cumulant(normal, about="mean"), 0.0, 0.85),
        (binder_cumulant(ends), 1 - fourth / (3 * second**2), 0.85),
    )
    for result, truth, least in cases:
        assert abs(np.mean(result.value) - truth) < 0.08  # a cumulant's bias is 2 / 32
        low, high = np.asarray(result.interval).T
        assert least < np.mean((low <= truth) & (truth <= high)) < 0.98
        assert 0.8 < np.mean(result.se) / np.std(np.asarray(result.value)) < 1.25


def test_blocks_account_for_the_memory_of_a_chain():
    rng = np.random.default_rng(2)
    chain = np.zeros((300, 4000))
    shock = rng.normal(size=chain.shape)
    for t in range(1, chain.shape[1]):
        chain[:, t] = 0.95 * chain[:, t - 1] + shock[:, t]
    alone, blocked = susceptibility(chain), susceptibility(chain, blocks=20)
    scatter = np.std(np.asarray(alone.value))
    assert np.mean(np.asarray(alone.se)) < 0.4 * scatter
    assert 0.75 * scatter < np.mean(np.asarray(blocked.se)) < 1.25 * scatter


def test_the_unit_and_a_missing_seed_change_nothing():
    outcomes = np.random.default_rng(3).normal(size=(3, 12))
    with_gap = np.insert(outcomes, 5, np.nan, axis=1)
    for about in ("zero", "mean"):
        one = binder_cumulant(outcomes, about=about)
        for other in (binder_cumulant(1e-12 * outcomes, about=about), binder_cumulant(with_gap, about=about)):
            np.testing.assert_allclose(one.value, other.value, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(susceptibility(outcomes).value, susceptibility(with_gap).value, rtol=1e-5)


def test_what_cannot_be_judged_says_so_and_leaves_its_neighbors_alone(unchecked):
    outcomes = np.random.default_rng(6).normal(size=(4, 10)).astype(np.float32)
    broken = outcomes.copy()
    broken[1], broken[2] = 1.0, np.nan
    for function in (susceptibility, functools.partial(binder_cumulant, about="mean"), bimodality):
        whole, result = function(outcomes), function(broken)
        assert result.status.tolist() == [0, Status.NOT_IDENTIFIED, Status.TOO_FEW_POINTS, 0]
        for field, kept in zip(result, whole, strict=True):
            assert np.array_equal(np.asarray(field)[[0, 3]], np.asarray(kept)[[0, 3]])
    assert susceptibility(broken).value[1] == 0
    with pytest.raises(ValueError, match="about"):
        binder_cumulant(outcomes, about="median")
    with pytest.raises(ValueError, match=r"\(3,\)|seeds"):
        susceptibility(np.zeros(()))
    with pytest.raises(ValueError, match="blocks"):
        susceptibility(outcomes, blocks=11)


def test_they_compose_with_jit_vmap_and_grad():
    outcomes = jnp.asarray(np.random.default_rng(7).normal(size=(3, 4, 12)))
    np.testing.assert_allclose(
        jax.jit(jax.vmap(lambda o: binder_cumulant(o).value))(outcomes), binder_cumulant(outcomes).value, rtol=1e-5
    )
    slope = jax.grad(lambda o: susceptibility(o).value.sum())(outcomes[0])
    expected = 2 * (outcomes[0] - outcomes[0].mean(-1, keepdims=True)) / 11
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)
