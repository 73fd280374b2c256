"""The learning rates of sweeps: the best one near the transitions if several were tried, else the one that was used."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from jaxphase.curves import at_best_rate
from jaxphase.predict.measurements import Measurements
from jaxphase.predict.next_runs import MARGIN
from jaxphase.predict.sweeps import open_sweep


class LearningRate(NamedTuple):
    """The learning rate of the sweeps of one family and objective, at their base width.

    Attributes:
        family: Family of the models.
        objective: Their objective.
        rate: The median of the best rates of models near a transition if rates were compared, else of the rates used.
        lowest: The lowest of these rates.
        highest: The highest of these rates.
        count: Number of models near a transition if rates were compared, else of sweeps.
        compared: Whether sweeps tried several rates.
        at_edge: Number of models whose best rate was the lowest or highest tried: a better one may lie beyond.
        parametrizations: Parametrizations of the sweeps.
    """

    family: str
    objective: str
    rate: float
    lowest: float
    highest: float
    count: int
    compared: bool
    at_edge: int
    parametrizations: tuple[str, ...]


def learning_rates(paths: Iterable[str | Path], measurements: Measurements) -> tuple[LearningRate, ...]:
    """Summarize the learning rates of each family and objective that was swept.

    A model is near the transition of its data size if it lies within the 95 % interval or half a decade beyond; if none
    does, the nearest counts. Its best rate is that of `jaxphase.curves.at_best_rate`. Sweeps of several rates are only
    used with critical model sizes.

    Args:
        paths: Folders of sweeps; .csv files have no learning rates and are skipped.
        measurements: The critical sizes measured in them.

    Returns:
        An entry for each family and objective with a known rate, sorted by name.

    Raises:
        InputError: If a folder has no sweep.

    Example:
        >>> jaxphase.predict.learning_rates(["runs/mlp"], measurements)[0].rate
    """
    best, used, parametrizations = defaultdict(list), defaultdict(list), defaultdict(set)
    for folder in (Path(path) for path in paths if Path(path).suffix != ".csv"):
        data = open_sweep(folder)
        spec = tomllib.loads(data.attrs["spec"])["sweep"]
        cell = spec["family"], spec["objective"]
        parametrizations[cell].add(spec["parametrization"])
        if "learning_rate" not in data.dims:
            used[cell].append((float(np.ravel(spec["learning_rate"])[0]), False))
        elif measurements.along == "model_size":
            best[cell] += _near_transitions(data, measurements, cell)
    rates = []
    for cell in sorted(parametrizations):
        if entries := best[cell] or used[cell]:
            values = np.array([rate for rate, _ in entries])
            rates.append(
                LearningRate(
                    family=cell[0],
                    objective=cell[1],
                    rate=float(np.quantile(values, 0.5, method="nearest")),
                    lowest=float(values.min()),
                    highest=float(values.max()),
                    count=len(values),
                    compared=bool(best[cell]),
                    at_edge=sum(edge for _, edge in entries),
                    parametrizations=tuple(sorted(parametrizations[cell])),
                )
            )
    return tuple(rates)


def _near_transitions(data: xr.Dataset, measurements: Measurements, cell: tuple[str, str]) -> list[tuple[float, bool]]:
    """The best rate of each model near a transition, and whether it is at the edge of those tried."""
    tried, params = data.learning_rate.values, np.asarray(data.params, float)
    chosen = at_best_rate(data).learning_rate
    entries = []
    for i in range(len(measurements.family)):
        data_size = measurements.data_size[i]
        if (measurements.family[i], measurements.objective[i]) != cell or data_size not in chosen.data_size:
            continue
        near = (params >= measurements.low[i] / MARGIN) & (params <= measurements.high[i] * MARGIN)
        if not near.any():
            near = np.arange(len(params)) == np.argmin(np.abs(np.log(params / measurements.critical_size[i])))
        rates = chosen.sel(data_size=data_size).values[near]
        entries += [(float(rate), bool(rate in (tried.min(), tried.max()))) for rate in rates]
    return entries
