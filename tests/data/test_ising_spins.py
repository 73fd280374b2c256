"""Configurations against the exact sums over all states of a 4 x 4 square, and Onsager's energy."""

import numpy as np
import pytest
from scipy.integrate import quad

from jaxphase.data.ising_spins import CRITICAL_TEMPERATURE, equilibrate, ising
from jaxphase.errors import InputError


def energy(spins: np.ndarray) -> np.ndarray:
    return -sum(np.sum(spins * np.roll(spins, 1, axis), axis=(-2, -1)) for axis in (-2, -1))


def every_state(side: int) -> np.ndarray:
    bits = np.arange(2 ** (side * side))[:, None] >> np.arange(side * side) & 1
    return (2 * bits - 1).reshape(-1, side, side).astype(np.int8)


@pytest.mark.parametrize("temperature", [1.5, 2.2, 3.5])
def test_energy_and_magnetization_of_a_small_square_are_exact(temperature):
    states = every_state(4)
    levels, magnetization = energy(states), np.abs(states.mean(axis=(1, 2)))
    weight = np.exp(-(levels - levels.min()) / temperature)
    weight /= weight.sum()
    rng = np.random.Generator(np.random.Philox(1))
    spins = equilibrate(4, np.full(8000, temperature), 20, rng)
    for exact, measured in ((levels, energy(spins)), (magnetization, np.abs(spins.mean(axis=(1, 2))))):
        mean = weight @ exact
        error = np.sqrt(weight @ (exact - mean) ** 2 / len(spins))
        assert abs(measured.mean() - mean) < 4 * error
    assert abs(spins.mean()) < 4 * np.sqrt(weight @ magnetization**2 / len(spins))


@pytest.mark.parametrize("temperature", [1.9, 3.5])
def test_energy_away_from_the_critical_point_is_onsagers(temperature):
    coupling = 1 / temperature
    modulus = 2 * np.sinh(2 * coupling) / np.cosh(2 * coupling) ** 2
    integral, _ = quad(lambda angle: 1 / np.sqrt(1 - (modulus * np.sin(angle)) ** 2), 0, np.pi / 2)
    exact = -(1 + 2 / np.pi * (2 * np.tanh(2 * coupling) ** 2 - 1) * integral) / np.tanh(2 * coupling)
    spins = equilibrate(24, np.full(300, temperature), 20, np.random.Generator(np.random.Philox(2)))
    per_spin = energy(spins) / 24**2
    assert abs(per_spin.mean() - exact) < 4 * per_spin.std() / np.sqrt(len(spins))


def test_rows_are_spins_labeled_by_temperature():
    source = ising(size=8, train=200, probe=300, validation=100)
    splits = source.splits
    rows = np.concatenate([splits.train, splits.probe, splits.validation])
    assert rows.shape == (600, 64) and rows.dtype == np.float32 and set(np.unique(rows)) == {-1, 1}
    order = np.abs(splits.probe.mean(axis=1))
    by_temperature = [order[splits.probe_labels == label].mean() for label in range(source.classes)]
    assert by_temperature[0] > 0.95 and by_temperature[-1] < 0.4 and np.argmax(by_temperature) == 0


def test_the_order_of_rows_is_that_of_any_other_run_and_bad_temperatures_are_refused():
    one, other = (ising(size=4, train=50, probe=10, validation=10, seed=3).splits for _ in range(2))
    np.testing.assert_array_equal(one.train, other.train)
    assert pytest.approx(2.269185, abs=1e-6) == CRITICAL_TEMPERATURE
    with pytest.raises(InputError, match="temperatures"):
        ising(temperatures=(0.0, 2.0))
