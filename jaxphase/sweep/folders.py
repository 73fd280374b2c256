"""The folder of a sweep: its spec, its plan, its checkpoints and its result."""

import json
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from jaxphase.config import PhaseTransitionConfig, SweepSpec, read_toml, to_toml
from jaxphase.errors import InputError
from jaxphase.runtime.mesh import Machine, this_machine
from jaxphase.sweep.planning import Plan, make_plan
from jaxphase.sweep.recipes import Recipe


class Folder(NamedTuple):
    """The files of one sweep.

    Attributes:
        root: The folder.
    """

    root: Path

    @property
    def spec(self) -> Path:
        """Spec and question, as TOML."""
        return self.root / "spec.toml"

    @property
    def plan(self) -> Path:
        """The input to the plan, as JSON."""
        return self.root / "plan.json"

    @property
    def result(self) -> Path:
        """The Dataset of the finished sweep, as NetCDF."""
        return self.root / "sweep.nc"

    def bucket(self, number: int) -> Path:
        """Folder of the checkpoints of a bucket."""
        return self.root / "checkpoints" / f"bucket_{number:02d}"

    def read_plan(self, spec: SweepSpec, recipe: Recipe) -> Plan:
        """Make again the plan that the sweep was started with."""
        machine, buckets = self.read_machine()
        return make_plan(spec, recipe, machine=machine, buckets=buckets)

    def read_machine(self) -> tuple[Machine, int]:
        """The devices that the sweep was started on, and the number of buckets that was asked for."""
        saved = json.loads(self.plan.read_text())
        return Machine(saved["devices"], saved["platform"], saved["memory"]), saved["buckets"]

    def write_plan(self, machine: Machine, buckets: int) -> None:
        """Write the input of `read_plan`; the file is written completely or not at all."""
        partial = self.plan.with_suffix(".part")
        partial.write_text(json.dumps(machine._asdict() | {"buckets": buckets}))
        partial.replace(self.plan)

    def write_result(self, dataset: xr.Dataset) -> None:
        """Write the result; the file is written completely or not at all."""
        partial = self.result.with_suffix(".part")
        dataset.to_netcdf(partial, engine="h5netcdf")
        partial.replace(self.result)


def open_folder(
    root: Path, spec: SweepSpec, recipe: Recipe, config: PhaseTransitionConfig, *, buckets: int, resume: bool
) -> tuple[Folder, Plan]:
    """Make a new folder with spec and plan in it, or open one that holds the same sweep.

    Args:
        root: The folder.
        spec: The sweep.
        recipe: What its models have in common.
        config: The question that is stored beside the spec.
        buckets: Number of buckets; 0 lets the planner choose.
        resume: Whether the folder may hold the sweep already.

    Returns:
        The folder, and the plan that the sweep runs or ran by.

    Raises:
        InputError: If the folder exists and `resume` is false, or if it holds another sweep or one of other devices.
    """
    folder, machine = Folder(root), this_machine()
    if folder.plan.exists() and resume:
        _check_same(folder, spec, machine)
        return folder, folder.read_plan(spec, recipe)
    # A sweep that was killed before its plan was written leaves only a spec.
    begun = {folder.spec.name, folder.plan.with_suffix(".part").name} if resume else set()
    if root.exists() and (not root.is_dir() or {path.name for path in root.iterdir()} - begun):
        raise InputError(f"{root} exists: name another output folder, or resume the sweep in it.")
    plan = make_plan(spec, recipe, machine=machine, buckets=buckets)
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder.spec.write_text(to_toml(spec, config), encoding="utf-8")
        folder.write_plan(machine, buckets)
    except OSError as error:
        raise InputError(f"{root} cannot be written ({error.strerror}): name another output folder.") from error
    return folder, plan


def _check_same(folder: Folder, spec: SweepSpec, machine: Machine) -> None:
    """InputError if the sweep in a folder has another spec, or was started on other devices."""
    started, _ = read_toml(folder.spec)
    for name, value in vars(started).items():
        if value != getattr(spec, name):
            raise InputError(
                f"{folder.root} was started with {name} = {value}, not {getattr(spec, name)}: resume with the same "
                "spec."
            )
    saved, _ = folder.read_machine()
    if (saved.platform, saved.devices) != (machine.platform, machine.devices):
        raise InputError(
            f"{folder.root} was started on {saved.devices} {saved.platform} device(s), not {machine.devices} "
            f"{machine.platform}: resume it there, or start anew in another folder."
        )
