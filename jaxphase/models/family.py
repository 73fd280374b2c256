"""Families: from a requested number of parameters to a model, and back to the exact count."""

import math
from collections.abc import Callable

import jax
from flax import nnx

from jaxphase.models.mlp import MLP

FAMILIES: dict[str, type[nnx.Module]] = {"mlp": MLP}

MAX_WIDTH = 1 << 20


def count_parameters(model: nnx.Module) -> int:
    """Number of trained numbers in a model."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def width_for(size: int, count: Callable[[int], int]) -> int:
    """The width whose parameter count, by ratio, is nearest to `size`; `count` must grow with the width."""
    low, high = 1, 2
    while count(high) < size and high < MAX_WIDTH:
        low, high = high, 4 * high
    while high - low > 1:
        # Counts are nearly powers of the width: interpolate in logarithms, but keep away from the ends.
        share = math.log(size / count(low)) / math.log(count(high) / count(low))
        guess = round(low * (high / low) ** min(max(share, 0.02), 0.98))
        middle = min(max(guess, low + 1), high - 1)
        low, high = (low, middle) if count(middle) >= size else (middle, high)
    return low if size * size <= count(low) * count(high) else high
