"""What a known system is, how much of it is simulated, and the points that are measured of it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxphase.validate.checks import Check


class Effort(NamedTuple):
    """How much is simulated."""

    ising: dict[int, int]  # replicas at each temperature, by size, and so below
    percolation: dict[int, int]  # lattices at each probability
    sweeps: int  # of a replica
    draws: int  # of a system without space
    starts: int  # of a network


# Three sizes far apart: small ones are cheap and tell exponents, the largest where the transition is. Corrections to
# scaling are below the errors, and cannot be looked for by leaving sizes out, which by chance finds some in every third
# collapse.
DEFAULT = Effort(
    ising={96: 80, 48: 160, 24: 320},
    percolation={192: 1500, 64: 6000, 24: 20_000},
    sweeps=140,
    draws=40_000,
    starts=64,
)
# Larger lattices, for their corrections to scaling are smaller, and more of them.
LARGE = Effort(
    ising={192: 128, 128: 128, 96: 160, 64: 320, 48: 480},
    percolation={384: 8000, 256: 12_000, 128: 40_000, 64: 100_000, 48: 150_000},
    sweeps=1600,
    draws=1_000_000,
    starts=1024,
)


class System(NamedTuple):
    """simulate(effort) gives the parts of a simulation, functions of a key; judge(name, results) gives checks."""

    name: str
    simulate: Callable[[Effort], tuple]
    judge: Callable[[str, list], list[Check]]


def points(size: int, control, value, error, observable: int = 0) -> np.ndarray:
    """Rows [points, 5]: size, control, value, error, observable."""
    return np.stack(np.broadcast_arrays(size, control, value, error, observable), axis=1).astype(float)


def mean(outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the last axis and its standard error."""
    outcomes = np.asarray(outcomes, float)
    return outcomes.mean(-1), outcomes.std(-1, ddof=1) / math.sqrt(outcomes.shape[-1])


def share(outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Share that is true over the last axis, with an error that is not zero where all are alike."""
    count, true = outcomes.shape[-1], np.mean(outcomes, axis=-1)
    smoothed = (true * count + 1) / (count + 2)
    return true, np.sqrt(smoothed * (1 - smoothed) / count)
