"""Commands that train models, and the one that coarse-grains them."""

from dataclasses import replace
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from jaxphase.cli import shared
from jaxphase.cli.curves import judge
from jaxphase.cli.settings import UNCHANGED, Settings
from jaxphase.cli.shared import File, New, Number, Spec, Whole
from jaxphase.config import PhaseTransitionConfig, SweepSpec, read_toml
from jaxphase.errors import InputError

# What half a minute has time for: a row of the figure each.
QUICK = (
    *("train_loss", "val_loss", "accuracy", "probe_cross_entropy", "mutual_information"),
    *("effective_rank", "generalization_gap", "effective_capacity"),
)


def quickstart(*, out: Path = Path("quickstart"), resume: bool = False) -> None:
    """Train a family of models on handwritten digits, look for its transition, draw it.

    Args:
        out: New folder for results.
        resume: Go on with the sweep in that folder.
    """
    config = PhaseTransitionConfig()
    _sweep(config.sweep(metrics=QUICK), config, out, resume)


def sweep(
    spec: Spec = None,
    *,
    settings: tyro.conf.OmitArgPrefixes[Settings] = UNCHANGED,
    out: New = None,
    resume: bool = False,
) -> None:
    """Train and analyse the grid of a TOML spec, or that of the quickstart, with other settings where given.

    Args:
        spec: TOML file with tables [sweep] and [phase_transition].
        settings: Fields of the spec.
        out: New folder for results; by default the name of the spec without its ending, or "sweep".
        resume: Go on with the sweep in that folder.
    """
    _sweep(*_read(spec, settings), out or Path(spec.stem if spec else "sweep"), resume)


def plan(
    spec: Spec = None,
    *,
    settings: tyro.conf.OmitArgPrefixes[Settings] = UNCHANGED,
) -> None:
    """Print what a spec would train, in which buckets, and about how long it would take; train nothing.

    Args:
        spec: TOML file with tables [sweep] and [phase_transition]; by default that of the quickstart.
        settings: Fields of the spec.
    """
    settings, _ = _read(spec, settings)
    shared.start_jax()
    from jaxphase.sweep import lane_bytes, make_plan, recipe

    the_plan = make_plan(settings, recipe(settings))
    counts = {
        "sizes": len(settings.sizes),
        "data sizes": len(settings.data_sizes),
        "seeds": settings.seeds,
        "learning rates": len(settings.learning_rates),
    }
    table = Table(title=" x ".join(f"{count} {name}" for name, count in counts.items() if count > 1 or name == "sizes"))
    for name in ("bucket", "models", "widths", "padded to", "parameters", "padding", "memory (MB)", "train (s)"):
        table.add_column(name, justify="right")
    for number, bucket in enumerate(the_plan.buckets, 1):
        widths = [lane.width for lane in bucket.lanes]
        params = [lane.params for lane in bucket.lanes]
        table.add_row(
            str(number),
            str(len(bucket.lanes)),
            f"{min(widths)}-{max(widths)}",
            str(bucket.width),
            f"{min(params):,}-{max(params):,}",
            f"{the_plan.padding(bucket):.2f}x",
            f"{len(bucket.lanes) * lane_bytes(bucket.params, the_plan.positions) / 1e6:,.0f}",
            f"{the_plan.run_seconds(bucket):.0f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{the_plan.steps} steps of batch {settings.batch_size} on {the_plan.devices} {the_plan.platform} device(s): "
        f"about {the_plan.seconds:.0f} s, compilation included."
    )
    if the_plan.streamed:
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
        steps: How often to halve; by default the renormalization_steps of its spec.
        space: Halve the resolution of images, or the number of tokens, with every step too.
        data_size: Of the models, by default the most that the sweep has.
        learning_rate: Of the models; needed if the sweep has several.
        out: New folder for results; by default rg in that of the sweep.
    """
    folder = shared.new(out or sweep / "rg")
    if steps is not None and steps < 1:
        raise InputError(f"steps is {steps}: give a whole number of at least 1.")
    shared.start_jax()
    from jaxphase.plots import write_flow_figures
    from jaxphase.rg.families.flows import follow, write_flow
    from jaxphase.rg.families.halving import renormalize
    from jaxphase.words.flows import flow_table, loss_table

    with shared.bar() as tell:
        options = {"space": space, "data_size": data_size, "learning_rate": learning_rate}
        dataset = renormalize(sweep, steps or 0, **options, progress=tell)
    family = follow(dataset)

    def fill(folder: Path) -> None:
        dataset.to_netcdf(folder / "rg.nc", engine="h5netcdf")
        write_flow(family, folder / "rg.json")
        write_flow_figures(dataset, family, folder)

    shared.write(folder, fill)
    console = Console()
    console.print(flow_table(family))
    console.print(loss_table(dataset))
    if "left_out" in dataset.attrs:
        sizes = ", ".join(f"{size:,}" for size in dataset.left_out)
        console.print(f"Left out, as too narrow to be halved {dataset.sizes['scale'] - 1} times: sizes {sizes}.")
    shared.say_where(folder)


def _sweep(spec: SweepSpec, config: PhaseTransitionConfig, out: Path, resume: bool) -> None:
    along_data = _is_along_data(spec)
    shared.start_jax()
    from jaxphase import curves
    from jaxphase.sweep import run

    data = run(spec, out, config=config, resume=resume)
    judge(curves.along_data(data) if along_data else data, out, config.order_parameter)


def _is_along_data(spec: SweepSpec) -> bool:
    """Whether only the data sizes of a sweep are enough for curves, which is said; InputError where neither are."""
    from jaxphase.curves import LEAST_SIZES

    counts = len(spec.sizes), len(spec.data_sizes)
    if counts[0] >= LEAST_SIZES:
        return False
    if counts[1] < LEAST_SIZES:
        raise InputError(
            f"sizes are {counts[0]} and data_sizes {counts[1]}, too few for a curve along either: give at least "
            f"{LEAST_SIZES} of one."
        )
    shared.say(
        f"The analysis will be along data size: a curve along model size needs {LEAST_SIZES} sizes, and there are "
        f"{counts[0]}."
    )
    return True


def _read(spec: Path | None, settings: Settings) -> tuple[SweepSpec, PhaseTransitionConfig]:
    """Spec and question of a file, or of the quickstart, with the settings that were given.

    Sizes that only sample a range give way where a family's widths are too coarse for all of them.
    """
    config = PhaseTransitionConfig()
    written, config = read_toml(spec) if spec else (config.sweep(), config)
    chosen = settings.over(written)
    if chosen.sizes == config.sweep().sizes:
        shared.start_jax()
        from jaxphase.sweep import recipe, sizes_of_their_own

        chosen = replace(chosen, sizes=sizes_of_their_own(chosen, recipe(chosen)))
    return chosen, config
