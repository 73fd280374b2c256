"""Random graphs against sums over all graphs of five vertices, and the giant component of large ones."""

import itertools

import jax
import numpy as np

from jaxphase.systems import random_graph


def exact_of_five(degree):
    """Mean largest share and susceptibility over all 2**10 graphs."""
    pairs = list(itertools.combinations(range(5), 2))
    mean = np.zeros(2)
    for state in itertools.product((0, 1), repeat=10):
        name = list(range(5))
        for (one, other), there in zip(pairs, state, strict=True):
            if there:
                name = [name[one] if n == name[other] else n for n in name]
        counts = np.array(sorted(name.count(n) for n in set(name)))
        weight = (degree / 5) ** sum(state) * (1 - degree / 5) ** (10 - sum(state))
        mean += weight * np.array([counts[-1], np.sum(counts[:-1] ** 2)]) / 5
    return mean


def test_small_graphs_have_the_means_over_all_graphs():
    degree = np.array([0.5, 1.0, 2.5])
    drawn = random_graph.sample(degree, 5, 3000, key=jax.random.key(0))
    exact = np.stack([exact_of_five(c) for c in degree], axis=1)
    for field, expected in zip(drawn, exact, strict=True):
        assert np.all(np.abs(field.mean(axis=1) - expected) < 4 * field.std(axis=1) / np.sqrt(3000))


def test_the_giant_component_solves_its_equation():
    degree = np.array([1.0001, 1.2, 2.0, 5.0])
    share = random_graph.giant_component(degree)
    np.testing.assert_allclose(share, 1 - np.exp(-degree * share), atol=1e-12)
    assert np.all(share > 0) and random_graph.giant_component(0.9) == 0
    # S ~ 2 (c - 1): the exponent beta is 1.
    np.testing.assert_allclose(share[0], 2e-4, rtol=1e-3)


def test_large_graphs_have_it():
    degree = np.array([0.5, 1.5, 2.5])
    drawn = random_graph.sample(degree, 20_000, 20, key=jax.random.key(1))
    for field, expected in (
        (drawn.largest[1:], random_graph.giant_component(degree[1:])),
        (drawn.susceptibility, random_graph.susceptibility(degree)),
    ):
        z = (field.mean(axis=1) - expected) / (field.std(axis=1, ddof=1) / np.sqrt(20))
        assert np.all(np.abs(z) < 4), z
    assert np.all(drawn.largest[0] < 0.01)
