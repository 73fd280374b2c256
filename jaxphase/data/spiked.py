"""Gaussian vectors with one hidden direction of larger variance: the spiked covariance model (Johnstone 2001)."""

import numpy as np

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
    """Rows x = sqrt(strength) s u + noise, [n, dimension], labelled 1 where the sign s is + and 0 where it is -.

    u is a unit vector that `hidden_direction` gives, and the noise is standard normal, so the covariance is
    1 + strength u u^T. As n and the dimension grow at a fixed ratio, the leading eigenvector of the covariance of n
    rows turns towards u only if strength > sqrt(dimension / n) (Baik, Ben Arous & Peche 2005): the number of rows at
    the threshold is dimension / strength**2. Who knows u tells the sign with probability Phi(sqrt(strength)), 0.92 for
    strength 2. Rows are not standardised: the noise is the unit.
    """
    if not strength > 0:
        raise InputError(f"strength is {strength}: give a variance above 0, such as 2.")
    spike = np.sqrt(strength) * hidden_direction(dimension, seed)

    def draw(n: int, split: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.random.Generator(np.random.Philox((seed, 1 + split))).standard_normal((n, 1 + dimension))
        sign = np.sign(numbers[:, :1])
        return (sign * spike + numbers[:, 1:]).astype(np.float32), (sign[:, 0] > 0).astype(np.int32)

    (x, _), (to_probe, of_probe), (held_out, of_held_out) = map(draw, (train, probe, validation), range(3))
    splits = Splits(x, to_probe, of_probe, held_out, of_held_out)
    return Source(splits, Layout("vector", (dimension,)), classes=2)


def hidden_direction(dimension: int, seed: int = 0) -> np.ndarray:
    """The unit vector u [dimension] of `spiked` with this seed."""
    direction = np.random.Generator(np.random.Philox((seed, 0))).standard_normal(dimension)
    return direction / np.linalg.norm(direction)
