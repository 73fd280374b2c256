"""Learning rates of sweeps whose best ones are known, and machines for sweeps whose cost is known."""

import numpy as np
import pytest
import xarray as xr

from jaxphase.predict import DEVICES, Recommendation, hardware, learning_rates, measured
from jaxphase.words.predictions import learning_rate_sentence

RATES = [1e-3, 3e-3, 1e-2]
SIZES = [1e2, 1e3, 1e4, 1e5]


def sweep(folder, best, family="mlp", parametrization="mup", data_sizes=(100,)):
    """A sweep whose least validation loss is at RATES[best[i]] for the i-th size."""
    folder.mkdir()
    spec = f'[sweep]\nfamily = "{family}"\nobjective = "contrastive"\nparametrization = "{parametrization}"\n'
    loss = np.abs(np.subtract.outer(np.arange(3), best)).astype(float)
    loss = np.broadcast_to(loss[:, None, :, None, None], (3, len(data_sizes), 4, 2, 1))
    dims = ("learning_rate", "data_size", "size", "seed", "step")
    coordinates = {"learning_rate": RATES, "data_size": list(data_sizes), "params": ("size", SIZES), "step": [10]}
    data = xr.Dataset({"val_loss": (dims, loss), "diverged_at": (dims[:-1], np.full(loss.shape[:-1], -1))}, coordinates)
    data.assign_attrs(spec=spec + f"learning_rate = {RATES}\n").to_netcdf(folder / "sweep.nc", engine="h5netcdf")
    return folder


def one_rate(folder, rate, parametrization="standard"):
    folder.mkdir()
    spec = '[sweep]\nfamily = "vit"\nobjective = "vicreg"\n'
    spec += f'parametrization = "{parametrization}"\nlearning_rate = {rate}\n'
    xr.Dataset({"val_loss": ("size", [1.0])}, attrs={"spec": spec}).to_netcdf(folder / "sweep.nc", engine="h5netcdf")
    return folder


def critical(size, low, high, data_size=100):
    return measured(["mlp"], ["contrastive"], [data_size], [np.nan], [size], [low], [high])


def test_the_best_rates_near_the_transition_are_told(tmp_path):
    folder = sweep(tmp_path / "a", [2, 1, 1, 0])
    [found] = learning_rates([folder], critical(3e3, 2e3, 4e3))
    # Half a decade about 2,000 to 4,000 holds 1,000 and 10,000.
    assert (found.rate, found.lowest, found.highest, found.count, found.at_edge) == (3e-3, 3e-3, 3e-3, 2, 0)
    [wide] = learning_rates([folder, "others.csv"], critical(3e3, 2e2, 5e4))
    assert (wide.rate, wide.lowest, wide.highest, wide.count, wide.at_edge) == (3e-3, 1e-3, 1e-2, 4, 2)
    for word in ("mlp, contrastive: 0.003", "4 sizes", "0.001 to 0.01 in all", "2 of them", "edge", "muP, keeps it"):
        assert word in learning_rate_sentence(wide)


def test_without_a_size_near_it_the_nearest_counts(tmp_path):
    [found] = learning_rates([sweep(tmp_path / "a", [2, 1, 1, 0])], critical(4e6, 3e6, 5e6))
    assert (found.rate, found.count, found.at_edge) == (1e-3, 1, 1)


def test_a_transition_of_other_models_or_data_says_nothing(tmp_path):
    folder = sweep(tmp_path / "a", [2, 1, 1, 0])
    assert learning_rates([folder], critical(3e3, 2e3, 4e3, data_size=400)) == ()
    assert learning_rates([folder], critical(3e3, 2e3, 4e3)._replace(family=("vit",))) == ()


def test_a_rate_that_was_not_compared_is_said_to_be_so(tmp_path):
    [found] = learning_rates([one_rate(tmp_path / "a", 2e-3), one_rate(tmp_path / "b", 4e-3)], critical(1, 1, 1))
    assert not found.compared and (found.lowest, found.highest, found.count) == (2e-3, 4e-3, 2)
    assert "2 sweeps used" in learning_rate_sentence(found) and "compared no other" in learning_rate_sentence(found)
    assert "standard: the best rate changes with the width" in learning_rate_sentence(found)


@pytest.mark.parametrize(
    ("flops", "memory", "name", "count", "hours"),
    [
        (0.3 * 0.192e12 * 3600, 1e9, "two CPU cores", 1, 1),
        (0.3 * 121e12 * 7200, 1e9, "L4", 1, 2),
        (1e12, 9e9, "L4", 1, 1e12 / (0.3 * 121e12 * 3600)),
        (1e12, 30e9, "A100 80 GB", 1, 1e12 / (0.3 * 312e12 * 3600)),
        (0.3 * 989e12 * 86400 * 2.5, 1e9, "H100 SXM", 3, 20),
        (1e12, 200e9, "H100 SXM", 3, 1e12 / (3 * 0.3 * 989e12 * 3600)),
    ],
)
def test_the_machine_is_the_least_that_is_enough(flops, memory, name, count, hours):
    offer = Recommendation("vit", "o", 1.0, 1.0, (10,), 2, flops, 1.0, 0.5, memory, "none")
    found = hardware(offer)
    assert (found.device.name, found.count) == (name, count)
    assert found.seconds == pytest.approx(3600 * hours)


def test_devices_are_in_order_of_what_they_can_do():
    assert [device.flops for device in DEVICES] == sorted(device.flops for device in DEVICES)
    assert all(device.source for device in DEVICES)
