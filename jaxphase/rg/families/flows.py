"""The results of the renormalization of a family: beta functions of its couplings, fixed points and their exponents."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from jaxphase.errors import InputError
from jaxphase.rg.beta_function import flow
from jaxphase.rg.criticality import Phase, criticality_index
from jaxphase.rg.linearization import linearized
from jaxphase.rg.measured_flow import FlowKind, measured_fixed_point
from jaxphase.runtime.files import plain, read_json, write_json

SCALE = 2.0  # a step halves the units
# Chi-squared per degree of freedom above which the steps do not follow one map: they scatter about the best one by more
# than twice their errors.
MAX_MISFIT = 4.0


class Coupling(NamedTuple):
    """How a measured quantity is turned into a coupling.

    Attributes:
        label: The coupling in formulas.
        transform: From the measured quantity to the coupling.
        trivial: The coupling at the trivial (Gaussian) fixed point; NaN if it has no definite value there.
    """

    label: str
    transform: Callable
    trivial: float


FOLLOWED = {
    "kurtosis": Coupling("kurtosis - 3", lambda value: value - 3, 0.0),
    "skewness": Coupling("skewness", lambda value: value, 0.0),
    "effective_rank": Coupling("ln(rank / units)", np.log, 0.0),
    "chi": Coupling("ln chi", np.log, float("nan")),
}


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    se: float


@dataclass(frozen=True)
class CouplingFlow:
    """The flow of one coupling of one layer.

    Attributes:
        layer: Index of the layer.
        coupling: Name of the coupling, a key of `FOLLOWED`.
        start: Mean of the coupling over all models before the first step.
        end: Mean over all models after the last step.
        midpoint: Coupling halfway through each step, `[sizes, steps]`, mean over seeds.
        beta: `dK / d ln b` there, `[sizes, steps]`, mean over seeds.
        beta_se: Standard error of `beta` over seeds, `[sizes, steps]`.
        kind: Whether a fixed point was found.
        fixed_point: The coupling K* of the fixed point; NaN if none was found.
        interval: Its 95 % interval; NaN if none was found.
        y: `ln(lambda) / ln b` of the map linearized there; NaN if none was found.
        nu: `1 / y`; NaN also where y is not positive.
        misfit: Chi-squared per degree of freedom of the steps about one linear map. Above `MAX_MISFIT` the next K
            depends on more than K: this coupling has no flow of its own, and `kind` is NOT_FOUND. NaN if the fit itself
            found no fixed point.
    """

    layer: int
    coupling: str
    start: float
    end: float
    midpoint: Float[np.ndarray, "sizes steps"]
    beta: Float[np.ndarray, "sizes steps"]
    beta_se: Float[np.ndarray, "sizes steps"]
    kind: FlowKind
    fixed_point: float
    interval: tuple[float, float]
    y: Estimate
    nu: Estimate
    misfit: float


@dataclass(frozen=True)
class FamilyFlow:
    """The flows of all couplings of a family.

    Attributes:
        flows: One flow for each coupling of each layer.
        phase: Members of `rg.Phase`, `[layers, sizes, scales]`, by the mean of chi over seeds.
        y: Exponents of all couplings together, `[layers, steps, k]`, linearized by the scatter of the models.
        y_se: Their standard errors, `[layers, steps, k]`.
    """

    flows: tuple[CouplingFlow, ...]
    phase: Int[np.ndarray, "layers sizes scales"]
    y: Float[np.ndarray, "layers steps k"]
    y_se: Float[np.ndarray, "layers steps k"]


def follow(dataset: xr.Dataset) -> FamilyFlow:
    """Read the flow of a family from what `renormalize` measured.

    The sizes are the members of the family and the seeds its repeats. A step halves the units, so b = 2 whether or not
    the inputs lose resolution too.

    Args:
        dataset: The result of `renormalize`.

    Returns:
        A `FamilyFlow`. A coupling without a fixed point within the measured couplings has the kind NOT_FOUND.

    Example:
        >>> family = jaxphase.rg.follow(jaxphase.rg.renormalize("sweep"))
        >>> [(flow.layer, flow.coupling, flow.kind.name) for flow in family.flows]
    """
    threshold = dataset.attrs.get("criticality_threshold", 0.8)
    flows = [
        _flow(dataset, layer, name, coupling)
        for layer in range(dataset.sizes["layer"])
        for name, coupling in FOLLOWED.items()
    ]
    chi = dataset["chi"].transpose("layer", "size", "scale", "seed").values
    seeds = np.isfinite(chi).sum(axis=-1)
    error = np.nanstd(chi, axis=-1, ddof=1) / np.sqrt(seeds) if chi.shape[-1] > 1 else np.full(chi.shape[:-1], np.nan)
    phase = criticality_index(np.nanmean(chi, axis=-1), error, threshold=threshold).phase
    return FamilyFlow(tuple(flows), np.asarray(phase), *_linearized(dataset))


def write_flow(family: FamilyFlow, path: str | Path) -> None:
    """Write a flow to a JSON file: kinds and phases as words, a number that is not finite as null.

    Args:
        family: The flow, from `follow`.
        path: The file.
    """
    words = np.array([phase.name.lower() for phase in Phase])
    content = {
        "flows": [asdict(flow) for flow in family.flows],
        "phase": words[family.phase],
        "linearized": {"couplings": list(FOLLOWED), "y": family.y, "y_se": family.y_se},
    }
    write_json(plain(content, pairs=(Estimate,)), path)


def read_flow(path: str | Path) -> FamilyFlow | None:
    """Read a flow that `write_flow` has written.

    Args:
        path: The file.

    Returns:
        The flow; None if there is no such file.

    Raises:
        InputError: If the file holds something else.
    """
    stored = read_json(Path(path))
    if stored is None:
        return None
    try:
        flows = tuple(CouplingFlow(**_fields(entry)) for entry in stored["flows"])
        phase = np.vectorize(lambda name: Phase[name.upper()].value, otypes=[int])(stored["phase"])
        y, y_se = (np.array(stored["linearized"][name], float) for name in ("y", "y_se"))
        return FamilyFlow(flows, phase, y, y_se)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} holds no flow of this version ({error}): renormalize the sweep again.") from error


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a flow from their entry in a file, with NaN for null."""
    plain_fields = {name: np.nan if value is None else value for name, value in entry.items()}
    arrays = {name: np.array(entry[name], float) for name in ("midpoint", "beta", "beta_se")}
    pairs = {name: np.array(entry[name], float).tolist() for name in ("interval", "y", "nu")}
    named = {"kind": FlowKind[entry["kind"].upper()], "interval": tuple(pairs["interval"])}
    return plain_fields | arrays | named | {name: Estimate(*pairs[name]) for name in ("y", "nu")}


