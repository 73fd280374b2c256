"""The executables of a sweep, compiled in the background while earlier buckets train."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax

from jaxphase.config import SweepSpec
from jaxphase.data import Splits
from jaxphase.runtime.mesh import abstract_rows
from jaxphase.sweep.lanes import LaneConstants, TrainState, initialize
from jaxphase.sweep.planning import Bucket, Plan
from jaxphase.sweep.programs import make_programs
from jaxphase.sweep.recipes import Recipe
from jaxphase.sweep.streaming import abstract_stream


class Job(NamedTuple):
    """The inputs to the programs of every bucket.

    Attributes:
        spec: The sweep.
        recipe: What its models have in common.
        plan: Its buckets.
        mesh: The devices.
        splits: The data on every device; `train` is None if it is streamed.
    """

    spec: SweepSpec
    recipe: Recipe
    plan: Plan
    mesh: jax.sharding.Mesh
    splits: Splits


class Compiling(NamedTuple):
    """Executables of a bucket that background threads are making, in the order in which they are needed.

    Attributes:
        advance: The training program.
        measure: A tuple of the measuring program and, if probes are asked for, the probing program.
    """

    advance: Future
    measure: Future


@contextmanager
def compiled_ahead(job: Job) -> Iterator[list[Compiling]]:
    """Make the executables of every bucket while earlier buckets run; buckets of one shape share them."""
    pool = ThreadPoolExecutor(max_workers=2)
    made: dict[tuple[int, int, int], Compiling] = {}
    for bucket in job.plan.buckets:
        if (key := _shape(bucket)) not in made:
            made[key] = Compiling(*(pool.submit(task, job, bucket) for task in (compile_advance, compile_measure)))
    try:
        yield [made[_shape(bucket)] for bucket in job.plan.buckets]
    finally:
        pool.shutdown(cancel_futures=True)


def compile_advance(job: Job, bucket: Bucket) -> jax.stages.Compiled:
    """Compile the training program of a bucket, from the shapes of one of its lanes."""
    programs = make_programs(bucket, job.spec, job.recipe, job.mesh, streamed=job.plan.streamed)
    *lanes, rows, _ = _abstract(job, bucket)
    return programs.advance.lower(*lanes, rows, 0, 1).compile(compiler_options(job.plan))


def compile_measure(job: Job, bucket: Bucket) -> tuple[jax.stages.Compiled, ...]:
    """Compile the one or two measuring programs of a bucket."""
    programs, options = make_programs(bucket, job.spec, job.recipe, job.mesh), compiler_options(job.plan)
    *lanes, _, own = _abstract(job, bucket)
    lowered = programs.measure.lower(*lanes, job.splits, own)
    prepared = lowered.out_info[1]
    if prepared is None:
        return (lowered.compile(options),)
    prepared = abstract_rows(prepared, job.plan.rows(bucket), job.mesh)
    return lowered.compile(options), programs.probe.lower(prepared, job.splits).compile(options)


def compiler_options(plan: Plan) -> dict[str, Any]:
    """On a CPU the first level of optimization runs as fast as the third and compiles in half the time.

    With a device per core, threads within a matrix product would only slow each other down.
    """
    if plan.platform != "cpu":
        return {}
    return {"xla_backend_optimization_level": 1, "xla_cpu_multi_thread_eigen": plan.devices == 1}


def _shape(bucket: Bucket) -> tuple[int, int, int]:
    """The properties of a bucket that decide its programs."""
    return bucket.width, bucket.depth, len(bucket.lanes)


def _abstract(job: Job, bucket: Bucket) -> tuple[TrainState, LaneConstants, Any, Any]:
    """State, constants, rows to train on, and own rows or None, of a bucket without their values."""
    one = initialize(bucket._replace(lanes=bucket.lanes[:1]), job.recipe, rows=1)
    state, constants = abstract_rows(one, job.plan.rows(bucket), job.mesh)
    if job.plan.streamed:
        return state, constants, *abstract_stream(job.recipe, constants, job.mesh)
    return state, constants, job.splits.train, None
