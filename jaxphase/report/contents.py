"""What a folder of results holds: an analysis, a renormalization, figures, the spec, and files of data."""

import json
import math
import tempfile
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from jaxphase.analysis import Analysis, analyze
from jaxphase.curves import along_data, at_best_rate, at_step, axis, metrics_of, read
from jaxphase.errors import InputError
from jaxphase.evidence import Evidence
from jaxphase.findings import SCHEMA, Break, Finding, Interval, Slope
from jaxphase.report.figures import Image, images

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
    words = _json(folder / "analysis.json")
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


def load_analysis(
    folder: str | Path, words: Mapping[str, Any] | None = None, data: xr.Dataset | None = None
) -> Analysis:
    """The Analysis that analysis.json in a folder holds, with NaN for null; detectors' results are plain named tuples.

    words: the content of that file, if it is at hand. data: the curves that were analysed, or those of the sweep that
    they are of; without them, as of a table of one's own, the dataset has the sizes and names only, and no values.
    Raises InputError for a file that is not whole or was written by a version with another schema.
    """
    words = words if words is not None else _json(Path(folder) / "analysis.json")
    if words is None:
        raise InputError(f"{folder} has no analysis.json: give a folder that jaxphase analyze has written.")
    schema = words.get("schema") if isinstance(words, Mapping) else None
    if schema != SCHEMA:
        raise InputError(f"analysis.json in {folder} has schema {schema}, not {SCHEMA}: analyse the curves again.")
    try:
        findings, order = tuple(map(_finding, words["findings"])), words["order_parameter"]
        if order not in {found.metric for found in findings}:
            raise ValueError(f"it has no finding on {order!r}")
        evidence = words["evidence"] and Evidence(
            **{
                name: tuple(value) if name == "reasons" else value and _numbers(value)
                for name, value in words["evidence"].items()
            }
        )
        dataset = _dataset(findings, words, data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"analysis.json in {folder} is incomplete ({error}): analyse the curves again.") from error
    return Analysis(dataset, findings, order, evidence)


def _json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): write it again.") from error


def _flow(folder: Path) -> Flow | None:
    words = _json(folder / "rg.json")
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


def _finding(entry: Mapping[str, Any]) -> Finding:
    """A finding from its entry in analysis.json."""
    fields = {name: math.nan if value is None else value for name, value in entry.items()}
    slope = entry["slope"]
    if slope:
        columns = {name: tuple(_numbers(slope[name])) for name in ("sizes", "value", "standard_error")}
        slope = Slope(**columns, steepest=_number(slope["steepest"]), interval=_interval(slope["interval"]))
    fields |= {
        "data_size": entry["data_size"],
        "interval": _interval(entry["interval"]),
        "bic": _numbers(entry["bic"])._asdict(),
        "parameters": {name: _numbers(value) for name, value in entry["parameters"].items()},
        "slope": slope,
        "breaks": tuple(
            Break(_number(bend["size"]), _interval(bend["interval"]), _number(bend["before"]), _number(bend["after"]))
            for bend in entry["breaks"]
        ),
        "detectors": {name: _numbers(result) for name, result in entry["detectors"].items()},
    }
    return Finding(**fields)


def _dataset(findings: tuple[Finding, ...], words: Mapping[str, Any], data: xr.Dataset | None) -> xr.Dataset:
    """The curves as they were analysed; without those of all findings a skeleton."""
    data = None if data is None else at_best_rate(data)
    if data is None or not {found.metric for found in findings} <= set(metrics_of(data)):
        return _skeleton(findings, words)
    return at_step(data if axis(data, "params") == words["axis"] else along_data(data), words["step"])


def _skeleton(findings: tuple[Finding, ...], words: Mapping[str, Any]) -> xr.Dataset:
    """A dataset of sizes and names without values, for what asks what a metric is called and over what it went."""
    labels, sizes = words["labels"], words["sizes"]
    nothing = np.full((len(sizes), 1), np.nan)
    metrics = dict.fromkeys(found.metric for found in findings)
    data = xr.Dataset(
        {name: (("size", "seed"), nothing, labels.get(name, {})) for name in metrics},
        {"params": ("size", sizes, {"long_name": words["size_unit"], "axis": words["axis"]})},
    )
    data = data if words["step"] is None else data.assign_coords(step=words["step"])
    groups = list(dict.fromkeys(found.data_size for found in findings))
    if groups == [None]:
        return data
    return data.assign_coords(data_size=("data_size", groups, labels.get("data_size", {})))


def _numbers(value: Any) -> Any:
    """NaN for null, and named tuples for objects."""
    if isinstance(value, Mapping):
        return namedtuple("Result", value)(**{name: _numbers(entry) for name, entry in value.items()})
    if isinstance(value, list):
        return [_numbers(entry) for entry in value]
    return math.nan if value is None else value


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _interval(ends: list[float | None]) -> Interval:
    return Interval(*map(_number, ends))
