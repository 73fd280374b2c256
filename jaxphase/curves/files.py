"""The reader for each kind of path, and the text formats: CSV tables, exports of Weights & Biases, JSON lines."""

import csv
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from jaxphase.curves.event_files import read_event_files
from jaxphase.curves.table import Row, Table
from jaxphase.errors import InputError

JSON_LINES = (".jsonl", ".ndjson")
_LOWEST, _HIGHEST, _BETWEEN = "__MIN", "__MAX", " - "


def read_table(path: Path) -> Table:
    """Read the rows of a .csv, .jsonl or .ndjson file, of an event file, or of a folder with a file for each run.

    A folder is searched at any depth for event files, or without them for JSON lines, or without those for CSV files. A
    run has the name of the folder of its event files, or of its text file without the suffix, relative to `path`.

    Args:
        path: The file or folder.

    Returns:
        The table.

    Raises:
        InputError: If there is no such file, or it cannot be read.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of a table, a log or a folder of runs.")
    if not path.is_dir():
        if _is_event_file(path):
            return read_event_files(path, [path])
        if path.suffix not in (".csv", *JSON_LINES):
            raise InputError(
                f"{path} is none of .nc, .csv, .jsonl, .ndjson and *.tfevents.*: give the sweep.nc of a sweep, a "
                "table, JSON lines, a TensorBoard event file or a folder of runs."
            )
        return _read_json_lines(path) if path.suffix in JSON_LINES else read_csv_table(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if events := [file for file in files if _is_event_file(file)]:
        return read_event_files(path, events)
    if logs := [file for file in files if file.suffix in JSON_LINES]:
        return _one_run_a_file(path, {file: _read_json_lines(file) for file in logs})
    if tables := [file for file in files if file.suffix == ".csv"]:
        return _one_run_a_file(path, {file: read_csv_table(file) for file in tables})
    raise InputError(f"{path} has no *.tfevents.*, .jsonl, .ndjson or .csv file in it: give a folder of runs.")


def read_csv_table(path: Path) -> Table:
    """Read every row of a CSV file that is not blank; messages number rows as an editor does."""
    with _text(path, newline="") as file:
        reader = csv.DictReader(file, restval="", skipinitialspace=True)
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        columns = tuple(reader.fieldnames)
        rows = [Row(f"row {reader.line_num} of {path}", None, cells) for cells in reader]
    if not rows:
        raise InputError(f"{path} is empty: give a header row and one row per trained model.")
    measured = [name for name in columns if {name + _LOWEST, name + _HIGHEST} <= set(columns) and _BETWEEN in name]
    return _side_by_side(path, columns, rows, measured) if measured else Table(str(path), columns, rows)


def _one_run_a_file(folder: Path, tables: dict[Path, Table]) -> Table:
    """Several tables as one; a row without the name of a run belongs to a run with the name of its file."""
    columns = dict.fromkeys(column for table in tables.values() for column in table.columns)
    rows = [
        row._replace(run=row.run or file.relative_to(folder).with_suffix("").as_posix())
        for file, table in tables.items()
        for row in table.rows
    ]
    return Table(str(folder), tuple(columns), rows, next((table.time for table in tables.values()), None))


def _is_event_file(path: Path) -> bool:
    return ".tfevents." in path.name


@contextmanager
def _text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """The file as text; InputError if it is not text."""
    try:
        with path.open(newline=newline, encoding="utf-8-sig") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give the path of a text file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a text table ({error}): give a file in UTF-8.") from error


def _side_by_side(path: Path, columns: tuple[str, ...], rows: list[Row], measured: list[str]) -> Table:
    """Columns "run - metric" as a row for each run at each step; the last " - " divides run and metric."""
    time = columns[0]
    split = [(name, *name.rsplit(_BETWEEN, 1)) for name in measured]
    long = []
    for row in rows:
        runs: dict[str, dict[str, Any]] = {}
        for name, run, metric in split:
            runs.setdefault(run, {time: row.cells[time]})[metric] = row.cells[name]
        long += [Row(row.where, run, cells) for run, cells in runs.items()]
    metrics = dict.fromkeys(metric for _, _, metric in split)
    return Table(str(path), (time, *metrics), long, time)


def _read_json_lines(path: Path) -> Table:
    with _text(path) as file:
        lines = file.read().split("\n")
    columns: dict[str, None] = {}
    rows = []
    for i, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            read = json.loads(line)
        except (ValueError, RecursionError) as error:
            if i == len(lines) > 1:
                # No newline: the writer was stopped within this line.
                warnings.warn(f"{path} is torn in line {i}: the {i - 1} lines before it are read.", stacklevel=2)
                break
            raise InputError(f"line {i} of {path} is not JSON ({error}): give one object in each line.") from None
        if not isinstance(read, dict):
            raise InputError(f"line {i} of {path} is {line.strip()[:40]!r}: give one object in each line.")
        cells = dict(_flat(read))
        columns |= dict.fromkeys(cells)
        rows.append(Row(f"line {i} of {path}", None, cells))
    if not rows:
        raise InputError(f"{path} is empty: give one object in each line.")
    return Table(str(path), tuple(columns), rows)


def _flat(nested: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    for name, value in nested.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
