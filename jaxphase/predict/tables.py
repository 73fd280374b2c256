"""What is predicted, as tables and sentences for a terminal."""

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jaxphase.words.wording import exactly, in_figures

from .allocation import Allocation
from .critical import CriticalModel, Prediction
from .hardware import DAY, UTILIZATION, Hardware
from .held_out import PLURAL, GroupErrors
from .losses import Losses
from .measurements import GROUPS, words_of
from .next_runs import Recommendation
from .surface import Surface

LITTLE = 0.05  # of an interval
_ONE = {"data": "data set"}


def found(model: CriticalModel) -> Group:
    """Exponents, effects and scatter with 95 % intervals, in decades of critical size."""
    data, words = model.measurements, words_of(model.measurements)
    table = _table("", "", "decades >", "95 % interval >")
    for name, value, ends in zip(model.terms.covariates, model.exponents, model.exponents_interval, strict=True):
        table.add_row(f"exponent of {escape(words[name])}", "", *_with_interval(value, ends, "+.2f"))
    for level, effects in model.effects.items():
        names = model.terms.levels[level]
        for name, value, ends in zip(names, effects.value, effects.interval, strict=True) if len(names) > 1 else ():
            table.add_row(_ONE.get(level, level), escape(name), *_with_interval(value, ends, "+.2f"))
    scatter = *(f"deviation of {PLURAL[level]}" for level in model.terms.levels), "scatter about the law"
    for what, value, ends in zip(scatter, model.deviations, model.deviations_interval, strict=True):
        if np.isfinite(value):
            table.add_row(what, "", *_with_interval(value, ends, ".2f"))
    count = f"{len(data.family)} measured {words['name']}s, {sum(data.censored.values())} curves without one"
    return _titled(f"What was found: {count}{_prior(model.prior)}", table)


def predicted(prediction: Prediction) -> str:
    """The prediction in a sentence."""
    low, high = map(in_figures, prediction.interval)
    new = [name for name in GROUPS if getattr(prediction, f"new_{name}")]
    of = ", ".join(filter(None, _condition(prediction)))
    measured = f" (its {' and '.join(new)} not measured)" if new else ""
    size = f"{in_figures(float(prediction.size))} {prediction.unit}, 95 % interval {low} to {high}"
    name = prediction.name[:1].upper() + prediction.name[1:]
    return f"{name} expected of {of}{measured}: {size}{_prior(prediction.prior)}."


def left_out(errors: GroupErrors) -> Group:
    """The errors in predicting each group from the others."""
    group = _ONE.get(errors.by, errors.by)
    title = f"Each {group} predicted from the others: error {errors.overall:.2f} decades, "
    title += f"that of the mean of the others {errors.baseline:.2f}"
    table = _table(group, "measured >", "in their 95 % interval >", "mean error, decades >", "rms >")
    for name, count, inside, bias, rms in zip(*errors[1:6], strict=True):
        cells = (f"{inside:.0f}", f"{bias:+.2f}", f"{rms:.2f}") if np.isfinite(rms) else ("too few left", "", "")
        table.add_row(escape(name), str(count), *cells)
    return _titled(title, table)


def next_runs(offers: Sequence[Recommendation], machines: Sequence[Hardware | None]) -> Group:
    """Recommended sweeps; where operations are not known there are no machines, and costs are relative."""
    first, missing = offers[0], offers[0].missing
    table = _table("sweep", "models", "cost" if missing else "FLOP, machine", "interval,\ndecades >")
    for offer, machine in zip(offers, machines, strict=True):
        cost = f"{offer.flops / first.flops:.2g}" if missing else f"{offer.flops:.1e}, {_machine(machine)}"
        after = f"{offer.decades:.3f}\n-> {offer.decades_after:.3f}"
        table.add_row(escape("\n".join(filter(None, _condition(offer)))), _models(offer), cost, after)
    machine = (
        f"The machine is the least of which one does the sweep in {DAY / 3600:.0f} h, if {100 * UTILIZATION:.0f} % of "
        "its published dense rate is achieved (bfloat16; float32 on CPUs): an assumption."
    )
    table.caption = f"Costs are relative, as no {missing} is known." if missing else machine
    most = max(1 - offer.decades_after / offer.decades for offer in offers)
    if most < LITTLE:
        table.caption += f" No sweep narrows the interval by more than {max(100 * most, 1):.0f} %."
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
    words = {"data size": of.data_size, "complexity": of.data_complexity, "model size": of.model_size}
    names = filter(None, (getattr(of, level) for level in GROUPS))
    return ", ".join(names), ", ".join(f"{name} {exactly(value)}" for name, value in words.items() if value)


def _models(offer: Recommendation) -> str:
    low, high = in_figures(offer.sizes[0]), in_figures(offer.sizes[-1])
    if offer.along == "steps":
        return f"trained for {high} steps,\n{offer.seeds} seeds"
    kind = "data sizes" if offer.along == "data" else "sizes"
    return f"{len(offer.sizes)} {kind}, {low} to {high},\n{offer.seeds} seeds of each"


def _with_interval(value: float, ends: np.ndarray, digits: str) -> tuple[str, str]:
    return f"{value:{digits}}", f"{ends[0]:{digits}} to {ends[1]:{digits}}"


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
