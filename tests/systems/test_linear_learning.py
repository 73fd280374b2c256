"""Trained linear networks against the closed forms of their flows, and the order in which they collapse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.systems import linear_learning as linear


def crossing_time(times, values, level):
    """When each column first passes the level, between two steps along a line."""
    after = np.argmax(values > level, axis=0)
    low, high = (np.take_along_axis(values, (after + shift)[None], 0)[0] for shift in (-1, 0))
    return times[after - 1] + (level - low) / (high - low) * (times[after] - times[after - 1])


def test_two_layers_learn_modes_as_saxe_solved_them():
    correlation = np.array([4.0, 2.0, 1.0, 0.5])
    with jax.enable_x64(True):
        for variance in (1.0, correlation):  # whitened inputs, and an autoencoder
            flow = linear.two_layers(
                correlation, 1e-3, 12.0, key=jax.random.key(0), variance=variance, hidden=7, steps=2400
            )
            exact = linear.mode_strength(flow.times[:, None], correlation, 1e-3, variance)
            np.testing.assert_allclose(flow.values, exact, atol=1e-6)
            half = crossing_time(np.asarray(flow.times), np.asarray(flow.values), correlation / variance / 2)
            np.testing.assert_allclose(half, linear.half_time(correlation, 1e-3, variance), atol=1e-4)
    # ln(s / 0.001 - 1) / 2s by hand, Saxe et al. (2014).
    np.testing.assert_allclose(linear.half_time(correlation, 1e-3), [1.03672, 1.90010, 3.45338, 6.21261], atol=5e-5)


def test_barlow_twins_learn_modes_at_the_times_of_simon():
    eigenvalues = np.array([2.0, 1.0, 0.5, 0.25, 0.1])
    with jax.enable_x64(True):
        start = linear.aligned(1e-3, 4, 5, key=jax.random.key(1))
        flow = linear.barlow_twins(start, eigenvalues, 10.0, steps=4000)
        exact = linear.barlow_strength(flow.times[:, None], eigenvalues[:4], 1e-3)
        np.testing.assert_allclose(flow.values, exact, atol=1e-6)
        times = crossing_time(np.asarray(flow.times), np.asarray(flow.values), 0.5)
    np.testing.assert_allclose(times, linear.barlow_half_time(eigenvalues[:4], 1e-3), atol=1e-4)
    # Simon et al. (2023): -ln(s**2 gamma) / 8 gamma.
    np.testing.assert_allclose(times, -np.log(1e-6 * eigenvalues[:4]) / (8 * eigenvalues[:4]), atol=1e-3)


def test_random_small_weights_learn_as_if_they_began_at_the_diagonal_of_r():
    eigenvalues = np.array([2.0, 1.0, 0.5, 0.25, 0.12, 0.06])
    with jax.enable_x64(True):
        start = 1e-4 * jax.random.normal(jax.random.key(2), (4, 6))
        flow = linear.barlow_twins(start, eigenvalues, 16.0, steps=6400)
        times = crossing_time(np.asarray(flow.times), np.asarray(flow.values), 0.5)
        expected = linear.barlow_half_time(eigenvalues[:4], linear.barlow_initial(start))
    np.testing.assert_allclose(times, expected, rtol=5e-3)
    aligned = linear.barlow_half_time(eigenvalues[:4], 1e-4)
    assert np.max(np.abs(times / aligned - 1)) > 0.02  # the start is not told by its scale alone


def test_decay_collapses_modes_continuously():
    eigenvalues = np.array([1.0, 0.5, 0.25, 0.1])
    with jax.enable_x64(True):
        start = linear.aligned(0.1, 4, 4, key=jax.random.key(3))
        for decay in (0.0, 0.1, 0.4, 0.8, 1.6):
            end = linear.barlow_twins(start, eigenvalues, 200.0, decay=decay, steps=40_000).values[-1]
            np.testing.assert_allclose(end, linear.collapsed_strength(eigenvalues, decay), atol=1e-6)
    # The number of modes that live is a staircase with a step at each 2 gamma.
    alive = [int(np.sum(linear.collapsed_strength(eigenvalues, decay) > 0)) for decay in (0.19, 0.21, 0.49, 0.51)]
    assert alive == [4, 3, 3, 2]


def test_two_scalar_layers_die_continuously_whatever_the_seed():
    decay = np.array([0.1, 0.5, 0.9, 0.97, 1.1, 2.0])
    with jax.enable_x64(True):
        ends = np.asarray(
            linear.scalar_chain(decay, 1.0, key=jax.random.key(4), depth=2, seeds=100, time=400.0, steps=8000)
        )
    np.testing.assert_allclose(ends, np.broadcast_to(np.maximum(1 - decay, 0)[:, None], ends.shape), atol=1e-6)
    np.testing.assert_allclose(linear.upper_product(decay, 1.0, 2), np.maximum(1 - decay, 0), atol=1e-12)
    assert linear.critical_decay(1.0, 2) == linear.spinodal_decay(1.0, 2) == 1


def test_three_scalar_layers_die_in_a_jump_with_two_ends_side_by_side():
    critical, spinodal = linear.critical_decay(1.0, 3), linear.spinodal_decay(1.0, 3)
    # By hand from Ziyin & Ueda (2022): (1/2)**(4/3) and 3/4 (1/4)**(1/3).
    assert critical == pytest.approx(0.39685, abs=5e-6) and spinodal == pytest.approx(0.47247, abs=5e-6)
    decay = np.array([0.1, 0.3, 0.99 * critical, 1.01 * critical, 0.99 * spinodal, 1.02 * spinodal])
    with jax.enable_x64(True):
        ends = np.asarray(
            linear.scalar_chain(decay, 1.0, key=jax.random.key(5), depth=3, seeds=400, time=300.0, steps=6000)
        )
    upper = linear.upper_product(decay, 1.0, 3)
    # Nothing between: each seed is at 0 or at the upper minimum, far from 0 even where that is about to vanish.
    at_zero, at_upper = np.abs(ends) < 1e-6, np.abs(ends - upper[:, None]) < 1e-6
    assert np.all(at_zero | at_upper)
    assert np.all(upper[:5] > 0.25) and upper[5] == 0
    share = at_upper.mean(axis=1)
    assert np.all((share[:5] > 0.2) & (share[:5] < 0.99)) and at_zero[5].all()


def test_the_least_changes_hands_at_the_critical_decay():
    for depth in (3, 4):
        critical = linear.critical_decay(2.0, depth)
        w = np.linspace(0, 1.5, 200_001)
        loss = lambda decay: (2 - w**depth) ** 2 + depth * decay * w**2  # noqa: B023, E731
        below, above = (w[np.argmin(loss(factor * critical))] ** depth for factor in (0.999, 1.001))
        assert above == 0 and below == pytest.approx(linear.critical_product(2.0, depth), rel=0.01)
        near = (w > 0.3) & (w < 1.5)
        dips = [
            np.any(np.diff(np.sign(np.diff(loss(factor * linear.spinodal_decay(2.0, depth))[near]))) > 0)
            for factor in (0.999, 1.001)
        ]
        assert dips == [True, False]


def test_flows_can_be_of_any_loss():
    flow = linear.gradient_flow(
        lambda w: jnp.sum(w["a"] ** 2) / 2, {"a": jnp.array([1.0, 2.0])}, 1.0, 20, lambda w: w["a"]
    )
    np.testing.assert_allclose(flow.values[-1], np.exp(-1) * np.array([1, 2]), rtol=1e-5)
    assert flow.times.shape == (21,) and flow.values.shape == (21, 2)
