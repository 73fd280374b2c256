"""A sweep from spec to labeled result: plan, compile ahead, train bucket by bucket, measure, save, resume."""

import time
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int, Shaped

from jaxphase.config import PhaseTransitionConfig, SweepSpec
from jaxphase.runtime.mesh import copy_everywhere, lane_mesh, spread
from jaxphase.sweep.checkpoint import Checkpointer
from jaxphase.sweep.compiling import Compiling, Job, compiled_ahead
from jaxphase.sweep.folders import Folder, open_folder
from jaxphase.sweep.labeling import Table, label
from jaxphase.sweep.lanes import LaneConstants, TrainState, empty_table, initialize, padding_moved
from jaxphase.sweep.planning import make_plan
from jaxphase.sweep.progress import Meter, meter
from jaxphase.sweep.recipes import make_recipe
from jaxphase.sweep.streaming import Resident, Stream

SAVE_SECONDS = 10.0  # a killed run loses at most this much training
CALL_SECONDS = 1.0  # steps are handed to the device in calls of about this length, which is how often the bar moves


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

    Args:
        spec: The sweep.
        out: New folder for sweep.nc, spec.toml, plan.json and checkpoints; by default nothing is written.
        config: Question to store beside the spec for `analyze`; by default about mutual information if that is
            measured, or about the first metric.
        resume: Continue the sweep in `out`, with bit-for-bit the same result on the same devices.
        progress: Show a bar on standard error.
        buckets: Number of buckets; 0 leaves it to the planner.

    Returns:
        A Dataset with dims `(data_size, size, seed, step)`, after `learning_rate` if there are several; coordinates
        `params` (counted), `width` and `depth` along `size`; a variable per metric; and `diverged_at`, -1 for lanes
        that stayed finite. A lane that diverges keeps the weights of its last finite step.

    Raises:
        InputError: If the spec cannot be run or the folder exists, before anything is trained or written.

    Example:
        >>> spec = jaxphase.PhaseTransitionConfig().sweep(family="resnet")
        >>> dataset = jaxphase.sweep.run(spec, "runs/resnet")
    """
    recipe = make_recipe(spec)
    if config is None:
        usual = PhaseTransitionConfig.order_parameter
        config = PhaseTransitionConfig(order_parameter=usual if usual in spec.metrics else spec.metrics[0])
    config.check_measured(spec)
    if out is None:
        folder, plan = None, make_plan(spec, recipe, buckets=buckets)
    else:
        folder, plan = open_folder(Path(out), spec, recipe, config, buckets=buckets, resume=resume)
    mesh, splits = lane_mesh(), recipe.source.splits
    splits = copy_everywhere(splits._replace(train=None if plan.streamed else splits.train[:]), mesh)
    job = Job(spec, recipe, plan, mesh, splits)
    with meter(plan, progress) as bar, compiled_ahead(job) as compiled:
        results = [train_bucket(job, number, each, folder, bar) for number, each in enumerate(compiled)]
    dataset = label(spec, recipe, config, plan, results)
    if folder:
        folder.write_result(dataset)
    return dataset


def train_bucket(
    job: Job, number: int, compiling: Compiling, folder: Folder | None, bar: Meter
) -> tuple[Table, Int[np.ndarray, " lanes"]]:
    """Train one bucket, or resume it.

    Args:
        job: The sweep.
        number: Which bucket of the plan.
        compiling: Its executables.
        folder: Where checkpoints are kept, if anywhere.
        bar: Where progress is shown.

    Returns:
        Metrics and `diverged_at` of its lanes.
    """
    bar.start(number)
    bucket = job.plan.buckets[number]
    state, constants = spread(initialize(bucket, job.recipe, job.plan.rows(bucket)), job.mesh)
    data = Stream(job.recipe, constants, job.mesh) if job.plan.streamed else Resident(job.splits.train)
    table = empty_table(job.spec, state)
    saver = Checkpointer(folder.bucket(number)) if folder else None
    step, last_save = 0, time.monotonic()
    if saver and (saved := saver.restore((state, table))):
        step, (state, table) = saved
        bar.advance(number, step)

    # A saved table holds every checkpoint up to its step: one is measured before the state is saved.
    length = 8
    for row, checkpoint in enumerate(job.spec.checkpoints):
        while step < checkpoint:
            stop, begin = min(step + length, step + data.steps, checkpoint), time.monotonic()
            rows = data.rows(step, stop)
            state = jax.block_until_ready(compiling.advance.result()(state, constants, rows, step, stop))
            seconds = max(time.monotonic() - begin, 1e-6)
            bar.advance(number, stop - step, seconds)
            length = max(1, min(8 * length, int((stop - step) * CALL_SECONDS / seconds)))
            step = stop
            if step == checkpoint:
                for name, values in measure(job, state, constants, data.own, *compiling.measure.result()).items():
                    table[name][row] = values
                if row == 0 and padding_moved(state, constants):
                    raise RuntimeError("a layer is not exact under padding: a narrow model has moved its zeros")
            if saver and (step == job.spec.steps or time.monotonic() - last_save > SAVE_SECONDS):
                saver.save(step, (state, table))
                last_save = time.monotonic()
    data.close()
    if saver:
        saver.close()
    lanes = len(bucket.lanes)
    return {name: values[:, :lanes] for name, values in table.items()}, np.asarray(state.diverged_at)[:lanes]


def measure(
    job: Job,
    state: TrainState,
    constants: LaneConstants,
    own: Shaped[Array, "lanes ..."] | None,
    losses: jax.stages.Compiled,
    *probes: jax.stages.Compiled,
) -> dict[str, Float[np.ndarray, " lanes"]]:
    """Measure every metric of the spec, with the one or two measuring programs of a bucket."""
    metrics, prepared = losses(state, constants, job.splits, own)
    for probe in probes:
        metrics |= probe(prepared, job.splits)
    return {name: np.asarray(metrics[name]) for name in job.spec.metrics}
