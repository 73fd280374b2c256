"""Commands on what to train next: prediction of critical sizes, allocation of compute."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import tyro
from rich.console import Console

from jaxphase.cli import shared
from jaxphase.cli.shared import File, Files, Name, New, Number, Numbers
from jaxphase.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from jaxphase import predict as prediction

# As in `jaxphase.predict`, which is imported only when a command needs it.
Along = Literal["model_size", "data_size", "steps"]
Factor = Literal["family", "objective", "data"]
Prior = Literal["none", "article"]


@dataclass(frozen=True)
class Condition:
    """The models whose critical size is predicted."""

    family: Name = None
    """Their family; needed if measurements are grouped by it."""
    objective: Name = None
    """Their objective; needed if measurements are grouped by it."""
    data: Name = None
    """The name of their data; needed if measurements are grouped by it."""
    data_size: Number = None
    """Their data size in rows; needed if the measurements have one."""
    data_complexity: Number = None
    """The complexity of their data in bits per number; needed if the measurements have one."""
    model_size: Number = None
    """Their size in parameters; needed if the measurements have one."""
    new_family: bool = False
    """The family has not been measured."""
    new_objective: bool = False
    """The objective has not been measured."""
    new_data: bool = False
    """The data set has not been measured."""


class Advice(NamedTuple):
    """What `jaxphase predict` found; see the functions of `jaxphase.predict`.

    Attributes:
        model: The regression of critical sizes.
        target: The prediction that was asked for.
        errors: Errors of predicting each group from the others, for each factor with at least three levels.
        sweeps: Recommended sweeps.
        machines: A machine for each of them, None where operations are not known.
        rates: Learning rates of the families and objectives concerned.
    """

    model: "prediction.CriticalModel"
    target: "prediction.Prediction"
    errors: "list[prediction.GroupErrors]"
    sweeps: "tuple[prediction.Recommendation, ...]"
    machines: "list[prediction.Hardware | None]"
    rates: "list[prediction.LearningRate]"


class Division(NamedTuple):
    """What `jaxphase allocate` found.

    Attributes:
        losses: The runs.
        surface: The law fitted to them.
        compute: The budgets of compute, `[budgets]`.
        best: The best model size and data for each.
    """

    losses: "prediction.Losses"
    surface: "prediction.Surface"
    compute: "np.ndarray"
    best: "prediction.Allocation"


ANYTHING = Condition()


def predict(
    paths: Files,
    *,
    condition: tyro.conf.OmitArgPrefixes[Condition] = ANYTHING,
    along: Along = "model_size",
    group_by: tuple[Factor, ...] = ("family", "objective"),
    metric: Name = None,
    prior: Prior = "none",
    max_flops: Number = None,
    passes: float = 1.0,
    out: New = None,
) -> None:
    """Predict a critical size from measured ones, with its interval, and recommend sweeps that narrow the interval.

    Args:
        paths: Folders of sweeps, or CSVs with the columns family, objective, data_size, data_complexity, critical_size,
            low and high (its 95 % interval).
        condition: The models whose critical size is predicted.
        along: The kind of critical size: of models in parameters, of data in rows, or of training in steps.
        group_by: The factors whose levels have different critical sizes. Each level is also predicted from the others,
            which shows the true error.
        metric: The metric whose transitions are used, by default the order parameter of each sweep.
        prior: Center families and objectives on zero (none), or on the table of the source article, which rests on no
            measurement.
        max_flops: Floating-point operations that a recommended sweep may cost at most (6 for each parameter, sample and
            pass).
        passes: How often a recommended sweep goes over its data, times the tokens of a sample.
        out: New folder for prediction.json and a figure, by default none.
    """
    folder = shared.new(out) if out else None
    if not paths:
        raise InputError("paths are missing: give folders of sweeps, or CSVs of measured critical sizes.")
    shared.start_jax()
    from jaxphase.predict import critical_size, fit, hardware, leave_one_group_out, read_measurements, recommend

    model = fit(read_measurements(paths, metric=metric, along=along), prior=prior, group_by=group_by)
    target = critical_size(model, **vars(condition))
    errors = [leave_one_group_out(model, factor) for factor, known in model.terms.levels.items() if len(known) > 2]
    sweeps = recommend(model, target, max_flops=math.inf if max_flops is None else max_flops, passes=passes)
    machines = [None if sweep.missing else hardware(sweep) for sweep in sweeps]
    advice = Advice(model, target, errors, sweeps, machines, _rates(paths, model, condition, sweeps))
    _print_advice(advice, max_flops)
    if folder:
        shared.write(folder, lambda folder: _write_advice(folder, advice))
        shared.say_where(folder)


def allocate(
    file: File,
    *,
    params: Name = None,
    data: Name = None,
    loss: Name = None,
    compute: Numbers = (),
    out: New = None,
) -> None:
    """Fit L(N, D) = E + A / N^a + B / D^b to the losses of many runs, and say how to divide compute between N and D.

    Args:
        file: A table with a row for each run (CSV, JSON lines), or a sweep.nc.
        params: The column of model sizes; leave it out for a sweep.nc.
        data: The column of data trained on, such as tokens; for a sweep.nc "seen" (the default), samples seen by each
            checkpoint, or "data_size", the number of different samples.
        loss: The column of losses; for a sweep.nc a metric, by default val_loss.
        compute: Floating-point operations to divide, by default the quartiles of the compute of the runs, and ten times
            the largest.
        out: New folder for allocation.json and figures, by default none.
    """
    folder = shared.new(out) if out else None
    shared.start_jax()
    import numpy as np

    from jaxphase.predict import allocate as best_allocation
    from jaxphase.predict import fit_surface, read_losses

    losses = read_losses(file, params=params, data=data, loss=loss)
    surface = fit_surface(losses.params, losses.data, losses.loss)
    _check_surface(surface, losses, file)
    spent = 6 * losses.params * losses.data
    budgets = np.array(compute or (*np.quantile(spent, (0.25, 0.5, 0.75)), 10 * spent.max()))
    if not np.all((budgets > 0) & np.isfinite(budgets)):
        raise InputError(f"compute is {', '.join(f'{c:g}' for c in compute)}: give positive numbers of operations.")
    division = Division(losses, surface, budgets, best_allocation(surface, budgets))
    _print_division(division)
    if folder:
        shared.write(folder, lambda folder: _write_division(folder, division))
        shared.say_where(folder)


def _rates(
    paths: tuple[Path, ...],
    model: "prediction.CriticalModel",
    condition: Condition,
    sweeps: "tuple[prediction.Recommendation, ...]",
) -> "list[prediction.LearningRate]":
    """The learning rates of the families and objectives of the condition and of the recommended sweeps."""
    from jaxphase.predict import learning_rates

    cells = [(condition.family, condition.objective), *((sweep.family, sweep.objective) for sweep in sweeps)]
    return [
        rate
        for rate in learning_rates(paths, model.measurements)
        if any(family in (None, rate.family) and objective in (None, rate.objective) for family, objective in cells)
    ]


def _print_advice(advice: Advice, max_flops: float | None) -> None:
    """Print what was found, the prediction, and what to run next."""
    from jaxphase.words import predictions as words

    console = Console()
    console.print(words.regression_table(advice.model))
    for errors in advice.errors:
        console.print(words.group_errors_table(errors))
    shared.say(words.prediction_sentence(advice.target))
    if advice.sweeps:
        console.print(words.next_runs_table(advice.sweeps, advice.machines))
    else:
        shared.say(f"No sweep that narrows it costs at most {max_flops:g} FLOP.")
    for rate in advice.rates:
        shared.say(words.learning_rate_sentence(rate))


def _write_advice(folder: Path, advice: Advice) -> None:
    """Write prediction.json and its figure."""
    from jaxphase.plots import predictions
    from jaxphase.plots.style import figure_of, save_all
    from jaxphase.runtime.files import write_json

    model = {field.name: getattr(advice.model, field.name) for field in fields(advice.model)}
    del model["posterior"]
    for factor, effects in model.pop("effects").items():
        names = {"effects": effects.value, "effects_se": effects.se, "effects_interval": effects.interval}
        model |= {f"{factor}_{name}": values for name, values in names.items()}
    sweeps = zip(advice.sweeps, advice.machines, strict=True)
    content = {
        "prior": advice.model.prior,
        "prediction": advice.target,
        "model": model,
        "leave_one_group_out": advice.errors,
        "next_runs": [sweep._asdict() | {"hardware": machine} for sweep, machine in sweeps],
        "learning_rates": advice.rates,
    }
    write_json(content, folder / "prediction.json")
    save_all({"predictions": figure_of(predictions(advice.model))}, folder)


def _check_surface(surface: "prediction.Surface", losses: "prediction.Losses", file: Path) -> None:
    """Refuse a surface without an answer, and say what is missing."""
    from jaxphase.detect import Status

    status = Status(int(surface.status))
    if status < Status.NOT_IDENTIFIED:
        return
    if status == Status.TOO_FEW_POINTS:
        sizes, amounts = (len(set(values.tolist())) for values in (losses.params, losses.data))
        cells = len(set(zip(losses.params.tolist(), losses.data.tolist(), strict=True)))
        raise InputError(
            f"{file} has model sizes: {sizes}, amounts of data: {amounts}, combinations: {cells}; the law needs three, "
            "three and six: measure more."
        )
    raise InputError(
        f"the {len(losses.loss)} runs of {file} do not determine the law: measure N and D that do not rise or fall "
        "together, over ranges in which each changes the loss."
    )


def _print_division(division: Division) -> None:
    """Print the law and the best model size and data for each budget."""
    from jaxphase.words import predictions as words

    console = Console()
    console.print(words.surface_table(division.surface, division.losses))
    console.print(words.allocation_table(division.compute, division.best, division.losses))
    if count := division.losses.left_out:
        runs = "1 run is" if count == 1 else f"{count} runs are"
        shared.say(f"{runs} left out: a number is missing, or the loss is not positive.")


def _write_division(folder: Path, division: Division) -> None:
    """Write allocation.json and its figures."""
    from jaxphase.detect import Status
    from jaxphase.plots import allocation, isoflop
    from jaxphase.plots.style import figure_of, save_all
    from jaxphase.runtime.files import write_json

    surface = division.surface._asdict() | {"status": Status(int(division.surface.status))}
    del surface["draws"]
    content = {
        "surface": surface,
        "compute": division.compute,
        "allocation": division.best,
        "runs": division.losses,
    }
    write_json(content, folder / "allocation.json")
    figures = {"isoflop": figure_of(isoflop(division.surface, division.compute))}
    if len(set(division.compute.tolist())) > 1:
        figures["allocation"] = figure_of(allocation(division.surface, division.compute))
    save_all(figures, folder)
