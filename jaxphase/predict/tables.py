"""What is predicted, as tables and sentences for a terminal."""

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jaxphase.wording import exactly, in_figures

from .allocation import Allocation
from .critical import CriticalModel, FamilyErrors, Prediction
from .hardware import DAY, UTILIZATION, Hardware
from .losses import Losses
from .next_runs import Recommendation
from .surface import Surface

LITTLE = 0.05  # of an interval
_OF = {"data_size": "data size", "data_complexity": "complexity of the data"}
_SCATTER = ("deviation of families", "deviation of objectives", "scatter about the law")


def found(model: CriticalModel) -> Group:
    """Exponents, effects and scatter with 95 % intervals, in decades of critical size."""
    data, terms = model.measurements, model.terms
    count = f"{len(data.family)} measured critical sizes, {sum(data.censored.values())} curves without one"
    table = _table("", "", "decades >", "95 % interval >")
    rows = [(f"exponent of {_OF[name]}", "") for name in terms.covariates]
    rows += [("family", name) for name in terms.families] if len(terms.families) > 1 else []
    rows += [("objective", name) for name in terms.objectives] if len(terms.objectives) > 1 else []
    effects = [(model.exponents, model.exponents_interval)]
    effects += [(model.family_effects, model.family_effects_interval)] if len(terms.families) > 1 else []
    effects += [(model.objective_effects, model.objective_effects_interval)] if len(terms.objectives) > 1 else []
    numbers = [np.concatenate(parts) for parts in zip(*effects, strict=True)]
    for (what, name), value, ends in zip(rows, *numbers, strict=True):
        table.add_row(what, escape(name), f"{value:+.2f}", f"{ends[0]:+.2f} to {ends[1]:+.2f}")
    for what, value, ends in zip(_SCATTER, model.deviations, model.deviations_interval, strict=True):
        if np.isfinite(value):
            table.add_row(what, "", f"{value:.2f}", f"{ends[0]:.2f} to {ends[1]:.2f}")
    return _titled(f"What was found: {count}{_prior(model.prior)}", table)


def predicted(prediction: Prediction) -> str:
    """The prediction in a sentence."""
    low, high = map(in_figures, prediction.interval)
    new = [name for name in ("family", "objective") if getattr(prediction, f"new_{name}")]
    of = ", ".join(filter(None, _condition(prediction)))
    measured = f" (its {' and '.join(new)} not measured)" if new else ""
    size = f"{in_figures(float(prediction.size))} parameters, 95 % interval {low} to {high}"
    return f"Critical size expected of {of}{measured}: {size}{_prior(prediction.prior)}."


def left_out(errors: FamilyErrors) -> Group:
    """The errors in predicting each family from the others."""
    title = f"Each family predicted from the others: error {errors.overall:.2f} decades, "
    title += f"that of the mean of the others {errors.baseline:.2f}"
    table = _table("family", "measured >", "in their 95 % interval >", "mean error, decades >", "rms >")
    for name, count, inside, bias, rms in zip(*errors[:5], strict=True):
        cells = (f"{inside:.0f}", f"{bias:+.2f}", f"{rms:.2f}") if np.isfinite(rms) else ("too few left", "", "")
        table.add_row(escape(name), str(count), *cells)
    return _titled(title, table)


def next_runs(offers: Sequence[Recommendation], machines: Sequence[Hardware | None]) -> Group:
    """Recommended sweeps; where no data size is known there are no machines, and costs are relative."""
    first, relative = offers[0], machines[0] is None
    table = _table("sweep", "models", "cost" if relative else "FLOP, machine", "interval,\ndecades >")
    for offer, machine in zip(offers, machines, strict=True):
        low, high = in_figures(offer.sizes[0]), in_figures(offer.sizes[-1])
        models = f"{len(offer.sizes)} sizes, {low} to {high},\n{offer.seeds} seeds of each"
        cost = f"{offer.flops / first.flops:.2g}" if relative else f"{offer.flops:.1e}, {_machine(machine)}"
        after = f"{offer.decades:.3f}\n-> {offer.decades_after:.3f}"
        table.add_row(escape("\n".join(filter(None, _condition(offer)))), models, cost, after)
    machine = (
        f"The machine is the least of which one does the sweep in {DAY / 3600:.0f} h, if {100 * UTILIZATION:.0f} % of "
        "its published dense rate is achieved (bfloat16; float32 on CPUs): an assumption."
    )
    table.caption = "Costs are relative, as no data size is known." if relative else machine
    most = max(1 - offer.decades_after / offer.decades for offer in offers)
    if most < LITTLE:
        table.caption += f" No sweep narrows the interval by more than {100 * most:.0f} %: the rest is scatter."
    return _titled(f"What to run next: the width of the interval above, before and after{_prior(first.prior)}", table)


def law(surface: Surface, losses: Losses) -> Group:
    """E, A, a, B, b with 95 % intervals."""
    rms = f"{len(losses.loss)} runs, rms of ln L {float(surface.rms):.2g}"
    table = _table("", "value >", "95 % interval >")
    for name, (low, high) in zip("EAaBb", np.asarray(surface.interval), strict=True):
        table.add_row(name, f"{float(getattr(surface, name)):.4g}", f"{low:.4g} to {high:.4g}")
    return _titled(f"L = E + A / N^a + B / D^b, D: {losses.unit}; {rms}", table)


def best(compute: np.ndarray, allocation: Allocation, losses: Losses) -> Group:
    """The best sizes and data for each compute [k]."""
    table = _table("C, FLOP >", "N [95 %] >", "D [95 %] >", "loss [95 %] >", "")
    inside = np.full(len(compute), True)
    cells = [[f"{budget:.3g}" for budget in compute]]
    for name, seen in (("params", losses.params), ("data", losses.data), ("loss", None)):
        values, ends = (np.asarray(getattr(allocation, which), float) for which in (name, f"{name}_interval"))
        cells.append([f"{v:.3g} [{low:.3g}, {high:.3g}]" for v, (low, high) in zip(values, ends, strict=True)])
        if seen is not None:
            inside &= (seen.min() <= values) & (values <= seen.max())
    for within, *row in zip(inside, *cells, strict=True):
        table.add_row(*row, "" if within else "beyond the runs")
    share, (low, high) = float(allocation.exponent), np.asarray(allocation.exponent_interval)
    return _titled(f"Best for compute C = 6 N D: N ~ C^{share:.3f} [{low:.3f}, {high:.3f}]", table)


def _prior(prior: str) -> str:
    return " (prior: the article's table, which rests on no measurement)" if prior == "article" else ""


def _condition(of: Prediction | Recommendation) -> tuple[str, str]:
    """Names and numbers of a condition in words."""
    words = (("data size", of.data_size), ("complexity", of.data_complexity))
    return f"{of.family}, {of.objective}", ", ".join(f"{name} {exactly(value)}" for name, value in words if value)


def _machine(machine: Hardware) -> str:
    count = f"{machine.count:,} x " if machine.count > 1 else ""
    time = "under 1 min"
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if machine.seconds >= length * (1 if unit == "min" else 2):
            time = f"{machine.seconds / length:.0f} {unit}"
            break
    return f"{count}{machine.device.name},\n{time}"


def _titled(title: str, table: Table) -> Group:
    """A table under a sentence, which wraps where the terminal does and not where the table ends."""
    return Group(Text(title, style="bold"), table, "")


def _table(*columns: str) -> Table:
    """A table whose columns with > at the end are flush right."""
    table = Table(caption_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name.removesuffix(" >"), justify="right" if name.endswith(" >") else "left")
    return table
