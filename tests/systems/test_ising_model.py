"""The Ising simulators against Kaufman's partition function, and that against the sum over all states of 4 x 4."""

import jax
import numpy as np
import pytest

from jaxphase.errors import InputError
from jaxphase.systems import ising

COUPLING = np.array([0.3, ising.CRITICAL_COUPLING, 0.5])


def states_of_four_by_four():
    """Energy and magnetization of all 2**16, each in whole numbers."""
    bits = np.arange(2**16)[:, None] >> np.arange(16) & 1
    spins = (2 * bits - 1).reshape(-1, 4, 4)
    bonds = sum(np.sum(spins * np.roll(spins, 1, axis), axis=(1, 2)) for axis in (1, 2))
    return -bonds, spins.sum(axis=(1, 2))


def weights_of(energy, coupling):
    weight = np.exp(-coupling * (energy - energy.min()))
    return weight / weight.sum()


def z_of_mean(series, exact):
    """Distance in standard errors, measured between replicas, which are independent: [k]."""
    means = np.asarray(series, float).mean(axis=-1)
    return (means.mean(axis=-1) - exact) / (means.std(axis=-1, ddof=1) / np.sqrt(means.shape[-1]))


def test_kaufman_is_the_sum_over_all_states():
    energy, _ = states_of_four_by_four()
    couplings = np.array([0.05, 0.3, ising.CRITICAL_COUPLING, 0.7, 2.0])
    mean, heat = ising.kaufman(couplings, 4)
    for i, k in enumerate(couplings):
        weight = weights_of(energy, k)
        first = weight @ energy
        np.testing.assert_allclose(mean[i], first / 16, rtol=1e-12)
        np.testing.assert_allclose(heat[i], k**2 * (weight @ (energy - first) ** 2) / 16, rtol=1e-8)
    with jax.enable_x64(True):
        total = np.log(np.sum(np.exp(-0.3 * (energy + 32.0)))) + 0.3 * 32
        np.testing.assert_allclose(ising.log_partition(0.3, 4), total, rtol=1e-13)


def test_kaufman_gives_the_table_of_ferdinand_and_fisher():
    # Evaluated apart from this library from Kaufman (1949) at K_c (1 + 1e-7), and printed to these digits.
    energy = {4: -1.565624, 8: -1.491589, 16: -1.453065, 32: -1.433659, 64: -1.423939, 128: -1.419077}
    heat = {4: 0.78327, 8: 1.14556, 16: 1.49870, 32: 1.84677, 64: 2.19221, 128: 2.53633}
    for size, expected in energy.items():
        mean, capacity = ising.kaufman(ising.CRITICAL_COUPLING * (1 + 1e-7), size)
        assert mean == pytest.approx(expected, abs=6e-7)
        assert capacity == pytest.approx(heat[size], abs=6e-6)
    # Away from K_c a torus of 32 has the values of the infinite lattice, Onsager (1944).
    mean, capacity = ising.kaufman(np.array([0.3, 0.5]), 32)
    np.testing.assert_allclose(mean, [-0.704499, -1.745565], atol=6e-7)
    np.testing.assert_allclose(capacity, [0.28629, 0.72487], atol=6e-6)


def test_large_cold_lattices_do_not_overflow():
    mean, heat = ising.kaufman(np.array([0.01, ising.CRITICAL_COUPLING, 3.0]), 1024)
    assert np.all(np.isfinite(heat)) and mean[2] == pytest.approx(-2, abs=1e-9)
    assert mean[1] == pytest.approx(-np.sqrt(2), abs=1e-3)


@pytest.mark.parametrize("simulate", [ising.metropolis, ising.swendsen_wang])
def test_moments_of_a_small_lattice_are_exact(simulate):
    energy, total = states_of_four_by_four()
    seen = simulate(COUPLING, 4, 400, 500, 100, key=jax.random.key(0))
    m = np.asarray(seen.magnetization)
    weight = np.stack([weights_of(energy, k) for k in COUPLING])
    for series, exact in (
        (seen.energy, energy / 16),
        (np.square(seen.energy), (energy / 16) ** 2),
        (m**2, (total / 16) ** 2),
        (m**4, (total / 16) ** 4),
    ):
        z = z_of_mean(series, weight @ exact)
        assert np.all(np.abs(z) < 4), z
    assert np.all(np.abs(z_of_mean(m, 0)) < 4)


@pytest.mark.parametrize("size", [16, 32])
def test_energies_are_kaufmans_within_four_standard_errors(size):
    exact, heat = ising.kaufman(COUPLING, size)
    runs = {
        "metropolis": ising.metropolis(COUPLING[[0, 2]], size, 48, 500, 200, key=jax.random.key(1), every=5),
        "clusters": ising.swendsen_wang(COUPLING, size, 48, 80, 30, key=jax.random.key(2)),
    }
    chosen = {"metropolis": [0, 2], "clusters": [0, 1, 2]}
    for name, run in runs.items():
        at = chosen[name]
        z = z_of_mean(run.energy, exact[at])
        assert np.all(np.abs(z) < 4), (name, z)
        # The variance of the energy is the heat capacity: means of groups of replicas, four standard errors.
        squares = COUPLING[at, None, None] ** 2 * size**2 * (np.asarray(run.energy) - exact[at][:, None, None]) ** 2
        z = z_of_mean(squares, heat[at])
        assert np.all(np.abs(z) < 4), (name, z)


