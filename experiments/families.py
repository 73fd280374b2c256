"""Has any image family a transition in model size on digits? Three families, three objectives, ten widths, four seeds.

Every cell is a sweep over three data sizes, trained as `cells.py` trains it, and analyzed and reported as a user would.
Two settings differ from `cells.py`: ViTs have heads of 2, which allow widths that heads of 8 do not; and ViTs and the
contrastive resnets train for half as many steps. The order parameter is the information that a linear probe of the
representation has about the digit, in nats. A crossover has a critical size, the center of its sigmoid, and that is
predicted here. It is the place of a phase transition only if the verdict of the cell says so. The same networks after
one step of training are analyzed too, since a wide network has more random features than a narrow one.

Prediction: `predict.leave_one_group_out` on the critical sizes of all cells, with its true error beside that of the
mean of the others; by family, by objective, and with each cell left out on its own.

    python experiments/families.py [--seeds 4] [--families mlp resnet vit] [--out runs/families]

Writes families.json and families.png. Sweeps, analyses and a report.html of each cell go to folders of --out, and cells
that families.json holds with the same settings are kept.
"""

import argparse
import itertools
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
from cells import settings

import jaxphase
from jaxphase import plots, predict, sweep, words
from jaxphase.config import SweepSpec
from jaxphase.errors import InputError
from jaxphase.models import count_parameters
from jaxphase.predict.measurements import standard_errors, subset
from jaxphase.runtime.files import plain, write_json

HERE = Path(__file__).parent
ORDER = "mutual_information"
METRICS = ("train_loss", "val_loss", "accuracy", "probe_cross_entropy", ORDER)
OBJECTIVES = ("masked_modeling", "autoencoding", "contrastive")
DATA_SIZES = (64, 256, 1024)
WIDTHS = {
    "mlp": (4, 6, 9, 13, 20, 29, 43, 64, 95, 140),
    "resnet": (4, 8, 12, 16, 20, 24, 28, 32, 36, 40),
    "vit": (2, 4, 6, 8, 10, 12, 16, 20, 24, 32),
}
HALVED = ("resnet contrastive", "vit masked_modeling", "vit autoencoding", "vit contrastive")  # the dearest cells
NORMAL_95 = 1.959963984540054


