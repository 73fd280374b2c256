"""Gaussian vectors with one hidden direction of larger variance: the spiked covariance model (Johnstone 2001)."""

import numpy as np
from jaxtyping import Float, Int

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError


def spiked(
    dimension: int = 64,
    strength: float = 2.0,
    train: int = 8192,
    probe: int = 1000,
    validation: int = 1000,
    seed: int = 0,
) -> Source:
    """Draw rows x = sqrt(strength) s u + noise with a random sign s.

    The noise is standard normal, so the covariance is 1 + strength u u^T; `hidden_direction` returns the unit vector u.
    As n and the dimension grow at a fixed ratio, the leading eigenvector of the covariance of n rows turns toward u
    only if strength > sqrt(dimension / n), so the threshold is at dimension / strength**2 rows. Knowing u, one can tell
    the sign with probability Phi(sqrt(strength)), which is 0.92 for strength 2. Rows are not standardized: the noise is
    the unit.

    Args:
        dimension: Numbers in a row.
        strength: Variance added along u.
        train: Rows to train on.
        probe: Rows to fit probes on.
        validation: Rows to measure on.
        seed: Decides u and the rows.

    Returns:
        A `Source` of vectors, of class 1 where s is + and 0 where it is -.

    Raises:
        ValueError: If the strength is not positive.

    References:
        Baik, Ben Arous & Peche (2005), Ann. Probab. 33, 1643.
    """
    if not strength > 0:
        raise InputError(f"strength is {strength}: give a variance above 0, such as 2.")
    spike = np.sqrt(strength) * hidden_direction(dimension, seed)

    def draw(n: int, split: int) -> tuple[Float[np.ndarray, "n dimension"], Int[np.ndarray, " n"]]:
        numbers = np.random.Generator(np.random.Philox((seed, 1 + split))).standard_normal((n, 1 + dimension))
        sign = np.sign(numbers[:, :1])
        return (sign * spike + numbers[:, 1:]).astype(np.float32), (sign[:, 0] > 0).astype(np.int32)

    (train_rows, _), probed, held_out = map(draw, (train, probe, validation), range(3))
    splits = Splits(train_rows, *probed, *held_out)
    return Source(splits, Layout("vector", (dimension,)), classes=2)


def hidden_direction(dimension: int, seed: int = 0) -> Float[np.ndarray, " dimension"]:
    """Compute the unit vector u of `spiked` with this seed.

    Args:
        dimension: Numbers in a row.
        seed: The same as of the data.

    Returns:
        u, float64 `[dimension]`.
    """
    direction = np.random.Generator(np.random.Philox((seed, 0))).standard_normal(dimension)
    return direction / np.linalg.norm(direction)
