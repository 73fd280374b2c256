"""Results in the types of JSON."""

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from jaxphase.errors import InputError


def plain(value: Any, pairs: tuple[type, ...] = ()) -> Any:
    """Turn a result into the types of JSON.

    Args:
        value: Arrays become lists, named tuples become dicts, members of enums become their names in lower case, and
            numbers that are not finite become None.
        pairs: Types of named tuples that become lists.

    Returns:
        Lists, dicts, strings, numbers and None.
    """
    if isinstance(value, Enum):
        return value.name.lower()
    if hasattr(value, "_asdict") and not isinstance(value, pairs):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(name): plain(entry, pairs) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry, pairs) for entry in value]
    if hasattr(value, "tolist"):  # of NumPy and of JAX
        return plain(value.tolist(), pairs)
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def write_json(value: Any, path: str | Path) -> None:
    """Write a result to a file as JSON.

    Args:
        value: A result, as for `plain`.
        path: The file.

    Raises:
        InputError: If the file cannot be written.
    """
    try:
        Path(path).write_text(json.dumps(plain(value), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): name another file.") from error


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file.

    Returns:
        Its content, or None if there is no such file.

    Raises:
        InputError: If the file is there and cannot be read.
    """
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): write it again.") from error
