"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn carries (Alpaydin & Kaynak 1998, UCI)."""

from typing import Any

import numpy as np

from jaxphase.data.source import Layout, Source, Splits


def digits(train: int = 1024, probe: int = 400, seed: int = 0) -> Source:
    """Load handwritten digits in random order; what is left after training and probe rows is for validation.

    Pixels are shifted and scaled by one mean and one standard deviation of the training images, so that predicting the
    mean costs a squared error of about 1.

    Args:
        train: Images to train on.
        probe: Images to fit probes on.
        seed: Decides the order.

    Returns:
        A `Source` of images of 8 x 8 pixels and 10 classes.
    """
    from sklearn.datasets import load_digits

    source: Any = load_digits()
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(source.data))
    pixels, labels = source.data[order].astype(np.float32), source.target[order].astype(np.int32)
    pixels = (pixels - pixels[:train].mean()) / pixels[:train].std()
    end = train + probe
    splits = Splits(pixels[:train], pixels[train:end], labels[train:end], pixels[end:], labels[end:])
    return Source(splits, Layout("image", (8, 8, 1)), classes=10)
