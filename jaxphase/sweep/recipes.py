"""The pieces that a spec names, put together: its data, its objective, its optimizer, and how to build its models."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import optax
from flax import nnx

from jaxphase.config import SweepSpec
from jaxphase.data import DATA, Source
from jaxphase.errors import InputError
from jaxphase.models import FAMILIES, Family, Parametrization
from jaxphase.objectives import OBJECTIVES
from jaxphase.sweep.optimizers import make_optimizer


class Recipe(NamedTuple):
    """Everything that the models of a sweep have in common.

    Attributes:
        source: The data.
        objective: The self-supervised objective.
        optimizer: From gradients to directions of steps, clipping included, without learning rate and decay.
        scheme: How initial scales and learning rates follow the width.
        build: `build(width, rng, depth=0)` makes a model, drawn from a NumPy generator; without a generator it makes a
            template, and with depth 0 it takes `depth_of(width)`.
        depth_of: Number of blocks of a model of a width.
        multiple: The number that widths are multiples of.
        batch_size: Samples per step.
        positions: Positions that a model works through in a step: those of every sample, or of two views of it.
    """

    source: Source
    objective: Any
    optimizer: optax.GradientTransformation
    scheme: Parametrization
    build: Callable[..., nnx.Module]
    depth_of: Callable[[int], int]
    multiple: int
    batch_size: int
    positions: int


def make_recipe(spec: SweepSpec, source: Source | None = None) -> Recipe:
    """Look up what a spec names, and check that the pieces and their options go together.

    Args:
        spec: The sweep.
        source: Data to use instead of those that the spec names, for example at another resolution.

    Returns:
        The `Recipe` of the spec.

    Raises:
        InputError: If an option is unknown, if there are fewer data than asked for, or if pieces do not go together.
    """
    source = _source(spec) if source is None else source
    if spec.data_sizes[-1] > len(source.splits.train):
        raise InputError(
            f"data_sizes asks for {spec.data_sizes[-1]} rows: {spec.data} has {len(source.splits.train)} to train on."
        )
    objective = _objective(spec, source)
    family = FAMILIES[spec.family]
    if source.layout.kind not in family.input_kinds:
        others = ", ".join(name for name, other in FAMILIES.items() if source.layout.kind in other.input_kinds)
        raise InputError(
            f"family is {spec.family!r}: it does not read rows of the kind {source.layout.kind!r}, which {spec.data} "
            f"has; choose one of {others}."
        )
    module = cast(Callable[..., nnx.Module], family.module)
    options = _family_options(spec, family)
    aspect = options.pop("aspect")
    scheme = Parametrization(spec.parametrization, spec.base_width, adaptive=spec.optimizer != "sgd")

    def depth_of(width: int) -> int:
        return max(1, round(width / aspect)) if aspect else options["depth"]

    def build(width: int, rng: np.random.Generator | None, depth: int = 0) -> nnx.Module:
        shape = options | {"depth": depth or depth_of(width)}
        return module(objective.input_layout, objective.head, width, rng, scheme, **shape)

    multiple = family.multiple(**options)
    stem = getattr(build(multiple, None), "stem", None)
    views = 2 if objective.head.layout is None else 1
    return Recipe(
        source=source,
        objective=objective,
        optimizer=make_optimizer(spec.optimizer, spec.clip_norm),
        scheme=scheme,
        build=build,
        depth_of=depth_of,
        multiple=multiple,
        batch_size=spec.batch_size,
        positions=spec.batch_size * (stem.positions if stem else 1) * views,
    )


def _source(spec: SweepSpec) -> Source:
    """The data that a spec names."""
    known = inspect.signature(DATA[spec.data]).parameters.values()
    _check_options("data_options", spec.data, spec.data_options, known)
    return _load(spec.data, tuple(sorted(spec.data_options.items())))


@functools.lru_cache(maxsize=4)
def _load(name: str, options: tuple[tuple[str, Any], ...]) -> Source:
    """The data of a name, cached for the next call."""
    return DATA[name](**dict(options))


def _objective(spec: SweepSpec, source: Source) -> Any:
    """The objective that a spec names, for rows of these data."""
    kind = OBJECTIVES[spec.objective]
    given: dict[str, Any] = {"layout": source.layout}
    if "paired" in {entry.name for entry in dataclasses.fields(kind)}:
        given["paired"] = source.paired
    known = [entry for entry in inspect.signature(kind).parameters.values() if entry.name not in given]
    _check_options("objective_options", spec.objective, spec.objective_options, known)
    return kind(**given, **spec.objective_options)


def _family_options(spec: SweepSpec, family: Family) -> dict[str, int]:
    """The options of a family with their defaults, and `aspect`, the width over the depth, which 0 leaves free."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    known = [entry for entry in inspect.signature(family.module.__init__).parameters.values() if entry.kind == keyword]
    known.append(inspect.Parameter("aspect", keyword, default=0, annotation=int))
    _check_options("family_options", spec.family, spec.family_options, known)
    options = {entry.name: entry.default for entry in known} | dict(spec.family_options)
    if options["depth"] < 1:
        raise InputError(f"depth is {options['depth']}: a model needs at least one block.")
    return options


def _check_options(name: str, owner: str, options: Mapping[str, Any], known: Iterable[inspect.Parameter]) -> None:
    """InputError for an option that is unknown, or that is annotated as a number and is not one."""
    kinds = {entry.name: entry.annotation for entry in known}
    for key, value in options.items():
        if key not in kinds:
            raise InputError(f"{name} has {key!r}: {owner} knows {', '.join(kinds) or 'nothing'}.")
        numbers = {int: int, float: int | float}.get(kinds[key])
        if numbers and (isinstance(value, bool) or not isinstance(value, numbers) or value < 0):
            raise InputError(
                f"{name}.{key} is {value!r}: give a {'whole' if numbers is int else 'non-negative'} number."
            )
