"""Every kind of file comes back as its rows, and every unusable one is refused in a sentence."""

import sys

import numpy as np
import pytest

from jaxphase.data.array_files import arrays
from jaxphase.data.source import Layout
from jaxphase.errors import InputError

module = sys.modules["jaxphase.data.array_files"]
RNG = np.random.default_rng(0)
FEW = {"probe": 3, "validation": 2}


def save(folder, x, y=None):
    path = folder / ("rows.npy" if y is None else "rows.npz")
    np.save(path, x) if y is None else np.savez(path, x=x, y=y)
    return path


def joined(source):
    return np.concatenate([source.splits.train, source.splits.probe, source.splits.validation])


@pytest.mark.parametrize("shape", [(20, 4, 5), (20, 4, 5, 3)])
def test_images_are_standardised_by_one_mean_of_the_training_rows(tmp_path, shape):
    x = RNG.integers(0, 256, shape, dtype=np.uint8)
    source = arrays(save(tmp_path, x), **FEW)
    assert source.layout == Layout("image", (*shape[1:3], shape[3] if len(shape) == 4 else 1))
    train = source.splits.train
    assert train.dtype == np.float32 and train.shape == (15, source.layout.size)
    assert abs(train.mean()) < 1e-6 and train.std() == pytest.approx(1, abs=1e-6)
    back, flat = joined(source), x.reshape(20, -1).astype(float)
    scale = np.ptp(flat) / np.ptp(back)
    rows = np.sort(np.rint((back - back.min()) * scale + flat.min()), axis=0)
    np.testing.assert_array_equal(rows, np.sort(flat, axis=0))


def test_columns_of_vectors_are_standardised_each_and_a_constant_one_is_0(tmp_path):
    x = RNG.standard_normal((30, 4)) * (1, 1e3, 1e-3, 0) + (0, 5, 1, 7)
    source = arrays(save(tmp_path, x), **FEW)
    assert source.layout == Layout("vector", (4,))
    np.testing.assert_allclose(source.splits.train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(source.splits.train.std(0), (1, 1, 1, 0), atol=1e-5)


def test_labels_stay_with_their_rows(tmp_path):
    x = np.arange(40.0)[:, None]
    names = np.array(["odd" if i % 2 else "even" for i in range(40)])
    inside = arrays(save(tmp_path, x, names), **FEW)
    np.save(tmp_path / "names.npy", names)
    beside = arrays(save(tmp_path, x), labels=tmp_path / "names.npy", **FEW)
    order = np.random.Generator(np.random.Philox(0)).permutation(40)
    for source in (inside, beside):
        assert source.classes == 2
        np.testing.assert_array_equal(source.splits.probe_labels, order[:3] % 2)
        np.testing.assert_array_equal(source.splits.validation_labels, order[3:5] % 2)
        np.testing.assert_array_equal(np.argsort(np.argsort(joined(source)[:, 0])), np.r_[order[5:], order[:5]])


def test_tokens_and_streams_are_read_as_they_are(tmp_path):
    stream = RNG.integers(0, 50, 103).astype(np.uint16)
    stream[:100] = np.arange(100) % 50
    rows = arrays(save(tmp_path, stream[:100].reshape(10, 10)), **FEW)
    cut = arrays(save(tmp_path, stream), context=10, **FEW)
    for source in (rows, cut):
        assert source.layout == Layout("tokens", (10,), 50) and source.splits.train.dtype == np.int32
        found = sorted(map(tuple, joined(source).tolist()))
        assert found == sorted(map(tuple, stream[:100].reshape(10, 10).tolist()))
        assert source.classes == 1 and not source.splits.probe_labels.any()


def test_more_rows_begin_with_the_same_and_leave_the_held_out_alone(tmp_path):
    path = save(tmp_path, np.arange(200).reshape(20, 10))
    few, many = (arrays(path, train=n, **FEW).splits for n in (5, 15))
    np.testing.assert_array_equal(few.train, many.train[:5])
    np.testing.assert_array_equal(few.validation, many.validation)
    other = arrays(path, train=5, seed=1, **FEW).splits
    assert not np.array_equal(few.train, other.train)


def test_only_the_rows_of_the_splits_are_read(tmp_path):
    x = np.zeros((50, 3))
    kept = np.random.Generator(np.random.Philox(0)).permutation(50)[:9]
    x[np.setdiff1d(np.arange(50), kept)] = np.nan
    arrays(save(tmp_path, x), train=4, **FEW)
    with pytest.raises(InputError, match="nan in row"):
        arrays(save(tmp_path, x), train=5, **FEW)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[1.0, np.inf]] * 9), "inf in row"),
        (np.array([[1, -1]] * 9), "-1 in row"),
        (np.array([{}] * 9, object), "cannot be read"),
        (np.array(["a"] * 9), "holds <U1"),
        (np.arange(9.0), "float64 of shape"),
        (np.ones((5, 2)), "has 5 rows"),
        (np.zeros((0, 2)), "has 0 rows"),
    ],
)
def test_unusable_rows_are_refused(tmp_path, x, message):
    with pytest.raises(InputError, match=message):
        arrays(save(tmp_path, x), **FEW)


def test_unusable_files_and_labels_are_refused(tmp_path):
    x = np.ones((9, 2))
    with pytest.raises(InputError, match="cannot be read"):
        arrays(tmp_path / "absent.npy")
    (tmp_path / "prose.npz").write_text("prose")
    with pytest.raises(InputError, match="cannot be read"):
        arrays(tmp_path / "prose.npz")
    np.savez(tmp_path / "other.npz", rows=x)
    with pytest.raises(InputError, match="no array x"):
        arrays(tmp_path / "other.npz")
    for y in (np.zeros(8, int), np.zeros((9, 1), int), np.zeros(9)):
        with pytest.raises(InputError, match="labels"):
            arrays(save(tmp_path, x, y), **FEW)


@pytest.mark.parametrize("x", [RNG.normal(3, 2, (50, 4, 5)), RNG.normal(3, 2, (50, 7)), RNG.integers(0, 9, (50, 6))])
def test_more_than_fits_stays_in_the_file_and_is_the_same(tmp_path, monkeypatch, x):
    path = save(tmp_path, x)
    at_once = arrays(path, **FEW)
    monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(module, "BLOCK", 1000)  # 6 to 20 rows: moments are merged
    mapped = arrays(path, **FEW)
    assert isinstance(mapped.splits.train, module.MappedRows) and mapped.layout == at_once.layout
    assert mapped.splits.train.dtype == at_once.splits.train.dtype
    some = np.array([7, 0, 44, 7])
    for got, expected in zip(mapped.splits, at_once.splits, strict=True):
        np.testing.assert_allclose(got[:], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(mapped.splits.train[some], mapped.splits.train[:][some])
