"""The vote of the nearest against scikit-learn, and where the answer is known."""

import jax
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from jaxphase.data import digits
from jaxphase.errors import InputError
from jaxphase.evaluate import neighbors

knn_accuracy = jax.jit(neighbors.knn_accuracy, static_argnames=("classes", "neighbors"))
SPLITS = digits().splits


def project(width: int):
    weights = np.random.default_rng(width).standard_normal((64, width)) / 8
    # No two rows alike: scikit-learn takes the first of equal neighbors, where all of them should vote.
    return [np.tanh(images @ weights).astype(np.float32) for images in (SPLITS.probe, SPLITS.validation)]


def accuracy(fit, test, **options):
    return knn_accuracy(fit, SPLITS.probe_labels, test, SPLITS.validation_labels, classes=10, **options)


@pytest.mark.parametrize("width", [3, 16, 64])
@pytest.mark.parametrize(("number", "temperature"), [(1, 0.07), (10, 0.07), (25, 0.5)])
def test_the_vote_is_that_of_weighted_neighbors(width, number, temperature):
    fit, test = project(width)
    mean, std = fit.mean(0), fit.std(0)
    oracle = KNeighborsClassifier(
        number, metric="cosine", algorithm="brute", weights=lambda distance: np.exp(-distance / temperature)
    ).fit((fit - mean) / std, SPLITS.probe_labels)
    expected = oracle.score((test - mean) / std, SPLITS.validation_labels)
    # One image in 373 may fall the other way by rounding.
    assert abs(accuracy(fit, test, neighbors=number, temperature=temperature) - expected) < 1.5 / 373


def test_features_that_never_vary_change_nothing():
    fit, test = project(16)
    constants = np.array([0.1, 7.7, 77.7, 333.3], np.float32)
    wide = [np.hstack([rows, np.broadcast_to(constants, (len(rows), 4))]) for rows in (fit, test)]
    assert abs(accuracy(*wide) - accuracy(fit, test)) < 1.5 / 373


def test_padding_rescaling_and_the_order_of_rows_change_nothing():
    fit, test = project(16)
    plain = accuracy(fit, test)
    assert 0.5 < plain < 1
    assert abs(accuracy(*(np.pad(rows, ((0, 0), (0, 8))) for rows in (fit, test))) - plain) < 1.5 / 373
    assert abs(accuracy(100 * fit + 3, 100 * test + 3) - plain) < 1.5 / 373
    turned = knn_accuracy(fit[::-1], SPLITS.probe_labels[::-1], test, SPLITS.validation_labels, classes=10)
    assert abs(turned - plain) < 1.5 / 373


def test_known_elections():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    separate = (np.eye(3)[labels] + 0.01 * rng.standard_normal((60, 3))).astype(np.float32)
    assert knn_accuracy(separate, labels, separate, labels, classes=3) == 1
    assert knn_accuracy(separate, (labels + 1) % 3, separate, labels, classes=3) == 0
    # Every row is its own nearest.
    own = rng.integers(0, 5, 60)
    rows = rng.standard_normal((60, 8)).astype(np.float32)
    assert knn_accuracy(rows, own, rows, own, classes=5, neighbors=1) == 1


def test_equal_neighbors_all_vote():
    labels = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2])
    same, test_labels = np.ones((9, 4), np.float32), np.array([2, 2, 1])
    assert knn_accuracy(same, labels, same[:3], test_labels, classes=3, neighbors=1) == pytest.approx(2 / 3)


def test_lanes_of_any_width_share_a_program():
    lanes = [project(width) for width in (3, 16, 24)]
    wide = [
        np.stack([np.pad(rows, ((0, 0), (0, 24 - rows.shape[1]))) for rows in part])
        for part in zip(*lanes, strict=True)
    ]
    together = jax.vmap(accuracy)(*wide)
    np.testing.assert_allclose(together, [accuracy(*lane) for lane in lanes], atol=1.5 / 373)


def test_more_neighbors_than_rows_are_refused():
    with pytest.raises(InputError, match="neighbors is 401"):
        accuracy(*project(3), neighbors=401)
