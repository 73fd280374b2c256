"""Percolation against sums over all states of small tori, and the wrapping probabilities of Pinson."""

import itertools

import jax
import numpy as np
import pytest

from jaxphase.errors import InputError
from jaxphase.systems import percolation


def walk(occupied, right, down):
    """Sizes of the clusters of occupied sites, and whether one wraps around, from positions off the torus."""
    size = len(occupied)
    position, counts, around = {}, [], np.zeros(2, bool)
    for origin in itertools.product(range(size), repeat=2):
        if origin in position or not occupied[origin]:
            continue
        position[origin], stack, count = origin, [origin], 0
        while stack:
            i, j = stack.pop()
            y, x = position[i, j]
            count += 1
            for dy, dx, bound in (
                (0, 1, right[i][j]),
                (0, -1, right[i][j - 1]),
                (1, 0, down[i][j]),
                (-1, 0, down[i - 1][j]),
            ):
                site, at = ((i + dy) % size, (j + dx) % size), (y + dy, x + dx)
                if bound and site not in position:
                    position[site] = at
                    stack.append(site)
                elif bound:
                    around |= [position[site][1] != at[1], position[site][0] != at[0]]
        counts.append(count)
    counts = np.array(sorted(counts) or [0])
    return counts[-1] / size**2, np.sum(counts[:-1] ** 2) / size**2, *around


def exact_means(states, probability):
    """Means of the four fields over all states, each its open places of all places and the lattice that they make."""
    total = np.zeros(4)
    for opened, closed, lattice in states:
        total += probability**opened * (1 - probability) ** closed * np.array(walk(*lattice))
    return total


def all_sites(size):
    for state in itertools.product((False, True), repeat=size**2):
        occupied = np.reshape(state, (size, size))
        bonds = (occupied & np.roll(occupied, -1, axis) for axis in (1, 0))
        yield occupied.sum(), (~occupied).sum(), (occupied, *bonds)


def all_bonds(size):
    for state in itertools.product((False, True), repeat=2 * size**2):
        bonds = np.reshape(state, (2, size, size))
        yield bonds.sum(), (~bonds).sum(), (np.ones((size, size), bool), *bonds)


def z_of(sampled, exact):
    values = np.stack([np.asarray(field, float) for field in sampled])
    return (values.mean(axis=-1) - exact) / (values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1]))


@pytest.mark.parametrize(("kind", "size", "states"), [("site", 3, all_sites), ("bond", 2, all_bonds)])
def test_means_are_those_over_all_states(kind, size, states):
    probability = np.array([0.3, 0.5, 0.8])
    seen = percolation.sample(probability, size, 40_000, kind=kind, key=jax.random.key(0))
    exact = np.stack([exact_means(states(size), p) for p in probability], axis=1)
    z = z_of(seen, exact)
    assert np.all(np.abs(z) < 4), z


def test_bond_percolation_of_a_single_site_and_of_full_and_empty_lattices():
    # One site wraps in each direction where its own bond in that direction is there.
    one = percolation.sample(np.array([0.3]), 1, 20_000, kind="bond", key=jax.random.key(1))
    for field in (one.horizontal, one.vertical):
        assert abs(np.mean(field) - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 20_000)
    ends = percolation.sample(np.array([0.0, 1.0]), 6, 2, kind="bond", key=jax.random.key(2))
    np.testing.assert_allclose(ends.largest, [[1 / 36] * 2, [1] * 2], rtol=1e-6)
    np.testing.assert_allclose(ends.susceptibility, [[35 / 36] * 2, [0] * 2], rtol=1e-6)
    np.testing.assert_array_equal(ends.vertical, [[False] * 2, [True] * 2])


def test_measures_are_those_of_a_walk_lattice_by_lattice():
    rng = np.random.default_rng(3)
    right, down = (rng.random((60, 8, 8)) < 0.5 for _ in range(2))
    seen = np.stack([np.asarray(a, float) for a in percolation.measure(right, down, np.ones((60, 8, 8), bool))], axis=1)
    walked = np.array([walk(np.ones((8, 8), bool), *bonds) for bonds in zip(right, down, strict=True)], float)
    np.testing.assert_allclose(seen, walked, rtol=1e-6)


@pytest.mark.parametrize(("kind", "size"), [("bond", 32), ("site", 64)])
def test_wrapping_at_the_critical_point_has_the_probabilities_of_pinson(kind, size):
    replicas = {"bond": 8000, "site": 3000}[kind]
    critical = np.array([percolation.CRITICAL_PROBABILITY[kind]])
    seen = percolation.sample(critical, size, replicas, kind=kind, key=jax.random.key(4))
    across, along = np.asarray(seen.horizontal[0]), np.asarray(seen.vertical[0])
    measured = {"one": np.stack([across, along]), "either": across | along, "both": across & along}
    for name, wraps in measured.items():
        expected = percolation.CRITICAL_WRAPPING[name]
        # Corrections fall as L**-2: 0.001 at these sizes (Newton & Ziff 2001, figure 4).
        allowed = 4 * np.sqrt(expected * (1 - expected) / replicas) + 0.001
        assert abs(wraps.mean() - expected) < allowed, (name, wraps.mean())


def test_other_kinds_are_refused():
    with pytest.raises(InputError, match="kind is 'face'"):
        percolation.sample(np.array([0.5]), 4, 1, kind="face", key=jax.random.key(6))
