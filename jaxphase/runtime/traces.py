"""Traced programs kept on disk: once a program is compiled, tracing takes longer than everything else.

JAX keeps what XLA has compiled, but has to trace a function anew in every process to find it.
"""

import hashlib
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jax
from jax import export

_PACKAGE = Path(__file__).parent.parent


def traced(function: Callable, *shapes: jax.ShapeDtypeStruct) -> Callable:
    """Return a function as it was traced before for arrays of these shapes, or as it is traced now.

    Traces are in JAX's folder for compiled programs (`jax_compilation_cache_dir`), each under a name that changes with
    the sources of jaxphase, the versions of JAX, the platform and the shapes. A file that is damaged is written anew.

    Args:
        function: A function of arrays. Its results may be named tuples that
            `jax.export.register_namedtuple_serialization` knows.
        *shapes: Shapes and types of its arguments.

    Returns:
        A function of such arrays; without a folder for compiled programs, `function` itself.
    """
    folder = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if not folder:
        return function
    path = Path(folder) / f"{function.__name__.strip('_')}-{_key(function, shapes)}.trace"
    kept = path.read_bytes() if path.exists() else b""
    digest, program = kept[:32], kept[32:]
    if hashlib.sha256(program).digest() != digest:
        program = bytes(export.export(jax.jit(function))(*shapes).serialize())
        _write(path, hashlib.sha256(program).digest() + program)
    return export.deserialize(bytearray(program)).call


def _key(function: Callable, shapes: tuple[jax.ShapeDtypeStruct, ...]) -> str:
    """A name made from everything that decides the trace."""
    versions = version("jax"), version("jaxlib")
    names = function.__module__, function.__qualname__, *versions, jax.default_backend()
    text = repr((*names, jax.config.read("jax_enable_x64"), shapes, _sources()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def _sources() -> str:
    """A digest of the package's own files."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, even if others write it too; write nothing if that is impossible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
    except OSError:
        return
