"""The article's own test: sizes 1e6 to 1e9, twenty points, noise 0.02."""

import numpy as np
import pytest

from jaxphase.detect import CurveKind, Status, classify

CURVES = 1000
X = np.linspace(6, 9, 20)


def named(y, noise=0.02, seed=3):
    verdict = classify(X, y + noise * np.random.default_rng(seed).standard_normal((CURVES, 20)))
    return np.asarray(verdict.kind), verdict


def is_transition(kind):
    return np.isin(kind, [CurveKind.SIGMOID, CurveKind.STEP])


def test_a_sigmoid_is_found_at_its_place_in_98_of_100(sigmoids):
    x, y, center, _ = sigmoids(CURVES, seed=7)
    verdict = classify(x, y)
    found = is_transition(verdict.kind)
    interval = np.asarray(verdict.interval)[found]
    assert np.mean(found & (np.abs(verdict.center - center) < 0.25)) >= 0.98
    assert 0.93 <= np.mean((interval[:, 0] <= center[found]) & (center[found] <= interval[:, 1])) <= 0.975


def test_a_step_is_found_and_bracketed():
    place = np.random.default_rng(0).uniform(6.6, 8.4, CURVES)
    kind, verdict = named(0.1 + 0.8 * (place[:, None] < X))
    assert is_transition(kind).mean() >= 0.99
    assert np.mean((verdict.interval[:, 0] <= place) & (place <= verdict.interval[:, 1])) > 0.93
    step = kind == CurveKind.STEP
    np.testing.assert_allclose(np.asarray(verdict.width)[step], X[1] - X[0], rtol=1e-4)


def test_flat_noise_is_constant_in_95_of_100():
    kind, verdict = named(0.5)
    assert np.mean(kind == CurveKind.CONSTANT) >= 0.95
    assert np.mean(is_transition(kind)) <= 0.01
    assert np.all(np.isnan(verdict.center[kind == CurveKind.CONSTANT]))


def test_a_power_law_is_no_transition_and_with_a_floor_is_named():
    rng = np.random.default_rng(0)
    kind, _ = named(0.9 * 10 ** (-rng.uniform(0.03, 0.3, (CURVES, 1)) * (X - 6)))
    assert np.mean(is_transition(kind)) <= 0.02
    assert np.mean(np.isin(kind, [CurveKind.POWER_LAW, CurveKind.LINEAR])) >= 0.97
    kind, _ = named(0.3 + 0.6 * 10 ** (-rng.uniform(0.2, 0.6, (CURVES, 1)) * (X - 6)))
    assert np.mean(kind == CurveKind.POWER_LAW) >= 0.95


@pytest.mark.parametrize("noise", [0.002, 0.02, 0.1])
def test_a_broken_law_is_no_transition(broken_laws, noise):
    # Measured on 6,000 other curves: 0.3, 2.3 and 3.3 %.
    kind, _ = named(broken_laws(X, CURVES), noise)
    assert np.mean(is_transition(kind)) <= 0.05


def test_a_broken_law_is_named_once_noise_lets_it_be_seen():
    rng = np.random.default_rng(0)
    early, late, place = (rng.uniform(*ends, (CURVES, 1)) for ends in ((0.02, 0.1), (0.2, 0.4), (7, 8)))
    kind, _ = named(0.9 * 10 ** (-early * (X - 6) - (late - early) * np.maximum(X - place, 0)), noise=0.002)
    assert np.mean(is_transition(kind)) <= 0.05
    assert np.mean(kind == CurveKind.BROKEN_POWER_LAW) >= 0.9


def test_noise_of_an_eighth_of_the_rise_leaves_three_in_four_sigmoids(sigmoids):
    # Measured on 12,000 curves: 76.0 %.
    x, y, center, _ = sigmoids(CURVES, noise=0.1, seed=7)
    verdict = classify(x, y)
    found = is_transition(verdict.kind)
    assert np.mean(found & (np.abs(verdict.center - center) < 0.25)) >= 0.73


NOISELESS = {
    CurveKind.CONSTANT: np.full(20, 2.3),
    CurveKind.LINEAR: 0.2 * X,
    CurveKind.POWER_LAW: 1.7 + 10 ** (-0.34 * (X - 6)),
    CurveKind.SIGMOID: 0.1 + 0.8 / (1 + np.exp(-5 * (X - 7.4))),
    CurveKind.STEP: 1.0 * (X > 7.4),
}


@pytest.mark.parametrize("truth", NOISELESS, ids=lambda kind: kind.name.lower())
def test_curves_without_noise_are_what_they_are(truth):
    kind, _ = named(np.tile(NOISELESS[truth], (CURVES, 1)), noise=0)
    assert set(kind) == {truth}


def test_six_points_are_too_few():
    verdict = classify(X[:6], X[:6])
    assert verdict.status == Status.TOO_FEW_POINTS
    assert verdict.kind == CurveKind.TOO_FEW_POINTS
    assert np.isnan(verdict.center)


def test_a_curve_with_too_few_points_is_neither_smooth_nor_a_transition():
    assert [kind for kind in CurveKind if kind.is_transition] == [CurveKind.SIGMOID, CurveKind.STEP]
    assert [kind for kind in CurveKind if kind.is_smooth] == list(CurveKind)[:4]
