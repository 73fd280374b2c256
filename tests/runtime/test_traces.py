"""A trace is made once, serves later calls and processes, and is made anew when it is not to be trusted."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.runtime import traces
from jaxphase.runtime.traces import traced


class Pair(NamedTuple):
    total: jax.Array
    squares: jax.Array


jax.export.register_namedtuple_serialization(Pair, serialized_name="tests.Pair")
SHAPE = jax.ShapeDtypeStruct((3,), jnp.float32)
VALUES = jnp.array([1.0, 2.0, 4.0])
CALLS = []


def pair():
    """A new function of the same name, as another process has it: JAX has not seen it yet."""

    def pair(values) -> Pair:
        CALLS.append(1)
        return Pair(values.sum(), values**2)

    return pair


@pytest.fixture
def folder(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    CALLS.clear()
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)


def assert_right(program):
    found = jax.jit(program)(VALUES)
    assert isinstance(found, Pair) and float(found.total) == 7
    np.testing.assert_array_equal(found.squares, [1, 4, 16])


def test_a_function_is_traced_once_for_a_shape(folder):
    assert_right(traced(pair(), SHAPE))
    assert_right(traced(pair(), SHAPE))
    assert len(CALLS) == 1 and len(list(folder.glob("pair-*.trace"))) == 1
    traced(pair(), jax.ShapeDtypeStruct((4,), jnp.float32))
    assert len(CALLS) == 2 and len(list(folder.glob("pair-*.trace"))) == 2


def test_a_damaged_trace_is_written_anew(folder):
    traced(pair(), SHAPE)
    (path,) = folder.glob("*.trace")
    whole = path.read_bytes()
    for damaged in (whole[:-7], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        path.write_bytes(damaged)
        CALLS.clear()
        assert_right(traced(pair(), SHAPE))
        assert_right(traced(pair(), SHAPE))
        assert len(CALLS) == 1


def test_other_sources_are_another_trace(folder, monkeypatch):
    traced(pair(), SHAPE)
    monkeypatch.setattr(traces, "_sources", lambda: "edited")
    assert_right(traced(pair(), SHAPE))
    assert len(CALLS) == 2


def test_nothing_is_kept_without_a_folder_or_where_none_can_be_written(folder):
    (folder / "file").write_text("")
    jax.config.update("jax_compilation_cache_dir", str(folder / "file" / "cache"))
    assert_right(traced(pair(), SHAPE))
    jax.config.update("jax_compilation_cache_dir", None)
    function = pair()
    assert traced(function, SHAPE) is function
