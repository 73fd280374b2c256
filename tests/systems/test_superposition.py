"""The phases of two features in one number, at cells where theory leaves no doubt."""

import jax
import numpy as np
import pytest

from jaxphase.systems import superposition

DENSITY = np.array([1.0, 0.6, 0.1, 0.02])
IMPORTANCE = np.array([0.02, 0.3, 1.0, 3.0, 50.0])


@pytest.fixture(scope="module")
def trained():
    return jax.tree.map(np.asarray, superposition.train(DENSITY, IMPORTANCE, key=jax.random.key(0)))


def named(phase):
    return superposition.FeaturePhase(phase).name.lower()


def test_dense_features_compete_for_the_dimension(trained):
    for row in (0, 1):
        assert named(trained.phase[row, 0]) == named(trained.phase[row, 1]) == "ignored"
        assert named(trained.phase[row, 3]) == named(trained.phase[row, 4]) == "represented"


def test_sparse_features_share_it_with_opposite_signs(trained):
    for cell in ((2, 1), (2, 2), (2, 3), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)):
        first, second = trained.weights[cell]
        assert named(trained.phase[cell]) == "superposed" and first * second < 0


def test_training_ends_no_higher_than_any_pure_form(trained):
    ideal = superposition.ideal_losses(DENSITY[:, None], IMPORTANCE)
    assert np.all(trained.loss <= ideal.min(axis=-1) * 1.005)
    # Where one form is far below the others training ends near it, not in something else.
    others = np.sort(ideal, axis=-1)
    clear = others[..., 1] > 5 * others[..., 0]
    assert clear.sum() >= 5
    np.testing.assert_array_equal(trained.phase[clear], ideal.argmin(axis=-1)[clear])


def test_features_are_told_apart_by_their_importance_alone(trained):
    """Exchanging them turns importance i into 1 / i, and the loss into that over i."""
    back = superposition.train(DENSITY, 1 / IMPORTANCE, key=jax.random.key(1))
    np.testing.assert_allclose(back.loss * IMPORTANCE, trained.loss, rtol=5e-3)


def test_the_expected_loss_is_the_mean_of_samples_and_of_pure_forms():
    rng = np.random.default_rng(2)
    weights, bias, density, importance = np.array([0.9, -0.7]), np.array([0.05, 0.1]), 0.3, 2.0
    x = rng.random((400_000, 2)) * (rng.random((400_000, 2)) < density)
    decoded = np.maximum((x @ weights)[:, None] * weights + bias, 0)
    losses = (x - decoded) ** 2 @ np.array([1, importance])
    expected = superposition.expected_loss(weights, bias, np.float32(density), importance)
    assert abs(losses.mean() - expected) < 4 * losses.std() / np.sqrt(len(losses))
    pure = ((1.0, 0.0), (0.0, density / 2)), ((0.0, 1.0), (density / 2, 0.0)), ((1.0, -1.0), (0.0, 0.0))
    found = [superposition.expected_loss(*map(np.array, form), np.float32(density), importance) for form in pure]
    # The ridge of the last form, where the features are equal, costs the quadrature 3 in 1000.
    np.testing.assert_allclose(found, superposition.ideal_losses(density, importance), rtol=5e-3)
