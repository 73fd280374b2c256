"""Systems whose transitions are known exactly, to try detectors, scaling collapses and flows on before trusting them.

Each module holds a simulator and, beside it, the exact answer: at the size that is simulated where there is one, in the
limit of large sizes elsewhere. Simulators take a JAX key, run over all control values and replicas at once, and give
NamedTuples of arrays `[control, replica, ...]`.
"""

from . import (
    block_spins,
    clusters,
    curie_weiss,
    ising,
    linear_learning,
    perceptron,
    percolation,
    random_graph,
    renormalization_maps,
    spiked,
    superposition,
)

__all__ = [
    "block_spins",
    "clusters",
    "curie_weiss",
    "ising",
    "linear_learning",
    "perceptron",
    "percolation",
    "random_graph",
    "renormalization_maps",
    "spiked",
    "superposition",
]
