"""The pieces that a spec names, put together: its data, its objective, and how to build its models."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from flax import nnx

from jaxphase.config import SweepSpec
from jaxphase.data import DATA, Source
from jaxphase.errors import InputError
from jaxphase.models import FAMILIES, Parametrization
from jaxphase.objectives import OBJECTIVES


class Recipe(NamedTuple):
    """Data, objective, parametrization, and `build(width, rng)`, which without a generator gives a template."""

    source: Source
    objective: object
    scheme: Parametrization
    build: Callable[[int, np.random.Generator | None], nnx.Module]


def recipe(spec: SweepSpec) -> Recipe:
    """Look up what the spec names and check its options and data sizes against it."""
    source = DATA[spec.data]()
    if spec.data_sizes[-1] > len(source.splits.train):
        raise InputError(
            f"data_sizes asks for {spec.data_sizes[-1]} images: {spec.data} has {len(source.splits.train)} to train on."
        )
    kind = OBJECTIVES[spec.objective]
    known = [entry.name for entry in dataclasses.fields(kind) if entry.name != "shape"]
    _check_options("objective_options", spec.objective, spec.objective_options, known, numbers=int | float)
    objective = kind(source.shape, **spec.objective_options)

    family = FAMILIES[spec.family]
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    known = [
        name for name, entry in inspect.signature(family.__init__).parameters.items() if entry.kind == keyword_only
    ]
    _check_options("family_options", spec.family, spec.family_options, known, numbers=int)
    scheme = Parametrization(spec.parametrization, spec.base_width)

    def build(width: int, rng: np.random.Generator | None) -> nnx.Module:
        return family(objective.inputs, objective.outputs, width, rng, scheme, **spec.family_options)

    return Recipe(source, objective, scheme, build)


def _check_options(name: str, owner: str, options: Mapping, known: list[str], numbers) -> None:
    for key, value in options.items():
        if key not in known:
            choices = ", ".join(known) if known else "nothing"
            raise InputError(f"{name} has {key!r}: {owner} knows {choices}.")
        if isinstance(value, bool) or not isinstance(value, numbers) or value < 0:
            kind = "whole" if numbers is int else "non-negative"
            raise InputError(f"{name}.{key} is {value!r}: give a {kind} number.")
