"""Entropy and compressed size of rows whose information is known."""

import numpy as np
import pytest

from jaxphase.errors import InputError
from jaxphase.evaluate.complexity import compressed_size, entropy


def noise(values: int, n: int = 60_000) -> np.ndarray:
    return np.random.default_rng(values).integers(0, values, (n // 60, 60), dtype=np.int32)


def test_random_bytes_do_not_compress_and_constants_vanish():
    assert compressed_size(noise(256)) == pytest.approx(8, abs=0.03)
    assert compressed_size(np.full((1000, 60), 7)) < 0.02
    assert compressed_size(np.full((1000, 60), 0.7)) < 0.02


@pytest.mark.parametrize("values", [2, 4, 16])
def test_no_code_is_shorter_than_the_entropy(values):
    rows = noise(values)
    assert np.log2(values) < compressed_size(rows) < 1.3 * np.log2(values) + 0.1


def test_repetition_compresses_but_leaves_the_entropy():
    once = noise(256, 6000)
    tenfold = np.tile(once, (10, 1))
    assert compressed_size(tenfold) < 0.2 * compressed_size(once)
    assert entropy(tenfold) == pytest.approx(entropy(once), abs=0.05)


def test_entropy_of_a_known_distribution():
    share = np.array([0.5, 0.25, 0.125, 0.125])
    exact = np.repeat(np.arange(4), (8000 * share).astype(int))
    correction = 3 / (2 * 8000) / np.log(2)
    assert entropy(exact) == pytest.approx(1.75 + correction, rel=1e-9)
    assert entropy(exact.reshape(-1, 2) * 100.0 - 3) == pytest.approx(1.75 + correction, rel=1e-9)
    assert entropy(np.full((4, 4), 3)) == 0


def test_the_correction_removes_the_bias_of_small_samples():
    rng = np.random.default_rng(0)
    found = np.array([entropy(rng.integers(0, 16, 200)) for _ in range(300)])
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean() - 4) < 4 * error + 0.002
    # Without it: 15 / (2 * 200) nats too small.
    assert 15 / 400 / np.log(2) > 20 * error


def test_real_numbers_are_256_steps_wherever_they_lie():
    codes = noise(256)
    for rows in (codes / 7 - 3.0, (codes * 1e-6).astype(np.float32)):
        assert entropy(rows) == pytest.approx(entropy(codes), abs=1e-9)
        assert compressed_size(rows) == compressed_size(codes)
    assert entropy(noise(1000) / 7.0) < 8.01 < entropy(noise(1000))


def test_unusable_rows_are_refused():
    for rows, complaint in ((np.zeros((0, 3)), "empty"), (np.array([1, np.nan]), "nan"), (np.array([-1, 1]), "-1")):
        with pytest.raises(InputError, match=complaint):
            entropy(rows)
