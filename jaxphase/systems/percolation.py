"""Site and bond percolation on an L x L torus, controlled by the probability p that a site or bond is there.

No dynamics and no correlations between samples: the cleanest continuous transition that there is. Above p_c the largest
cluster takes a share ~ (p - p_c)**beta of the lattice; the others have a mean size ~ |p - p_c|**-gamma on both sides.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxphase.errors import InputError

from .clusters import sizes, wrapping

CRITICAL_PROBABILITY = {
    "site": 0.59274621,
    "bond": 0.5,
}  # Newton & Ziff (2000), Phys. Rev. Lett. 85, 4104; Kesten (1980)
EXPONENTS = {"alpha": -2 / 3, "beta": 5 / 36, "gamma": 43 / 18, "delta": 91 / 5, "nu": 4 / 3, "eta": 5 / 24}
# Pinson (1994), J. Stat. Phys. 75, 1167, at p_c on a large torus: a cluster wraps in one given direction, in at least
# one, in both.
CRITICAL_WRAPPING = {"one": 0.521058, "either": 0.690474, "both": 0.351643}


class Percolation(NamedTuple):
    """One number per lattice, `[k, replicas]`.

    largest: share of the sites that the largest cluster takes. susceptibility: sum of size**2 over the other clusters,
    per site of the lattice. horizontal, vertical: whether a cluster wraps around the torus in that direction.
    """

    largest: jax.Array
    susceptibility: jax.Array
    horizontal: jax.Array
    vertical: jax.Array


@functools.partial(jax.jit, static_argnames=("size", "replicas", "kind"))
def sample(key, probability, size, replicas, kind="site") -> Percolation:
    """Independent lattices at each probability `[k]`; kind: "site" or "bond". All k * replicas are in memory at once.

    Sites are there or not and neighbours are bound, or all sites are there and bonds are drawn.
    """
    if kind not in CRITICAL_PROBABILITY:
        raise InputError(f"kind is {kind!r}: give one of {', '.join(map(repr, CRITICAL_PROBABILITY))}.")
    shape = (len(probability), replicas, size, size)
    there = jnp.asarray(probability)[:, None, None, None]
    if kind == "site":
        occupied = jax.random.uniform(key, shape) < there
        right, down = (occupied & jnp.roll(occupied, -1, axis) for axis in (-1, -2))
    else:
        occupied = jnp.ones(shape, bool)
        right, down = (jax.random.uniform(each, shape) < there for each in jax.random.split(key))
    return measure(right, down, occupied)


def measure(right, down, occupied) -> Percolation:
    """The same of given lattices, bool `[..., height, width]`: bonds as in `clusters.label`, and which sites count."""
    clusters = wrapping(right, down)
    count = sizes(clusters.labels, occupied).astype(jnp.float32)
    largest = jnp.max(count, axis=-1)
    others = jnp.sum(jnp.square(count), axis=-1) - jnp.square(largest)
    sites = count.shape[-1]
    return Percolation(largest / sites, others / sites, clusters.horizontal, clusters.vertical)
