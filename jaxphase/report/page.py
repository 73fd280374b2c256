"""The page: the contents that the template gets, and the file that comes out."""

import os
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined

from jaxphase.analysis import Analysis
from jaxphase.errors import InputError
from jaxphase.plots import pages, rendered
from jaxphase.report.figures import Image, images
from jaxphase.rg.families.flows import FamilyFlow
from jaxphase.words import captions
from jaxphase.words.flows import flow_grid, flow_sentences, loss_grid
from jaxphase.words.headlines import headline
from jaxphase.words.paragraphs import paragraph
from jaxphase.words.phrases import KINDS, axis, capitalized, label, second_axis
from jaxphase.words.summaries import facts
from jaxphase.words.tables import verdict_grid

DATA_FILES = (
    *("sweep.nc", "curves.nc", "analysis.json", "spec.toml", "plan.json", "rg/rg.nc", "rg/rg.json", "rg.nc", "rg.json"),
)


class Renormalization(NamedTuple):
    """A flow, its measurements if they are available, and its figures."""

    family: FamilyFlow
    dataset: xr.Dataset | None
    figures: tuple[Image, ...]


class Contents(NamedTuple):
    """All that a page is made of.

    Attributes:
        name: What the page is called.
        analysis: The analysis, None for a renormalization alone.
        figures: Its figures.
        renormalization: The renormalization, None without one.
        spec: What was trained, as TOML, or "".
        attributes: Attributes of the dataset that record its origin.
        folder: The folder that links to files of data point to.
    """

    name: str
    analysis: Analysis | None
    figures: tuple[Image, ...]
    renormalization: Renormalization | None
    spec: str
    attributes: Mapping[str, Any]
    folder: Path


class Section(NamedTuple):
    """A section on one metric: its name in the data and in words, the paragraph, and a mark for each kind in it."""

    name: str
    title: str
    text: str
    marks: tuple[tuple[str, str], ...]


def write_report(analysis: Analysis, path: str | Path, *, figures: Mapping[str, bytes] | None = None) -> Path:
    """Write one self-contained HTML file on an analysis.

    The page needs no network and runs no script. It links to the files of data and figures beside it. The same analysis
    gives the same page.

    Args:
        analysis: The analysis.
        path: The new file.
        figures: PNG images by name, as `plots.save_all` returns them; by default the pages of `plots.pages`.

    Returns:
        The path.

    Raises:
        InputError: If the file exists or cannot be written.

    Example:
        >>> jaxphase.write_report(jaxphase.analyze(jaxphase.read("runs.csv")), "report.html")
    """
    path = Path(path)
    contents = Contents(
        name=path.resolve().parent.name,
        analysis=analysis,
        figures=analysis_images(analysis, path.parent, figures),
        renormalization=None,
        spec=str(analysis.dataset.attrs.get("spec", "")),
        attributes=analysis.dataset.attrs,
        folder=path.parent,
    )
    return write_page(contents, path)


def analysis_images(analysis: Analysis, folder: Path, figures: Mapping[str, bytes] | None = None) -> tuple[Image, ...]:
    """The figures of an analysis with their captions, by default drawn now; linked to files in `folder` if there."""
    if figures is None:
        figures = {name: rendered(figure) for name, figure in pages(analysis).items()}
    files = {name: folder / f"{name}.png" for name in figures}
    pictures = [(name, data, files[name] if files[name].exists() else None) for name, data in figures.items()]
    return images(pictures, captions.ANALYSIS, axis(analysis.dataset), second_axis(analysis.dataset))


def write_page(contents: Contents, path: Path) -> Path:
    """Write a page to a new file; InputError if the file exists or cannot be written."""
    if path.exists():
        raise InputError(f"{path} exists: name another file, or remove it.")
    page = render(contents, path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(page)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): name another file.") from error
    return path


def render(contents: Contents, home: Path) -> str:
    """The page as HTML, with links relative to the folder `home`."""
    environment = Environment(
        loader=PackageLoader("jaxphase.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def link(path: Path) -> str:
        return quote(Path(os.path.relpath(path, home)).as_posix())

    environment.filters["unbroken"] = unbroken
    analysis, flow = contents.analysis, contents.renormalization
    said = flow_sentences(flow.family) if flow else []
    files = [contents.folder / name for name in DATA_FILES]
    return environment.get_template("report.html").render(
        name=contents.name,
        headline=capitalized(headline(analysis) if analysis else said[0]),
        facts=facts(analysis) if analysis else [],
        verdicts=verdict_grid(analysis) if analysis else None,
        metrics=_sections(analysis) if analysis else [],
        figures=contents.figures,
        flow=" ".join(said),
        exponents=flow_grid(flow.family) if flow else None,
        losses=loss_grid(flow.dataset) if flow and flow.dataset is not None else None,
        flow_figures=flow.figures if flow else (),
        spec=contents.spec.strip(),
        provenance=_provenance(contents),
        files=[
            (file.relative_to(contents.folder).as_posix(), link(file), _bytes(file)) for file in files if file.exists()
        ],
        link=link,
    )


def unbroken(text: str) -> str:
    """The same text with spaces that do not break lines between a number and its sign."""
    return re.sub(
        r"(?<=\d) (?=[%±])|(?<=[=<>±]) (?=[\d−-])|(?<=BIC) (?=\d)|(?<=\bp) (?=[=<>])", "\N{NO-BREAK SPACE}", text
    )


def _sections(analysis: Analysis) -> list[Section]:
    """A section on each metric, the order parameter first."""
    sections = []
    for name in dict.fromkeys((analysis.order_parameter, *analysis.metrics)):
        kinds = dict.fromkeys(found.kind for found in analysis.on(name))
        marks = dict.fromkeys(
            ("smooth", "no transition")
            if kind.is_smooth
            else (kind.name.lower() if kind.is_transition else "unjudged", KINDS[kind])
            for kind in kinds
        )
        sections.append(Section(name, label(analysis.dataset, name), paragraph(analysis, name), tuple(marks)))
    return sections


def _provenance(contents: Contents) -> list[tuple[str, str]]:
    """Versions and the machine, as the data recorded them."""
    rows = []
    for name, value in contents.attributes.items():
        if name != "spec":
            package = name.removesuffix("_version")
            said = f"{package}, of the sweep" if package != name else name.replace("_", " ")
            rows.append((said, f"{value:.6g}" if isinstance(value, float) else str(value)))
    return rows + [(f"{name}, of this report", version(name)) for name in ("jaxphase", "jax", "numpy")]


def _bytes(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(round(size / 1e3), 1)} kB"
