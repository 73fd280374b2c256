"""The probe against scikit-learn, and against features that carry nothing."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from jaxphase.data import digits
from jaxphase.evaluate import effective_rank, label_entropy, linear_probe, mutual_information

SOURCE = digits()
SPLITS = SOURCE.splits


def project(width: int):
    weights = np.random.default_rng(width).standard_normal((64, width)) / 8
    return [np.maximum(images @ weights, 0).astype(np.float32) for images in (SPLITS.probe, SPLITS.validation)]


def probe(fit, test):
    return linear_probe(fit, SPLITS.probe_labels, test, SPLITS.validation_labels, classes=10)


@pytest.mark.parametrize(("width", "tolerance"), [(3, 1e-3), (16, 1e-3), (64, 2e-3)])
def test_the_probe_is_logistic_regression(width, tolerance):
    fit, test = project(width)
    mean, std = fit.mean(0), np.where(fit.std(0) > 0, fit.std(0), 1)
    oracle = LogisticRegression(C=1.0, max_iter=5000, tol=1e-7).fit((fit - mean) / std, SPLITS.probe_labels)
    chance = oracle.predict_log_proba((test - mean) / std)
    expected = -chance[np.arange(len(test)), SPLITS.validation_labels].mean()
    result = probe(fit, test)
    assert abs(result.cross_entropy - expected) < tolerance
    assert abs(result.accuracy - oracle.score((test - mean) / std, SPLITS.validation_labels)) < 0.01


def test_padding_and_rescaling_features_change_nothing():
    fit, test = project(16)
    wide = [np.pad(features, ((0, 0), (0, 8))) for features in (fit, test)]
    plain, padded, scaled = probe(fit, test), probe(*wide), probe(100 * fit + 3, 100 * test + 3)
    for other in (padded, scaled):
        np.testing.assert_allclose(other.cross_entropy, plain.cross_entropy, rtol=2e-3)
        np.testing.assert_allclose(other.degrees_of_freedom, plain.degrees_of_freedom, rtol=1e-3)


def test_features_without_information_give_no_information():
    rng = np.random.default_rng(0)
    nothing = probe(np.ones((400, 4), np.float32), np.ones((373, 4), np.float32))
    noise = probe(*(rng.standard_normal((n, 2)).astype(np.float32) for n in (400, 373)))
    for result in (nothing, noise):
        assert result.accuracy < 0.2
        assert abs(mutual_information(result.cross_entropy, SPLITS.validation_labels, 10)) < 0.06


def test_information_of_a_perfect_probe_is_the_label_entropy():
    labels = np.repeat(np.arange(4), 5)
    assert label_entropy(labels, 4) == pytest.approx(np.log(4))
    assert mutual_information(0.0, labels, 4) == pytest.approx(np.log(4))


def test_effective_rank_counts_equal_directions():
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((50, 6)))[0].astype(np.float32)
    assert effective_rank(basis) == pytest.approx(6, rel=1e-4)
    assert effective_rank(np.pad(basis, ((0, 0), (0, 4)))) == pytest.approx(6, rel=1e-3)
    assert effective_rank(basis[:, :1] @ np.ones((1, 5), np.float32)) == pytest.approx(1, rel=1e-3)
    assert effective_rank(np.zeros((10, 3), np.float32)) == 0


def test_splits_are_disjoint_and_complete():
    rows = [split.tobytes() for part in (SPLITS.train, SPLITS.probe, SPLITS.validation) for split in part]
    assert len(rows) == 1797 and len(set(rows)) == 1797
    assert abs(SPLITS.train.mean()) < 1e-5 and SPLITS.train.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_first_step_does_not_go_beyond_all_turning_back(seed):
    # Well separated, with more classes than samples of each: an unguarded second Newton step ends at chance.
    rng = np.random.default_rng(seed)
    centers, labels = rng.standard_normal((62, 200)), rng.integers(0, 62, (2, 400))
    fit, test = (5 * centers[labels] + rng.standard_normal((2, 400, 200))).astype(np.float32)
    result = linear_probe(fit, labels[0], test, labels[1], classes=62)
    assert result.accuracy > 0.99 and result.cross_entropy < 0.1
