"""What a model is asked for, and its size: from a requested number of parameters to a width, and back exactly."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
from flax import nnx

from jaxphase.data.source import Layout

MAX_WIDTH = 1 << 20


class Head(NamedTuple):
    """What a model gives back for a row: a row of a layout (logits over the vocabulary for tokens), or `dims` numbers
    to compare rows by."""

    layout: Layout | None = None
    dims: int = 0


class Family(NamedTuple):
    """How to build a model, `module(reads, head, width, rng, scheme, **options)`, whose `encode(rows)` is the
    representation [n, features] and whose call the head's answer; the kinds of rows that it reads; and the number that
    its widths are multiples of, given its options."""

    module: type[nnx.Module]
    reads: tuple[str, ...]
    multiple: Callable[..., int] = lambda **options: 1


def count_parameters(model: nnx.Module) -> int:
    """Number of trained numbers in a model, less those of a projector: that has one size for all widths, and is thrown
    away after training."""
    leaves = jax.tree_util.tree_leaves_with_path(nnx.state(model, nnx.Param))
    return sum(leaf.size for path, leaf in leaves if "projector" not in jax.tree_util.keystr(path))


def width_for(size: int, count: Callable[[int], int], multiple: int = 1) -> int:
    """The width, a multiple, whose parameter count is nearest to `size` by ratio; `count` must grow with the width."""
    low, high = 1, 2

    def at(steps: int) -> int:
        return count(steps * multiple)

    while at(high) < size and high * multiple < MAX_WIDTH:
        low, high = high, 4 * high
    while high - low > 1:
        # Counts are nearly powers of the width: interpolate in logarithms, but keep away from the ends.
        share = math.log(size / at(low)) / math.log(at(high) / at(low))
        guess = round(low * (high / low) ** min(max(share, 0.02), 0.98))
        middle = min(max(guess, low + 1), high - 1)
        low, high = (low, middle) if at(middle) >= size else (middle, high)
    return multiple * (low if size * size <= at(low) * at(high) else high)
