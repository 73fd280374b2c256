"""Configurations of the two-dimensional Ising model in equilibrium (Swendsen & Wang 1987, Phys. Rev. Lett. 58, 86)."""

import numpy as np

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError

CRITICAL_TEMPERATURE = 2 / np.log(1 + np.sqrt(2))  # 2.269185, Onsager (1944)
BLOCK = 1 << 18  # spins updated at once: as many as stay in the cache


def ising(
    size: int = 16,
    temperatures: tuple[float, ...] = (1.5, 1.9, 2.2, 2.4, 2.8, 3.5),
    train: int = 8192,
    probe: int = 1000,
    validation: int = 1000,
    sweeps: int = 20,
    seed: int = 0,
) -> Source:
    """Spins +-1, [n, size * size], on periodic squares in units J = k = 1, labelled with the index of the temperature.

    The index and not the phase: it says on which side of T_c = 2.269185 a row is, and how far. Neighbouring
    temperatures overlap: energy and |magnetisation| tell 74 % of rows, and the spins themselves, + as often as - at
    any temperature, 27 % to a linear probe. Every row is a replica of its own, taken after `sweeps` updates of all its
    clusters from the ordered state (10 are too few at size 16, 20 enough), so rows are independent. They are not
    standardised: mean 0 and variance 1 are exact.
    """
    if not temperatures or not all(temperature > 0 for temperature in temperatures):
        raise InputError(f"temperatures is {temperatures}: give numbers above 0, such as (1.5, 2.2, 2.4, 3.5).")

    def draw(n: int, split: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.Generator(np.random.Philox((seed, split)))
        labels = rng.integers(0, len(temperatures), n, dtype=np.int32)
        return equilibrate(size, np.array(temperatures)[labels], sweeps, rng).reshape(n, -1), labels

    (x, _), (to_probe, of_probe), (held_out, of_held_out) = map(draw, (train, probe, validation), range(3))
    splits = Splits(x, to_probe, of_probe, held_out, of_held_out)
    return Source(splits, Layout("image", (size, size, 1)), classes=len(temperatures))


def equilibrate(size: int, temperature: np.ndarray, sweeps: int, rng: np.random.Generator) -> np.ndarray:
    """One configuration [n, size, size] of +-1, float32, for every temperature [n], `sweeps` away from all spins up."""
    spins = np.ones((len(temperature), size, size), np.float32)
    rows = max(BLOCK // size**2, 1)
    for start in range(0, len(spins), rows):
        block = slice(start, start + rows)
        for _ in range(sweeps):
            spins[block] = flip_clusters(spins[block], temperature[block], rng)
    return spins


def flip_clusters(spins: np.ndarray, temperature: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Equal neighbours are bound with probability 1 - exp(-2 / T), and every cluster so bound gets a sign by lot."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sites = np.arange(spins.size, dtype=np.int32).reshape(spins.shape)
    bond = 1 - np.exp(-2 / temperature.astype(np.float32))[:, None, None]
    ends = []
    for axis in (1, 2):
        bound = (spins == np.roll(spins, -1, axis)) & (rng.random(spins.shape, np.float32) < bond)
        ends.append((sites[bound], np.roll(sites, -1, axis)[bound]))
    one, other = np.concatenate(ends, axis=1)
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(spins.size, spins.size))
    clusters, cluster = connected_components(graph, directed=False)
    return (2 * rng.integers(0, 2, clusters, dtype=np.int8) - 1)[cluster].reshape(spins.shape)
