"""The hidden direction is found when there are enough rows, and its variance and labels are as stated."""

from statistics import NormalDist

import numpy as np
import pytest

from jaxphase.data.spiked_vectors import hidden_direction, spiked
from jaxphase.errors import InputError


def overlap(strength: float, dimension: int, n: int) -> float:
    rows = spiked(dimension, strength, train=n).splits.train.astype(float)
    _, directions = np.linalg.eigh(rows.T @ rows)
    return (directions[:, -1] @ hidden_direction(dimension)) ** 2


def test_the_leading_eigenvector_turns_to_the_spike_above_the_threshold_only():
    ratio = 300 / 1200
    expected = (1 - ratio / 2.0**2) / (1 + ratio / 2.0)  # Paul (2007), 0.833
    assert overlap(2.0, 300, 1200) == pytest.approx(expected, abs=0.03)
    assert overlap(0.25, 300, 1200) < 0.1  # sqrt(ratio) = 0.5


def test_variance_along_the_direction_and_across_it():
    splits = spiked(dimension=20, strength=3.0).splits
    along = splits.train @ hidden_direction(20)
    assert np.var(along) == pytest.approx(4, rel=4 * np.sqrt(2 / 8192))
    assert np.sum(np.var(splits.train, axis=0)) - np.var(along) == pytest.approx(19, rel=4 * np.sqrt(2 / 8192 / 19))


def test_labels_are_the_sign_along_the_direction():
    splits = spiked(validation=4000).splits
    guess = splits.validation @ hidden_direction(64) > 0
    expected = NormalDist().cdf(np.sqrt(2))
    assert np.mean(guess == splits.validation_labels) == pytest.approx(expected, abs=4 * np.sqrt(0.08 / 4000))


def test_splits_differ_and_train_grows_from_its_first_rows():
    few, many = spiked(train=10).splits, spiked(train=20).splits
    np.testing.assert_array_equal(few.train, many.train[:10])
    assert len(np.unique(np.concatenate([few.train, few.probe, few.validation]), axis=0)) == 2010
    with pytest.raises(InputError, match="strength is 0"):
        spiked(strength=0)
