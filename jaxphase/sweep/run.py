"""A sweep from spec to labelled result: plan, compile ahead, train bucket by bucket, measure, save, resume."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr

from jaxphase.config import PhaseTransitionConfig, SweepSpec, read_toml, to_toml
from jaxphase.data import Splits
from jaxphase.errors import InputError
from jaxphase.evaluate import METRICS, compressed_size, entropy
from jaxphase.runtime.mesh import abstract_rows, copy_everywhere, device_memory, lane_mesh, spread
from jaxphase.sweep.checkpoint import Checkpointer
from jaxphase.sweep.plan import Bucket, Plan, plan
from jaxphase.sweep.progress import Meter, meter
from jaxphase.sweep.recipe import Recipe, recipe
from jaxphase.sweep.stream import Resident, Stream, abstract_stream
from jaxphase.sweep.train import Numbers, State, initialise, padding_moved, programs

SAMPLED = 1 << 20  # numbers of the training data whose complexity is measured
SAVE_SECONDS = 10.0  # a killed run loses at most this much training
CALL_SECONDS = 1.0  # steps are handed to the device in calls of about this length, which is how often the bar moves


class Folder(NamedTuple):
    """The files of one sweep."""

    root: Path

    spec = property(lambda self: self.root / "spec.toml")
    plan = property(lambda self: self.root / "plan.json")
    result = property(lambda self: self.root / "sweep.nc")

    def bucket(self, number: int) -> Path:
        """Where the checkpoints of a bucket lie."""
        return self.root / "checkpoints" / f"bucket_{number:02d}"


class Work(NamedTuple):
    """What every bucket of a running sweep needs."""

    spec: SweepSpec
    parts: Recipe
    plan: Plan
    mesh: jax.sharding.Mesh
    images: Splits  # on every device; train is None if it is streamed
    folder: Folder | None
    meter: Meter


def run(
    spec: SweepSpec,
    out: str | Path | None = None,
    *,
    config: PhaseTransitionConfig | None = None,
    resume: bool = False,
    progress: bool = True,
    buckets: int = 0,
) -> xr.Dataset:
    """Train every model of the grid and measure it at every checkpoint.

    Returns a Dataset with dims (data_size, size, seed, step), with learning_rate before them if there are several,
    coordinates `params` (counted) and `width` along size, a
    variable per metric, and `diverged_at` (data_size, size, seed), -1 for lanes that stayed finite; a diverged lane
    keeps the weights of its last finite step. With `out`, a new folder, it also writes sweep.nc, spec.toml, plan.json
    and checkpoints, from which `resume=True` continues to bit-for-bit the same result on the same devices.

    `config` is stored beside the spec for `analyze`, by default about mutual information if that is measured, or the
    first metric; `buckets` fixes their number, 0 leaves it to the planner.
    Raises InputError, before anything is trained or written, for a spec that cannot be run or a folder that exists.
    """
    parts = recipe(spec)
    if config is None:
        asked = PhaseTransitionConfig.order_parameter
        config = PhaseTransitionConfig(order_parameter=asked if asked in spec.metrics else spec.metrics[0])
    config.check_measured(spec)
    if out is None:
        folder, the_plan = None, make_plan(spec, parts, buckets)
    else:
        folder, the_plan = open_folder(Path(out), spec, parts, config, buckets, resume)
    mesh = lane_mesh()
    splits = parts.source.splits
    resident = splits._replace(train=None if the_plan.streamed else splits.train[:])
    images = copy_everywhere(resident, mesh)
    with meter(the_plan, progress) as bar:
        work = Work(spec, parts, the_plan, mesh, images, folder, bar)
        with compiled_ahead(work) as compiled:
            results = [train_bucket(work, number, one) for number, one in enumerate(compiled)]
    dataset = label(spec, parts, config, the_plan, results)
    if folder:
        partial = folder.result.with_suffix(".part")
        dataset.to_netcdf(partial, engine="h5netcdf")
        partial.replace(folder.result)
    return dataset


def make_plan(spec: SweepSpec, parts: Recipe, buckets: int = 0) -> Plan:
    """The plan for the devices at hand."""
    return plan(spec, parts, **_surroundings(), buckets=buckets)


def _surroundings() -> dict:
    """What a plan depends on beside the spec."""
    return {"devices": jax.device_count(), "platform": jax.devices()[0].platform, "memory": device_memory()}


def open_folder(
    root: Path, spec: SweepSpec, parts: Recipe, config: PhaseTransitionConfig, buckets: int, resume: bool
) -> tuple[Folder, Plan]:
    """A new folder with spec and plan in it, or one that holds the same sweep."""
    folder = Folder(root)
    if folder.plan.exists() and resume:
        started, _ = read_toml(folder.spec)
        for name, value in vars(started).items():
            if value != getattr(spec, name):
                raise InputError(
                    f"{root} was started with {name} = {value}, not {getattr(spec, name)}: resume with the same spec."
                )
        saved = json.loads(folder.plan.read_text())
        here = _surroundings()
        if (saved["platform"], saved["devices"]) != (here["platform"], here["devices"]):
            raise InputError(
                f"{root} was started on {saved['devices']} {saved['platform']} device(s), not {here['devices']} "
                f"{here['platform']}: resume it there, or start anew in another folder."
            )
        return folder, plan(spec, parts, **saved)
    # A sweep killed before its plan was written leaves nothing but a spec.
    begun = {folder.spec.name, folder.plan.with_suffix(".part").name} if resume else set()
    if root.exists() and (not root.is_dir() or {path.name for path in root.iterdir()} - begun):
        raise InputError(f"{root} exists: name another output folder, or resume the sweep in it.")
    arguments = _surroundings() | {"buckets": buckets}
    the_plan = plan(spec, parts, **arguments)
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder.spec.write_text(to_toml(spec, config), encoding="utf-8")
        folder.plan.with_suffix(".part").write_text(json.dumps(arguments))
        folder.plan.with_suffix(".part").replace(folder.plan)
    except OSError as error:
        raise InputError(f"{root} cannot be written ({error.strerror}): name another output folder.") from error
    return folder, the_plan


class Compiling(NamedTuple):
    """Executables of a bucket that background threads are making, in the order in which they are needed."""

    advance: Future
    measure: Future  # of (look, read), without read where no probe is asked for


@contextmanager
def compiled_ahead(work: Work) -> Iterator[list[Compiling]]:
    """The executables of every bucket, made while earlier buckets run; buckets of one shape share them."""
    pool = ThreadPoolExecutor(max_workers=2)
    made: dict[tuple, Compiling] = {}
    for bucket in work.plan.buckets:
        if (key := _shape(bucket)) not in made:
            made[key] = Compiling(*(pool.submit(task, work, bucket) for task in (compile_advance, compile_measure)))
    try:
        yield [made[_shape(bucket)] for bucket in work.plan.buckets]
    finally:
        pool.shutdown(cancel_futures=True)


def _shape(bucket: Bucket) -> tuple[int, int, int]:
    return bucket.width, bucket.depth, len(bucket.lanes)


def compile_advance(work: Work, bucket: Bucket) -> jax.stages.Compiled:
    """The training program of a bucket, from the shapes of one of its lanes."""
    advance = programs(bucket, work.spec, work.parts, work.mesh, work.plan.streamed).advance
    *lanes, rows, _ = _shapes(work, bucket)
    return advance.lower(*lanes, rows, 0, 1).compile(compiler_options(work.plan))


def compile_measure(work: Work, bucket: Bucket) -> tuple[jax.stages.Compiled, ...]:
    """The one or two measuring programs of a bucket."""
    _, look, read = programs(bucket, work.spec, work.parts, work.mesh)
    *lanes, _, own = _shapes(work, bucket)
    lowered, options = look.lower(*lanes, work.images, own), compiler_options(work.plan)
    if (prepared := lowered.out_info[1]) is None:
        return (lowered.compile(options),)
    prepared = abstract_rows(prepared, rows_of(work.plan, bucket), work.mesh)
    return lowered.compile(options), read.lower(prepared, work.images).compile(options)


def compiler_options(the_plan: Plan) -> dict[str, int | bool]:
    """On a CPU the first level of optimisation runs as fast as the third and compiles in half the time.

    With a device per core, threads within a matrix product would only be in each other's way.
    """
    if the_plan.platform != "cpu":
        return {}
    return {"xla_backend_optimization_level": 1, "xla_cpu_multi_thread_eigen": the_plan.devices == 1}


def _shapes(work: Work, bucket: Bucket) -> tuple:
    """(state, numbers, rows to train on, own rows or None) of a bucket without their values."""
    one = initialise(bucket._replace(lanes=bucket.lanes[:1]), work.spec, work.parts, rows=1)
    state, numbers = abstract_rows(one, rows_of(work.plan, bucket), work.mesh)
    data = abstract_stream(work.parts, numbers, work.mesh) if work.plan.streamed else (work.images.train, None)
    return state, numbers, *data


def rows_of(the_plan: Plan, bucket: Bucket) -> int:
    """Lanes of a bucket and idle ones that give every device equally many."""
    return -(-len(bucket.lanes) // the_plan.devices) * the_plan.devices


def empty_table(spec: SweepSpec, state: State) -> dict[str, np.ndarray]:
    """Room for every metric [checkpoints, lanes]."""
    return {name: np.full((len(spec.checkpoints), len(state.diverged_at)), np.nan, np.float32) for name in spec.metrics}


def train_bucket(work: Work, number: int, compiling: Compiling) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Metrics {name: [checkpoints, lanes]} and diverged_at [lanes] of one bucket, trained or resumed."""
    work.meter.start(number)
    bucket = work.plan.buckets[number]
    state, numbers = spread(initialise(bucket, work.spec, work.parts, rows_of(work.plan, bucket)), work.mesh)
    data = Stream(work.parts, numbers, work.mesh) if work.plan.streamed else Resident(work.images.train)
    table = empty_table(work.spec, state)
    saver = Checkpointer(work.folder.bucket(number)) if work.folder else None
    step, last_save = 0, time.monotonic()
    if saver and (saved := saver.restore((state, table))):
        step, (state, table) = saved
        work.meter.advance(number, step)

    # A saved table holds every checkpoint up to its step: one is measured before the state is saved.
    length = 8
    for row, checkpoint in enumerate(work.spec.checkpoints):
        while step < checkpoint:
            stop, begin = min(step + length, step + data.steps, checkpoint), time.monotonic()
            rows = data.rows(step, stop)
            state = jax.block_until_ready(compiling.advance.result()(state, numbers, rows, step, stop))
            seconds = max(time.monotonic() - begin, 1e-6)
            work.meter.advance(number, stop - step, seconds)
            length = max(1, min(8 * length, int((stop - step) * CALL_SECONDS / seconds)))
            step = stop
            if step == checkpoint:
                for name, values in measure(work, state, numbers, data.own, *compiling.measure.result()).items():
                    table[name][row] = values
                if row == 0 and padding_moved(state, numbers):
                    raise RuntimeError("a layer is not exact under padding: a narrow model has moved its zeros")
            if saver and (step == work.spec.steps or time.monotonic() - last_save > SAVE_SECONDS):
                saver.save(step, (state, table))
                last_save = time.monotonic()
    data.close()
    if saver:
        saver.close()
    lanes = len(bucket.lanes)
    return {name: values[:, :lanes] for name, values in table.items()}, np.asarray(state.diverged_at)[:lanes]


