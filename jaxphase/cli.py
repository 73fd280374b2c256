"""The command line: quickstart, sweep, plan, analyze, rg, report, validate, info. Heavy imports wait until needed."""

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from jaxphase.config import PhaseTransitionConfig, SweepSpec, read_toml
from jaxphase.errors import InputError
from jaxphase.settings import UNCHANGED, Settings, pair

# What half a minute has time for: a row of the figure each.
QUICK = (
    *("train_loss", "val_loss", "accuracy", "probe_cross_entropy", "mutual_information"),
    *("effective_rank", "generalization_gap", "effective_capacity"),
)

app = tyro.extras.SubcommandApp()
File = tyro.conf.Positional[Path]


def main() -> None:
    """Run the command line; bad input ends in one sentence and exit code 2, and warnings are sentences too."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"jaxphase: {message}", file=sys.stderr)
        try:
            app.cli(prog="jaxphase", description="Find out whether abilities of models appear at a critical scale.")
        except InputError as error:
            print(f"jaxphase: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print("jaxphase: interrupted; the same command with --resume goes on from here.", file=sys.stderr)
            sys.exit(130)


@app.command
def quickstart(*, out: Path = Path("quickstart"), resume: bool = False) -> None:
    """Train a family of models on handwritten digits, look for its transition, draw it.

    Args:
        out: New folder for results.
        resume: Go on with the sweep in that folder.
    """
    config = PhaseTransitionConfig()
    _sweep(config.sweep(metrics=QUICK), config, out, resume)


@app.command
def sweep(
    spec: tyro.conf.Positional[Path | None] = None,
    *,
    settings: tyro.conf.OmitArgPrefixes[Settings] = UNCHANGED,
    out: Path | None = None,
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


@app.command
def plan(
    spec: tyro.conf.Positional[Path | None] = None,
    *,
    settings: tyro.conf.OmitArgPrefixes[Settings] = UNCHANGED,
) -> None:
    """Print what a spec would train, in which buckets, and about how long it would take; train nothing.

    Args:
        spec: TOML file with tables [sweep] and [phase_transition]; by default that of the quickstart.
        settings: Fields of the spec.
    """
    settings, _ = _read(spec, settings)
    _start_jax()
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


@app.command
def analyze(
    file: File,
    *,
    x: str | None = None,
    y: tuple[str, ...] = (),
    by: str | None = None,
    group: str | None = None,
    run: str | None = None,
    time: str | None = None,
    step: float | None = None,
    order_parameter: str | None = None,
    partner: tuple[str, ...] = (),
    out: Path | None = None,
) -> None:
    """Look for transitions in a sweep.nc, or in anyone's own curves.

    Args:
        file: sweep.nc, a CSV, JSON lines, an export of Weights & Biases, a TensorBoard file, or a folder of runs.
        x: The column of sizes.
        y: The columns of metrics.
        by: The column that tells repeats (seeds) apart, or runs by their names.
        group: The column of a second control parameter, such as data size.
        run: A pattern of the names of runs, such as gpt-{size}-seed{seed}.
        time: The column of training steps.
        step: The training step to look at, by default the last of every run.
        order_parameter: The metric that the headline and the phase diagram are about.
        partner: METRIC=OTHER, a thresholded metric (accuracy) and the continuous one (a log-likelihood) that tells if a
            jump of the first is in the models; by default accuracy=probe_cross_entropy in a sweep.
        out: New folder for results; by default the name of the file with -analysis.
    """
    from jaxphase.curves import read

    partners = dict(pair("partner", text, "accuracy=cross_entropy") for text in partner) or None
    data = read(file, x=x, y=y, by=by, group=group, run=run, time=time, step=step)
    folder = out or Path(f"{file.resolve().stem}-analysis")
    if folder.exists():
        raise InputError(f"{folder} exists: name another folder with --out.")
    _start_jax()
    _analyse(data, folder, order_parameter, partners)


@app.command
def rg(
    sweep: File,
    *,
    steps: int | None = None,
    space: bool = False,
    data_size: int | None = None,
    learning_rate: float | None = None,
    out: Path | None = None,
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
    folder = out or sweep / "rg"
    if folder.exists():
        raise InputError(f"{folder} exists: name another folder with --out.")
    if steps is not None and steps < 1:
        raise InputError(f"steps is {steps}: give a whole number of at least 1.")
    _start_jax()
    from jaxphase.flows import follow, losses
    from jaxphase.plots import write_flow_figures
    from jaxphase.renormalize import renormalize

    with _bar() as tell:
        options = {"space": space, "data_size": data_size, "learning_rate": learning_rate}
        dataset = renormalize(sweep, steps or 0, **options, progress=tell)
    family = follow(dataset)

    def write() -> None:
        dataset.to_netcdf(folder / "rg.nc", engine="h5netcdf")
        family.to_json(folder / "rg.json")
        write_flow_figures(dataset, family, folder)

    _write(folder, write)
    console = Console()
    console.print(family.table())
    console.print(losses(dataset))
    if "left_out" in dataset.attrs:
        sizes = ", ".join(f"{size:,}" for size in dataset.left_out)
        console.print(f"Left out, as too narrow to be halved {dataset.sizes['scale'] - 1} times: sizes {sizes}.")
    _say_where(folder)


@app.command
def report(folder: File, *, out: Path | None = None) -> None:
    """Write one HTML page, to read, print and pass on, on everything that a folder of results holds.

    Args:
        folder: What jaxphase sweep, analyze or rg has written.
        out: New file; by default report.html in that folder.
    """
    _start_jax()
    from jaxphase.report import write_report

    Console().print(f"The report is {write_report(folder, out)}.")


@app.command
def validate(*, large: bool = False, seed: int = 0) -> None:
    """Simulate systems whose transitions are known exactly, and print what is recovered beside the exact answers.

    Leaves with exit code 1 if a number is more than four standard errors off or a verdict is wrong.

    Args:
        large: Larger lattices and many more of them, for errors about five times smaller: best on an accelerator.
        seed: Of all random numbers.
    """
    _start_jax()
    import jax

    from jaxphase.validate import table, validate

    began = time.perf_counter()
    with _bar() as tell:
        checks = validate(large, seed, tell)
    wrong = sum(not check.right for check in checks)
    console = Console()
    console.print(table(checks))
    console.print(
        f"{len(checks) - wrong} of {len(checks)} right on {jax.local_device_count()} {jax.default_backend()} device(s) "
        f"({jax.devices()[0].device_kind}) in {time.perf_counter() - began:.0f} s."
    )
    if wrong:
        sys.exit(1)


@app.command
def info() -> None:
    """Print versions, devices and the compilation cache."""
    cache = _start_jax()
    import jax

    table = Table(show_header=False)
    for name in ("jaxphase", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "xarray"):
        table.add_row(name, version(name))
    table.add_row("python", sys.version.split()[0])
    table.add_row("devices", ", ".join(str(device) for device in jax.devices()))
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) if cache.exists() else 0
    table.add_row("compilation cache", f"{cache} ({size / 1e6:.0f} MB)")
    Console().print(table)


def _sweep(spec: SweepSpec, config: PhaseTransitionConfig, out: Path, resume: bool) -> None:
    _start_jax()
    from jaxphase.sweep import run

    _analyse(run(spec, out, config=config, resume=resume), out, config.order_parameter)


def _read(spec: Path | None, settings: Settings) -> tuple[SweepSpec, PhaseTransitionConfig]:
    """Spec and question of a file, or of the quickstart, with the settings that were given.

    Sizes that only sample a range give way where a family's widths are too coarse for all of them.
    """
    config = PhaseTransitionConfig()
    written, config = read_toml(spec) if spec else (config.sweep(), config)
    chosen = settings.over(written)
    if chosen.sizes == config.sweep().sizes:
        _start_jax()
        from jaxphase.sweep import recipe, sizes_of_their_own

        chosen = replace(chosen, sizes=sizes_of_their_own(chosen, recipe(chosen)))
    return chosen, config


def _analyse(data, folder: Path, order_parameter: str | None, partners: dict[str, str] | None = None) -> None:
    from jaxphase.analysis import analyze as analyse
    from jaxphase.plots import write_figures

    analysis = analyse(data, order_parameter=order_parameter, partners=partners)

    def write() -> None:
        analysis.to_json(folder / "analysis.json")
        write_figures(analysis, folder)

    _write(folder, write)
    console = Console()
    console.print(analysis.table())
    console.print(analysis.headline)
    if analysis.evidence.order is not None:
        console.print(f"Evidence: {'; '.join(analysis.evidence.reasons)}.")
    _say_where(folder)


def _write(folder: Path, write: Callable[[], None]) -> None:
    """Make a folder and write what goes there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write()
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): name another folder with --out.") from error


def _say_where(folder: Path) -> None:
    Console().print(f"Files are in {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}.")


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """A progress bar on standard error, told what is done and which share of all."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("compiling", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


def _start_jax() -> Path:
    """All cores as devices, and compiled programs kept in the user's cache folder; returns that folder."""
    import jax

    from jaxphase.sweep import use_all_cores

    use_all_cores()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(jax.config.jax_compilation_cache_dir or home / "jaxphase")
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return cache
