"""Connected clusters on square lattices with periodic edges: labels, sizes, and whether one winds around the torus.

Every site points at a smaller site of its cluster until all point at the smallest. In each round, trees are hooked onto
each other where a bond joins them, and paths are halved, so rounds grow with the logarithm of the longest path
(Shiloach & Vishkin 1982, J. Algorithms 3, 57; in the form of Zhang, Azad & Hu 2020, SIAM PP, 46). A batch is one array
of sites and takes as many rounds as its slowest lattice. A CPU takes as many lattices at a time as its cache holds.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Int

_SITES_IN_CACHE = 1 << 14


class Wrapping(NamedTuple):
    """Clusters, and whether any of them closes on itself around the torus.

    Attributes:
        labels: A site of the cluster that each site belongs to, `[..., height, width]`.
        horizontal: Whether a cluster wraps along the rows, `[...]`.
        vertical: Whether a cluster wraps along the columns, `[...]`.
    """

    labels: Int[Array, "*lattices height width"]
    horizontal: Bool[Array, "*lattices"]
    vertical: Bool[Array, "*lattices"]


@jax.jit
def label(
    right: Bool[ArrayLike, "*lattices height width"], down: Bool[ArrayLike, "*lattices height width"]
) -> Int[Array, "*lattices height width"]:
    """Label each site with the first site of its cluster, counted along the rows.

    Args:
        right: Whether a site is bound to the next one in its row, `[..., height, width]`. The last site is followed by
            the first; False there leaves that edge open.
        down: Whether a site is bound to the next one in its column, of the same shape.

    Returns:
        Labels, int32 `[..., height, width]`.
    """
    right, down = jnp.asarray(right), jnp.asarray(down)
    *lead, height, width = right.shape
    count = math.prod(lead)
    most = max(_SITES_IN_CACHE // (height * width), 1) if jax.default_backend() == "cpu" else max(count, 1)
    chunks = -(-count // most)
    chunk = -(-count // max(chunks, 1))

    def in_chunks(bound: Bool[Array, "*lattices height width"]) -> Bool[Array, "chunks chunk height width"]:
        filled = jnp.pad(jnp.reshape(bound, (count, height, width)), [(0, chunks * chunk - count), (0, 0), (0, 0)])
        return filled.reshape(chunks, chunk, height, width)

    labels = jax.lax.map(lambda bonds: _label_together(*bonds), (in_chunks(right), in_chunks(down)))
    return labels.reshape(-1, height, width)[:count].reshape(*lead, height, width)


@jax.jit
def sizes(
    labels: Int[ArrayLike, "*lattices height width"], occupied: Bool[ArrayLike, "*lattices height width"] | None = None
) -> Int[Array, "*lattices sites"]:
    """Count the sites of each cluster.

    Args:
        labels: From `label`, `[..., height, width]`.
        occupied: The sites that count, of the same shape; all if None.

    Returns:
        Sites in the cluster of each label, int32 `[..., height * width]`; 0 where a site names no cluster.
    """
    labels = jnp.asarray(labels)
    *lead, height, width = labels.shape
    flat = labels.reshape(-1, height * width)
    start = jnp.arange(len(flat), dtype=jnp.int32)[:, None] * (height * width)
    count = (
        jnp.ones_like(flat) if occupied is None else jnp.reshape(jnp.asarray(occupied), flat.shape).astype(jnp.int32)
    )
    return jnp.zeros(flat.size, jnp.int32).at[flat + start].add(count).reshape(*lead, height * width)


@jax.jit
def wrapping(
    right: Bool[ArrayLike, "*lattices height width"], down: Bool[ArrayLike, "*lattices height width"]
) -> Wrapping:
    """Label clusters and find out whether one wraps around the torus.

    A cluster wraps horizontally if a closed path in it goes around the torus a number of times that is not zero. A path
    that goes around both ways wraps in both directions. Lattices are first labeled with their edges open. Their
    clusters are then joined across the edge bond by bond, each with the number of turns around the torus between it and
    the site that names it. A bond inside a cluster that disagrees with these numbers closes a loop.

    Args:
        right: Whether a site is bound to the next one in its row, `[..., height, width]`.
        down: Whether a site is bound to the next one in its column, of the same shape.

    Returns:
        A `Wrapping`. Its labels agree with those of `label` up to the choice of the site that names a cluster.

    References:
        Newton & Ziff (2001), Phys. Rev. E 64, 016706.
    """
    right, down = jnp.asarray(right, bool), jnp.asarray(down, bool)
    *lead, height, width = right.shape
    inside = label(right.at[..., -1].set(False), down.at[..., -1, :].set(False))
    squares = (field.reshape(-1, height, width) for field in (right, down, inside))
    labels, wraps = jax.vmap(_join_across_edges)(*squares)
    wraps = wraps.reshape(*lead, 2)
    return Wrapping(labels.reshape(right.shape), wraps[..., 0], wraps[..., 1])


def _label_together(
    right: Bool[Array, "count height width"], down: Bool[Array, "count height width"]
) -> Int[Array, "count height width"]:
    """`label` of several lattices as one array of sites."""
    sites = jnp.arange(right.size, dtype=jnp.int32)

    def smallest_beside(values: Int[Array, " sites"]) -> Int[Array, " sites"]:
        field = values.reshape(right.shape)
        for bound, axis in ((right, -1), (down, -2)):
            ahead = jnp.where(bound, jnp.roll(field, -1, axis), right.size)
            behind = jnp.roll(jnp.where(bound, field, right.size), 1, axis)
            field = jnp.minimum(field, jnp.minimum(ahead, behind))
        return field.reshape(-1)

    def hook_and_shorten(state: tuple[Int[Array, " sites"], Bool[Array, ""]]):
        parent, _ = state
        smallest = smallest_beside(parent[parent])
        hooked = jnp.minimum(parent.at[parent].min(smallest), smallest)
        return hooked, jnp.any(hooked != parent)

    first, _ = jax.lax.while_loop(lambda state: state[1], hook_and_shorten, (sites, jnp.bool(True)))
    return first.reshape(right.shape) % (right.shape[-2] * right.shape[-1])


def _join_across_edges(
    right: Bool[Array, "height width"], down: Bool[Array, "height width"], inside: Int[Array, "height width"]
) -> tuple[Int[Array, "height width"], Bool[Array, "2"]]:
    """Labels of one lattice on the torus, from those with open edges, and whether it wraps along rows and columns."""
    height, width = inside.shape
    bound = jnp.concatenate([right[:, -1], down[-1]])
    ends = jnp.concatenate([inside[:, -1], inside[-1], inside[:, 0], inside[0]])
    across = jnp.repeat(jnp.eye(2, dtype=jnp.int32), jnp.array([height, width]), axis=0, total_repeat_length=len(bound))

    def join(state, bond):
        name, turns, wraps = state
        here, there = name[bond], name[bond + len(bound)]
        gap = turns[bond] + across[bond] - turns[bond + len(bound)]
        wraps |= bound[bond] & (here == there) & (gap != 0)
        joined = bound[bond] & (here != there) & (name == there)
        return (jnp.where(joined, here, name), turns + jnp.where(joined[:, None], gap, 0), wraps), None

    start = (ends, jnp.zeros((len(ends), 2), jnp.int32), jnp.zeros(2, bool))
    (name, _, wraps), _ = jax.lax.scan(join, start, jnp.arange(len(bound)))
    renamed = jnp.arange(inside.size, dtype=jnp.int32).at[ends].set(name)
    return renamed[inside], wraps
