"""The Erdos-Renyi graph: N vertices, every pair joined with probability c / N, controlled by the mean degree c.

Where c > 1 a giant component exists and holds the share S = 1 - exp(-c S) of the vertices (Erdos & Renyi 1960). This is
the mean-field limit of percolation.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import lambertw

CRITICAL_DEGREE = 1.0
EXPONENTS = {"beta": 1.0, "gamma": 1.0, "nu": 3.0}  # nu of N: the window of c shrinks as N**(-1 / 3)


class Components(NamedTuple):
    """The measurements of each graph.

    Attributes:
        largest: Share of the vertices in the largest component, float64 `[degrees, replicas]`.
        susceptibility: Sum of size**2 over the other components, over N, of the same shape.
    """

    largest: Float[np.ndarray, "degrees replicas"]
    susceptibility: Float[np.ndarray, "degrees replicas"]


def giant_component(degree: ArrayLike) -> Float[np.ndarray, "*degrees"]:
    """Compute the share of the vertices in the giant component of an infinite graph.

    Args:
        degree: Mean degree c, any shape.

    Returns:
        The largest solution of S = 1 - exp(-c S), 0 for c <= 1, of the shape of `degree`.
    """
    degree = np.asarray(degree, float)
    c = np.maximum(degree, CRITICAL_DEGREE)
    return np.where(degree > CRITICAL_DEGREE, 1 + np.real(lambertw(-c * np.exp(-c))) / c, 0)


def susceptibility(degree: ArrayLike) -> Float[np.ndarray, "*degrees"]:
    """Compute the sum of size**2 over all but the giant component, over N, of an infinite graph.

    It is (1 - S) / (1 - c (1 - S)), since the graph outside the giant component has the mean degree c (1 - S) < 1.

    Args:
        degree: Mean degree c, any shape.

    Returns:
        The susceptibility, of the shape of `degree`; infinite at c = 1.
    """
    outside = 1 - giant_component(degree)
    with np.errstate(divide="ignore"):
        return np.asarray(outside / (1 - np.asarray(degree) * outside))


def sample(degree: Float[ArrayLike, " degrees"], size: int, replicas: int, *, key: Key[Array, ""]) -> Components:
    """Draw and measure independent graphs, on the host and edge by edge.

    Args:
        degree: Mean degrees, `[degrees]`, below `size`.
        size: Number of vertices N.
        replicas: Graphs at each degree.
        key: Decides the draws.

    Returns:
        `Components`, each field `[degrees, replicas]`.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    measured = [[_measure(_draw(rng, c, size), size) for _ in range(replicas)] for c in np.asarray(degree, float)]
    return Components(*np.moveaxis(np.array(measured), -1, 0))


def _draw(rng: np.random.Generator, degree: float, size: int) -> Int[np.ndarray, "2 edges"]:
    """Ends of the edges; a pair gets a Poisson number of them, which is 0 with probability 1 - degree / size."""
    pairs = size * (size - 1) / 2
    edges = rng.poisson(-np.log1p(-degree / size) * pairs)
    one, step = rng.integers(0, size, edges), rng.integers(1, size, edges)
    return np.stack([one, (one + step) % size])


def _measure(ends: Int[np.ndarray, "2 edges"], size: int) -> tuple[float, float]:
    """Share of the largest component, and sum of the squares of the others, over size."""
    graph = coo_array((np.ones(ends.shape[1], np.int8), tuple(ends)), shape=(size, size))
    count = np.bincount(connected_components(graph, directed=False)[1]).astype(float)
    return count.max() / size, (np.sum(count**2) - count.max() ** 2) / size
