"""Every image is in one split, and a seed deals them anew."""

import numpy as np
from sklearn.datasets import load_digits

from jaxphase.data.digit_images import digits


def test_splits_are_disjoint_and_another_seed_deals_anew():
    images, answers = load_digits(return_X_y=True)
    images = images.astype(int)
    dealt = []
    for seed in (0, 1):
        splits = digits(train=1000, probe=300, seed=seed).splits
        assert [len(part) for part in splits] == [1000, 300, 300, 497, 497]
        assert abs(splits.train.mean()) < 1e-5 and abs(splits.train.std() - 1) < 1e-5
        rows = np.concatenate([splits.train, splits.probe, splits.validation])
        scale, shift = np.polyfit([rows.min(), rows.max()], [images.min(), images.max()], 1)
        pixels = np.rint(rows * scale + shift).astype(int)
        np.testing.assert_array_equal(pixels[np.lexsort(pixels.T)], images[np.lexsort(images.T)])
        where = {image.tobytes(): label for image, label in zip(images, answers, strict=True)}
        labels = np.concatenate([splits.probe_labels, splits.validation_labels])
        assert [where[row.tobytes()] for row in pixels[1000:]] == labels.tolist()
        dealt.append(pixels)
    assert (dealt[0] != dealt[1]).any(axis=1).mean() > 0.9
