"""Predictions in words: tables and sentences on critical sizes, recommended sweeps and the allocation of compute."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from rich.console import Group
from rich.text import Text

from jaxphase.predict import (
    Allocation,
    CriticalModel,
    GroupErrors,
    Hardware,
    LearningRate,
    Losses,
    Prediction,
    Recommendation,
    Surface,
)
from jaxphase.predict.cross_validation import PLURAL
from jaxphase.predict.devices import DAY, UTILIZATION
from jaxphase.predict.measurements import FACTORS
from jaxphase.words.grid import Grid, printed
from jaxphase.words.phrases import capitalized, exactly, in_figures

_LITTLE = 0.05  # share of an interval below which a table says that no sweep narrows it by more
_SINGULAR = {"family": "family", "objective": "objective", "data": "data set"}


def regression_table(model: CriticalModel) -> Group:
    """Exponents, effects and scatter with their 95 % intervals, in decades of critical size."""
    measurements, labels, rows = model.measurements, model.measurements.labels, []
    for name, value, interval in zip(model.terms.covariates, model.exponents, model.exponents_interval, strict=True):
        rows.append((f"exponent of {labels[name]}", "", *_with_interval(value, interval, "+.2f")))
    for factor, effects in model.effects.items():
        levels = model.terms.levels[factor]
        for name, value, interval in zip(levels, effects.value, effects.interval, strict=True):
            if len(levels) > 1:
                rows.append((_SINGULAR[factor], name, *_with_interval(value, interval, "+.2f")))
    scatter = *(f"standard deviation of {PLURAL[factor]}" for factor in model.effects), "scatter about the law"
    for name, value, interval in zip(scatter, model.deviations, model.deviations_interval, strict=True):
        if np.isfinite(value):
            rows.append((name, "", *_with_interval(value, interval, ".2f")))
    count, censored = len(measurements.family), sum(measurements.censored.values())
    title = f"What was found: {count} measured {labels['name']}s, {censored} curves without one{_prior(model.prior)}"
    return _titled(title, Grid(("", "", "decades", "95 % interval"), rows, (0, 1)))


def prediction_sentence(prediction: Prediction) -> str:
    """The critical size expected of a condition, with its 95 % interval."""
    low, high = map(in_figures, prediction.interval)
    condition = ", ".join(filter(None, _condition(prediction)))
    new = " and ".join(factor for factor in FACTORS if getattr(prediction, f"new_{factor}"))
    unmeasured = f" (its {new} not measured)" if new else ""
    size = f"{in_figures(float(prediction.size))} {prediction.unit}, 95 % interval {low} to {high}"
    return f"{capitalized(prediction.name)} expected of {condition}{unmeasured}: {size}{_prior(prediction.prior)}."


def group_errors_table(errors: GroupErrors) -> Group:
    """The errors in predicting each group from the others."""
    group, rows = _SINGULAR[errors.by], []
    title = f"Each {group} predicted from the others: error {errors.overall:.2f} decades, "
    title += f"and {errors.baseline:.2f} with the mean of the others as the prediction"
    columns = errors.names, errors.count, errors.covered, errors.bias, errors.rms
    for name, count, covered, bias, rms in zip(*columns, strict=True):
        cells = (f"{covered:.0f}", f"{bias:+.2f}", f"{rms:.2f}") if np.isfinite(rms) else ("too few left", "", "")
        rows.append((name, str(count), *cells))
    headings = (group, "measured", "in their 95 % interval", "mean error, decades", "rms")
    return _titled(title, Grid(headings, rows))


def next_runs_table(sweeps: Sequence[Recommendation], machines: Sequence[Hardware | None]) -> Group:
    """Recommended sweeps with a machine for each, or with relative costs if operations are not known."""
    first, rows = sweeps[0], []
    for sweep, machine in zip(sweeps, machines, strict=True):
        cost = f"{sweep.flops / first.flops:.2g}" if machine is None else f"{sweep.flops:.1e}, {_machine(machine)}"
        width = f"{sweep.decades:.3f}\n-> {sweep.decades_after:.3f}"
        rows.append(("\n".join(filter(None, _condition(sweep))), _models(sweep), cost, width))
    notes = [
        f"Costs are relative, as no {first.missing} is known."
        if first.missing
        else f"The machine is the smallest of which one finishes the sweep in {DAY / 3600:.0f} h, assuming that "
        f"{100 * UTILIZATION:.0f} % of its published dense rate is achieved (bfloat16; float32 on CPUs)."
    ]
    most = max(1 - sweep.decades_after / sweep.decades for sweep in sweeps)
    if most < _LITTLE:
        notes.append(f"No sweep narrows the interval by more than {max(100 * most, 1):.0f} %.")
    headings = ("sweep", "models", "cost" if first.missing else "FLOP, machine", "interval,\ndecades")
    title = f"What to run next: the width of the interval above, before and after{_prior(first.prior)}"
    return _titled(title, Grid(headings, rows, (0, 1, 2), notes=tuple(notes)))


def learning_rate_sentence(found: LearningRate) -> str:
    """What the sweeps of a family and objective say about the learning rate."""
    range_ = "" if found.lowest == found.highest else f" ({found.lowest:g} to {found.highest:g} in all)"
    if found.compared:
        sizes = "the size" if found.count == 1 else f"{found.count} sizes"
        rate = f"{found.rate:g}, the median of the best rates of {sizes} near a transition{range_}"
        rate += f"; for {found.at_edge} of them the best is at the edge of those tried" if found.at_edge else ""
    else:
        sweeps = "the sweep used" if found.count == 1 else f"{found.count} sweeps used"
        rate = f"{sweeps} {found.rate:g}{range_} and compared no other"
    widths = (
        "The parametrization, muP, keeps it at other widths"
        if found.parametrizations == ("mup",)
        else f"The parametrization is {' or '.join(found.parametrizations)}: the best rate changes with the width"
    )
    return f"Learning rate for {found.family}, {found.objective}: {rate}. {widths}."


def surface_table(surface: Surface, losses: Losses) -> Group:
    """The parameters of the law of losses with their 95 % intervals."""
    rows = [
        (name, f"{float(getattr(surface, name)):.4g}", f"{low:.4g} to {high:.4g}")
        for name, (low, high) in zip("EAaBb", np.asarray(surface.interval), strict=True)
    ]
    fit = f"{len(losses.loss)} runs, rms of ln L {float(surface.rms):.2g}"
    title = f"L = E + A / N^a + B / D^b, D: {losses.unit}; {fit}"
    return _titled(title, Grid(("", "value", "95 % interval"), rows))


def allocation_table(compute: Float[np.ndarray, " budgets"], allocation: Allocation, losses: Losses) -> Group:
    """The best model size and data for each budget of compute."""
    inside = np.full(len(compute), True)
    columns = [[f"{budget:.3g}" for budget in compute]]
    for name, measured in (("params", losses.params), ("data", losses.data), ("loss", None)):
        values, intervals = (np.asarray(getattr(allocation, which), float) for which in (name, f"{name}_interval"))
        columns.append([f"{v:.3g} [{low:.3g}, {high:.3g}]" for v, (low, high) in zip(values, intervals, strict=True)])
        if measured is not None:
            inside &= (measured.min() <= values) & (values <= measured.max())
    columns.append(["" if within else "beyond the runs" for within in inside])
    exponent, (low, high) = float(allocation.exponent), np.asarray(allocation.exponent_interval)
    title = f"Best for compute C = 6 N D: N ~ C^{exponent:.3f} [{low:.3f}, {high:.3f}]"
    headings = ("C, FLOP", "N [95 %]", "D [95 %]", "loss [95 %]", "")
    return _titled(title, Grid(headings, list(zip(*columns, strict=True)), ()))


def _prior(prior: str) -> str:
    return " (prior: the article's table, which rests on no measurement)" if prior == "article" else ""


def _condition(of: Prediction | Recommendation) -> tuple[str, str]:
    """The names and the numbers of a condition."""
    numbers = {"data size": of.data_size, "complexity": of.data_complexity, "model size": of.model_size}
    names = filter(None, (of.family, of.objective, of.data))
    known = (f"{name} {exactly(float(np.asarray(value)))}" for name, value in numbers.items() if value)
    return ", ".join(names), ", ".join(known)


def _models(sweep: Recommendation) -> str:
    low, high = in_figures(sweep.sizes[0]), in_figures(sweep.sizes[-1])
    if sweep.along == "steps":
        return f"trained for {high} steps,\n{sweep.seeds} seeds"
    kind = "data sizes" if sweep.along == "data_size" else "sizes"
    return f"{len(sweep.sizes)} {kind}, {low} to {high},\n{sweep.seeds} seeds of each"


def _with_interval(value: float, interval: Float[np.ndarray, "2"], form: str) -> tuple[str, str]:
    return f"{value:{form}}", f"{interval[0]:{form}} to {interval[1]:{form}}"


def _machine(machine: Hardware) -> str:
    count = f"{machine.count:,} x " if machine.count > 1 else ""
    time = "under 1 min"
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if machine.seconds >= length * (1 if unit == "min" else 2):
            time = f"{machine.seconds / length:.0f} {unit}"
            break
    return f"{count}{machine.device.name},\n{time}"


def _titled(title: str, grid: Grid) -> Group:
    """A table under a sentence that wraps at the width of the terminal, not of the table."""
    return Group(Text(title, style="bold"), printed(grid), "")
