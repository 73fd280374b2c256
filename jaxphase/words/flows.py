"""The flow of couplings in words: sentences and tables on the results, and on the cost of every halving."""

import math
from collections import Counter

import numpy as np
import xarray as xr

from jaxphase.rg.criticality import Phase
from jaxphase.rg.families.flows import FOLLOWED, MAX_MISFIT, CouplingFlow, Estimate, FamilyFlow
from jaxphase.rg.measured_flow import FlowKind
from jaxphase.words.grid import Grid
from jaxphase.words.phrases import number, plural

_FOUND = {FlowKind.TRIVIAL: "trivial (Gaussian) fixed point", FlowKind.FIXED_POINT: "fixed point"}


def flow_sentences(family: FamilyFlow) -> list[str]:
    """Say in two or three sentences what a renormalization found."""
    flows = family.flows
    couplings, layers = len({flow.coupling for flow in flows}), len({flow.layer for flow in flows})
    kinds = Counter(flow.kind for flow in flows)
    found = [f"{kinds[kind]} with a {words}" for kind, words in _FOUND.items() if kinds[kind]]
    none = kinds[FlowKind.NOT_FOUND]
    said = f"{', '.join(found)}, {none} without" if found else "no fixed point was found in any of them"
    sentences = [f"{couplings} couplings were followed in each of {layers} {plural(layers, 'layer')}: {said}."]
    many = sum(flow.misfit > MAX_MISFIT for flow in flows)
    if many:
        sentences.append(
            f"In {many} of {len(flows)} flows the models follow no common map (χ² per degree of freedom above "
            f"{MAX_MISFIT:g}), so these couplings have no flow of their own."
        )
    counts = ", ".join(
        f"{np.sum(family.phase == phase)} {phase.name.lower()}" for phase in Phase if np.any(family.phase == phase)
    )
    sentences.append(f"By how perturbations grow in them, the layers of all sizes and steps are: {counts}.")
    return sentences


def flow_grid(family: FamilyFlow) -> Grid:
    """Fixed points and exponents of every coupling of every layer."""
    headings = ("coupling", "layer", "start", "end", "fixed point [95 %]", "y", "ν = 1 / y", "misfit, χ² / dof")
    rows = [
        (
            FOLLOWED[flow.coupling].label,
            str(flow.layer),
            number(flow.start, ".3g"),
            number(flow.end, ".3g"),
            _fixed_point(flow),
            _with_error(flow.y),
            _with_error(flow.nu),
            number(flow.misfit, ".1f"),
        )
        for flow in family.flows
    ]
    return Grid(headings, rows, (0,), title="Flow of couplings, per halving of the units")


def loss_grid(dataset: xr.Dataset) -> Grid:
    """Held-out loss, probe accuracy and parameters after every halving, for every trained size; means over seeds."""
    steps = ("trained", *(f"halved {step} ×" for step in dataset.scale.values.tolist()[1:]))
    means = dataset[["loss", "accuracy"]].isel(variant=0).mean("seed").transpose("size", "scale")
    loss, accuracy = means.loss.values, means.accuracy.values
    rows = []
    for size, counts in enumerate(dataset.params.transpose("size", "scale").values.tolist()):
        cells = (
            f"{loss[size, step]:.3f} · {accuracy[size, step]:.1%} · {count:,}" for step, count in enumerate(counts)
        )
        rows.append((f"{counts[0]:,}", *cells))
    title = "What every halving costs: loss · probe accuracy · parameters, means over seeds"
    return Grid(("parameters", *steps), rows, (), title=title)


def _fixed_point(flow: CouplingFlow) -> str:
    if flow.kind == FlowKind.NOT_FOUND:
        return "none found"
    low, high = (number(end, ".3g") for end in flow.interval)
    trivial = ", trivial" if flow.kind == FlowKind.TRIVIAL else ""
    return f"{number(flow.fixed_point, '.3g')} [{low}, {high}]{trivial}"


def _with_error(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "—"
    return f"{number(estimate.value, '.2f')} ± {number(estimate.se, '.2f')}"