def spec_of(family: str, objective: str, seeds: int) -> SweepSpec:
    """The sweep of a cell, measured after its first step and at its end."""
    options = settings("digits", family, objective)
    del options["size"]
    of_family = {**options.pop("family_options", {}), **({"head_size": 2} if family == "vit" else {})}
    spec = SweepSpec(
        sizes=(1,),
        data_sizes=DATA_SIZES,
        checkpoints=(1, options.pop("steps") // (2 if f"{family} {objective}" in HALVED else 1)),
        seeds=seeds,
        family=family,
        family_options=of_family,
        objective=objective,
        metrics=METRICS,
        **options,
    )
    build = sweep.make_recipe(spec).build
    sizes = tuple(count_parameters(build(width, None)) for width in WIDTHS[family])
    return SweepSpec(**{**vars(spec), "sizes": sizes})


def train(spec: SweepSpec, folder: Path) -> dict:
    """A cell: the sweep with its analysis and report in a folder, and what is kept of it."""
    begin, worked = time.perf_counter(), time.process_time()
    data = sweep.run(spec, folder, resume=True, progress=False)
    trained = time.perf_counter() - begin, time.process_time() - worked
    untrained, analysis = (jaxphase.analyze(data, order_parameter=ORDER, step=step) for step in spec.checkpoints)
    jaxphase.save_analysis(analysis, folder)
    figures = plots.write_figures(analysis, folder)
    (folder / "report.html").unlink(missing_ok=True)
    jaxphase.write_report(analysis, folder / "report.html", figures=figures)
    values, before = (found.dataset[ORDER].transpose("group", "x", "seed") for found in (analysis, untrained))
    accuracy = analysis.dataset["accuracy"].sel(group=DATA_SIZES[-1]).mean("seed")
    return {
        "params": data.params.values.tolist(),
        "mean": rounded(values.mean("seed")),
        "standard_error": rounded(values.std("seed", ddof=1) / np.sqrt(spec.seeds)),
        "accuracy": rounded(accuracy),
        "verdict": analysis.evidence.kind.name.lower(),
        "reasons": words.reasons(analysis),
        "findings": [describe(analysis, found) for found in analysis.on(ORDER)],
        "other_metrics": dict(Counter(f"{found.metric}: {found.kind.name.lower()}" for found in analysis.findings)),
        "untrained": {
            "mean": rounded(before.mean(("group", "seed"))),
            "verdict": untrained.evidence.kind.name.lower(),
            "findings": [describe(untrained, found) for found in untrained.on(ORDER)],
        },
        "diverged": int(analysis.dataset.diverged.sum()),
        "complexity_bits": data.attrs["data_entropy_bits"],
        "seconds": round(trained[0], 1),
        "core_seconds": round(trained[1], 1),
    }


def rounded(values) -> list:
    return np.asarray(values, float).round(4).tolist()


def describe(analysis: jaxphase.Analysis, found: jaxphase.Finding) -> dict:
    """The numbers of a curve's verdict; None for one that is not there."""
    names = ("critical_size", "width", "bootstrap_se", "delta_bic")
    numbers = {name: getattr(found, name) for name in names} | {
        "p_value": found.straight_line_p,
        "low": found.interval.low,
        "high": found.interval.high,
    }
    plain = {name: float(f"{value:.5g}") if np.isfinite(value) else None for name, value in numbers.items()}
    kind = found.kind.name.lower()
    return {"data_size": found.group, "kind": kind, "remark": words.remark(analysis, found), **plain}


def measurements(cells: dict) -> predict.Measurements:
    """The critical sizes that have an interval, and why the other curves have none."""
    rows, censored = [], Counter()
    for name, cell in cells.items():
        for found in cell["findings"]:
            size = found["critical_size"]
            if size is None:
                censored[f"no transition ({found['kind']})"] += 1
            elif found["low"] is None or found["high"] is None:
                censored["no finite interval"] += 1
            else:
                where = f"{name} at {found['data_size']}"
                condition = *name.split(), found["data_size"], cell["complexity_bits"]
                rows.append((*condition, size, found["low"], found["high"], where))
    columns = zip(*rows, strict=True) if rows else [()] * 8
    return predict.measured(*columns, censored=censored)


def foretell(cells: dict) -> dict:
    """What a regression says of the critical sizes, and its true errors, or its refusal in its words."""
    found = measurements(cells)
    told = {"measured": len(found.family), "without": dict(found.censored)}
    told |= {"families": dict(Counter(found.family)), "objectives": dict(Counter(found.objective))}
    try:
        model = predict.fit(found)
    except InputError as error:
        return told | {"refused": str(error)}
    terms = model.terms
    told["exponents"] = dict(zip(terms.covariates, model.exponents.tolist(), strict=True))
    told["exponents_interval"] = dict(zip(terms.covariates, model.exponents_interval.tolist(), strict=True))
    for factor in ("family", "objective"):
        effects = model.effects[factor].value.tolist()
        told[f"{factor}_effects"] = dict(zip(terms.levels[factor], effects, strict=True))
    told["deviations"] = dict(zip(("families", "objectives", "scatter"), model.deviations.tolist(), strict=True))
    swapped = found._replace(family=found.objective, objective=found.family)
    for name, data in (("family left out", found), ("objective left out", swapped)):
        try:
            errors = predict.leave_one_group_out(predict.fit(data), "family")
            told[name] = {field: np.asarray(value).tolist() for field, value in errors._asdict().items()}
        except InputError as error:
            told[name] = {"refused": str(error)}
    told["cell left out"] = cell_left_out(found)
    return told


def cell_left_out(found: predict.Measurements) -> dict:
    """Errors in decades of predicting a cell whose family and objective were measured apart, never together."""
    cells, y = np.array(list(zip(found.family, found.objective, strict=True))), np.log10(found.critical_size)
    rows, refused = [], []
    for family, objective in np.unique(cells, axis=0):
        own = np.all(cells == (family, objective), axis=1)
        try:
            model = predict.fit(subset(found, ~own))
            asked = {"data_size": found.data_size[own], "data_complexity": found.data_complexity[own][0]}
            told = predict.critical_size(model, family=family, objective=objective, **asked)
        except InputError as error:
            refused.append(f"{family} {objective}: {error}")
            continue
        error = np.log10(told.size) - y[own]
        reach = NORMAL_95 * np.hypot(told.decades_se, standard_errors(found)[own])
        rows += zip(error, y[~own].mean() - y[own], np.abs(error) <= reach, strict=True)
    if not rows:
        return {"refused": refused}
    error, plain, inside = np.array(rows, float).T
    rms = {name: float(np.sqrt(np.mean(values**2))) for name, values in (("overall", error), ("baseline", plain))}
    return {"count": len(rows), "covered": int(inside.sum()), **rms, "refused": refused}


def figure(results: dict) -> None:
    """A panel a cell: the order parameter over size at three data sizes, critical sizes and the verdict."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from jaxphase.plots.style import STYLE, colors, save

    cells = results["cells"]
    families = [family for family in WIDTHS if any(name.startswith(family) for name in cells)]
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(10.5, 0.8 + 2.7 * len(families)), layout="constrained")
        panels = drawing.subplots(len(families), len(OBJECTIVES), sharey=True, squeeze=False)
        for name, panel in zip(itertools.product(families, OBJECTIVES), panels.ravel(), strict=True):
            if cell := cells.get(" ".join(name)):
                _panel(panel, cell, colors(len(DATA_SIZES)))
                verdict = "no transition" if cell["verdict"] == "none" else cell["verdict"]
                words = f"{name[0]}, {name[1].replace('_', ' ')}: {verdict}"
                panel.set_title(words, loc="left", fontweight="bold")
            else:
                panel.set_visible(False)
        for panel in panels[-1]:
            panel.set_xlabel("parameters")
        for panel in panels[:, 0]:
            panel.set_ylabel("mutual information (nats)")
        lines = panels[0, 0].get_lines()
        for line, size in zip(lines, DATA_SIZES, strict=False):
            line.set_label(f"{size:,} images")
        lines[len(DATA_SIZES)].set_label("after one step of training")
        drawing.legend(handles=lines[: len(DATA_SIZES) + 1], loc="outside upper center", ncols=4)
        save(drawing, HERE / "families.png")


def _panel(panel, cell: dict, shades: list) -> None:
    params, means, errors = (np.array(cell[name]) for name in ("params", "mean", "standard_error"))
    for mean, color in zip(means, shades, strict=True):
        panel.plot(params, mean, "o-", color=color, ms=3, mew=0, lw=1.2)
    panel.plot(params, cell["untrained"]["mean"], color="0.6", lw=1, ls=":")
    for i, (found, mean, error, color) in enumerate(zip(cell["findings"], means, errors, shades, strict=True)):
        panel.errorbar(params, mean, error, fmt="none", color=color, elinewidth=1)
        words = found["kind"].replace("_", " ")
        if found["critical_size"]:
            panel.axvline(found["critical_size"], color=color, lw=1, ls="--", zorder=1)
            words = "step" if found["kind"] == "step" else "crossover"
            words += f" at {found['critical_size']:,.0f}"
            if found["low"] and found["high"]:
                panel.axvspan(found["low"], found["high"], color=color, alpha=0.14, lw=0, zorder=0)
                words += f" [{found['low']:,.0f}, {found['high']:,.0f}]"
        panel.text(0.98, 0.03 + 0.085 * (len(shades) - 1 - i), words, color=color, size=7.5, ha="right", va="bottom",
                   transform=panel.transAxes)  # fmt: skip
    reach = 1.15
    panel.set(xscale="log", xlim=(params.min() / reach, params.max() * reach))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--families", nargs="*", choices=WIDTHS, default=list(WIDTHS))
    parser.add_argument("--out", type=Path, default=Path("runs/families"))
    arguments = parser.parse_args()
    jaxphase.use_all_cores()
    path = HERE / "families.json"
    results = json.loads(path.read_text()) if path.exists() else {"cells": {}}
    for family in arguments.families:
        for objective in OBJECTIVES:
            name, spec = f"{family} {objective}", spec_of(family, objective, arguments.seeds)
            chosen = plain(vars(spec))
            if results["cells"].get(name, {}).get("settings") == chosen:
                continue
            cell = {"settings": chosen, **train(spec, arguments.out / name.replace(" ", "-"))}
            results["cells"][name] = cell
            write_json(results, path)
            kinds = ", ".join(f"{found['kind']} {found['critical_size'] or ''}" for found in cell["findings"])
            print(f"{name:24} {cell['verdict']:24} {kinds}  {cell['core_seconds']:.0f} core-s", flush=True)
    results["cells"] = {
        name: results["cells"][name]
        for name in (f"{family} {objective}" for family in WIDTHS for objective in OBJECTIVES)
        if name in results["cells"]
    }
    results["prediction"] = foretell(results["cells"])
    write_json(results, path)
    print(json.dumps(results["prediction"], indent=1))
    figure(results)


if __name__ == "__main__":
    main()
