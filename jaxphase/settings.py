"""Fields of a spec as options of the command line, and the NAME=VALUE pairs in them."""

import tomllib
from dataclasses import dataclass, replace
from typing import Any

from jaxphase.config import SweepSpec
from jaxphase.errors import InputError


@dataclass(frozen=True)
class Settings:
    """What takes the place of the spec's."""

    family: str | None = None
    """Model family: mlp, resnet, transformer or vit."""
    objective: str | None = None
    """autoencoding, masked_modeling, contrastive, barlow_twins or vicreg."""
    data: str | None = None
    """digits, glyphs, text, hierarchy, spiked, ising or arrays."""
    optimizer: str | None = None
    """adamw, adam, sgd, or what optax has as scale_by_NAME."""
    parametrization: str | None = None
    """mup or standard."""
    sizes: tuple[int, ...] | None = None
    """Parameters of the models."""
    data_sizes: tuple[int, ...] | None = None
    """Training samples."""
    checkpoints: tuple[int, ...] | None = None
    """Steps at which to measure; training ends at the last."""
    learning_rate: tuple[float, ...] | None = None
    """One or several learning rates."""
    seeds: int | None = None
    """Models of each kind."""
    batch_size: int | None = None
    """Samples a step."""
    metrics: tuple[str, ...] | None = None
    """What to measure, everything by default."""
    family_options: tuple[str, ...] | None = None
    """NAME=NUMBER, such as depth=3."""
    objective_options: tuple[str, ...] | None = None
    """NAME=NUMBER, such as mask_fraction=0.25."""
    data_options: tuple[str, ...] | None = None
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


UNCHANGED = Settings()


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
