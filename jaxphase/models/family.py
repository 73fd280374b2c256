"""What a model returns, and its size: from a requested number of parameters to a width, and back exactly."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
from flax import nnx

from jaxphase.data.source import Layout

MAX_WIDTH = 1 << 20


class Head(NamedTuple):
    """What a model returns for each row.

    Attributes:
        layout: A row of this layout (logits over the vocabulary for tokens), or None for a projection.
        dims: Dimension of the projection, by which rows are compared.
    """

    layout: Layout | None = None
    dims: int = 0


class Family(NamedTuple):
    """How to build a model.

    Attributes:
        module: `module(input_layout, head, width, rng, scheme, **options)`; its `encode(rows)` is the representation
            `[n, features]`, and calling it gives what the head asks for.
        input_kinds: Kinds of rows that it reads: "image", "vector", "tokens".
        multiple: The number that its widths are multiples of, a function of its options.
    """

    module: Callable[..., nnx.Module]
    input_kinds: tuple[str, ...]
    multiple: Callable[..., int] = lambda **options: 1


def count_parameters(model: nnx.Module) -> int:
    """Count the trained parameters of a model without those of a projector.

    A projector has one size for all widths and is thrown away after training.

    Args:
        model: Any Flax module.

    Returns:
        The number of parameters.
    """
    leaves = jax.tree_util.tree_leaves_with_path(nnx.state(model, nnx.Param))
    return sum(leaf.size for path, leaf in leaves if "projector" not in jax.tree_util.keystr(path))


def width_for(size: int, count: Callable[[int], int], multiple: int = 1) -> int:
    """Find the width whose number of parameters is nearest to `size` by ratio.

    Args:
        size: Requested number of parameters.
        count: Number of parameters at a width; must grow with it.
        multiple: The width is a multiple of this.

    Returns:
        The width.
    """
    low, high = 1, 2

    def at(steps: int) -> int:
        return count(steps * multiple)

    while at(high) < size and high * multiple < MAX_WIDTH:
        low, high = high, 4 * high
    while high - low > 1:
        # Counts are nearly powers of the width, so interpolate in logarithms, but keep away from the ends.
        share = math.log(size / at(low)) / math.log(at(high) / at(low))
        guess = round(low * (high / low) ** min(max(share, 0.02), 0.98))
        middle = min(max(guess, low + 1), high - 1)
        low, high = (low, middle) if at(middle) >= size else (middle, high)
    return multiple * (low if size * size <= at(low) * at(high) else high)
