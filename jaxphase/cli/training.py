"""Commands that train models, and the one that coarse-grains them."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from jaxphase.cli import shared
from jaxphase.cli.curves import judge
from jaxphase.cli.settings import QUICKSTART, Settings
from jaxphase.cli.shared import File, New, Number, Spec, Whole
from jaxphase.config import PhaseTransitionConfig, SweepSpec, read_toml
from jaxphase.errors import InputError

# The metrics that can be measured within half a minute.
QUICK = (
    *("train_loss", "val_loss", "accuracy", "probe_cross_entropy", "mutual_information"),
    *("effective_rank", "generalization_gap", "effective_capacity"),
)


def quickstart(*, out: Path = Path("quickstart"), resume: bool = False) -> None:
    """Train a family of models on handwritten digits, look for its transition, and draw it.

    Args:
        out: New folder for results.
        resume: Continue the sweep in that folder.
    """
    config = PhaseTransitionConfig()
    _sweep(config.sweep(metrics=QUICK), config, out, resume)


def sweep(
    spec: Spec = None,
    *,
    settings: tyro.conf.OmitArgPrefixes[Settings] = QUICKSTART,
    out: New = None,
    resume: bool = False,
) -> None:
    """Train and analyze the models of a TOML spec, or of the quickstart.

    Args:
        spec: TOML file with tables [sweep] and [phase_transition]; flags replace its values.
        settings: Fields of the spec, by default those of the file or the quickstart.
        out: New folder for results; by default the name of the spec without its ending, or "sweep".
        resume: Continue the sweep in that folder.
    """
    _sweep(*_read(spec, settings), out or Path(spec.stem if spec else "sweep"), resume)


def plan(
    spec: Spec = None,
    *,
    settings: tyro.conf.OmitArgPrefixes[Settings] = QUICKSTART,
) -> None:
    """Print what a TOML spec, or the quickstart, would train and how long it would take; train nothing.

    Args:
        spec: TOML file with tables [sweep] and [phase_transition]; flags replace its values.
        settings: Fields of the spec, by default those of the file or the quickstart.
    """
    chosen, _ = _read(spec, settings)
    shared.start_jax()
    from jaxphase.sweep import lane_bytes, make_plan

    plan = make_plan(chosen)
    counts = {
        "sizes": len(chosen.sizes),
        "data sizes": len(chosen.data_sizes),
        "seeds": chosen.seeds,
        "learning rates": len(chosen.learning_rates),
    }
    table = Table(title=" x ".join(f"{count} {name}" for name, count in counts.items() if count > 1 or name == "sizes"))
    for name in ("bucket", "models", "widths", "padded to", "parameters", "padding", "memory (MB)", "train (s)"):
        table.add_column(name, justify="right")
    for number, bucket in enumerate(plan.buckets, 1):
        widths = [lane.width for lane in bucket.lanes]
        params = [lane.params for lane in bucket.lanes]
        table.add_row(
            str(number),
            str(len(bucket.lanes)),
            f"{min(widths)}-{max(widths)}",
            str(bucket.width),
            f"{min(params):,}-{max(params):,}",
            f"{plan.padding(bucket):.2f}x",
            f"{len(bucket.lanes) * lane_bytes(bucket.params, plan.positions) / 1e6:,.0f}",
            f"{plan.run_seconds(bucket):.0f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{plan.steps} steps of batch {chosen.batch_size} on {plan.devices} {plan.platform} device(s): "
        f"about {plan.seconds:.0f} s, compilation included."
    )
    if plan.streamed:
        console.print("Training data are streamed from the host: they would take more than half of a device's memory.")


def rg(
    sweep: File,
    *,
    steps: Whole = None,
    space: bool = False,
    data_size: Whole = None,
    learning_rate: Number = None,
    out: New = None,
) -> None:
    """Coarse-grain the models of a finished sweep step by step, and follow their couplings.

    Args:
        sweep: Folder of a sweep.
        steps: How often to halve the models; by default the renormalization_steps of the spec.
        space: Also halve the resolution of images, or the number of tokens, in every step.
        data_size: Training samples of the models; by default the largest number in the sweep.
        learning_rate: Learning rate of the models; needed if the sweep has several.
        out: New folder for results; by default rg in the folder of the sweep.
    """
    folder = shared.new(out or sweep / "rg")
    if steps is not None and steps < 1:
        raise InputError(f"steps is {steps}: give a whole number of at least 1.")
    shared.start_jax()
    from jaxphase.plots import write_flow_figures
    from jaxphase.rg.families.flows import follow, write_flow
    from jaxphase.rg.families.halving import renormalize
    from jaxphase.words.flows import flow_grid, loss_grid
    from jaxphase.words.grid import printed

    with shared.bar() as tell:
        options = {"space": space, "data_size": data_size, "learning_rate": learning_rate}
        dataset = renormalize(sweep, steps, **options, progress=tell)
    family = follow(dataset)

    def fill(folder: Path) -> None:
        dataset.to_netcdf(folder / "rg.nc", engine="h5netcdf")
        write_flow(family, folder / "rg.json")
        write_flow_figures(dataset, family, folder)

    shared.write(folder, fill)
    console = Console()
    console.print(printed(flow_grid(family)))
    console.print(printed(loss_grid(dataset)))
    if "left_out" in dataset.attrs:
        sizes = ", ".join(f"{size:,}" for size in dataset.left_out)
        console.print(f"Left out, as too narrow to be halved {dataset.sizes['scale'] - 1} times: sizes {sizes}.")
    shared.say_where(folder)


def with_defaults(words: list[str]) -> dict[str, Callable[..., None]]:
    """Make the fields of the spec that a command line names the defaults of the command's flags.

    Args:
        words: The command and its arguments.

    Returns:
        The command by its name, or nothing if it is neither sweep nor plan.

    Raises:
        InputError: If the spec cannot be read.
    """
    for command in (sweep, plan):
        name = command.__name__
        if words[:1] == [name]:
            only_spec = functools.wraps(command)(lambda spec=None, **_: spec)
            arguments = [word for word in words[1:] if word not in ("-h", "--help")]
            spec = tyro.cli(only_spec, prog=f"jaxphase {name}", args=arguments, config=(tyro.conf.FlagCreatePairsOff,))
            written, _ = _written(spec)
            return {name: functools.partial(command, settings=Settings(**vars(written)))}
    return {}


def _sweep(spec: SweepSpec, config: PhaseTransitionConfig, out: Path, resume: bool) -> None:
    """Train a grid, and judge its curves."""
    along = _along(spec)
    shared.start_jax()
    from jaxphase.sweep import run

    judge(run(spec, out, config=config, resume=resume), out, along, config.order_parameter)


def _along(spec: SweepSpec) -> shared.Along:
    """Model size, or data size where only that has enough values for curves; InputError where neither has."""
    from jaxphase.curves import LEAST_SIZES

    counts = len(spec.sizes), len(spec.data_sizes)
    if counts[0] >= LEAST_SIZES:
        return "model_size"
    if counts[1] < LEAST_SIZES:
        raise InputError(
            f"sizes are {counts[0]} and data_sizes {counts[1]}, too few for a curve along either: give at least "
            f"{LEAST_SIZES} of one."
        )
    shared.say(
        f"The analysis will be along data size: a curve along model size needs {LEAST_SIZES} sizes, and there are "
        f"{counts[0]}."
    )
    return "data_size"


def _read(spec: Path | None, settings: Settings) -> tuple[SweepSpec, PhaseTransitionConfig]:
    """Spec and question of a file, or of the quickstart, with the settings that were given.

    Sizes that sample a range are thinned out where a family has too few widths for all of them.
    """
    written, config = _written(spec)
    chosen = settings.over(written)
    if chosen.sizes == config.sweep().sizes:
        shared.start_jax()
        from jaxphase.sweep import distinct_sizes, make_recipe

        chosen = replace(chosen, sizes=distinct_sizes(chosen, make_recipe(chosen)))
    return chosen, config


def _written(spec: Path | None) -> tuple[SweepSpec, PhaseTransitionConfig]:
    """Spec and question of a file, or of the quickstart."""
    config = PhaseTransitionConfig()
    return read_toml(spec) if spec else (config.sweep(), config)
