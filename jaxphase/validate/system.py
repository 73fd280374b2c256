"""The form of a known system, the amount of simulation, and the rows of measured points."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Bool, Float

from jaxphase.validate.checks import Check

Rows = Float[np.ndarray, "points 5"]  # size, control, value, error, observable


class Effort(NamedTuple):
    """How much is simulated.

    Attributes:
        ising: Replicas at each temperature, by size of the lattice.
        percolation: Lattices at each probability, by size.
        sweeps: Sweeps of an Ising replica.
        draws: Draws of a system without space.
        starts: Initial weights of a network.
    """

    ising: dict[int, int]
    percolation: dict[int, int]
    sweeps: int
    draws: int
    starts: int


# Three sizes far apart: small ones are cheap and determine exponents, the largest locates the transition. Corrections
# to scaling are smaller than the errors. So sizes are not left out to look for them, which would find some by chance.
DEFAULT = Effort(
    ising={96: 80, 48: 160, 24: 320},
    percolation={192: 1500, 64: 6000, 24: 20_000},
    sweeps=140,
    draws=40_000,
    starts=64,
)
# Larger lattices, whose corrections to scaling are smaller, and more of them.
LARGE = Effort(
    ising={192: 128, 128: 128, 96: 160, 64: 320, 48: 480},
    percolation={384: 8000, 256: 12_000, 128: 40_000, 64: 100_000, 48: 150_000},
    sweeps=1600,
    draws=1_000_000,
    starts=1024,
)


class System(NamedTuple):
    """How a system is simulated and judged.

    Attributes:
        name: Its name.
        simulate: `simulate(effort)` returns tasks, functions of `key`, which may run at the same time.
        judge: `judge(name, results)` turns the results of the tasks, in their order, into checks.
    """

    name: str
    simulate: Callable[[Effort], tuple[Callable[..., Any], ...]]
    judge: Callable[[str, list], list[Check]]


def points(
    size: int,
    control: Float[np.ndarray, " points"],
    value: Float[np.ndarray, " points"],
    error: Float[np.ndarray, " points"],
    observable: int = 0,
) -> Rows:
    """Make rows of size, control, value, error and observable."""
    return np.stack(np.broadcast_arrays(size, control, value, error, observable), axis=1).astype(float)


def mean(outcomes: ArrayLike) -> tuple[Any, Any]:
    """Compute the mean over the last axis and its standard error."""
    outcomes = np.asarray(outcomes, float)
    return outcomes.mean(-1), outcomes.std(-1, ddof=1) / math.sqrt(outcomes.shape[-1])


def share(outcomes: Bool[np.ndarray, "*controls draws"]) -> tuple[Any, Any]:
    """Compute the share that is true over the last axis, with an error that is not zero where all are alike."""
    count, true = outcomes.shape[-1], np.mean(outcomes, axis=-1)
    smoothed = (true * count + 1) / (count + 2)
    return true, np.sqrt(smoothed * (1 - smoothed) / count)
