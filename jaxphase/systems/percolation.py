"""Site and bond percolation on an L x L torus, controlled by the probability p that a site or bond is there.

There are no dynamics and no correlations between samples, so this is the cleanest of continuous transitions. Above p_c
the largest cluster holds a share ~ (p - p_c)**beta of the lattice; the others have a mean size ~ |p - p_c|**-gamma on
both sides.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Key

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
    """The measurements of each lattice; every field has the leading shape of the lattices.

    Attributes:
        largest: Share of the sites in the largest cluster.
        susceptibility: Sum of size**2 over the other clusters, per site of the lattice.
        horizontal: Whether a cluster wraps around the torus along the rows.
        vertical: Whether a cluster wraps around the torus along the columns.
    """

    largest: Float[Array, "*lattices"]
    susceptibility: Float[Array, "*lattices"]
    horizontal: Bool[Array, "*lattices"]
    vertical: Bool[Array, "*lattices"]


@functools.partial(jax.jit, static_argnames=("size", "replicas", "kind"))
def sample(
    probability: Float[ArrayLike, " controls"],
    size: int,
    replicas: int,
    kind: str = "site",
    *,
    key: Key[Array, ""],
) -> Percolation:
    """Draw and measure independent lattices; all of them are in memory at once.

    Args:
        probability: p, `[controls]`.
        size: Side L of the torus.
        replicas: Lattices at each probability.
        kind: "site": sites are there or not, and neighbors are bound. "bond": all sites are there, and bonds are drawn.
        key: Decides the draws.

    Returns:
        A `Percolation`, each field `[controls, replicas]`.

    Raises:
        ValueError: If there is no such kind.
    """
    if kind not in CRITICAL_PROBABILITY:
        raise InputError(f"kind is {kind!r}: give one of {', '.join(map(repr, CRITICAL_PROBABILITY))}.")
    probability = jnp.asarray(probability)
    shape = (len(probability), replicas, size, size)
    there = probability[:, None, None, None]
    if kind == "site":
        occupied = jax.random.uniform(key, shape) < there
        right, down = (occupied & jnp.roll(occupied, -1, axis) for axis in (-1, -2))
    else:
        occupied = jnp.ones(shape, bool)
        right, down = (jax.random.uniform(each, shape) < there for each in jax.random.split(key))
    return measure(right, down, occupied)


def measure(
    right: Bool[ArrayLike, "*lattices height width"],
    down: Bool[ArrayLike, "*lattices height width"],
    occupied: Bool[ArrayLike, "*lattices height width"],
) -> Percolation:
    """Measure given lattices.

    Args:
        right: Whether a site is bound to the next one in its row, `[..., height, width]`, as in `clusters.label`.
        down: Whether a site is bound to the next one in its column, of the same shape.
        occupied: Which sites count, of the same shape.

    Returns:
        A `Percolation`, each field `[...]`.
    """
    clusters = wrapping(right, down)
    count = sizes(clusters.labels, occupied).astype(jnp.float32)
    largest = jnp.max(count, axis=-1)
    others = jnp.sum(jnp.square(count), axis=-1) - jnp.square(largest)
    sites = count.shape[-1]
    return Percolation(largest / sites, others / sites, clusters.horizontal, clusters.vertical)