def _flow(dataset: xr.Dataset, layer: int, name: str, coupling: Coupling) -> CouplingFlow:
    """The flow of one coupling of one layer."""
    values = coupling.transform(dataset[name].isel(layer=layer).transpose("size", "seed", "scale").values)
    speed = flow(values[..., None], SCALE)
    found = measured_fixed_point(values[..., None], SCALE, np.array([coupling.trivial]))
    misfit = float(found.chi2 / found.dof) if found.dof > 0 else np.nan
    kept = (found.couplings[0], *found.interval[0], found.y[0], found.y_se[0])
    point, low, high, y, y_se = (float(number) if misfit <= MAX_MISFIT else np.nan for number in kept)
    return CouplingFlow(
        layer=layer,
        coupling=name,
        start=float(np.nanmean(values[..., 0])),
        end=float(np.nanmean(values[..., -1])),
        midpoint=np.asarray(speed.midpoint[..., 0]),
        beta=np.asarray(speed.beta[..., 0]),
        beta_se=np.asarray(speed.beta_se[..., 0]),
        kind=FlowKind(int(found.kind)) if misfit <= MAX_MISFIT else FlowKind.NOT_FOUND,
        fixed_point=point,
        interval=(low, high),
        y=Estimate(y, y_se),
        nu=Estimate(1 / y, y_se / y**2) if y > 0 else Estimate(np.nan, np.nan),
        misfit=misfit,
    )


def _linearized(
    dataset: xr.Dataset,
) -> tuple[Float[np.ndarray, "layers steps k"], Float[np.ndarray, "layers steps k"]]:
    """Exponents y of all couplings together and their errors, by the regression of each step on the one before."""
    values = np.stack(
        [
            coupling.transform(dataset[name]).transpose(..., "seed", "size", "scale", "layer").values
            for name, coupling in FOLLOWED.items()
        ],
        axis=-1,
    )
    each = values.reshape(-1, *values.shape[-3:]).transpose(2, 1, 0, 3)
    found = linearized(each[:, :-1], each[:, 1:], SCALE, measured="couplings", blocks=dataset.sizes["seed"])
    return np.asarray(found.y), np.asarray(found.y_se)
