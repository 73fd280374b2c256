"""How complex data are, whatever a model makes of them: bits per number, measured once on the host.

A number is a pixel, a coordinate or a token. Tokens are taken as they are; real numbers are first rounded to 256 equal
steps from the least to the greatest of all rows, so that both measures speak of the same 8-bit data.
"""

import lzma

import numpy as np

from jaxphase.errors import InputError


def entropy(rows: np.ndarray) -> float:
    """Entropy in bits of one number of rows [n, numbers] seen on its own: its order and its neighbours do not matter.

    That of the observed frequencies, plus the correction (K - 1) / 2 N for K values seen in N numbers, without which it
    is too small on average (Miller 1955). N log N operations, 24 bytes a number.
    """
    counts = np.unique(quantise(rows), return_counts=True)[1]
    share = counts / counts.sum()
    return float((-np.sum(share * np.log(share)) + (len(counts) - 1) / (2 * counts.sum())) / np.log(2))


def compressed_size(rows: np.ndarray) -> float:
    """Bits per number of rows [n, numbers] after LZMA, which also finds what repeats within and between rows.

    An upper bound on the information in a number, to within the code: noise without structure takes a little more than
    its entropy. More rows compress better, so compare sources at equal numbers of bytes. A few MB a second and 100 MB.
    """
    codes = quantise(rows)
    return 8 * len(lzma.compress(codes.tobytes(), check=lzma.CHECK_NONE)) / codes.size


def quantise(rows: np.ndarray) -> np.ndarray:
    """Codes of rows: tokens in the fewest bytes that hold them all, real numbers as one byte."""
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
