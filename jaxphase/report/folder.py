"""The report on a folder of results, read from its files."""

from pathlib import Path

import xarray as xr

from jaxphase.analysis import Analysis, analyze, load_analysis
from jaxphase.curves import read
from jaxphase.errors import InputError
from jaxphase.report.figures import images, pictures_in
from jaxphase.report.page import Contents, Renormalization, analysis_images, write_page
from jaxphase.rg.families.flows import read_flow
from jaxphase.words import captions


def report_folder(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write one self-contained HTML file on everything in a folder of results.

    Args:
        folder: A folder that `jaxphase sweep`, `analyze` or `rg` has written. A sweep without an analysis is analyzed.
        out: The new file, by default report.html in the folder.

    Returns:
        The path of the file.

    Raises:
        InputError: For a folder without results or with results that cannot be read, and if the file exists or cannot
            be written.
    """
    folder = Path(folder)
    return write_page(_contents(folder), folder / "report.html" if out is None else Path(out))


def _contents(folder: Path) -> Contents:
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give one that jaxphase sweep, analyze or rg has written.")
    analysis = _analysis(folder)
    renormalization = _renormalization(folder / "rg") or _renormalization(folder)
    if analysis is None and renormalization is None:
        raise InputError(
            f"{folder} has no results (analysis.json, sweep.nc or rg.json): give a folder that jaxphase sweep, analyze "
            "or rg has written."
        )
    data = analysis.dataset if analysis else renormalization and renormalization.dataset
    attributes = {} if data is None else data.attrs
    spec = folder / "spec.toml"
    return Contents(
        name=folder.resolve().name,
        analysis=analysis,
        # Without an analysis the figures in the folder are those of the renormalization.
        figures=_figures(analysis, folder) if analysis else (),
        renormalization=renormalization,
        spec=spec.read_text(encoding="utf-8") if spec.exists() else str(attributes.get("spec", "")),
        attributes=attributes,
        folder=folder,
    )


def _analysis(folder: Path) -> Analysis | None:
    """The stored analysis, or that of the sweep in the folder."""
    if (folder / "analysis.json").exists():
        return load_analysis(folder)
    return analyze(read(folder / "sweep.nc")) if (folder / "sweep.nc").exists() else None


def _figures(analysis: Analysis, folder: Path):
    """The figures in the folder, or those of the analysis if there are none."""
    stored = {name: data for name, data, _ in pictures_in(folder)}
    return analysis_images(analysis, folder, stored or None)


def _renormalization(folder: Path) -> Renormalization | None:
    family = read_flow(folder / "rg.json")
    if family is None:
        return None
    measured = folder / "rg.nc"
    try:
        data = xr.load_dataset(measured, engine="h5netcdf") if measured.exists() else None
    except (OSError, ValueError) as error:
        raise InputError(f"{measured} cannot be read as NetCDF ({error}): run jaxphase rg again.") from error
    return Renormalization(family, data, images(pictures_in(folder), captions.RENORMALIZATION))
