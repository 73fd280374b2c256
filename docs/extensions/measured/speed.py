"""Times of the benchmarks, each with the machine that they were measured on."""

from collections.abc import Iterable

from .tables import number, percent, seconds, table, table_of, times

CONTENDERS = {
    "jaxphase": "jaxphase",
    "jaxphase, every metric": "with every metric",
    "JAX, one program a size": "JAX, one program a size",
    "PyTorch, 1 thread": "PyTorch, 1 thread",
    "PyTorch, 2 threads": "2 threads",
}
WORKLOADS = {
    "wide": "64 autoencoders, 16 widths 8 to 256, 500 steps",
    "narrow": "256 autoencoders, 8 widths 8 to 64, 500 steps",
    "resnet": "64 resnets, 8 widths 4 to 32, 200 steps",
    "transformer": "64 transformers, 8 widths 8 to 64, 200 steps",
}


@table_of("benchmarks/results/sweep-cpu.json", "sweep_cpu")
@table_of("benchmarks/results/sweep-gpu.json", "sweep_gpu")
def sweep(results: dict) -> str:
    """Whole wall time of a family of models, and how many times as long the loops take."""
    rows = []
    for name, found in results["workloads"].items():
        ours = found["jaxphase"]["seconds"]
        cells = [_wall_time(found[contender]["seconds"], ours, contender) for contender in found]
        rows.append([WORKLOADS[name], *cells])
    shown = [CONTENDERS[contender] for contender in next(iter(results["workloads"].values()))]
    return f"{machine(results)}\n\n{table(('', *shown), rows)}"


def _wall_time(value: float, ours: float, contender: str) -> str:
    return seconds(value) if contender.startswith("jaxphase") else f"{seconds(value)} ({times(value / ours)}x)"


@table_of("benchmarks/results/sweep-cpu.json")
def useful_operations(results: dict) -> str:
    """Useful operations as a share of the fastest matrix product, compilation counted as time."""
    workloads = results["workloads"].values()
    rows = []
    for name in next(iter(workloads)):
        shares = [found[name]["share_of_peak"] for found in workloads]
        rows.append([CONTENDERS[name], percent(min(shares)), percent(max(shares))])
    return table(("", "% of a large matrix product, least", "most"), rows)


@table_of("benchmarks/results/sweep-gpu.json")
def compilation(results: dict) -> str:
    """Seconds to compile and to run on a GPU."""
    rows = [
        [WORKLOADS[name], seconds(found["jaxphase"]["compile"]), seconds(found["jaxphase"]["run"])]
        for name, found in results["workloads"].items()
    ]
    return table(("jaxphase", "all programs compile", "all models train"), rows)


@table_of("benchmarks/results/detectors-cpu.json")
def detectors(results: dict) -> str:
    """A thousand curves in one call, beside a loop over the peer."""
    rows = []
    for name, found in results["speed"].items():
        peers = [f"{times(peer['times'])} {peer_name}" for peer_name, peer in found["peers"].items()]
        rows.append([name, seconds(found["compile"]), seconds(found["seconds"]), "; ".join(peers)])
    headings = ("detector", "compile", "1,000 curves", "times as fast as")
    return f"{machine(results)}\n\n{table(headings, rows)}"


@table_of("benchmarks/results/detectors-cpu.json")
def fit_quality(results: dict) -> str:
    """Percent of sigmoid fits that end within 0.1 % of the least sum of squares known."""
    rows = [
        [kind, percent(found["ours"]), percent(found["scipy"])] for kind, found in results["quality"]["sigmoid"].items()
    ]
    return table(("curves", "`fit_sigmoid`, float32", "SciPy from a fair start"), rows)


@table_of("benchmarks/results/detectors-cpu.json")
def segment_quality(results: dict) -> str:
    """Percent of signals in which a peer's cost is above or below ours."""
    rows = [
        [peer, percent(found["worse than ours"]), percent(found["better than ours"])]
        for peer, found in results["quality"]["segment"].items()
    ]
    return table(("peer", "costs more than `segment`, %", "costs less, %"), rows)


@table_of("benchmarks/results/ising-cpu.json", "ising_cpu")
@table_of("benchmarks/results/ising-gpu.json", "ising_gpu")
def ising(results: dict) -> str:
    """Spin flips per nanosecond by replicas and lattice."""
    names = ("metropolis", "numpy", "numba")
    rows = [[_lattice(name), *(number(found[key]) for key in names)] for name, found in results["metropolis"].items()]
    headings = ("lattices", "jaxphase, flips/ns", "NumPy checkerboard, CPU", "numba, CPU")
    return f"{machine(results)}\n\n{table(headings, rows)}"


@table_of("benchmarks/results/ising-cpu.json", "clusters_cpu")
@table_of("benchmarks/results/ising-gpu.json", "clusters_gpu")
def clusters(results: dict) -> str:
    """Swendsen-Wang sweeps per second of one replica."""
    rows = [[_lattice(name), number(found["sweeps/s of one"])] for name, found in results["swendsen_wang"].items()]
    return table(("lattices", "cluster sweeps per second, all lattices together"), rows)


def _lattice(name: str) -> str:
    return name.replace("**2", "²")


@table_of("benchmarks/results/collapse-cpu.json")
def collapse_speed(results: dict) -> str:
    """Time and errors of a collapse beside pyfssa's."""
    exponents = ("critical", "nu", "exponent")
    rows = [
        [name, seconds(results[name]["seconds"]), *(number(results[name][key]["rms"]) for key in exponents)]
        for name in ("jaxphase", "pyfssa")
    ]
    refits = results["bootstrap"]
    words = (
        f"{results['sets']} data sets of pyfssa's own example. {refits['resamples']} bootstrap collapses take "
        f"{seconds(refits['seconds'])}, {times(refits['times'])} times less than in pyfssa. {machine(results)}"
    )
    return f"{words}\n\n{table(('', 'one collapse', *(f'rms error of {key}' for key in exponents)), rows)}"


@table_of("benchmarks/results/rg-cpu.json")
def coarse_graining_speed(results: dict) -> str:
    """Time to halve trained networks, beside a loop."""
    loop = results["numpy_seconds"]["1"]
    rows = [
        ["jaxphase", seconds(results["seconds"])],
        ["jaxphase, compilation included", seconds(results["with_compilation"])],
        ["loop in NumPy and SciPy", f"{seconds(loop)} ({times(results['ratio'])}x)"],
    ]
    words = (
        f"{results['models']} networks of width {results['width']}, halved {results['steps']} times and measured. "
        f"{machine(results)}"
    )
    return f"{words}\n\n{table(('', 'time'), rows)}"


def machine(results: dict) -> str:
    """The device and the versions, in a sentence."""
    about = results["machine"]
    versions: Iterable[str] = (f"{name} {about[name]}" for name in ("jax", "torch") if about.get(name))
    return f"Measured on {about['device']} ({about['cores']} cores of {about['processor']}), {', '.join(versions)}."