def test_the_ordered_phase_has_yangs_magnetization():
    coupling = np.array([0.48, 0.6])
    run = ising.metropolis(coupling, 32, 32, 200, 300, key=jax.random.key(3))
    # At these couplings the correlation length is below 3 sites, and no replica of 32 x 32 turns over.
    z = z_of_mean(run.magnetization, ising.spontaneous_magnetization(coupling))
    assert np.all(np.abs(z) < 4), z
    assert ising.spontaneous_magnetization(0.44) == 0
    # Yang (1952) at T = 2: 0.911319.
    assert ising.spontaneous_magnetization(0.5) == pytest.approx(0.911319, abs=1e-6)


def test_correlations_fall_off_by_the_length_of_onsager():
    coupling = 0.36
    length = ising.correlation_length(coupling)
    assert ising.correlation_length(0.4) == pytest.approx(5.962, abs=5e-4)  # 1 / (ln coth 0.4 - 0.8)
    assert np.isinf(ising.correlation_length(ising.CRITICAL_COUPLING)) and np.isnan(ising.correlation_length(0.5))
    spins = np.asarray(
        ising.configurations(np.array([coupling]), 32, 3200, key=jax.random.key(4), replicas=40, every=3, burn=30)
    )
    rows = spins[0].mean(axis=-1).reshape(40, -1, 32)
    power = np.abs(np.fft.fft(rows, axis=-1)) ** 2
    of_replica = np.fft.ifft(power, axis=-1).real.mean(axis=1) / 32
    # Sums over a row leave one exponential, with its image from around the torus, and little that falls faster.
    near, far = of_replica[:, 2], of_replica[:, 6]

    def z(length):
        expected = [np.exp(-r / length) + np.exp(-(32 - r) / length) for r in (2, 6)]
        difference = far - near * expected[1] / expected[0]
        return difference.mean() / (difference.std(ddof=1) / np.sqrt(40))

    assert abs(z(length)) < 4, z(length)
    assert z(1.2 * length) < -4 and z(length / 1.2) > 4


def test_a_run_goes_on_from_its_last_spins_and_measures_every_so_many_sweeps():
    key = jax.random.key(5)
    for simulate in (ising.metropolis, ising.swendsen_wang):
        run = simulate(COUPLING, 8, 3, 20, 5, key=key, every=4)
        assert run.energy.shape == (3, 3, 5) and run.spins.shape == (3, 3, 8, 8) and run.spins.dtype == np.int8
        np.testing.assert_allclose(run.magnetization[..., -1], run.spins.mean(axis=(2, 3)), atol=1e-6)
        still = simulate(COUPLING, 8, 3, 1, 0, key=key, start=run.spins).spins
        assert np.any(still != run.spins)
    shape = ising.configurations(COUPLING, 6, 10, key=key, replicas=4, burn=2).shape
    assert shape == (3, 10, 6, 6)


def test_mistakes_are_refused():
    key = jax.random.key(6)
    with pytest.raises(InputError, match="size is 7"):
        ising.metropolis(COUPLING, 7, 1, 1, 1, key=key)
    with pytest.raises(InputError, match=r"shape \(\)"):
        ising.swendsen_wang(0.3, 8, 1, 1, 1, key=key)
    with pytest.raises(InputError, match="start has shape"):
        ising.swendsen_wang(COUPLING, 8, 2, 1, 1, key=key, start=np.ones((3, 1, 8, 8), np.int8))


def clusters_of_two_by_two(right, down):
    """How many clusters bonds [2, 2] make on a torus of 2 x 2, and the share of directions in which one winds."""
    position, count, around = {}, 0, np.zeros(2, bool)
    for origin in np.ndindex(2, 2):
        count += origin not in position
        stack = [] if origin in position else [origin]
        position.setdefault(origin, origin)
        while stack:
            i, j = stack.pop()
            y, x = position[i, j]
            bonds = ((0, 1, right[i, j]), (0, -1, right[i, j - 1]), (1, 0, down[i, j]), (-1, 0, down[i - 1, j]))
            for dy, dx, bound in bonds:
                site, place = ((i + dy) % 2, (j + dx) % 2), (y + dy, x + dx)
                if bound and site not in position:
                    position[site] = place
                    stack.append(site)
                elif bound:
                    around |= np.not_equal(position[site], place)
    return count, around.mean()


def test_clusters_wrap_as_often_as_the_sum_over_all_bonds_says():
    """Fortuin & Kasteleyn (1972): bonds alone have the weight p**there (1 - p)**missing 2**clusters."""
    coupling, exact = np.array([0.1, 0.44, 0.8]), []
    for p in 1 - np.exp(-2 * coupling):
        total = np.zeros(2)
        for state in range(2**8):
            bonds = (state >> np.arange(8) & 1).astype(bool).reshape(2, 2, 2)
            count, around = clusters_of_two_by_two(*bonds)
            total += p ** bonds.sum() * (1 - p) ** (~bonds).sum() * 2**count * np.array([1, around])
        exact.append(total[1] / total[0])
    seen = ising.swendsen_wang(coupling, 2, 400, 200, 20, key=jax.random.key(6), wrapping=True)
    z = z_of_mean(seen.wrapping, exact)
    assert np.all(np.abs(z) < 4), z
    # Nothing else is changed by asking, and who does not ask is not told.
    alone = ising.swendsen_wang(coupling, 2, 400, 200, 20, key=jax.random.key(6))
    assert alone.wrapping is None
    assert np.all(np.abs(z_of_mean(np.asarray(seen.energy) - np.asarray(alone.energy), 0)) < 4)
