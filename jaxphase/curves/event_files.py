"""Scalars of TensorBoard event files, without TensorFlow.

An event file is a TFRecord file: records of length (uint64), masked CRC-32C of the length (uint32), data, masked
CRC-32C of the data, all little-endian, where masked(c) = rotate_right(c, 15) + 0xa282ead8. The data are an `Event`
protobuf, of which these fields count, by number:

    Event:       1 wall_time (double), 2 step (int64), 5 summary (Summary)
    Summary:     1 value (repeated Value)
    Value:       1 tag (string), 2 simple_value (float), 8 tensor (TensorProto)
    TensorProto: 1 dtype (1 float, 2 double), 2 tensor_shape, 4 tensor_content (bytes), 5 float_val, 6 double_val
    tensor_shape: 2 dim (repeated, its field 1 the size)
"""

import os
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from jaxphase.curves.table import Row, Table
from jaxphase.errors import InputError

TIME = "step"
_FLOATS = {1: ("f", 5), 2: ("d", 6)}
# Errors from bytes that are not a protobuf: fields of a wrong kind, fields beyond the end, text that is not UTF-8.
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError, struct.error)


class Scalar(NamedTuple):
    """One value of one tag; wall_time in seconds since 1970."""

    wall_time: float
    step: int
    tag: str
    value: float


def read_event_files(folder: Path, files: list[Path]) -> Table:
    """Read the scalars of event files as rows of their tags and of `step`; the files of one folder are one run.

    Args:
        folder: The folder that names of runs are relative to.
        files: The event files.

    Returns:
        A table whose rows are in the order of wall time, so that the values written after a restart come last.

    Raises:
        InputError: If a file cannot be read.
    """
    runs: dict[str, list[Scalar]] = {}
    for file in files:
        home = file.parent.relative_to(folder).as_posix() if folder.is_dir() else "."
        name = home if home != "." else file.resolve().parent.name
        try:
            runs.setdefault(name, []).extend(scalars(file))
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}): give a readable event file.") from error
    rows = [row for name, found in runs.items() for row in _rows(f"run {name!r} of {folder}", name, found)]
    columns = dict.fromkeys((TIME, *(tag for row in rows for tag in row.cells)))
    return Table(str(folder), tuple(columns), rows, TIME)


def scalars(path: Path) -> Iterator[Scalar]:
    """Read the scalars of an event file up to the first damaged record, with a warning if there is one."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        while (begin := file.tell()) < end:
            data = _record(file, end)
            found = _checked_scalars(data) if data else None
            if found is None:
                warnings.warn(f"{path} is torn at byte {begin} of {end}: what is before it is read.", stacklevel=2)
                return
            yield from found


def _rows(where: str, run: str, found: list[Scalar]) -> list[Row]:
    """Rows of scalars by wall time; neighbors of the same step share a row."""
    rows: list[dict] = []
    for scalar in sorted(found, key=lambda scalar: scalar.wall_time):
        if not rows or rows[-1][TIME] != scalar.step or scalar.tag in rows[-1]:
            rows.append({TIME: scalar.step})
        rows[-1].setdefault(scalar.tag, scalar.value)
    return [Row(where, run, cells) for cells in rows]


def _record(file: BinaryIO, end: int) -> bytes | None:
    """Data and their CRC, None if the length is wrong or goes beyond the end of the file."""
    header = file.read(12)
    if len(header) < 12 or _masked_crc(header[:8]) != _uint32(header[8:]):
        return None
    length = int.from_bytes(header[:8], "little") + 4
    return file.read(length) if length <= end - file.tell() else None


def _checked_scalars(record: bytes) -> list[Scalar] | None:
    """The scalars in a record of data and their checksum, None if it is damaged."""
    try:
        found = _scalars(record[:-4])
    except _MALFORMED:
        return None
    # Python is slow at checksums over images and graphs: only those of scalars are checked.
    return found if not found or _masked_crc(record[:-4]) == _uint32(record[-4:]) else None


def _scalars(event: bytes) -> list[Scalar]:
    wall_time, step, found = 0.0, 0, []
    for number, content in _fields(event):
        if number == 1:
            (wall_time,) = struct.unpack("<d", content)
        elif number == 2:
            step = content - (1 << 64) * (content >> 63)
        elif number == 5:
            found += [_value(value) for field, value in _fields(content) if field == 1]
    return [Scalar(wall_time, step, tag, value) for tag, value in found if value is not None]


def _value(message: bytes) -> tuple[str, float | None]:
    """Tag and value of a Value message, None if it is not a scalar."""
    tag, value = "", None
    for number, content in _fields(message):
        if number == 1:
            tag = content.decode()
        elif number == 2:
            (value,) = struct.unpack("<f", content)
        elif number == 8:
            value = _tensor(content)
    return tag, value


def _tensor(message: bytes) -> float | None:
    """The number in a TensorProto of floats with one element; one that lists no number is zero."""
    fields = list(_fields(message))
    code, repeated = _FLOATS.get(next((content for number, content in fields if number == 1), 0), ("", 0))
    dims = [dim for number, shape in fields if number == 2 for field, dim in _fields(shape) if field == 2]
    if not code or any(dict(_fields(dim)).get(1) != 1 for dim in dims):
        return None
    content = b"".join(content for number, content in fields if number in (4, repeated))
    return struct.unpack(f"<{code}", content or bytes(struct.calcsize(code)))[0]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and content of each field of a protobuf message: an int for a varint, else bytes."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            content, at = _varint(message, at)
        else:
            length, at = _varint(message, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            content, at = message[at : at + length], at + length
        if at > end:
            raise ValueError("a field reaches beyond its message")
        yield key >> 3, content


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number whose bytes of seven bits, lowest first, begin there, and where it ends."""
    if message[at] < 128:
        return message[at], at + 1
    value = 0
    for i in range(10):
        byte = message[at + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    raise ValueError("an integer of more than 64 bits")


def _uint32(four: bytes) -> int:
    return int.from_bytes(four, "little")


def _crc_of_byte(byte: int) -> int:
    """By the polynomial of Castagnoli, bits reversed."""
    for _ in range(8):
        byte = byte >> 1 ^ 0x82F63B78 * (byte & 1)
    return byte


_CRC = tuple(_crc_of_byte(byte) for byte in range(256))


def _masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
