"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn carries (Alpaydin & Kaynak 1998, UCI)."""

import numpy as np

from jaxphase.data.source import Layout, Source, Splits


def digits(train: int = 1024, probe: int = 400, seed: int = 0) -> Source:
    """1,024 images to train on, 400 to fit probes, 373 to validate, in an order that `seed` draws.

    Pixels are shifted and scaled by one mean and one standard deviation of the training images, so that predicting
    the mean costs a squared error of about 1.
    """
    from sklearn.datasets import load_digits

    source = load_digits()
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(source.data))
    pixels, labels = source.data[order].astype(np.float32), source.target[order].astype(np.int32)
    pixels = (pixels - pixels[:train].mean()) / pixels[:train].std()
    end = train + probe
    splits = Splits(pixels[:train], pixels[train:end], labels[train:end], pixels[end:], labels[end:])
    return Source(splits, Layout("image", (8, 8, 1)), classes=10)