def measure(work: Work, state: State, numbers: Numbers, own, look, *read) -> dict[str, np.ndarray]:
    """Every metric of the spec [lanes]."""
    metrics, prepared = look(state, numbers, work.images, own)
    for program in read:
        metrics |= program(prepared, work.images)
    return {name: np.asarray(metrics[name]) for name in work.spec.metrics}


def label(spec: SweepSpec, parts: Recipe, config: PhaseTransitionConfig, the_plan: Plan, results) -> xr.Dataset:
    """Metrics of all buckets as one Dataset with named dimensions, and how complex its data are, in bits a number."""
    lanes = [lane for bucket in the_plan.buckets for lane in bucket.lanes]
    axes = {
        "data_size": (spec.data_sizes, [lane.data_size for lane in lanes]),
        "size": (spec.sizes, [lane.size for lane in lanes]),
        "seed": (range(spec.seeds), [lane.seed for lane in lanes]),
    }
    if len(spec.learning_rates) > 1:
        axes = {"learning_rate": (spec.learning_rates, [lane.learning_rate for lane in lanes])} | axes
    where = tuple([axis.index(value) for value in values] for axis, values in axes.values())
    grid = tuple(len(axis) for axis, _ in axes.values())

    def fill(columns: list[np.ndarray]) -> np.ndarray:
        values = np.concatenate(columns, axis=-1).T
        array = np.empty(grid + values.shape[1:], values.dtype)
        array[where] = values
        return array

    dims = (*axes, "step")
    variables = {
        name: (dims, fill([table[name] for table, _ in results]), METRICS[name]._asdict()) for name in spec.metrics
    }
    diverged = "step at which loss or gradient were first not finite, -1 for never"
    variables["diverged_at"] = (dims[:-1], fill([column for _, column in results]), {"long_name": diverged})
    of_size = {lane.size: lane for lane in lanes}
    coordinates = {
        "data_size": ("data_size", list(spec.data_sizes), {"long_name": "training samples"}),
        "size": ("size", list(spec.sizes), {"long_name": "requested parameters"}),
        "seed": ("seed", np.arange(spec.seeds)),
        "step": ("step", list(spec.checkpoints), {"long_name": "training steps"}),
        "params": ("size", [of_size[size].params for size in spec.sizes], {"long_name": "parameters"}),
        "width": ("size", [of_size[size].width for size in spec.sizes], {"long_name": "width"}),
        "depth": ("size", [of_size[size].depth for size in spec.sizes], {"long_name": "depth"}),
    }
    rows = parts.source.splits.train[: max(SAMPLED // parts.source.layout.size, 1)]
    complexity = {"data_entropy_bits": entropy(rows), "data_compressed_bits": compressed_size(rows)}
    if "learning_rate" in axes:
        coordinates["learning_rate"] = ("learning_rate", list(spec.learning_rates), {"long_name": "learning rate"})
    versions = {name: version(name) for name in ("jaxphase", "jax", "flax", "optax", "numpy")}
    attributes = {"spec": to_toml(spec, config), "platform": the_plan.platform, "devices": the_plan.devices}
    return xr.Dataset(
        variables, coordinates, attributes | complexity | {f"{name}_version": v for name, v in versions.items()}
    )
