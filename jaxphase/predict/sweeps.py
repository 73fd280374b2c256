"""The critical sizes in the folders of sweeps: from an analysis along model or data size, or along training time."""

import json
import math
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from jaxphase.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


class CriticalSizes(NamedTuple):
    """The critical sizes of one sweep.

    Attributes:
        rows: One entry per critical size: names and numbers by the columns of `measured`.
        censored: Number of curves without a critical size, by reason.
    """

    rows: list[dict[str, Any]]
    censored: Counter[str]


class Curve(NamedTuple):
    """The critical size of one curve of a sweep.

    Attributes:
        metric: Name of the metric.
        critical_size: The critical size, None if the curve has none.
        interval: Its 95 % interval (low, high); an end that is not known is None.
        reason: Why the curve has no critical size.
        data_size: Data size of the curve, None if it is the axis or not known.
        model_size: Model size of the curve, None if it is the axis.
    """

    metric: str
    critical_size: float | None
    interval: Iterable[float | None]
    reason: str
    data_size: float | None = None
    model_size: float | None = None


def critical_sizes(
    folder: Path, metric: str | None, complexity: str, axis: Literal["model_size", "data_size", "steps"]
) -> CriticalSizes:
    """Read the critical sizes along an axis whose 95 % interval is finite."""
    sweep = open_sweep(folder)
    spec = tomllib.loads(sweep.attrs["spec"])["sweep"]
    condition = {name: spec[name] for name in ("family", "objective") if name in spec}
    condition |= {"data": spec.get("data", ""), "data_complexity": float(sweep.attrs.get(complexity, math.nan))}
    found = CriticalSizes([], Counter())
    for curve in _largest_steps(folder, metric) if axis == "steps" else _transitions(folder, metric, axis):
        low, high = curve.interval
        if curve.critical_size is None:
            found.censored[curve.reason] += 1
        elif low is None or high is None or not (0 < low < math.inf and 0 < high < math.inf):
            found.censored["no finite interval"] += 1
        else:
            sizes = {name: size for name in ("data_size", "model_size") if (size := getattr(curve, name))}
            at = " and ".join(f"{name.replace('_', ' ')} {size:g}" for name, size in sizes.items())
            source = f"{folder}, {curve.metric}" + (f" at {at}" if at else "")
            row = {"critical_size": curve.critical_size, "low": low, "high": high, "source": source}
            found.rows.append(condition | sizes | row)
    return found


def open_sweep(folder: Path) -> "xr.Dataset":
    """Open the sweep.nc of a folder, whose attributes say what was trained."""
    import xarray as xr

    path = folder / "sweep.nc"
    if not path.exists():
        fault = f"has no {path.name}, which says what was trained" if folder.is_dir() else "is no folder and no .csv"
        raise InputError(f"{folder} {fault}: give the folder of a sweep, or family and objective in a .csv.")
    try:
        data = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as NetCDF ({error}): give the folder of a sweep.") from error
    if "spec" not in data.attrs:
        raise InputError(f"{path} does not say what was trained: give family and objective in a .csv instead.")
    return data


def _transitions(folder: Path, metric: str | None, axis: Literal["model_size", "data_size"]) -> list[Curve]:
    """The curves of an analysis along model or data size."""
    analysis = _analysis(folder, axis)
    along = analysis["along"]["name"]
    if along != axis:
        names = [name.replace("_", " ") for name in (along, axis)]
        raise InputError(f"{folder} was analyzed along {names[0]}: analyze it along {names[1]}.")
    metric = str(metric or analysis["order_parameter"])
    findings = [finding for finding in analysis["findings"] if finding["metric"] == metric]
    _check_metric(folder, metric, bool(findings), [finding["metric"] for finding in analysis["findings"]])
    curves = []
    for finding in findings:
        reason = "too few points" if finding["kind"] == "too_few_points" else "no transition"
        group = {"data_size" if axis == "model_size" else "model_size": finding["group"]}
        curves.append(Curve(metric, finding["critical_size"], finding["interval"], reason, **group))
    return curves


def _largest_steps(folder: Path, metric: str | None) -> list[Curve]:
    """The largest step of each learning curve."""
    from jaxphase.analysis.training_time import analyze_time
    from jaxphase.curves import read

    data = read(folder / "sweep.nc")
    order_parameter = tomllib.loads(data.attrs["spec"]).get("phase_transition", {}).get("order_parameter")
    metric = str(metric or order_parameter or "mutual_information")
    _check_metric(folder, metric, metric in data, data.data_vars)
    curves = []
    for curve in analyze_time(data, metric).curves:
        largest = max(curve.events or (), key=lambda event: abs(event.height), default=None)
        time, interval = (largest.time, largest.interval) if largest else (None, (None, None))
        reason = "too few points" if curve.events is None else "no step"
        curves.append(Curve(metric, time, interval, reason, curve.data_size, curve.size))
    return curves


def _check_metric(folder: Path, metric: str, there: bool, known: Iterable[object]) -> None:
    if not there:
        names = ", ".join(dict.fromkeys(map(str, known))) or "none"
        raise InputError(f"metric is {metric!r}, which {folder} lacks: choose from {names}.")


def _analysis(folder: Path, axis: Literal["model_size", "data_size"]) -> dict[str, Any]:
    """The content of analysis.json; without that file the sweep is analyzed."""
    path = folder / "analysis.json"
    if not path.exists():
        from jaxphase.analysis import analyze
        from jaxphase.curves import read

        return analyze(read(folder / "sweep.nc"), along=axis).to_dict()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): analyze the sweep again.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}): analyze the sweep again.") from error
    if not isinstance(content, dict) or not {"along", "order_parameter", "findings"} <= set(content):
        raise InputError(f"{path} is not an analysis of this version: analyze the sweep again.")
    return content
