"""The form of a data set: rows in three disjoint splits, and the layout of a row."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Int, Shaped


class Splits(NamedTuple):
    """Rows in three disjoint splits: numbers in float32, or tokens in int32.

    Attributes:
        train: Rows that models learn from, `[n, numbers or positions]`. The first rows are as good a sample as any, and
            data sizes are taken from the front.
        probe: Rows that probes are fitted on, `[m, numbers or positions]`.
        probe_labels: Their classes, `[m]`.
        validation: Rows that models and probes are measured on, `[v, numbers or positions]`.
        validation_labels: Their classes, `[v]`.
    """

    train: Shaped[np.ndarray | Array, "n numbers"]
    probe: Shaped[np.ndarray | Array, "m numbers"]
    probe_labels: Int[np.ndarray | Array, " m"]
    validation: Shaped[np.ndarray | Array, "v numbers"]
    validation_labels: Int[np.ndarray | Array, " v"]


class Layout(NamedTuple):
    """What a row is.

    Attributes:
        kind: "image", "vector" or "tokens".
        shape: (rows, columns, channels) of an image, (numbers,) of a vector, (positions,) of tokens.
        vocabulary: Number of different tokens; 0 for images and vectors.
    """

    kind: str
    shape: tuple[int, ...]
    vocabulary: int = 0

    @property
    def size(self) -> int:
        """Numbers, or tokens, in a row."""
        return math.prod(self.shape)

    @property
    def row_bytes(self) -> int:
        """Memory of a row, whose numbers and tokens have 32 bits."""
        return 4 * self.size

    def unflatten(self, x: Shaped[Array, "n numbers"]) -> Shaped[Array, "n ..."]:
        """Shape flat outputs like rows: numbers `[n, numbers]` stay, tokens become `[n, positions, vocabulary]`."""
        return x.reshape(len(x), *self.shape, self.vocabulary) if self.vocabulary else x


class Source(NamedTuple):
    """A data set.

    Attributes:
        splits: Its rows.
        layout: What a row is.
        classes: Number of classes of the labels.
        paired: Whether rows 2 i and 2 i + 1 of train show the same thing twice.
    """

    splits: Splits
    layout: Layout
    classes: int
    paired: bool = False
