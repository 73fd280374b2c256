"""The critical sizes that folders of sweeps hold: of an analysis along model or data size, or of training time."""

import json
import math
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jaxphase.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


class Critical(NamedTuple):
    """A row for each critical size, names and numbers by column, and by reason the number of curves without one."""

    rows: list[dict]
    censored: Counter


def critical_sizes(folder: Path, metric: str | None, complexity: str, axis: str) -> Critical:
    """Those along an axis, "model size", "data size" or "training steps", with intervals that are finite."""
    sweep = open_sweep(folder)
    spec = tomllib.loads(sweep.attrs["spec"])["sweep"]
    of = {name: spec[name] for name in ("family", "objective", "data") if name in spec}
    of |= {"data": spec.get("data", ""), "data_complexity": float(sweep.attrs.get(complexity, math.nan))}
    found = Critical([], Counter())
    for curve in _times(folder, metric) if axis == "training steps" else _findings(folder, metric, axis):
        size, ends = curve["critical_size"], curve["interval"]
        if size is None:
            found.censored[curve["reason"]] += 1
        elif not all(end is not None and 0 < end < math.inf for end in ends):
            found.censored["no finite interval"] += 1
        else:
            sizes = {name: curve[name] for name in ("data_size", "model_size") if curve.get(name)}
            at = " and ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in sizes.items())
            where = f"{folder}, {curve['metric']}" + (f" at {at}" if at else "")
            row = {"critical_size": size, "low": ends[0], "high": ends[1], "source": where}
            found.rows.append(of | sizes | row)
    return found


def open_sweep(folder: Path) -> "xr.Dataset":
    """The sweep.nc of a folder, that says what was trained."""
    import xarray as xr

    path = folder / "sweep.nc"
    if not path.exists():
        what = f"has no {path.name}, which says what was trained" if folder.is_dir() else "is no folder and no .csv"
        raise InputError(f"{folder} {what}: give the folder of a sweep, or family and objective in a .csv.")
    try:
        data = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as NetCDF ({error}): give the folder of a sweep.") from error
    if "spec" not in data.attrs:
        raise InputError(f"{path} does not say what was trained: give family and objective in a .csv instead.")
    return data


def _findings(folder: Path, metric: str | None, axis: str) -> list[dict]:
    """The curves of an analysis along an axis, which the other size names."""
    found = _analysis(folder, axis)
    if found.get("axis", "model size") != axis:
        raise InputError(f"{folder} was analyzed along {found['axis']}: analyze it along {axis}.")
    metric = metric or found["order_parameter"]
    curves = [curve for curve in found["findings"] if curve["metric"] == metric]
    _check(folder, metric, curves, [curve["metric"] for curve in found["findings"]])
    other = "data_size" if axis == "model size" else "model_size"
    for curve in curves:
        reason = "too few points" if curve["kind"] == "too few points" else "no transition"
        curve |= {other: curve["data_size"], "reason": reason}
        if other != "data_size":
            del curve["data_size"]
    return curves


def _times(folder: Path, metric: str | None) -> list[dict]:
    """The largest step of each learning curve."""
    from jaxphase.analysis.training_time import analyze_time
    from jaxphase.curves import read

    data = read(folder / "sweep.nc")
    asked = tomllib.loads(data.attrs["spec"]).get("phase_transition", {}).get("order_parameter")
    metric = metric or asked or "mutual_information"
    _check(folder, metric, metric in data, data.data_vars)
    curves = []
    for curve in analyze_time(data, metric).curves:
        largest = max(curve.events or (), key=lambda event: abs(event.height), default=None)
        time, ends = (largest.time, largest.interval) if largest else (None, (None, None))
        sizes = {"data_size": curve.data_size, "model_size": curve.size}
        reason = "too few points" if curve.events is None else "no step"
        curves.append({"metric": metric, "critical_size": time, "interval": ends, "reason": reason} | sizes)
    return curves


def _check(folder: Path, metric: str, there, known) -> None:
    if not there:
        listed = ", ".join(dict.fromkeys(map(str, known))) or "none"
        raise InputError(f"metric is {metric!r}, which {folder} lacks: choose from {listed}.")


def _analysis(folder: Path, axis: str) -> dict:
    """What analysis.json says; without that file the sweep is analyzed."""
    path = folder / "analysis.json"
    if not path.exists():
        from jaxphase.analysis import analyze
        from jaxphase.curves import along_data, read

        data = read(folder / "sweep.nc")
        return analyze(along_data(data) if axis == "data size" else data).to_dict()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): analyze the sweep again.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}): analyze the sweep again.") from error
    if not isinstance(found, dict) or not {"order_parameter", "findings"} <= set(found):
        raise InputError(f"{path} is not an analysis: analyze the sweep again.")
    return found
