"""Commands on what to train next: prediction of critical sizes, allocation of compute."""

import math
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console

from jaxphase.cli import shared
from jaxphase.cli.settings import ANY, Condition
from jaxphase.cli.shared import File, Files, Name, New, Number, Numbers
from jaxphase.errors import InputError

Along = Literal["model", "data", "steps"]
Group = Literal["family", "objective", "data"]


def predict(
    paths: Files,
    *,
    condition: tyro.conf.OmitArgPrefixes[Condition] = ANY,
    along: Along = "model",
    group_by: tuple[Group, ...] = ("family", "objective"),
    metric: Name = None,
    prior: Literal["none", "article"] = "none",
    max_flops: Number = None,
    passes: float = 1.0,
    out: New = None,
) -> None:
    """Predict a critical size from those measured, with its interval, and say what to run next to narrow it.

    Args:
        paths: Folders of sweeps, and CSVs with columns family, objective, data_size, data_complexity, critical_size,
            low and high (of a 95 % interval), and data where it is grouped by.
        condition: The models whose critical size is asked for.
        along: What is critical: a model size in parameters, a data size in rows (CSVs then have critical_data_size, and
            model_size in the place of data_size), or the steps of training (critical_steps, and both sizes).
        group_by: Levels of groups that have an effect of their own; each is also left out in turn.
        metric: Whose transitions to take, by default the order parameter of each sweep.
        prior: What families and objectives are centered on: nothing, or the article's table, which rests on no
            measurement.
        max_flops: Floating-point operations that a recommended sweep may cost at most, 6 for each parameter, sample and
            pass.
        passes: How often a recommended sweep goes over its data; samples of several tokens count as so many passes.
        out: New folder for prediction.json and a figure, by default none.
    """
    folder = shared.new(out) if out else None
    if not paths:
        raise InputError("paths are missing: give folders of sweeps, or CSVs of measured critical sizes.")
    shared.start_jax()
    from jaxphase.predict import (
        critical_size,
        fit,
        hardware,
        learning_rates,
        leave_one_group_out,
        read_measurements,
        recommend,
    )

    model = fit(read_measurements(paths, metric=metric, along=along), prior=prior, group_by=group_by)
    target = critical_size(model, **vars(condition))
    errors = [leave_one_group_out(model, level) for level, known in model.terms.levels.items() if len(known) > 2]
    offers = recommend(model, target, max_flops=math.inf if max_flops is None else max_flops, passes=passes)
    machines = [None if offer.missing else hardware(offer) for offer in offers]
    concerned = [(condition.family, condition.objective), *((offer.family, offer.objective) for offer in offers)]
    rates = [
        rate
        for rate in learning_rates(paths, model.measurements)
        if any(of in (None, rate.family) and by in (None, rate.objective) for of, by in concerned)
    ]

    _print_prediction(model, target, errors, offers, machines, rates, max_flops)
    if folder:
        shared.write(folder, lambda folder: _write_prediction(folder, model, target, errors, offers, machines, rates))
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
        params: The column of model sizes; a sweep knows its own.
        data: The column of data trained on, such as tokens; of a sweep "seen", what training has seen by each
            checkpoint, or "data_size", how many different samples there are.
        loss: The column of losses; of a sweep a metric, by default val_loss.
        compute: Floating-point operations to divide, by default the quartiles of what the runs took, and ten
            times the most.
        out: New folder for allocation.json and figures, by default none.
    """
    folder = shared.new(out) if out else None
    shared.start_jax()
    import numpy as np

    from jaxphase.predict import allocate as best_for
    from jaxphase.predict import fit_surface, read_losses, tables

    losses = read_losses(file, params=params, data=data, loss=loss)
    surface = fit_surface(losses.params, losses.data, losses.loss)
    _check_answered(surface, losses, file)
    spent = 6 * losses.params * losses.data
    budgets = np.array(compute or (*np.quantile(spent, (0.25, 0.5, 0.75)), 10 * spent.max()))
    if not np.all((budgets > 0) & np.isfinite(budgets)):
        raise InputError(f"compute is {', '.join(f'{c:g}' for c in compute)}: give positive numbers of operations.")
    best = best_for(surface, budgets)

    console = Console()
    console.print(tables.law(surface, losses))
    console.print(tables.best(budgets, best, losses))
    if losses.left_out:
        runs = "1 run is" if losses.left_out == 1 else f"{losses.left_out} runs are"
        shared.say(f"{runs} left out, without a number of each or a positive loss.")
    if folder:
        shared.write(folder, lambda folder: _write_allocation(folder, surface, budgets, best, losses))
        shared.say_where(folder)


def _print_prediction(model, target, errors, offers, machines, rates, max_flops: float | None) -> None:
    from jaxphase.predict import tables

    console = Console()
    console.print(tables.found(model))
    for left_out in errors:
        console.print(tables.left_out(left_out))
    shared.say(tables.predicted(target))
    if offers:
        console.print(tables.next_runs(offers, machines))
    else:
        shared.say(f"No sweep that narrows it costs at most {max_flops:g} FLOP.")
    for rate in rates:
        shared.say(rate.sentence())


def _write_prediction(folder: Path, model, target, errors, offers, machines, rates) -> None:
    from dataclasses import fields

    from jaxphase.plots import predictions
    from jaxphase.plots.style import save_all
    from jaxphase.runtime.files import write_json

    found = {field.name: getattr(model, field.name) for field in fields(model) if field.name != "posterior"}
    for level, effects in found.pop("effects").items():
        parts = {"effects": effects.value, "effects_se": effects.se, "effects_interval": effects.interval}
        found |= {f"{level}_{name}": part for name, part in parts.items()}
    words = {
        "prior": model.prior,
        "prediction": target,
        "model": found,
        "leave_one_group_out": errors,
        "next_runs": [offer._asdict() | {"hardware": on} for offer, on in zip(offers, machines, strict=True)],
        "learning_rates": rates,
    }
    write_json(words, folder / "prediction.json")
    save_all({"predictions": predictions(model).figure}, folder)


def _check_answered(surface, losses, file: Path) -> None:
    """InputError for a surface without an answer."""
    status = int(surface.status)
    if status < 2:
        return
    sizes, amounts = (len(set(values.tolist())) for values in (losses.params, losses.data))
    cells = len(set(zip(losses.params.tolist(), losses.data.tolist(), strict=True)))
    if status == 3:
        raise InputError(
            f"{file} has model sizes: {sizes}, amounts of data: {amounts}, combinations: {cells}; the law needs three, "
            "three and six: measure more."
        )
    raise InputError(
        f"the {len(losses.loss)} runs of {file} do not tell the law: measure N and D that do not rise or fall "
        "together, over ranges in which each changes the loss."
    )


def _write_allocation(folder: Path, surface, budgets, best, losses) -> None:
    from jaxphase.plots import allocation, isoflop
    from jaxphase.plots.style import save_all
    from jaxphase.runtime.files import write_json

    fitted = {name: value for name, value in surface._asdict().items() if name != "draws"}
    words = {"surface": fitted, "compute": budgets, "allocation": best, "runs": losses}
    write_json(words, folder / "allocation.json")
    figures = {"isoflop": isoflop(surface, budgets).figure}
    if len(set(budgets.tolist())) > 1:
        figures["allocation"] = allocation(surface, budgets).figure
    save_all(figures, folder)
