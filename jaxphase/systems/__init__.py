"""Systems whose transitions are known exactly: try detectors, scaling collapses and flows on them before trusting them.

Each module holds a simulator and, beside it, the exact answer: at the simulated size where one is known, in the limit
of large sizes elsewhere. Simulators take a JAX key by keyword, run all control values and replicas at once, and return
NamedTuples of arrays `[controls, replicas, ...]`.

- `ising`: the two-dimensional Ising model, by single flips or by clusters; exact energy and heat capacity.
- `percolation`: site and bond percolation on a square lattice.
- `random_graph`: the Erdos-Renyi graph, the mean-field limit of percolation.
- `curie_weiss`: the mean-field magnet, exact at every size.
- `perceptron`: the storage capacity of a perceptron, exact at every size.
- `spiked`: a spike in a covariance matrix and the eigenvector that finds it.
- `linear_learning`: linear networks that learn in steps, collapse or jump.
- `superposition`: two sparse features in one hidden unit.
- `renormalization_maps`: maps of couplings whose fixed points are known in closed form.
- `clusters`, `block_spins`: tools of the lattice models, connected clusters and blocks of spins.
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
