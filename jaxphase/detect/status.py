"""What a detector says about its own answer: the integer `status` of every result."""

from enum import IntEnum

import jax
import jax.numpy as jnp


class Status(IntEnum):
    """What a detector says about its own answer."""

    OK = 0
    AT_BOUND = 1
    NOT_IDENTIFIED = 2
    TOO_FEW_POINTS = 3


OK, AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS = Status


def first_true(*cases):
    """The status of the first `(condition, status)` pair that holds, else OK."""
    status = jnp.int32(OK)
    for condition, value in reversed(cases):
        status = jnp.where(condition, jnp.int32(value), status)
    return status


def answered(result, known):
    """The same result with NaN in every floating field where `known` is false."""
    return jax.tree.map(lambda field: jnp.where(known, field, jnp.nan) if field.dtype.kind == "f" else field, result)
