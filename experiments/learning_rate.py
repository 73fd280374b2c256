"""Does the learning rate that is best for a narrow model serve a wide one? Final loss over rate and width, one figure.

Models of widths over an 8x range are trained at every rate of a grid of octaves, under muP and under the standard
parametrization. The optimum of a seed is the lowest point of the parabola, in log loss and log rate, through its best
rate and the two beside it; its error is the standard error over seeds. A seed has the same random draws at every rate.

    python experiments/learning_rate.py [--cases "MLP, digits" "transformer, hierarchy"]
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np

from jaxphase import sweep, use_all_cores
from jaxphase.config import SweepSpec
from jaxphase.models import count_parameters

HERE = Path(__file__).parent
SCHEMES = ("mup", "standard")


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained, at these widths and these powers of two as rates; the narrowest width is muP's base."""

    family: str
    data: str
    widths: tuple[int, ...]
    log2_rates: tuple[int, ...]
    batch_size: int
    steps: int
    seeds: int


CASES = {
    "MLP, digits": Case("mlp", "digits", (32, 64, 128, 256), tuple(range(-10, -2)), batch_size=64, steps=400, seeds=8),
    "transformer, hierarchy": Case(
        "transformer", "hierarchy", (8, 16, 32, 64), tuple(range(-10, -2)), batch_size=32, steps=300, seeds=3
    ),
}


def losses(case: Case, scheme: str) -> np.ndarray:
    """Training loss after the last step [widths, seeds, rates]; one that diverged keeps its last finite loss."""
    spec = SweepSpec(
        sizes=(1,),
        data_sizes=(1024,),
        batch_size=case.batch_size,
        checkpoints=(case.steps,),
        seeds=case.seeds,
        family=case.family,
        data=case.data,
        parametrization=scheme,
        base_width=case.widths[0],
        learning_rate=tuple(2.0**rate for rate in case.log2_rates),
        metrics=("train_loss",),
    )
    recipe = sweep.make_recipe(spec)
    sizes = tuple(count_parameters(recipe.build(width, None)) for width in case.widths)
    dataset = sweep.run(dataclasses.replace(spec, sizes=sizes), progress=False)
    assert tuple(dataset["width"].values) == case.widths
    return dataset["train_loss"].isel(data_size=0, step=-1).transpose("size", "seed", "learning_rate").values


def optima(log2_rates: tuple[int, ...], loss: np.ndarray) -> np.ndarray:
    """log2 of the best rate [...] of losses [..., rates]; NaN where the lowest is at an end of the grid."""
    log_loss, rates = np.log(loss), np.asarray(log2_rates, float)
    best = np.argmin(log_loss, axis=-1)
    inside = (best > 0) & (best < len(rates) - 1)
    left, middle, right = (
        np.take_along_axis(log_loss, np.clip(best + side, 0, len(rates) - 1)[..., None], -1)[..., 0]
        for side in (-1, 0, 1)
    )
    shift = (left - right) / np.where(inside, 2 * (left - 2 * middle + right), np.nan)
    return rates[best] + shift * (rates[1] - rates[0])


def with_error(values: np.ndarray) -> list[float]:
    """Mean over the last axis, seeds, and its standard error."""
    return [float(values.mean(-1)), float(values.std(-1, ddof=1) / np.sqrt(values.shape[-1]))]


def measure(name: str) -> dict:
    """Loss curves, optima and their drift from the narrowest to the widest, by parametrization."""
    case, result = CASES[name], {"case": dataclasses.asdict(CASES[name])}
    for scheme in SCHEMES:
        begin = time.perf_counter()
        loss = losses(case, scheme)
        best = optima(case.log2_rates, loss)  # [widths, seeds]
        octaves = np.log2(case.widths) - np.mean(np.log2(case.widths))
        result[scheme] = {
            "loss": loss.mean(axis=1).tolist(),
            "log2_optimum": [with_error(row) for row in best],
            "best_loss": [with_error(row) for row in loss.min(axis=-1)],
            "octaves_per_doubling": with_error(octaves @ best / (octaves @ octaves)),
            "seconds": time.perf_counter() - begin,
        }
    return result


def table(name: str, result: dict) -> None:
    """Print the optima of one case."""
    print(f"\n{name}: log2 of the best rate (and the loss there)")
    for row, width in enumerate(result["case"]["widths"]):
        cells = []
        for scheme in SCHEMES:
            (best, error), (loss, _) = result[scheme]["log2_optimum"][row], result[scheme]["best_loss"][row]
            cells.append(f"{scheme} {best:7.2f} ± {error:.2f} ({loss:.4f})")
        print(f"  width {width:4}   {'   '.join(cells)}")
    for scheme in SCHEMES:
        drift, error = result[scheme]["octaves_per_doubling"]
        seconds = result[scheme]["seconds"]
        print(
            f"  {scheme}: {drift:+.2f} ± {error:.2f} octaves per doubling of the width   ({seconds:.0f} s)", flush=True
        )


def figure(results: dict) -> None:
    """A row per case, a column per parametrization: loss over rate, a color per width, its optimum marked."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from jaxphase.plots import STYLE

    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(8.2, 3.1 * len(results) + 0.3), layout="constrained")
        grid = drawing.subplots(len(results), 2, sharex="row", sharey="row", squeeze=False)
        for row, (name, result) in zip(grid, results.items(), strict=True):
            for panel, scheme in zip(row, SCHEMES, strict=True):
                of_scheme, widths = result[scheme], result["case"]["widths"]
                rates = 2.0 ** np.array(result["case"]["log2_rates"])
                for i, width in enumerate(widths):
                    color = mpl.colormaps["viridis"](0.9 * i / (len(widths) - 1))
                    panel.plot(rates, of_scheme["loss"][i], "o-", ms=3, lw=1.2, color=color, label=f"width {width}")
                    (best, error), (lowest, _) = of_scheme["log2_optimum"][i], of_scheme["best_loss"][i]
                    spread = 2.0**best * np.abs(2.0 ** np.array([[-error], [error]]) - 1)
                    panel.errorbar(2.0**best, lowest, xerr=spread, fmt="v", ms=7, mec="k", color=color, capsize=2)
                drift, error = of_scheme["octaves_per_doubling"]
                label = {"mup": "μP", "standard": "standard"}[scheme]
                panel.set_title(f"{name}: {label}\noptimum moves {drift:+.2f} ± {error:.2f} octaves per doubling")
                panel.set_xscale("log", base=2)
                panel.set_yscale("log")
                for which in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
                    which("{x:.3g}")
            row[0].set_ylabel("training loss after the last step")
        for panel in grid[-1]:
            panel.set_xlabel("learning rate (μP: at the narrowest width)")
        for row in grid:
            row[0].legend(fontsize=7.5)
        drawing.savefig(HERE / "learning_rate.png", dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    arguments = parser.parse_args()
    use_all_cores()
    path = HERE / "learning_rate.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in arguments.cases:
        results[name] = measure(name)
        table(name, results[name])
        path.write_text(json.dumps(results, indent=1) + "\n")
    figure(results)


if __name__ == "__main__":
    main()
