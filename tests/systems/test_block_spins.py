"""Block spins and operators against loops over blocks and sites."""

import itertools

import jax
import numpy as np
import pytest

from jaxphase.systems.block_spins import EVEN_OPERATORS, ODD_OPERATORS, even_operators, majority, odd_operators


def random_spins(shape, seed=0):
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), shape)


@pytest.mark.parametrize("b", [2, 3])
def test_a_block_takes_its_majority_and_a_tie_either_sign(b):
    spins = random_spins((400, 12, 12))
    blocks = np.asarray(majority(spins, b, key=jax.random.key(0)))
    assert blocks.dtype == np.int8 and blocks.shape == (400, 12 // b, 12 // b)
    ties = []
    for row, column in np.ndindex(12 // b, 12 // b):
        total = spins[:, b * row : b * row + b, b * column : b * column + b].sum(axis=(1, 2))
        np.testing.assert_array_equal(blocks[total != 0, row, column], np.sign(total[total != 0]))
        ties.append(blocks[total == 0, row, column])
    assert np.all(np.abs(blocks) == 1)
    ties = np.concatenate(ties)
    if b == 2:  # three in eight of the blocks are even, 5400 of them, and their signs have no preference
        assert len(ties) > 5000 and abs(np.mean(ties)) < 4 / len(ties) ** 0.5
        other = np.asarray(majority(spins, b, key=jax.random.key(1)))
        assert np.mean(other != blocks) == pytest.approx(3 / 16, abs=0.02)


def test_the_operators_are_sums_over_sites():
    size = 7
    spins = random_spins((size, size), 1).astype(int)
    even, odd = dict.fromkeys(EVEN_OPERATORS, 0), dict.fromkeys(ODD_OPERATORS, 0)
    classes = {1: "nearest neighbors", 2: "second neighbors", 4: "third neighbors", 5: "fourth neighbors"}
    sites = list(np.ndindex(size, size))

    def at(row, column):
        return spins[row % size, column % size]

    for (a, b), (c, d) in itertools.combinations(sites, 2):
        rows, columns = (min((x - y) % size, (y - x) % size) for x, y in ((a, c), (b, d)))
        if rows**2 + columns**2 in classes:
            even[classes[rows**2 + columns**2]] += at(a, b) * at(c, d)
    for r, c in sites:
        even["plaquette"] += at(r, c) * at(r + 1, c) * at(r, c + 1) * at(r + 1, c + 1)
        odd["magnetization"] += at(r, c)
        odd["row"] += at(r, c) * (at(r - 1, c) * at(r + 1, c) + at(r, c - 1) * at(r, c + 1))
        odd["diagonal"] += at(r, c) * (at(r - 1, c - 1) * at(r + 1, c + 1) + at(r - 1, c + 1) * at(r + 1, c - 1))
        for i, j in itertools.product((-1, 1), repeat=2):
            odd["corner"] += at(r, c) * at(r + i, c) * at(r, c + j)
    batch = np.stack([spins, -spins, spins.T]).astype(np.int8)
    np.testing.assert_array_equal(even_operators(batch), [list(even.values())] * 3)
    odd = np.array(list(odd.values()))
    np.testing.assert_array_equal(odd_operators(batch), [odd, -odd, odd])


def test_blocks_must_fill_the_lattice():
    with pytest.raises(ValueError, match=r"b = 2 do not fill spins of shape \(3, 9, 8\)"):
        majority(random_spins((3, 9, 8)), key=jax.random.key(0))
