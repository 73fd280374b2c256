"""The flow of couplings in words: tables of what was found, and of what every halving costs."""

import numpy as np
import xarray as xr
from rich.table import Table

from jaxphase.rg.families.flows import FOLLOWED, CouplingFlow, FamilyFlow
from jaxphase.rg.measured_flow import FlowKind

PHRASES = {
    FlowKind.NOT_FOUND: "no fixed point found",
    FlowKind.TRIVIAL: "trivial (Gaussian) fixed point",
    FlowKind.FIXED_POINT: "fixed point",
}


def flow_table(family: FamilyFlow) -> Table:
    """A table with a row for each coupling of each layer."""
    table = Table(title="Flow of couplings, per halving of the units")
    for name in ("layer", "coupling", "start", "end", "fixed point", "y", "nu", "misfit"):
        table.add_column(name, justify="left" if name in ("coupling", "fixed point") else "right")
    for flow in family.flows:
        ends = [f"{value:.3g}" for value in (flow.start, flow.end)]
        exponents = [f"{n.value:.2f} ± {n.se:.2f}" if np.isfinite(n.value) else "" for n in (flow.y, flow.nu)]
        misfit = f"{flow.misfit:.1f}" if np.isfinite(flow.misfit) else ""
        table.add_row(str(flow.layer), FOLLOWED[flow.coupling].label, *ends, _fixed_point(flow), *exponents, misfit)
    return table


def loss_table(dataset: xr.Dataset) -> Table:
    """A table of held-out loss, probe accuracy and parameters after each halving, for each size, means over seeds."""
    table = Table(title="What every halving costs: loss (probe accuracy), mean over seeds")
    table.add_column("parameters", justify="right")
    for scale in dataset["scale"].values:
        table.add_column("trained" if scale == 0 else f"{scale} x halved", justify="right")
    means = dataset[["loss", "accuracy"]].isel(variant=0).mean("seed")
    loss, accuracy = (means[name].transpose("size", "scale").values for name in ("loss", "accuracy"))
    for i, row in enumerate(dataset["params"].values):
        cells = (f"{loss[i, j]:.3f} ({accuracy[i, j]:.1%})\n{count:,}" for j, count in enumerate(row))
        table.add_row(f"{row[0]:,}", *cells)
    return table


def _fixed_point(flow: CouplingFlow) -> str:
    """Where the fixed point of a coupling is, with its interval."""
    if flow.kind == FlowKind.NOT_FOUND:
        return "none found"
    low, high = flow.interval
    trivial = ", trivial" if flow.kind == FlowKind.TRIVIAL else ""
    return f"{flow.fixed_point:.3g} [{low:.3g}, {high:.3g}]{trivial}"
