"""What a folder of results holds: an analysis, a renormalization, figures, the spec, and files of data."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from jaxphase.analysis import Analysis, analyze, load_analysis
from jaxphase.curves import read
from jaxphase.errors import InputError
from jaxphase.report.figures import Image, images
from jaxphase.runtime.files import read_json

DATA_FILES = ("sweep.nc", "analysis.json", "spec.toml", "plan.json", "rg/rg.nc", "rg/rg.json", "rg.nc", "rg.json")


class Flow(NamedTuple):
    """A renormalization: what rg.json says, what was measured, if rg.nc is there, and its figures."""

    words: Mapping[str, Any]
    dataset: xr.Dataset | None
    figures: tuple[Image, ...]


class Contents(NamedTuple):
    """All that a report is made of; versions are those of the analysis."""

    folder: Path
    analysis: Analysis | None
    versions: Mapping[str, str]
    figures: tuple[Image, ...]
    flow: Flow | None
    spec: str
    attributes: Mapping[str, Any]
    files: tuple[Path, ...]


def load(folder: str | Path) -> Contents:
    """Read a folder that `jaxphase sweep`, `analyze` or `rg` has written; a sweep without analysis.json is analysed.

    Raises InputError for a folder without results, and for results that cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give one that jaxphase sweep, analyze or rg has written.")
    words = read_json(folder / "analysis.json")
    data = read(folder / "sweep.nc") if (folder / "sweep.nc").exists() else None
    flow = _flow(folder / "rg") or _flow(folder)
    if words is None and data is None and flow is None:
        raise InputError(
            f"{folder} has no results (analysis.json, sweep.nc or rg.json): give a folder that jaxphase sweep, analyze "
            "or rg has written."
        )
    # The figures beside rg.json are those of the renormalization.
    figures = images(folder, "analysis") if words is not None or data is not None else ()
    analysis, versions = None, {}
    if words is not None:
        analysis = load_analysis(folder, words, data)
        versions = words.get("versions", {})
    elif data is not None:
        analysis = analyze(data)
        versions = analysis.to_dict()["versions"]
        figures = figures or _drawn(analysis)
    attributes = {} if data is None else data.attrs
    if not attributes and flow and flow.dataset is not None:
        attributes = flow.dataset.attrs
    spec_file = folder / "spec.toml"
    spec = spec_file.read_text(encoding="utf-8") if spec_file.exists() else str(attributes.get("spec", ""))
    files = tuple(folder / name for name in DATA_FILES if (folder / name).exists())
    return Contents(folder, analysis, versions, figures, flow, spec, attributes, files)


def _flow(folder: Path) -> Flow | None:
    words = read_json(folder / "rg.json")
    if words is None:
        return None
    measured = folder / "rg.nc"
    try:
        data = xr.load_dataset(measured, engine="h5netcdf") if measured.exists() else None
    except (OSError, ValueError) as error:
        raise InputError(f"{measured} cannot be read as NetCDF ({error}): run jaxphase rg again.") from error
    return Flow(words, data, images(folder, "renormalization"))


def _drawn(analysis: Analysis) -> tuple[Image, ...]:
    """The figures of an analysis that has not been drawn yet."""
    from jaxphase.plots import write_figures

    with tempfile.TemporaryDirectory() as folder:
        write_figures(analysis, folder)
        return tuple(image._replace(path=None) for image in images(Path(folder), "analysis"))
