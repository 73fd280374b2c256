"""Results in the types of JSON."""

import enum
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from jaxphase.errors import InputError


def plain(value: Any, pairs: tuple[type, ...] = ()) -> Any:
    """Lists, dicts and numbers; arrays are lists, named tuples dicts, but for those of the types in `pairs`, which are
    lists, members of enums their names in lower case, and a number that is not finite is None."""
    if isinstance(value, enum.Enum):
        return value.name.lower()
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
    """The plain value in a file; InputError where that is not possible."""
    try:
        Path(path).write_text(json.dumps(plain(value), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): name another file.") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file, None if there is none; InputError if it cannot be read."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): write it again.") from error
