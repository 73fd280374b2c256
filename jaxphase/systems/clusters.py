"""Connected clusters on square lattices with periodic edges: labels, sizes, and whether one winds around the torus.

Sites point at smaller sites of their cluster until all point at the smallest: trees are hooked on each other where a
bond joins them and shortened by half in every round, so rounds grow with the logarithm of the longest path (Shiloach &
Vishkin 1982, J. Algorithms 3, 57; in the form of Zhang, Azad & Hu 2020, SIAM PP, 46). A batch is one array of sites,
and costs the rounds of its slowest lattice, which are hardly more than those of any other; a CPU takes as many lattices
at a time as its cache holds.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

CACHED = 1 << 14  # sites


class Wrapping(NamedTuple):
    """Clusters `labels` `[..., height, width]` and, `[...]`, whether any closes on itself around the torus."""

    labels: jax.Array
    horizontal: jax.Array
    vertical: jax.Array


@jax.jit
def label(right, down):
    """The first site of the cluster that each site belongs to, int32 `[..., height, width]`, counted along the rows.

    right, down: bool `[..., height, width]`, whether a site is bound to the next one in its row and in its column; the
    last is followed by the first, so False there leaves that edge open.
    """
    *lead, height, width = jnp.shape(right)
    count = math.prod(lead)
    at_once = max(CACHED // (height * width), 1) if jax.default_backend() == "cpu" else max(count, 1)
    parts = -(-count // at_once)
    at_once = -(-count // max(parts, 1))

    def in_parts(bound):
        filled = jnp.pad(jnp.reshape(bound, (count, height, width)), [(0, parts * at_once - count), (0, 0), (0, 0)])
        return filled.reshape(parts, at_once, height, width)

    labels = jax.lax.map(lambda bonds: _label_together(*bonds), (in_parts(right), in_parts(down)))
    return labels.reshape(-1, height, width)[:count].reshape(*lead, height, width)


@jax.jit
def sizes(labels, occupied=None):
    """Sites in the cluster of each label, int32 `[..., height * width]`, 0 where a site names no cluster.

    labels: `[..., height, width]` from `label`. occupied: bool of the same shape, the sites that count; all if None.
    """
    *lead, height, width = labels.shape
    flat = labels.reshape(-1, height * width)
    start = jnp.arange(len(flat), dtype=jnp.int32)[:, None] * (height * width)
    count = jnp.ones_like(flat) if occupied is None else occupied.reshape(flat.shape).astype(jnp.int32)
    return jnp.zeros(flat.size, jnp.int32).at[flat + start].add(count).reshape(*lead, height * width)


@jax.jit
def wrapping(right, down) -> Wrapping:
    """Clusters as in `label`, up to the choice of the site that names one, and whether one wraps in either direction.

    A cluster wraps horizontally if a closed path in it goes around the torus a number of times that is not zero, and a
    path that goes around both ways wraps in both directions, as Newton & Ziff (2001, Phys. Rev. E 64, 016706) count.
    Lattices are labelled with their edges open; their clusters are then joined over the edge bond by bond, each with
    the number of turns around the torus that lie between it and its name, and a bond within a cluster that disagrees
    closes a loop.
    """
    right, down = jnp.asarray(right, bool), jnp.asarray(down, bool)
    *lead, height, width = right.shape
    inside = label(right.at[..., -1].set(False), down.at[..., -1, :].set(False))
    squares = (a.reshape(-1, height, width) for a in (right, down, inside))
    labels, wraps = jax.vmap(_join_over_the_edges)(*squares)
    wraps = wraps.reshape(*lead, 2)
    return Wrapping(labels.reshape(right.shape), wraps[..., 0], wraps[..., 1])


def _label_together(right, down):
    """`label` of lattices `[count, height, width]` as one array of sites."""
    sites = jnp.arange(right.size, dtype=jnp.int32)

    def smallest_beside(values):
        field = values.reshape(right.shape)
        for bound, axis in ((right, -1), (down, -2)):
            ahead = jnp.where(bound, jnp.roll(field, -1, axis), right.size)
            behind = jnp.roll(jnp.where(bound, field, right.size), 1, axis)
            field = jnp.minimum(field, jnp.minimum(ahead, behind))
        return field.reshape(-1)

    def hook_and_shorten(state):
        parent, _ = state
        smallest = smallest_beside(parent[parent])
        hooked = jnp.minimum(parent.at[parent].min(smallest), smallest)
        return hooked, jnp.any(hooked != parent)

    first, _ = jax.lax.while_loop(lambda state: state[1], hook_and_shorten, (sites, jnp.bool(True)))
    return first.reshape(right.shape) % (right.shape[-2] * right.shape[-1])


def _join_over_the_edges(right, down, inside):
    """Labels of one lattice on the torus, from those with open edges, and whether it wraps `[2]`."""
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
