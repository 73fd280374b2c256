"""What the renormalization of a family says: beta functions of its couplings, fixed points and their exponents."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from rich.table import Table

from jaxphase import rg
from jaxphase.runtime.files import plain, write_json

SCALE = 2.0  # a step halves the units
ONE_MAP = 4.0  # chi^2 per degree of freedom: steps that scatter about a map by more than twice their errors have none


class Coupling(NamedTuple):
    """How a measured number is made a coupling: its name in formulas, the map, and what it is at the trivial (Gaussian)
    fixed point, NaN if that says nothing about it."""

    label: str
    of: Callable[[np.ndarray], np.ndarray]
    trivial: float


FOLLOWED = {
    "kurtosis": Coupling("kurtosis - 3", lambda value: value - 3, 0.0),
    "skewness": Coupling("skewness", lambda value: value, 0.0),
    "effective_rank": Coupling("ln(rank / units)", np.log, 0.0),
    "chi": Coupling("ln chi", np.log, float("nan")),
}


class Number(NamedTuple):
    """A value and its standard error."""

    value: float
    se: float


@dataclass(frozen=True)
class CouplingFlow:
    """One coupling of one layer. Arrays [sizes, steps]: midpoints of the steps and beta = dK / d ln b there, with
    standard errors over seeds; start and end are means over all models.

    kind is one of `rg.FLOWS`; fixed_point K* with its 95 % interval, y = ln(lambda) / ln b and nu = 1 / y: NaN unless
    a fixed point was found, nu also where y is not positive. misfit is chi^2 per degree of freedom of all steps about
    one map, known if a fixed point was found but for it: above ONE_MAP K' depends on more than K, the family has no
    flow in this coupling alone, and none is said to be found.
    """

    layer: int
    coupling: str
    start: float
    end: float
    midpoint: np.ndarray
    beta: np.ndarray
    beta_se: np.ndarray
    kind: str
    fixed_point: float
    interval: tuple[float, float]
    y: Number
    nu: Number
    misfit: float


@dataclass(frozen=True)
class FamilyFlow:
    """Flows of all couplings; phase, one of `rg.PHASES`, [layers, sizes, scales], by chi over the seeds; y of all
    couplings together, [layers, steps, k], linearized by the scatter of the models, with standard errors."""

    flows: tuple[CouplingFlow, ...]
    phase: np.ndarray
    y: np.ndarray
    y_se: np.ndarray

    def table(self) -> Table:
        """A row for each coupling of each layer."""
        table = Table(title="Flow of couplings, per halving of the units")
        for name in ("layer", "coupling", "start", "end", "fixed point", "y", "nu", "misfit"):
            table.add_column(name, justify="left" if name in ("coupling", "fixed point") else "right")
        for flow in self.flows:
            label = FOLLOWED[flow.coupling].label
            numbers = [f"{value:.3g}" for value in (flow.start, flow.end)]
            where = f"{flow.fixed_point:.3g} [{flow.interval[0]:.3g}, {flow.interval[1]:.3g}]"
            words = ("none found", f"{where}, trivial", where)[rg.FLOWS.index(flow.kind)]
            rest = [f"{n.value:.2f} ± {n.se:.2f}" if np.isfinite(n.value) else "" for n in (flow.y, flow.nu)]
            misfit = f"{flow.misfit:.1f}" if np.isfinite(flow.misfit) else ""
            table.add_row(str(flow.layer), label, *numbers, words, *rest, misfit)
        return table

    def to_json(self, path: str | Path) -> None:
        """Everything but the figures' data in a file; a number that there is not is null."""
        words = {
            "flows": [asdict(flow) for flow in self.flows],
            "phase": self.phase,
            "linearized": {"couplings": list(FOLLOWED), "y": self.y, "y_se": self.y_se},
        }
        write_json(plain(words, pairs=(tuple,)), path)


def follow(dataset: xr.Dataset) -> FamilyFlow:
    """Read the flow of a family from what `renormalize` measured.

    Sizes are the members of the family and seeds its repeats. A step halves the units, so b = 2 whatever space does.
    """
    threshold = dataset.attrs.get("criticality_threshold", 0.8)
    flows = [
        _flow(dataset, layer, name, coupling)
        for layer in range(dataset.sizes["layer"])
        for name, coupling in FOLLOWED.items()
    ]
    chi = dataset.chi.transpose("layer", "size", "scale", "seed").values
    seeds = np.isfinite(chi).sum(axis=-1)
    error = np.nanstd(chi, axis=-1, ddof=1) / np.sqrt(seeds) if chi.shape[-1] > 1 else np.full(chi.shape[:-1], np.nan)
    phase = rg.criticality_index(np.nanmean(chi, axis=-1), error, threshold=threshold).phase
    y, y_se = _linearized(dataset)
    return FamilyFlow(tuple(flows), np.array(rg.PHASES)[np.asarray(phase)], y, y_se)


def losses(dataset: xr.Dataset) -> Table:
    """Mean held-out loss, probe accuracy and number of parameters at every step, for every size."""
    table = Table(title="What every halving costs: loss (probe accuracy), mean over seeds")
    table.add_column("parameters", justify="right")
    for scale in dataset.scale.values:
        table.add_column("trained" if scale == 0 else f"{scale} x halved", justify="right")
    means = dataset[["loss", "accuracy"]].isel(variant=0).mean("seed")
    for i, row in enumerate(dataset.params.values):
        cells = (
            f"{float(means.loss[i, j]):.3f} ({float(means.accuracy[i, j]):.1%})\n{count:,}"
            for j, count in enumerate(row)
        )
        table.add_row(f"{row[0]:,}", *cells)
    return table


def _flow(dataset: xr.Dataset, layer: int, name: str, coupling: Coupling) -> CouplingFlow:
    values = coupling.of(dataset[name].isel(layer=layer).transpose("size", "seed", "scale").values)
    beta = rg.flow(values[..., None], SCALE)
    found = rg.measured_fixed_point(values[..., None], SCALE, [coupling.trivial])
    misfit = float(found.chi2 / found.dof) if found.dof > 0 else np.nan
    kept = (found.couplings[0], *found.interval[0], found.y[0], found.y_se[0])
    point, low, high, y, y_se = (float(number) if misfit <= ONE_MAP else np.nan for number in kept)
    return CouplingFlow(
        layer=layer,
        coupling=name,
        start=float(np.nanmean(values[..., 0])),
        end=float(np.nanmean(values[..., -1])),
        midpoint=np.asarray(beta.midpoint[..., 0]),
        beta=np.asarray(beta.beta[..., 0]),
        beta_se=np.asarray(beta.beta_se[..., 0]),
        kind=rg.FLOWS[int(found.kind)] if misfit <= ONE_MAP else rg.FLOWS[0],
        fixed_point=point,
        interval=(low, high),
        y=Number(y, y_se),
        nu=Number(1 / y, y_se / y**2) if y > 0 else Number(np.nan, np.nan),
        misfit=misfit,
    )


def _linearized(dataset: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """y and errors [layers, steps, k] of all couplings together, by the regression of a step on the one before."""
    values = np.stack(
        [
            coupling.of(dataset[name]).transpose(..., "seed", "size", "scale", "layer").values
            for name, coupling in FOLLOWED.items()
        ],
        axis=-1,
    )
    each = values.reshape(-1, *values.shape[-3:]).transpose(2, 1, 0, 3)
    found = rg.linearized(each[:, :-1], each[:, 1:], SCALE, measured="couplings", blocks=dataset.sizes["seed"])
    return np.asarray(found.y), np.asarray(found.y_se)
