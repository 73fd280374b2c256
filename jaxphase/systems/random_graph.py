"""The Erdos-Renyi graph: N vertices, every pair joined with probability c / N, controlled by the mean degree c.

A giant component, holding the share S = 1 - exp(-c S) of the vertices, exists where c > 1: Erdos & Renyi (1960). It is
the mean-field limit of percolation.
"""

from typing import NamedTuple

import jax
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import lambertw

CRITICAL_DEGREE = 1.0
EXPONENTS = {"beta": 1.0, "gamma": 1.0, "nu": 3.0}  # nu of N: the window of c shrinks as N**(-1 / 3)


class Components(NamedTuple):
    """largest: share of the vertices in the largest component; susceptibility: sum of size**2 of the others, over N.

    Float64 `[k, replicas]`.
    """

    largest: np.ndarray
    susceptibility: np.ndarray


def giant_component(degree):
    """The largest solution S of S = 1 - exp(-c S), 0 for c <= 1, of the shape of degree."""
    degree = np.asarray(degree, float)
    c = np.maximum(degree, CRITICAL_DEGREE)
    return np.where(degree > CRITICAL_DEGREE, 1 + np.real(lambertw(-c * np.exp(-c))) / c, 0)


def susceptibility(degree):
    """Sum of size**2 over all but the giant component, over N: (1 - S) / (1 - c (1 - S)), infinite at c = 1.

    What is left of the graph outside the giant component is one of mean degree c (1 - S) < 1.
    """
    outside = 1 - giant_component(degree)
    with np.errstate(divide="ignore"):
        return outside / (1 - np.asarray(degree) * outside)


def sample(key, degree, size, replicas) -> Components:
    """Independent graphs of `size` vertices at mean degrees `[k]`, below size; on the host, edge by edge."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    measured = [[_measure(_draw(rng, c, size), size) for _ in range(replicas)] for c in np.asarray(degree, float)]
    return Components(*np.moveaxis(np.array(measured), -1, 0))


def _draw(rng, degree, size):
    """Ends `[2, edges]`: pairs get Poisson numbers of edges, of which none has the probability 1 - degree / size."""
    pairs = size * (size - 1) / 2
    edges = rng.poisson(-np.log1p(-degree / size) * pairs)
    one, step = rng.integers(0, size, edges), rng.integers(1, size, edges)
    return np.stack([one, (one + step) % size])


def _measure(ends, size):
    """Share of the largest component, and sum of the squares of the others, over size."""
    graph = coo_array((np.ones(ends.shape[1], np.int8), tuple(ends)), shape=(size, size))
    count = np.bincount(connected_components(graph, directed=False)[1]).astype(float)
    return count.max() / size, (np.sum(count**2) - count.max() ** 2) / size
