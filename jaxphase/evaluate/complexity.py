"""Complexity of the data before any model sees them: bits per number, measured once on the host.

A number is a pixel, a coordinate or a token. Tokens are taken as they are. Real numbers are first rounded to 256 equal
steps from the smallest to the largest of all rows, so that both measures describe the same 8-bit data.
"""

import lzma

import numpy as np
from jaxtyping import ArrayLike, Integer, Shaped

from jaxphase.errors import InputError


def entropy(rows: Shaped[ArrayLike, "*rows"]) -> float:
    """Compute the entropy of a single number of the rows, whatever its place and its neighbors.

    It is the entropy of the observed frequencies plus the correction (K - 1) / 2 N for K values seen in N numbers,
    because without it the entropy is too small on average.

    Args:
        rows: Tokens from 0 on, or real numbers, any shape, usually `[n, numbers]`.

    Returns:
        Entropy in bits.

    Raises:
        ValueError: If `rows` is empty, not finite or has a negative token.

    References:
        Miller (1955), Note on the bias of information estimates.
    """
    counts = np.unique(quantize(rows), return_counts=True)[1]
    share = counts / counts.sum()
    return float((-np.sum(share * np.log(share)) + (len(counts) - 1) / (2 * counts.sum())) / np.log(2))


def compressed_size(rows: Shaped[ArrayLike, "*rows"]) -> float:
    """Compute the size of the rows after LZMA compression, which also finds repetitions within and between rows.

    It is an upper bound on the information in a number, up to the overhead of the code: noise without structure takes
    slightly more than its entropy. More rows compress better, so compare data at equal numbers of bytes.

    Args:
        rows: Tokens from 0 on, or real numbers, any shape, usually `[n, numbers]`.

    Returns:
        Bits per number.

    Raises:
        ValueError: If `rows` is empty, not finite or has a negative token.
    """
    codes = quantize(rows)
    return 8 * len(lzma.compress(codes.tobytes(), check=lzma.CHECK_NONE)) / codes.size


def quantize(rows: Shaped[ArrayLike, "*rows"]) -> Integer[np.ndarray, "*rows"]:
    """Code tokens in the fewest bytes that hold them all, and real numbers in one byte."""
    rows = np.asarray(rows)
    if rows.size == 0:
        raise InputError(f"rows is empty, of shape {rows.shape}: give at least one number.")
    low, high = rows.min(), rows.max()
    if np.issubdtype(rows.dtype, np.integer):
        if low < 0:
            raise InputError(f"rows has a token {low}: give tokens from 0 on, or real numbers.")
        return rows.astype(np.min_scalar_type(high))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"rows runs from {low} to {high}: leave out rows that are not finite.")
    step = max((float(high) - float(low)) / 255, np.finfo(float).tiny)
    return np.rint((rows.astype(float) - float(low)) / step).astype(np.uint8)
