"""Analyses of every form, which several files look at."""

import numpy as np
import pytest
import xarray as xr

from jaxphase.analysis import analyze

SIZES = np.round(np.geomspace(1e3, 1e6, 12))
X = np.log10(SIZES)[:, None]


def noise(seed):
    return 0.01 * np.random.default_rng(seed).standard_normal((12, 3))


def sigmoid(center, rate):
    return 0.1 + 0.8 / (1 + np.exp(-rate * (X - center)))


# Six curves of three seeds at twelve sizes everywhere, as in test_judge.py, whose program then serves here too.
@pytest.fixture(scope="session")
def analyses():
    """Metrics of every kind, two of them with a name that no variable of a NetCDF file may have, and a grid."""
    few = sigmoid(4.5, 6) + noise(1)
    few[4:] = np.nan
    loss = 0.2 + 2 * 10 ** (-0.35 * (X - 3)) + noise(3)
    metrics = {
        "exact": 1 / (1 + np.exp((loss - 0.9) / 0.06)) + noise(4),
        "val/loss": loss,
        "bent": 0.9 * 10 ** (-0.05 * (X - 3) - 0.5 * np.maximum(X - 4.7, 0)) * np.exp(noise(2)),
        "few": few,
        "jump%2F5": np.where(X < 4.4, 0.2, 0.7) + noise(5),
        "constant": np.full((12, 3), 2.5),
    }
    params = {"params": ("size", SIZES, {"long_name": "parameters"})}
    own = xr.Dataset({name: (("size", "seed"), values, {"units": "nats"}) for name, values in metrics.items()}, params)
    own = own.assign_coords(step=100)
    sharper = np.stack([sigmoid(4.5, 3 * sharp) + noise(6 + i) for i, sharp in enumerate(1.4 ** np.arange(6))])
    grid = xr.Dataset(
        {"ability": (("size", "data_size", "seed"), sharper, {"long_name": "ability"})},
        {"params": ("size", 64 * 2 ** np.arange(6)), "data_size": SIZES},
        {"spec": '[sweep]\nfamily = "mlp"\n', "devices": 2},
    )
    return {"own": analyze(own, partners={"exact": "val/loss"}), "grid": analyze(grid, along="data_size")}
