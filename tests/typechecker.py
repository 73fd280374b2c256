"""The run-time checker of annotations that the tests run with: jaxtyping's shapes, an int where a float is due."""

from collections.abc import Callable

from beartype import BeartypeConf, beartype

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(function: Callable) -> Callable:
    """Check a function; settings check themselves when they are made, in sentences that have tests of their own."""
    itself = function.__module__ == "jaxphase.config" and function.__name__ == "__init__"
    return function if itself else _checked(function)
