"""Options that several commands have: fields of a spec, with the NAME=VALUE pairs in them, and columns of a table."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jaxphase.cli.shared import Name, Names, Number, Rates, SomeNames, Whole, Wholes, say
from jaxphase.config import SweepSpec
from jaxphase.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Settings:
    """What takes the place of the spec's."""

    family: Name = None
    """Model family: mlp, resnet, transformer or vit."""
    objective: Name = None
    """autoencoding, masked_modeling, contrastive, barlow_twins or vicreg."""
    data: Name = None
    """digits, glyphs, text, hierarchy, spiked, ising or arrays."""
    optimizer: Name = None
    """adamw, adam, sgd, or what optax has as scale_by_NAME."""
    parametrization: Name = None
    """mup or standard."""
    sizes: Wholes = None
    """Parameters of the models."""
    data_sizes: Wholes = None
    """Training samples."""
    checkpoints: Wholes = None
    """Steps at which to measure; training ends at the last."""
    learning_rate: Rates = None
    """One or several learning rates."""
    seeds: Whole = None
    """Models of each kind."""
    batch_size: Whole = None
    """Samples a step."""
    metrics: SomeNames = None
    """What to measure, everything by default."""
    family_options: SomeNames = None
    """NAME=NUMBER, such as depth=3."""
    objective_options: SomeNames = None
    """NAME=NUMBER, such as mask_fraction=0.25."""
    data_options: SomeNames = None
    """NAME=VALUE, such as path=mine.npz."""

    def over(self, spec: SweepSpec) -> SweepSpec:
        """The spec with these settings in it; the options of what is no longer named go with it."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        for name in ("family", "objective", "data"):
            options = dict(pair(f"{name}_options", text, "depth=3") for text in given.get(f"{name}_options", ()))
            if name in given or options:
                kept = (
                    {}
                    if given.get(name, getattr(spec, name)) != getattr(spec, name)
                    else getattr(spec, f"{name}_options")
                )
                given[f"{name}_options"] = {**kept, **{key: value_of(text) for key, text in options.items()}}
        if len(given.get("learning_rate", ())) == 1:
            given["learning_rate"] = given["learning_rate"][0]
        return replace(spec, **given)


@dataclass(frozen=True)
class Columns:
    """What is where in a table or log."""

    x: Name = None
    """The column of sizes, by default one called params, parameters, size or the like."""
    y: Names = ()
    """The columns of metrics, by default all others that hold numbers."""
    by: Name = None
    """The column that tells repeats (seeds) apart, or runs by their names; where --x is left out, one called seed."""
    group: Name = None
    """The column of a second control parameter, such as data size; where --x is left out, one called data_size."""
    run: Name = None
    """A pattern of the names of runs, such as gpt-{size}-seed{seed}."""
    time: Name = None
    """The column of training steps."""

    def read(self, file: Path, step: float | Literal["all"] | None) -> "xr.Dataset":
        """The curves of a file at a training step, the last of each run, or all."""
        from jaxphase.curves import read

        data = read(file, **vars(self), step=step)
        if self.x is None and self.run is None and file.suffix != ".nc":
            meant = {"params": "model size (--x)", "seed": "repeats (--by)", "data_size": "data size (--group)"}
            said = [f"{data[at].attrs['long_name']} for {what}" for at, what in meant.items() if at in data.coords]
            say(f"{file} is read with {', '.join(said)}.")
        return data


@dataclass(frozen=True)
class Condition:
    """The models whose critical size is asked for."""

    family: Name = None
    """Of the models whose critical size is asked for; needed where measurements are grouped by it."""
    objective: Name = None
    """Of these models; needed where measurements are grouped by it."""
    data: Name = None
    """Name of their data; needed where measurements are grouped by it."""
    data_size: Number = None
    """Of these models; needed where the measurements have one."""
    data_complexity: Number = None
    """Of their data, in bits a number; needed where the measurements have one."""
    model_size: Number = None
    """Of these models; needed where the measurements have one."""
    new_family: bool = False
    """The family has not been measured."""
    new_objective: bool = False
    """The objective has not been measured."""
    new_data: bool = False
    """The data have not been measured."""


ANY = Condition()
UNCHANGED = Settings()
USUAL = Columns()


def pair(option: str, text: str, example: str) -> tuple[str, str]:
    """NAME and VALUE of an option's text; InputError for anything else."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"{option} is {text!r}: give NAME=VALUE, such as {example}.")
    return name, value


def value_of(text: str) -> Any:
    """A TOML value, or the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
