"""The models of a sweep: every size x data size x seed x learning rate, each with the nearest width of the family."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from jaxphase.config import SweepSpec
from jaxphase.errors import InputError
from jaxphase.models import count_parameters, width_for
from jaxphase.sweep.recipes import Recipe


class Lane(NamedTuple):
    """One model of the grid.

    Attributes:
        size: Requested number of parameters.
        params: Actual number of parameters.
        width: Width of the model.
        data_size: Number of samples it trains on.
        seed: Number of the repeat.
        learning_rate: Learning rate at the base width.
        depth: Number of blocks; 0 for the depth that the recipe gives to the width.
    """

    size: int
    params: int
    width: int
    data_size: int
    seed: int
    learning_rate: float
    depth: int = 0


def lanes_of(spec: SweepSpec, recipe: Recipe) -> list[Lane]:
    """List every model of the grid, sizes in increasing order.

    Raises:
        InputError: If two sizes are nearest to the same width.
    """
    count = _counter(recipe)
    lanes: list[Lane] = []
    size_of_width: dict[int, int] = {}
    for size in spec.sizes:
        width = width_for(size, count, recipe.multiple)
        if width in size_of_width:
            raise InputError(
                f"sizes {size_of_width[width]} and {size} are both nearest to width {width} "
                f"({count(width)} parameters): space the sizes wider or start higher."
            )
        size_of_width[width] = size
        lanes += [
            Lane(size, count(width), width, data_size, seed, rate, recipe.depth_of(width))
            for data_size in spec.data_sizes
            for seed in range(spec.seeds)
            for rate in spec.learning_rates
        ]
    return lanes


def distinct_sizes(spec: SweepSpec, recipe: Recipe) -> tuple[int, ...]:
    """Keep one size for each width of the family: the one nearest to the parameter count of that width.

    Args:
        spec: The models to train.
        recipe: How the family is built at each width.

    Returns:
        The sizes that are kept, in increasing order.
    """
    count = _counter(recipe)
    nearest: dict[int, int] = {}
    for size in spec.sizes:
        width = width_for(size, count, recipe.multiple)
        rivals = nearest.get(width, size), size
        nearest[width] = min(rivals, key=lambda size, width=width: abs(math.log(size / count(width))))
    return tuple(sorted(nearest.values()))


def _counter(recipe: Recipe) -> Callable[[int], int]:
    """A function from a width to the number of parameters of the model."""
    return functools.cache(lambda width: count_parameters(recipe.build(width, None)))
