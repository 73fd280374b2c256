"""Commands on measured curves: verdicts, training time, the report."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.console import Console

from jaxphase.cli import shared
from jaxphase.cli.settings import USUAL, Columns, pair
from jaxphase.cli.shared import File, Name, Names, New, Number
from jaxphase.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jaxphase.analysis.training_time import TimeAnalysis


def analyze(
    file: File,
    *,
    columns: tyro.conf.OmitArgPrefixes[Columns] = USUAL,
    step: Number = None,
    along: Literal["model", "data"] = "model",
    order_parameter: Name = None,
    partner: Names = (),
    out: New = None,
) -> None:
    """Look for transitions in a sweep.nc, or in anyone's own curves, and write a report.

    Args:
        file: sweep.nc, a CSV, JSON lines, an export of Weights & Biases, a TensorBoard file, or a folder of runs.
        columns: What is where in a file that is not a sweep.nc.
        step: The training step to look at, by default the last of every run.
        along: Whether to look for a critical model size, or for a critical data size at each model size (the data
            sizes are those of a sweep, or the column named with --group).
        order_parameter: The metric that the headline and the phase diagram are about.
        partner: METRIC=OTHER, a thresholded metric (accuracy) and the continuous one (a log-likelihood) that tells if a
            jump of the first is in the models; by default accuracy=probe_cross_entropy in a sweep.
        out: New folder for results; by default the name of the file with -analysis.
    """
    from jaxphase.curves import along_data

    partners = dict(pair("partner", text, "accuracy=cross_entropy") for text in partner) or None
    data = columns.read(file, step)
    data = along_data(data) if along == "data" else data
    folder = shared.new(out or Path(f"{file.resolve().stem}-analysis"))
    shared.start_jax()
    judge(data, folder, order_parameter, partners)


def times(
    file: File,
    *,
    columns: tyro.conf.OmitArgPrefixes[Columns] = USUAL,
    metric: Name = None,
    out: New = None,
) -> None:
    """Look along training: steps and plateaus of learning curves, how much later validation follows, times over size.

    Args:
        file: sweep.nc, JSON lines, an export of Weights & Biases, a TensorBoard file, a folder of runs, or a CSV with a
            row for each training step. The log of a single run needs no --x.
        columns: What is where in a file that is not a sweep.nc.
        metric: One metric alone.
        out: New folder for times.json and figures, by default none.
    """
    data = columns.read(file, "all")
    if "step" not in data.dims:
        raise InputError(
            f"{file} has no axis of training steps: give the sweep.nc of a sweep, or a log with a row each."
        )
    folder = shared.new(out) if out else None
    shared.start_jax()
    from jaxphase.analysis.training_time import analyze_time

    found = analyze_time(data, metric)
    console = Console()
    console.print(found.table(), "")
    if found.delays:
        console.print(found.table_of_delays(), "")
    console.print(found.table_of_laws())
    if folder:
        from jaxphase.plots.style import save_all

        def fill(folder: Path) -> None:
            found.to_json(folder / "times.json")
            save_all(_drawn(data, found), folder)

        shared.write(folder, fill)
        shared.say_where(folder)


def report(folder: File, *, out: New = None) -> None:
    """Write one HTML page, to read, print and pass on, on everything that a folder of results holds.

    Args:
        folder: What jaxphase sweep, analyze or rg has written.
        out: New file; by default report.html in that folder.
    """
    shared.start_jax()
    from jaxphase.report import write_report

    shared.say(f"The report is {write_report(folder, out)}.")


def judge(
    data: "xr.Dataset", folder: Path, order_parameter: str | None, partners: Mapping[str, str] | None = None
) -> None:
    """Analyse curves, write everything about them to a folder, and print the verdicts."""
    from jaxphase import analysis
    from jaxphase.plots import write_figures
    from jaxphase.report import write_report

    found = analysis.analyze(data, order_parameter=order_parameter, partners=partners)
    page = folder / "report.html"
    kept = page.exists()

    def fill(folder: Path) -> None:
        found.to_json(folder / "analysis.json")
        write_figures(found, folder, data)
        if not kept:
            write_report(folder)

    shared.write(folder, fill)
    Console().print(found.table())
    shared.say(found.headline)
    if found.evidence.order is not None:
        shared.say(f"Evidence: {'; '.join(found.evidence.reasons)}.")
    if kept:
        shared.say(f"{page} was there already and is as it was: remove it, and jaxphase report writes it anew.")
    shared.say_where(folder)


def _drawn(data: "xr.Dataset", found: "TimeAnalysis") -> "dict[str, Figure]":
    """Learning curves of every metric, their times over size where two of them are known, and the delays there are."""
    from jaxphase.analysis.times import DELAYS
    from jaxphase.plots import delays, learning_curves, learning_times

    figures = {}
    for metric in dict.fromkeys(curve.metric for curve in found.curves):
        name = re.sub(r"[^\w.-]", "_", metric)
        figures[f"learning_curves_{name}"] = learning_curves(data, metric, found).figure
        if sum(curve.half_time > 0 for curve in found.curves if curve.metric == metric) > 1:
            figures[f"learning_times_{name}"] = learning_times(found, metric).figure
    if any(entry.delay.kind != DELAYS[0] for entry in found.delays):
        figures["delays"] = delays(found).figure
    return figures
