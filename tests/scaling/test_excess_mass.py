import numpy as np

from jaxphase.scaling import bimodality


def test_two_peaks_are_found_and_one_is_not():
    rng = np.random.default_rng(4)
    one_peak = [
        rng.normal(size=(1000, 32)),
        rng.uniform(size=(1000, 32)),
        rng.exponential(size=(1000, 32)),
        rng.standard_t(3, (1000, 32)),
    ]
    for outcomes in one_peak:
        assert np.mean(np.asarray(bimodality(outcomes).p_value) < 0.05) < 0.07
    upper = rng.random((1000, 32)) < 0.4
    result = bimodality(np.where(upper, 8.0, 0.0) + rng.normal(size=upper.shape))
    assert np.mean(np.asarray(result.p_value) < 0.05) > 0.88
    assert abs(np.mean(np.asarray(result.share)) - 0.4) < 0.01
    assert abs(np.mean(np.asarray(result.high - result.low)) - 8.0) < 0.05


def test_uniform_outcomes_give_uniform_p_values():
    p = np.sort(np.asarray(bimodality(np.random.default_rng(5).uniform(size=(2000, 16))).p_value))
    assert np.max(np.abs(p - np.linspace(0, 1, len(p)))) < 1.63 / np.sqrt(len(p)) + 0.01
