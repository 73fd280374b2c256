"""Commands on measured curves: verdicts, training time, the report."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console

from jaxphase.cli import shared
from jaxphase.cli.settings import USUAL, Columns, pair
from jaxphase.cli.shared import Along, File, Name, Names, New, Number
from jaxphase.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jaxphase.analysis import TimeAnalysis


def analyze(
    file: File,
    *,
    columns: tyro.conf.OmitArgPrefixes[Columns] = USUAL,
    step: Number = None,
    along: Along = "model_size",
    order_parameter: Name = None,
    partner: Names = (),
    out: New = None,
) -> None:
    """Look for transitions in a sweep.nc, or in anyone's own curves, and write a report.

    Args:
        file: sweep.nc, a CSV, JSON lines, an export of Weights & Biases, a TensorBoard file, or a folder of runs.
        columns: The columns of a file that is not a sweep.nc.
        step: The training step to look at, by default the last of every run.
        along: Look for a critical model size at each data size, or for a critical data size at each model size. Data
            sizes are those of a sweep, or the column named with --group.
        order_parameter: The metric that the headline and the phase diagram are about.
        partner: METRIC=OTHER: a thresholded metric (accuracy) and the continuous one (a log-likelihood) that tells
            whether a jump is in the models; by default accuracy=probe_cross_entropy in a sweep.
        out: New folder for results; by default the name of the file with -analysis.
    """
    partners = dict(pair("partner", text, "accuracy=cross_entropy") for text in partner) or None
    data = columns.read(file, step)
    folder = shared.new(out or Path(f"{file.resolve().stem}-analysis"))
    shared.start_jax()
    judge(data, folder, along, order_parameter, partners)


def times(
    file: File,
    *,
    columns: tyro.conf.OmitArgPrefixes[Columns] = USUAL,
    metric: Name = None,
    out: New = None,
) -> None:
    """Find steps and plateaus of learning curves, the delay of validation, and how times grow with size.

    Args:
        file: sweep.nc, JSON lines, an export of Weights & Biases, a TensorBoard file, a folder of runs, or a CSV with a
            row for each training step. The log of a single run needs no --x.
        columns: The columns of a file that is not a sweep.nc.
        metric: The only metric to look at, by default all.
        out: New folder for times.json and figures, by default none.
    """
    data = columns.read(file, "all")
    if "step" not in data.dims:
        raise InputError(
            f"{file} has no axis of training steps: give the sweep.nc of a sweep, or a log with a row for each step."
        )
    folder = shared.new(out) if out else None
    shared.start_jax()
    from jaxphase.analysis import analyze_time
    from jaxphase.words import delay_table, law_table, learning_table

    found = analyze_time(data, metric)
    console = Console()
    console.print(learning_table(found), "")
    if found.delays:
        console.print(delay_table(found), "")
    console.print(law_table(found))
    if folder:
        from jaxphase.plots import save_all

        def fill(folder: Path) -> None:
            found.to_json(folder / "times.json")
            save_all(_drawn(data, found), folder)

        shared.write(folder, fill)
        shared.say_where(folder)


def report(folder: File, *, out: New = None) -> None:
    """Write one HTML page on everything in a folder of results.

    Args:
        folder: A folder that jaxphase sweep, analyze or rg has written.
        out: New file; by default report.html in that folder.
    """
    shared.start_jax()
    from jaxphase.report import report_folder

    shared.say(f"The report is {report_folder(folder, out)}.")


def judge(
    data: "xr.Dataset",
    folder: Path,
    along: Along,
    order_parameter: str | None,
    partners: Mapping[str, str] | None = None,
) -> None:
    """Analyze curves, write everything about them to a folder, and print the verdicts."""
    from jaxphase import analysis
    from jaxphase.plots import write_figures
    from jaxphase.report import write_report
    from jaxphase.words import headline, reasons, table

    found = analysis.analyze(data, along=along, order_parameter=order_parameter, partners=partners)
    page = folder / "report.html"
    kept = page.exists()

    def fill(folder: Path) -> None:
        analysis.save_analysis(found, folder)
        figures = write_figures(found, folder, data)
        if not kept:
            write_report(found, page, figures=figures)

    shared.write(folder, fill)
    Console().print(table(found))
    shared.say(headline(found))
    if found.evidence.order is not None:
        shared.say(f"Evidence: {'; '.join(reasons(found))}.")
    if kept:
        shared.say(f"{page} was there already and is as it was: remove it, and jaxphase report writes it anew.")
    shared.say_where(folder)


def _drawn(data: "xr.Dataset", found: "TimeAnalysis") -> "dict[str, Figure]":
    """Learning curves of every metric, times of at least two sizes against size, and the delays, if any."""
    from jaxphase.analysis import DelayKind
    from jaxphase.plots import delays, learning_curves, learning_times
    from jaxphase.plots.style import figure_of

    figures = {}
    for metric in dict.fromkeys(curve.metric for curve in found.curves):
        name = re.sub(r"[^\w.-]", "_", metric)
        figures[f"learning_curves_{name}"] = figure_of(learning_curves(data, metric, found))
        if sum(curve.half_time > 0 for curve in found.curves if curve.metric == metric) > 1:
            figures[f"learning_times_{name}"] = figure_of(learning_times(found, metric))
    if any(entry.delay.kind != DelayKind.NO_CHANGE for entry in found.delays):
        figures["delays"] = figure_of(delays(found))
    return figures
