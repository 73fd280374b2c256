"""The page: what the template is given, and the file that it becomes."""

import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined

from jaxphase.analysis import Analysis
from jaxphase.analysis.findings import Finding
from jaxphase.curves import axis
from jaxphase.errors import InputError
from jaxphase.report.contents import Contents, load
from jaxphase.report.figures import Image
from jaxphase.rg import FlowKind, Phase
from jaxphase.rg.families.flows import FOLLOWED, MAX_MISFIT
from jaxphase.words.flows import PHRASES
from jaxphase.words.paragraphs import paragraph
from jaxphase.words.wording import SMOOTH, TRANSITIONS, exactly, in_figures, label, size_unit


class Metric(NamedTuple):
    """A section on one metric: its name in the data and in words, the paragraph, and its kinds for a mark."""

    name: str
    title: str
    text: str
    marks: tuple[tuple[str, str], ...]


class Grid(NamedTuple):
    """A table: headings, rows of cells, and how many leading columns are words."""

    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: int


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write one self-contained HTML file on everything that is in a folder of results, and return its path.

    folder: what `jaxphase sweep`, `analyze` or `rg` has written. out: the new file, by default report.html in it. The
    page needs no network and runs no script; it links to the files of data beside it. The same folder gives the same
    page. Raises InputError for a folder without results, and if the file exists or cannot be written.
    """
    path = Path(out) if out is not None else Path(folder) / "report.html"
    if path.exists():
        raise InputError(f"{path} exists: name another file with --out, or remove it.")
    page = render(load(folder), path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(page)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): name another file with --out.") from error
    return path


def render(contents: Contents, home: Path) -> str:
    """The page, whose links start from the folder `home`."""
    templates = PackageLoader("jaxphase.report")
    options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=templates, autoescape=True, **options)

    def link(path: Path) -> str:
        return quote(Path(os.path.relpath(path, home)).as_posix())

    environment.filters["unbroken"] = unbroken
    analysis, flow = contents.analysis, contents.flow
    found = flow_words(flow.words) if flow else []
    headline = analysis.headline if analysis else found[0]
    return environment.get_template("report.html").render(
        name=contents.folder.resolve().name,
        headline=headline[:1].upper() + headline[1:],
        facts=facts(analysis) if analysis else [],
        axis=axis(analysis.dataset, "params") if analysis else "",
        verdicts=verdicts(analysis) if analysis else None,
        metrics=metrics(analysis) if analysis else [],
        figures=captioned(contents.figures, analysis.dataset) if analysis else (),
        flow=" ".join(found),
        exponents=exponents(flow.words) if flow else None,
        losses=losses(flow.dataset) if flow and flow.dataset is not None else None,
        flow_figures=flow.figures if flow else (),
        spec=contents.spec.strip(),
        provenance=provenance(contents),
        files=[(path.relative_to(contents.folder).as_posix(), link(path), _bytes(path)) for path in contents.files],
        link=link,
    )


def facts(analysis: Analysis) -> list[str]:
    """How much was measured, in a few words each."""
    data, findings = analysis.dataset, analysis.findings
    params = np.asarray(data.params, float)
    counted = [f"{max(found.sizes for found in findings)} {axis(data, 'params')}s"]
    if np.isfinite(params).all():
        counted.append(f"{exactly(params.min())} to {exactly(params.max())} {size_unit(data)}")
    groups = [size for size in dict.fromkeys(found.data_size for found in findings) if size is not None]
    if groups:
        ends = " to ".join(dict.fromkeys((exactly(min(groups)), exactly(max(groups)))))
        counted.append(f"{ends} {label(data, 'data_size')}")
    seeds = max(math.ceil(found.points / max(found.sizes, 1)) for found in findings)
    counted.append(f"{seeds} {'seed' if seeds == 1 else 'seeds'}")
    if "step" in data.coords:
        counted.append(f"step {data.step.item():,}")
    return counted


def metrics(analysis: Analysis) -> list[Metric]:
    """A paragraph on each metric, the order parameter first."""
    names = dict.fromkeys((analysis.order_parameter, *(found.metric for found in analysis.findings)))
    sections = []
    for name in names:
        kinds = dict.fromkeys(found.kind for found in analysis.findings if found.metric == name)
        marks = dict.fromkeys(_mark(kind) for kind in kinds)
        sections.append(Metric(name, label(analysis.dataset, name), paragraph(analysis, name), tuple(marks)))
    return sections


def captioned(images: tuple[Image, ...], data: xr.Dataset) -> list[Image]:
    """Figures of an analysis; in their captions model and data size change places where the curves are along data."""
    words = {"model size": axis(data, "params"), "data size": axis(data, "data_size")}
    return [
        image._replace(caption=re.sub("model size|data size", lambda found: words[found[0]], image.caption))
        for image in images
    ]


def verdicts(analysis: Analysis) -> Grid:
    """The numbers of every curve."""
    data = analysis.dataset
    grouped = any(found.data_size is not None for found in analysis.findings)
    headings = (
        "metric",
        "verdict",
        *([label(data, "data_size")] if grouped else []),
        f"critical size, {size_unit(data)}",
        "95 % interval",
        "width, decades",
        "ΔBIC",
        "p",
        "the jump is",
    )
    rows = []
    for found in analysis.findings:
        size = [exactly(found.data_size)] if grouped else []
        rows.append((found.metric, (SMOOTH | TRANSITIONS).get(found.kind, found.kind), *size, *_numbers(found)))
    return Grid(headings, rows, 2)


def _numbers(found: Finding) -> tuple[str, ...]:
    interval = f"{in_figures(found.interval.low)} – {in_figures(found.interval.high)}" if found.has_transition else "—"
    p_value = "< 0.001" if found.p_value < 0.001 else _number(found.p_value, ".3f")
    return (
        in_figures(found.critical_size) if found.has_transition else "none" if found.kind in SMOOTH else "—",
        interval,
        _number(found.width, ".2f"),
        _number(found.delta_bic, "+.1f"),
        p_value,
        found.mirage or "—",
    )


def flow_words(words: Mapping[str, Any]) -> list[str]:
    """What the renormalization found, in two or three sentences."""
    flows, phase = words["flows"], np.asarray(words["phase"])
    couplings, layers = len({flow["coupling"] for flow in flows}), len({flow["layer"] for flow in flows})
    kinds = Counter(kind_of(flow) for flow in flows)
    found = [f"{kinds[kind]} with a {PHRASES[kind]}" for kind in FlowKind if kind and kinds[kind]]
    said = (
        f"{', '.join(found)}, {kinds[FlowKind.NOT_FOUND]} without" if found else "no fixed point found in any of them"
    )
    counted = f"{couplings} couplings were followed in each of {layers} {'layer' if layers == 1 else 'layers'}"
    sentences = [f"{counted}: {said}."]
    many = sum((flow["misfit"] or 0) > MAX_MISFIT for flow in flows)
    if many:
        sentences.append(
            f"In {many} of {len(flows)} the models obey no common map (χ² per degree of freedom above {MAX_MISFIT:g}), "
            "so that these couplings have no flow of their own."
        )
    names = [phase.name.lower() for phase in Phase]
    counts = ", ".join(f"{np.sum(phase == name)} {name}" for name in names if np.any(phase == name))
    sentences.append(f"Of the layers of all sizes and steps, by how perturbations grow in them: {counts}.")
    return sentences


def kind_of(flow: Mapping[str, Any]) -> FlowKind:
    """The kind of a stored flow; InputError for a file of an earlier version."""
    try:
        return FlowKind[flow["kind"].upper()]
    except KeyError:
        raise InputError(
            f"rg.json has the kind {flow['kind']!r} of an earlier version: run jaxphase rg again."
        ) from None


def exponents(words: Mapping[str, Any]) -> Grid:
    """Fixed points and exponents of every coupling of every layer."""
    headings = (
        "coupling",
        "layer",
        "start",
        "end",
        "fixed point",
        "95 % interval",
        "y",
        "ν = 1 / y",
        "misfit, χ² / dof",
    )
    rows = []
    for flow in words["flows"]:
        low, high = flow["interval"]
        known = kind_of(flow) != FlowKind.NOT_FOUND
        trivial = " (trivial)" if kind_of(flow) == FlowKind.TRIVIAL else ""
        rows.append(
            (
                FOLLOWED[flow["coupling"]].label if flow["coupling"] in FOLLOWED else flow["coupling"],
                str(flow["layer"]),
                *(_number(flow[name], ".3g") for name in ("start", "end")),
                f"{_number(flow['fixed_point'], '.3g')}{trivial}" if known else "none found",
                f"{_number(low, '.3g')} – {_number(high, '.3g')}" if known else "—",
                *(_with_error(flow[name]) for name in ("y", "nu")),
                _number(flow["misfit"], ".1f"),
            )
        )
    return Grid(headings, rows, 1)


def losses(data: xr.Dataset) -> Grid:
    """Held-out loss, probe accuracy and parameters after every step, for every trained size; means over seeds."""
    steps = ("trained", *(f"halved {step} ×" for step in data.scale.values.tolist()[1:]))
    means = data[["loss", "accuracy"]].isel(variant=0).mean("seed")
    rows = []
    for size, counts in enumerate(data.params.transpose("size", "scale").values.tolist()):
        cells = (
            f"{float(means.loss.isel(size=size, scale=step)):.3f} · "
            f"{float(means.accuracy.isel(size=size, scale=step)):.1%} · {count:,}"
            for step, count in enumerate(counts)
        )
        rows.append((f"{counts[0]:,}", *cells))
    return Grid(("trained parameters", *steps), rows, 0)


def provenance(contents: Contents) -> list[tuple[str, str]]:
    """Versions and the machine, as the files recorded them."""
    recorded = [
        (
            f"{name.removesuffix('_version')}, of the sweep" if name.endswith("_version") else name.replace("_", " "),
            value,
        )
        for name, value in contents.attributes.items()
        if name != "spec"
    ]
    analysed = [(f"{name}, of the analysis", value) for name, value in contents.versions.items()]
    rows = [*recorded, *analysed, ("jaxphase, of this report", version("jaxphase"))]
    return [(name, f"{value:.6g}" if isinstance(value, float) else str(value)) for name, value in rows]


def unbroken(text: str) -> str:
    """The same text with spaces that do not break lines between a number and its sign."""
    return re.sub(
        r"(?<=\d) (?=[%±])|(?<=[=<>±]) (?=[\d−-])|(?<=BIC) (?=\d)|(?<=\bp) (?=[=<>])", "\N{NO-BREAK SPACE}", text
    )


def _mark(kind: str) -> tuple[str, str]:
    """A class of style and a word for a kind."""
    if kind in SMOOTH:
        return "smooth", "no transition"
    return (kind, TRANSITIONS[kind]) if kind in TRANSITIONS else ("unjudged", kind)


def _number(value: float | None, form: str) -> str:
    return "—" if value is None or not math.isfinite(value) else f"{value:{form}}".replace("-", "−")


def _with_error(number: Mapping[str, Any] | list) -> str:
    value, error = (number["value"], number["se"]) if isinstance(number, Mapping) else number
    return "—" if value is None else f"{_number(value, '.2f')} ± {_number(error, '.2f')}"


def _bytes(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(round(size / 1e3), 1)} kB"
