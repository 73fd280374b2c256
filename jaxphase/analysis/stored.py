"""An analysis on disk: its findings as JSON, its curves as NetCDF."""

import math
import typing
from collections.abc import Mapping
from enum import EnumType
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import xarray as xr

from jaxphase.analysis.evidence import Evidence, TransitionKind
from jaxphase.analysis.findings import SCHEMA, Analysis, Break, Finding, Interval, Slope
from jaxphase.analysis.fits import RESULTS
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.errors import InputError
from jaxphase.runtime.files import read_json

FINDINGS, CURVES = "analysis.json", "curves.nc"


def save_analysis(analysis: Analysis, folder: str | Path) -> None:
    """Write analysis.json and curves.nc to a folder that exists.

    Args:
        analysis: What to write.
        folder: Where; files of these names are replaced.

    Raises:
        InputError: If a file cannot be written.
    """
    analysis.to_json(Path(folder) / FINDINGS)
    try:
        # A slash in the name of a metric, as in val/loss, would be a group of the file.
        names = {name: quote(str(name), safe="") for name in analysis.dataset.data_vars}
        analysis.dataset.rename_vars(names).to_netcdf(Path(folder) / CURVES, engine="h5netcdf")
    except OSError as error:
        raise InputError(f"{Path(folder) / CURVES} cannot be written ({error}): name another folder.") from error


def load_analysis(folder: str | Path) -> Analysis:
    """Read an analysis that `save_analysis` or the command `jaxphase analyze` has written.

    Args:
        folder: The folder with analysis.json and curves.nc.

    Returns:
        The same Analysis; numbers that are null in the file are NaN.

    Raises:
        InputError: If a file is missing or damaged, or was written by a version with another schema.
    """
    folder = Path(folder)
    stored = read_json(folder / FINDINGS)
    if stored is None:
        raise InputError(f"{folder} has no {FINDINGS}: give a folder that jaxphase analyze has written.")
    schema = stored.get("schema") if isinstance(stored, Mapping) else None
    if schema != SCHEMA:
        raise InputError(
            f"{FINDINGS} in {folder} has schema {schema}, and this version reads {SCHEMA}: analyze the curves again."
        )
    data = _curves(folder / CURVES)
    try:
        if stored["along"] != data.x.attrs or stored["sizes"] != data.x.values.tolist():
            raise ValueError(f"{CURVES} holds other curves")
        findings, order = tuple(map(_finding, stored["findings"])), stored["order_parameter"]
        if order not in {found.metric for found in findings}:
            raise ValueError(f"it has no finding on {order!r}")
        missing = [found.metric for found in findings if found.metric not in data]
        if missing:
            raise ValueError(f"{CURVES} has no {missing[0]!r}")
        return Analysis(data, findings, order, _evidence(stored["evidence"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{FINDINGS} in {folder} is incomplete ({error}): analyze the curves again.") from error


def _curves(path: Path) -> xr.Dataset:
    if not path.exists():
        raise InputError(f"{path} is missing: analyze the curves again.")
    try:
        data = xr.load_dataset(path, engine="h5netcdf")
        return data.rename_vars({name: unquote(str(name)) for name in data.data_vars})
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as NetCDF ({error}): analyze the curves again.") from error


def _finding(entry: Mapping[str, Any]) -> Finding:
    """A finding from its entry in analysis.json."""
    fields: dict[str, Any] = {name: math.nan if value is None else value for name, value in entry.items()}
    slope = entry["slope"]
    if slope:
        columns = {name: tuple(_numbers(slope[name]).tolist()) for name in ("sizes", "value", "standard_error")}
        slope = Slope(**columns, steepest=_number(slope["steepest"]), interval=_interval(slope["interval"]))
    fields |= {
        "group": entry["group"],
        "kind": CurveKind[entry["kind"].upper()],
        "interval": _interval(entry["interval"]),
        "bic": {name: _number(value) for name, value in entry["bic"].items()},
        "parameters": {name: _numbers(value).tolist() for name, value in entry["parameters"].items()},
        "slope": slope,
        "breaks": tuple(
            Break(_number(bend["size"]), _interval(bend["interval"]), _number(bend["before"]), _number(bend["after"]))
            for bend in entry["breaks"]
        ),
        "mirage": entry["mirage"] and MirageKind[entry["mirage"].upper()],
        "detectors": {name: _result(RESULTS[name], result) for name, result in entry["detectors"].items()},
    }
    return Finding(**fields)


def _evidence(entry: Mapping[str, Any]) -> Evidence:
    """The evidence, its results in the types that the functions of `jaxphase.scaling` give."""
    types = {name: _not_none(hint) for name, hint in typing.get_type_hints(Evidence).items()}
    results = {
        name: value and _result(types[name], value) for name, value in entry.items() if name not in ("metric", "kind")
    }
    return Evidence(metric=entry["metric"], kind=TransitionKind[entry["kind"].upper()], **results)


def _result(of: Any, entry: Mapping[str, Any]) -> Any:
    """A NamedTuple of arrays and numbers, and of others like it, from a mapping."""
    hints = typing.get_type_hints(of)
    fields = {}
    for name, value in entry.items():
        inner = _not_none(hints[name])
        if isinstance(value, Mapping):
            fields[name] = _result(inner, value)
        elif isinstance(inner, EnumType):
            fields[name] = inner[value.upper()]
        else:
            fields[name] = _numbers(value)
    return of(**fields)


def _not_none(hint: Any) -> Any:
    """The other type of an optional one."""
    options = [option for option in typing.get_args(hint) if option is not type(None)]
    return options[0] if type(None) in typing.get_args(hint) else hint


def _numbers(value: Any) -> np.ndarray:
    """An array of numbers from nested lists, with NaN for null."""
    return np.asarray(_with_nan(value))


def _with_nan(value: Any) -> Any:
    return [_with_nan(entry) for entry in value] if isinstance(value, list) else _number(value)


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _interval(ends: list[float | None]) -> Interval:
    return Interval(*map(_number, ends))
