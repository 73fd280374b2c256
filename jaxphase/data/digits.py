"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn carries (Alpaydin & Kaynak 1998, UCI)."""

from typing import NamedTuple

import numpy as np


class Splits(NamedTuple):
    """Rows of standardised pixels, in three disjoint splits.

    train [n, pixels] is what models learn from; probe [p, pixels] with labels fits the probes that read their
    representations; validation [v, pixels] with labels measures both.
    """

    train: np.ndarray
    probe: np.ndarray
    probe_labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray


class Source(NamedTuple):
    """Splits, the rows x columns of an image, and the number of label classes."""

    splits: Splits
    shape: tuple[int, int]
    classes: int


def digits(train: int = 1024, probe: int = 400) -> Source:
    """1,024 images to train on, 400 to fit probes, 373 to validate, in one fixed random order.

    Pixels are shifted and scaled by one mean and one standard deviation of the training images, so that predicting
    the mean costs a squared error of about 1.
    """
    from sklearn.datasets import load_digits

    source = load_digits()
    order = np.random.Generator(np.random.Philox(0)).permutation(len(source.data))
    pixels, labels = source.data[order].astype(np.float32), source.target[order].astype(np.int32)
    pixels = (pixels - pixels[:train].mean()) / pixels[:train].std()
    end = train + probe
    splits = Splits(pixels[:train], pixels[train:end], labels[train:end], pixels[end:], labels[end:])
    return Source(splits, shape=(8, 8), classes=10)
