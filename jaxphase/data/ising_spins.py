"""Configurations of the two-dimensional Ising model in equilibrium (Swendsen & Wang 1987, Phys. Rev. Lett. 58, 86)."""

import numpy as np
from jaxtyping import Float, Int

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError

CRITICAL_TEMPERATURE = 2 / np.log(1 + np.sqrt(2))  # 2.269185, Onsager (1944)
BLOCK = 1 << 18  # spins updated at once, as many as stay in the cache


def ising(
    size: int = 16,
    temperatures: tuple[float, ...] = (1.5, 1.9, 2.2, 2.4, 2.8, 3.5),
    train: int = 8192,
    probe: int = 1000,
    validation: int = 1000,
    sweeps: int = 20,
    seed: int = 0,
) -> Source:
    """Draw configurations of spins on a torus, in units J = k = 1, labeled with the index of their temperature.

    The label is the temperature and not the phase, so it says on which side of T_c = 2.269185 a row is and how far from
    it. Neighboring temperatures overlap, so no readout can be always right; a linear one learns little, since spins are
    + as often as - at any temperature. Every row is a separate replica that starts from the ordered state, so rows are
    independent. They are not standardized: mean 0 and variance 1 are exact.

    Args:
        size: Side of the torus.
        temperatures: One temperature for each class, positive.
        train: Rows to train on.
        probe: Rows to fit probes on.
        validation: Rows to measure on.
        sweeps: Updates of all clusters of a row; larger sizes need more than the default.
        seed: Decides temperatures and spins.

    Returns:
        A `Source` of images of -1 and 1, one class for each temperature.

    Raises:
        ValueError: If there is no temperature or one is not positive.
    """
    if not temperatures or not all(temperature > 0 for temperature in temperatures):
        raise InputError(f"temperatures is {temperatures}: give numbers above 0, such as (1.5, 2.2, 2.4, 3.5).")

    def draw(n: int, split: int) -> tuple[Float[np.ndarray, "n sites"], Int[np.ndarray, " n"]]:
        rng = np.random.Generator(np.random.Philox((seed, split)))
        labels = rng.integers(0, len(temperatures), n, dtype=np.int32)
        return equilibrate(size, np.array(temperatures)[labels], sweeps, rng).reshape(n, -1), labels

    (train_rows, _), probed, held_out = map(draw, (train, probe, validation), range(3))
    splits = Splits(train_rows, *probed, *held_out)
    return Source(splits, Layout("image", (size, size, 1)), classes=len(temperatures))


def equilibrate(
    size: int, temperature: Float[np.ndarray, " n"], sweeps: int, rng: np.random.Generator
) -> Float[np.ndarray, "n size size"]:
    """Draw one configuration of -1 and 1 for each temperature, after `sweeps` updates from all spins up."""
    spins = np.ones((len(temperature), size, size), np.float32)
    rows = max(BLOCK // size**2, 1)
    for start in range(0, len(spins), rows):
        block = slice(start, start + rows)
        for _ in range(sweeps):
            spins[block] = flip_clusters(spins[block], temperature[block], rng)
    return spins


def flip_clusters(
    spins: Float[np.ndarray, "n size size"], temperature: Float[np.ndarray, " n"], rng: np.random.Generator
) -> Int[np.ndarray, "n size size"]:
    """Bind equal neighbors with probability 1 - exp(-2 / T), and give every cluster a random sign."""
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
