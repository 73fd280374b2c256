"""Clusters against scipy's connected components, and wrapping against a walk over the unrolled torus."""

import jax
import numpy as np
import pytest
from scipy.ndimage import label as scipy_label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jaxphase.systems.clusters import label, sizes, wrapping


def random_bonds(shape, probability, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) < probability for _ in range(2))


def scipy_components(right, down):
    site = np.arange(right.size).reshape(right.shape)
    one = np.concatenate([site[right], site[down]])
    other = np.concatenate([np.roll(site, -1, 1)[right], np.roll(site, -1, 0)[down]])
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(right.size, right.size))
    return connected_components(graph, directed=False)[1]


def first_of_each(component):
    """Partitions are equal if and only if their first members are."""
    _, first, member = np.unique(component, return_index=True, return_inverse=True)
    return first[member]


def wraps_by_walking(right, down):
    """Positions off the torus, site by site along bonds: a site reached at two positions closes a loop around it."""
    height, width = right.shape
    around = np.zeros(2, bool)
    position = {}
    for origin in np.ndindex(height, width):
        position.setdefault(origin, origin)
        stack = [origin]
        while stack:
            i, j = stack.pop()
            y, x = position[i, j]
            steps = [
                (0, 1, right[i, j]),
                (0, -1, right[i, j - 1]),
                (1, 0, down[i, j]),
                (-1, 0, down[i - 1, j]),
            ]
            for dy, dx, bound in steps:
                site = ((i + dy) % height, (j + dx) % width)
                if bound and site not in position:
                    position[site] = (y + dy, x + dx)
                    stack.append(site)
                elif bound:
                    there = position[site]
                    around |= [there[1] != x + dx, there[0] != y + dy]
    return around


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_labels_are_the_first_sites_of_the_components_of_scipy(probability):
    right, down = random_bonds((6, 12, 17), probability)
    labels = np.asarray(label(right, down))
    for row, (across, along) in enumerate(zip(right, down, strict=True)):
        np.testing.assert_array_equal(labels[row].ravel(), first_of_each(scipy_components(across, along)))


def test_sites_with_open_edges_are_the_features_of_ndimage():
    occupied = np.random.default_rng(1).random((40, 50)) < 0.59
    right, down = occupied & np.roll(occupied, -1, 1), occupied & np.roll(occupied, -1, 0)
    right[:, -1] = down[-1] = False
    labels = np.asarray(label(right, down))
    features, count = scipy_label(occupied)
    assert len(np.unique(labels[occupied])) == count
    np.testing.assert_array_equal(first_of_each(labels[occupied]), first_of_each(features[occupied]))


def test_a_spiral_is_one_cluster():
    """The longest path there is: a snake through every site, where plain propagation takes as many rounds as sites."""
    right, down = np.ones((32, 32), bool), np.zeros((32, 32), bool)
    right[:, -1] = False
    down[:-1:2, -1] = down[1:-1:2, 0] = True
    assert np.all(np.asarray(label(right, down)) == 0)


def test_sizes_count_sites_and_those_that_are_occupied():
    right, down = random_bonds((5, 8, 9), 0.45, seed=2)
    labels = np.asarray(label(right, down))
    occupied = np.random.default_rng(3).random(labels.shape) < 0.5
    for row in range(5):
        np.testing.assert_array_equal(sizes(labels)[row], np.bincount(labels[row].ravel(), minlength=72))
        chosen = np.bincount(labels[row][occupied[row]], minlength=72)
        np.testing.assert_array_equal(sizes(labels, occupied)[row], chosen)


def test_wrapping_is_what_a_walk_finds_and_labels_stay_the_partition():
    # 601 lattices are more than are labeled at once, and no multiple of those that are.
    right, down = random_bonds((601, 7, 5), np.linspace(0.3, 0.7, 601)[:, None, None], seed=4)
    found = jax.tree.map(np.asarray, wrapping(right, down))
    walked = np.array([wraps_by_walking(*lattice) for lattice in zip(right, down, strict=True)])
    np.testing.assert_array_equal(np.stack([found.horizontal, found.vertical], 1), walked)
    # All four outcomes were there to be told apart.
    assert len(np.unique(walked @ [1, 2])) == 4
    for row in range(0, 601, 40):
        expected = first_of_each(scipy_components(right[row], down[row]))
        np.testing.assert_array_equal(first_of_each(found.labels[row].ravel()), expected)


def test_a_path_that_goes_twice_around_and_once_across_wraps_both_ways():
    right, down = np.zeros((6, 6), bool), np.zeros((6, 6), bool)
    right[0] = right[3] = True
    right[0, 0] = right[3, 0] = False
    for end, turn in ((0, 2), (3, 5)):  # from the end of one row to the start of the other
        down[end : end + 2, 0] = right[turn, 0] = down[turn, 1] = True
    found = wrapping(right, down)
    assert bool(found.horizontal) and bool(found.vertical)
    np.testing.assert_array_equal(np.stack([found.horizontal, found.vertical]), wraps_by_walking(right, down))
    down[4, 0] = False
    assert not bool(wrapping(right, down).vertical) and not bool(wrapping(right, down).horizontal)


def test_leading_axes_are_kept():
    right, down = random_bonds((2, 3, 4, 4), 0.5, seed=5)
    found = wrapping(right, down)
    assert found.labels.shape == (2, 3, 4, 4) and found.vertical.shape == (2, 3)
    assert sizes(found.labels).shape == (2, 3, 16)
    np.testing.assert_array_equal(label(right, down)[1, 2], label(right[1, 2], down[1, 2]))
