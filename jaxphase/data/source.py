"""What a data set is to a sweep: rows in three disjoint splits, and how a row is laid out."""

import math
from typing import NamedTuple

import numpy as np


class Splits(NamedTuple):
    """Rows of numbers [n, numbers], float32, or of tokens [n, positions], int32, in three disjoint splits.

    train is what models learn from; probe with labels fits the probes that read their representations; validation
    with labels measures both. The first rows of train are as good a sample as any: data sizes are taken from it.
    """

    train: np.ndarray
    probe: np.ndarray
    probe_labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray


class Layout(NamedTuple):
    """What a row is: an "image" of (rows, columns, channels), a "vector" of (numbers,), or "tokens" (positions,) of a
    vocabulary."""

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

    def unfold(self, x):
        """Flat answers [n, numbers] as rows: themselves, or logits [n, positions, vocabulary] for tokens."""
        return x.reshape(len(x), *self.shape, self.vocabulary) if self.vocabulary else x


class Source(NamedTuple):
    """Splits, layout and number of label classes; paired if rows 2 i and 2 i + 1 of train show one thing twice."""

    splits: Splits
    layout: Layout
    classes: int
    paired: bool = False
