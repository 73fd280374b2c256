"""What the commands have in common: how JAX starts, new folders, progress."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from jaxphase.errors import InputError

# Types of options. Where an option may be left out, its help says what holds then, instead of "None".
_optional = partial(tyro.conf.arg, help_behavior_hint="")
File = tyro.conf.Positional[Path]
Files = tyro.conf.Positional[Annotated[tuple[Path, ...], _optional(metavar="PATH ...")]]
Spec = tyro.conf.Positional[Annotated[Path | None, _optional(metavar="[SPEC]")]]
New = Annotated[Path | None, _optional(metavar="PATH")]
Name = Annotated[str | None, _optional(metavar="NAME")]
Names = Annotated[tuple[str, ...], _optional(metavar="NAME ...")]
Number = Annotated[float | None, _optional(metavar="NUMBER")]
Numbers = Annotated[tuple[float, ...], _optional(metavar="NUMBER ...")]
Along = Literal["model_size", "data_size"]
Whole = Annotated[int | None, _optional(metavar="INT")]


def start_jax() -> Path:
    """All cores as devices, and compiled programs kept in the user's cache folder; returns that folder."""
    import jax

    from jaxphase.runtime.cores import use_all_cores

    use_all_cores()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    cache = Path(kept or home / "jaxphase")
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return cache


def new(folder: Path) -> Path:
    """The folder, if nothing is there yet."""
    if folder.exists():
        raise InputError(f"{folder} exists: name another folder with --out.")
    return folder


def write(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder and write what goes there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fill(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): name another folder with --out.") from error


def say(text: str) -> None:
    """Print a sentence as it is, without markup in brackets."""
    Console().print(text, markup=False, highlight=False)


def say_where(folder: Path) -> None:
    """Print what a folder holds."""
    say(f"Files are in {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}.")


@contextmanager
def bar() -> Iterator[Callable[[str, float], None]]:
    """A progress bar on standard error; it is called with the current task and the share of all work that is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("compiling", total=1.0)
        yield lambda what, share: progress.update(task, description=what, completed=share)
