"""An analysis as it was stored: the Analysis that an analysis.json holds."""

import math
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jaxphase.analysis.evidence import Evidence
from jaxphase.analysis.findings import SCHEMA, Analysis, Break, Finding, Interval, Slope
from jaxphase.curves import along_data, at_best_rate, at_step, axis, metrics_of
from jaxphase.errors import InputError
from jaxphase.runtime.files import read_json


def load_analysis(
    folder: str | Path, words: Mapping[str, Any] | None = None, data: xr.Dataset | None = None
) -> Analysis:
    """The Analysis that analysis.json in a folder holds, with NaN for null; detectors' results are plain named tuples.

    words: the content of that file, if it is at hand. data: the curves that were analysed, or those of the sweep that
    they are of; without them, as of a table of one's own, the dataset has the sizes and names only, and no values.
    Raises InputError for a file that is not whole or was written by a version with another schema.
    """
    words = words if words is not None else read_json(Path(folder) / "analysis.json")
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
