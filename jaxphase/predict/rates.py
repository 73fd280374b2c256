"""The learning rates of sweeps: the best near their transitions where several were tried, or the one that was used."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from jaxphase.curves import at_best_rate

from .measurements import Measurements
from .next_runs import MARGIN
from .sweeps import open_sweep


class LearningRate(NamedTuple):
    """What sweeps of a family and objective say of the learning rate, at their base width.

    rate: the median, of the best ones of `count` models near a transition where rates were compared (`compared`), else
    of those that `count` sweeps used. lowest and highest: of the same. at_edge: for how many of the models the best was
    the lowest or highest tried, so that a better one may lie beyond. parametrizations: of the sweeps.
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

    def sentence(self) -> str:
        """The same in words."""
        of = f"Learning rate for {self.family}, {self.objective}: "
        spread = "" if self.lowest == self.highest else f", {self.lowest:g} to {self.highest:g} in all"
        if self.compared:
            models = "the size" if self.count == 1 else f"{self.count} sizes"
            said = f"{self.rate:g} is the median of the best for {models} near a transition{spread}"
            edge = f"; for {self.at_edge} of them the best is at the edge of those tried" if self.at_edge else ""
            return f"{of}{said}{edge}. {self._over_widths()}"
        sweeps = "the sweep used" if self.count == 1 else f"{self.count} sweeps used"
        return f"{of}{sweeps} {self.rate:g}{spread} and compared no other. {self._over_widths()}"

    def _over_widths(self) -> str:
        if self.parametrizations == ("mup",):
            return "The parametrization, muP, keeps it over widths."
        return f"The parametrization is {' or '.join(self.parametrizations)}: the best rate changes with the width."


def learning_rates(paths: Iterable[str | Path], found: Measurements) -> tuple[LearningRate, ...]:
    """The learning rates of each family and objective of which there are sweeps among `paths` (tables say nothing).

    found: the measured critical sizes. Models are near the transition of their data size if they lie within its 95 %
    interval and half a decade beyond, or if none does the nearest; the best rate is that of `curves.at_best_rate`. Of
    critical sizes that are not of models, sweeps of several rates say nothing.
    """
    best, used = defaultdict(list), defaultdict(list)
    kinds = defaultdict(set)
    for folder in (Path(path) for path in paths if Path(path).suffix != ".csv"):
        data = open_sweep(folder)
        spec = tomllib.loads(data.attrs["spec"])["sweep"]
        of = spec["family"], spec["objective"]
        kinds[of].add(spec["parametrization"])
        if "learning_rate" in data.dims:
            best[of] += _near_transitions(data, found, of) if found.along == "model" else []
        else:
            used[of].append((float(np.ravel(spec["learning_rate"])[0]), False))
    rates = []
    for of in sorted(kinds):
        if entries := best[of] or used[of]:
            values = np.array([rate for rate, _ in entries])
            middle = float(np.quantile(values, 0.5, method="nearest"))
            ends = float(values.min()), float(values.max())
            edges = sum(edge for _, edge in entries)
            rates.append(LearningRate(*of, middle, *ends, len(values), bool(best[of]), edges, tuple(sorted(kinds[of]))))
    return tuple(rates)


def _near_transitions(data: xr.Dataset, found: Measurements, of: tuple[str, str]) -> list[tuple[float, bool]]:
    """The best rate of each model near a transition, and whether it is at the edge of those tried."""
    tried, params = data.learning_rate.values, np.asarray(data.params, float)
    chosen = at_best_rate(data).learning_rate
    entries = []
    for i, _ in enumerate(found.family):
        data_size = found.data_size[i]
        if (found.family[i], found.objective[i]) != of or data_size not in chosen.data_size:
            continue
        near = (params >= found.low[i] / MARGIN) & (params <= found.high[i] * MARGIN)
        if not near.any():
            near = np.arange(len(params)) == np.argmin(np.abs(np.log(params / found.critical_size[i])))
        rates = chosen.sel(data_size=data_size).values[near]
        entries += [(float(rate), bool(rate in (tried.min(), tried.max()))) for rate in rates]
    return entries
