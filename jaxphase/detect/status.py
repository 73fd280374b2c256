"""What a detector says about its own answer: the `status` of every result."""

from enum import IntEnum
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Int

Result = TypeVar("Result")


class Status(IntEnum):
    """What a detector says about its own answer.

    The docstring of each detector says which status it gives when.

    Attributes:
        OK: The estimates are valid.
        AT_BOUND: An estimate is at the edge of the search or of the data.
        NOT_IDENTIFIED: The points do not determine the estimates.
        TOO_FEW_POINTS: There are fewer points than the detector needs.
    """

    OK = 0
    AT_BOUND = 1
    NOT_IDENTIFIED = 2
    TOO_FEW_POINTS = 3


def first_true(*cases: tuple[Bool[ArrayLike, "..."], Status | Int[Array, "..."]]) -> Int[Array, "..."]:
    """The status of the first `(condition, status)` pair that holds, else OK."""
    status = jnp.int32(Status.OK)
    for condition, value in reversed(cases):
        status = jnp.where(condition, jnp.int32(value), status)
    return status


def answered(result: Result, known: Bool[ArrayLike, "..."]) -> Result:
    """The same result with NaN in every floating field where `known` is false."""
    return jax.tree.map(lambda field: jnp.where(known, field, jnp.nan) if field.dtype.kind == "f" else field, result)
