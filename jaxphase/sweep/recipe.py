"""The pieces that a spec names, put together: its data, its objective, its optimizer, and how to build its models."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import optax
from flax import nnx

from jaxphase.config import SweepSpec
from jaxphase.data import DATA, Source
from jaxphase.errors import InputError
from jaxphase.models import FAMILIES, Parametrization
from jaxphase.objectives import OBJECTIVES
from jaxphase.sweep.optimizer import optimizer


class Recipe(NamedTuple):
    """Data, objective, optimizer, parametrization; `build(width, rng)`, which without a generator gives a template, of
    another depth than `depth_of(width)` if that is named; the number that widths are multiples of; samples a step, and
    the positions that a model works through in it: those of every sample, or of two views of it."""

    source: Source
    objective: Any
    optimizer: optax.GradientTransformation
    scheme: Parametrization
    build: Callable[..., nnx.Module]
    depth_of: Callable[[int], int]
    multiple: int
    batch_size: int
    positions: int


def recipe(spec: SweepSpec, source: Source | None = None) -> Recipe:
    """Look up what the spec names, check its options and data sizes, and that each piece goes with the others.

    `source` takes the place of the data that the spec names: those at another resolution, for example.
    """
    if source is None:
        known = inspect.signature(DATA[spec.data]).parameters.values()
        _check_options("data_options", spec.data, spec.data_options, known)
        source = _load(spec.data, tuple(sorted(spec.data_options.items())))
    if spec.data_sizes[-1] > len(source.splits.train):
        raise InputError(
            f"data_sizes asks for {spec.data_sizes[-1]} rows: {spec.data} has {len(source.splits.train)} to train on."
        )

    kind, given = OBJECTIVES[spec.objective], ("layout", "paired")
    known = [entry for entry in inspect.signature(kind).parameters.values() if entry.name not in given]
    _check_options("objective_options", spec.objective, spec.objective_options, known)
    pairs = {"paired": source.paired} if "paired" in {entry.name for entry in dataclasses.fields(kind)} else {}
    objective = kind(source.layout, **pairs, **spec.objective_options)

    family = FAMILIES[spec.family]
    if source.layout.kind not in family.reads:
        others = ", ".join(name for name, other in FAMILIES.items() if source.layout.kind in other.reads)
        raise InputError(
            f"family is {spec.family!r}: it does not read rows of the kind {source.layout.kind!r}, which {spec.data} "
            f"has; choose one of {others}."
        )
    known = [
        entry
        for entry in inspect.signature(family.module.__init__).parameters.values()
        if entry.kind == inspect.Parameter.KEYWORD_ONLY
    ]
    aspect = inspect.Parameter("aspect", inspect.Parameter.KEYWORD_ONLY, annotation=int)
    _check_options("family_options", spec.family, spec.family_options, [*known, aspect])
    options = {entry.name: entry.default for entry in known} | spec.family_options
    aspect = options.pop("aspect", 0)
    if options["depth"] < 1:
        raise InputError(f"depth is {options['depth']}: a model needs at least one block.")

    def depth_of(width: int) -> int:
        return max(1, round(width / aspect)) if aspect else options["depth"]

    scheme = Parametrization(spec.parametrization, spec.base_width, adaptive=spec.optimizer != "sgd")

    def build(width: int, rng: np.random.Generator | None, depth: int = 0) -> nnx.Module:
        shape = options | {"depth": depth or depth_of(width)}
        return family.module(objective.reads, objective.head, width, rng, scheme, **shape)

    multiple = family.multiple(**options)
    stem = getattr(build(multiple, None), "stem", None)
    positions = spec.batch_size * (stem.positions if stem else 1) * (2 if objective.head.layout is None else 1)
    pieces = source, objective, optimizer(spec.optimizer), scheme
    return Recipe(*pieces, build, depth_of, multiple, spec.batch_size, positions)


@functools.lru_cache(maxsize=4)
def _load(name: str, options: tuple[tuple[str, Any], ...]) -> Source:
    return DATA[name](**dict(options))


def _check_options(name: str, owner: str, options: Mapping, known: Iterable[inspect.Parameter]) -> None:
    """Names, and values where an option is annotated as a number."""
    kinds = {entry.name: entry.annotation for entry in known}
    for key, value in options.items():
        if key not in kinds:
            raise InputError(f"{name} has {key!r}: {owner} knows {', '.join(kinds) or 'nothing'}.")
        numbers = {int: int, float: int | float}.get(kinds[key])
        if numbers and (isinstance(value, bool) or not isinstance(value, numbers) or value < 0):
            raise InputError(
                f"{name}.{key} is {value!r}: give a {'whole' if numbers is int else 'non-negative'} number."
            )
