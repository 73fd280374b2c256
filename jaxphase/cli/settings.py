"""Options that several commands have: fields of a spec, with the NAME=VALUE pairs in them, and columns of a table."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jaxphase.cli.shared import Name, Names, say
from jaxphase.config import PhaseTransitionConfig, SweepSpec
from jaxphase.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


def _written(table: Any) -> list[str]:
    """A table as it is given on the command line; "none" if it is empty."""
    return [f"{name}={value}" for name, value in table.items()] or ["none"]


# A default is a table and what flags give is a tuple of texts, so that `over` can tell one from the other.
Options = Annotated[
    Mapping[str, Any] | tuple[str, ...],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME=VALUE ...",
        instance_from_str=tuple,
        is_instance=lambda value: isinstance(value, Mapping),
        str_from_instance=_written,
    ),
]


@dataclass(frozen=True)
class Settings(SweepSpec):
    """Fields of a spec as the command line gives them.

    `over` checks them when it makes a spec of them; earlier, tyro would print an error in its own words.
    """

    family_options: Options = field(default_factory=dict)
    objective_options: Options = field(default_factory=dict)
    data_options: Options = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check nothing."""

    def over(self, spec: SweepSpec) -> SweepSpec:
        """Make a spec of these settings, given the spec that their defaults come from.

        Options are added to those of `spec`, or take their place if the family, objective or data is another.
        """
        fields = dict(vars(self))
        for name in ("family", "objective", "data"):
            options = f"{name}_options"
            kept = getattr(spec, options) if fields[name] == getattr(spec, name) else {}
            texts = fields[options] if isinstance(fields[options], tuple) else ()
            given = dict(pair(options, text, "depth=3") for text in texts)
            fields[options] = {**kept, **{key: value_of(text) for key, text in given.items()}}
        return SweepSpec(**fields)


@dataclass(frozen=True)
class Columns:
    """The columns of a table or log."""

    x: Name = None
    """The column of sizes, by default one called params, parameters, size or the like."""
    y: Names = ()
    """The columns of metrics, by default all others that hold numbers."""
    by: Name = None
    """The column that tells repeats (seeds) apart, or runs by their names; without --x by default one called seed."""
    group: Name = None
    """The column of a second control parameter, such as data size; without --x by default one called data_size."""
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


QUICKSTART = Settings(**PhaseTransitionConfig().axes)
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
