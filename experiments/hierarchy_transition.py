"""Does jaxphase find the known transition of random hierarchies in data size, and can it predict the next grammar's?

The class of a string of a random hierarchy is learned from about P* = classes * m**L strings; a network of the
hierarchy's shape needs 2.2 times that (`hierarchy.py`). The order parameter is the accuracy of a linear probe.

model_size: one setting (m = 4, L = 3), four model sizes, 16 runs in each cell (4 grammars x 4 seeds), 512 strings for
    validation, analyzed along the data size: where is the jump, and does it sharpen as the model grows?
scale: strictly, a transition sharpens as the system grows. The system is the grammar: its size is m**L, its control
    log2(strings / (classes * m**L)), its outcome the accuracy minus chance. The runs are those of hierarchy.json, with
    40,000 parameters and 6 runs in a cell, too few to see whether outcomes are bimodal. Either L or m grows.
left_out: the nine settings of hierarchy.json with two grammars each. `detect.classify` says where each jumps, a
    regression is fitted to the critical numbers of strings on one measure of complexity, and each setting is predicted
    from the others by `predict.leave_one_group_out`, with settings as families. The measures are classes * m**L, which
    is the theory, and others that a user could measure on the strings without knowing the grammar.

    python experiments/hierarchy_transition.py [--parts model_size scale left_out] [--out runs/hierarchy]

This takes ten minutes on two cores, nine of them for model_size, whose report goes to --out. A part that is not asked
for is kept as hierarchy_transition.json has it.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import xarray as xr
from hierarchy import BATCH, SETTINGS, STEPS, Setting, labelled_hierarchy

import jaxphase
from jaxphase import detect, plots, predict, scaling, sweep, words
from jaxphase.config import SweepSpec
from jaxphase.errors import InputError
from jaxphase.evaluate import compressed_size, entropy
from jaxphase.runtime.files import plain, write_json
from jaxphase.words.phrases import KINDS

HERE = Path(__file__).parent
GRAMMARS, SEEDS, HELD_OUT = 4, 4, 512
OCTAVES = tuple(step / 2 for step in range(-4, 7))  # of strings over classes * m**L
MODEL_SIZES = (1_000, 3_000, 10_000, 30_000)
SERIES = {
    "L grows, m = 3": tuple(Setting(3, depth) for depth in (3, 4, 5)),
    "m grows, L = 3": tuple(Setting(synonyms, 3) for synonyms in (3, 4, 5, 6)),
    "m grows, L = 4": tuple(Setting(synonyms, 4) for synonyms in (3, 4, 5)),
}
# m = 8, L = 2 has too few strings for all octaves.
SERIES["all eight"] = tuple(sorted(set(SETTINGS) - {Setting(8, 2)}, key=lambda s: s.synonyms**s.depth))
PARTS = ("model_size", "scale", "left_out")
MEASURES = {
    "classes m^L": "the theory's own number",
    "bits a string": "entropy of a symbol times symbols",
    "compressed bits a string": "LZMA",
    "bits a symbol": "entropy of a symbol, what a sweep stores",
}


def train(setting: Setting, sizes: tuple[int, ...]) -> xr.Dataset:
    """Dims (data_size, size, seed), the runs of all grammars along seed."""
    data_sizes, runs = tuple(round(setting.scale * 2.0**octave) for octave in OCTAVES), []
    for grammar in range(GRAMMARS):
        options = {"train": data_sizes[-1], "probe": HELD_OUT, "validation": HELD_OUT, "seed": grammar}
        spec = SweepSpec(
            sizes=sizes,
            data_sizes=data_sizes,
            seeds=SEEDS,
            checkpoints=(STEPS,),
            batch_size=BATCH,
            learning_rate=3e-3,
            weight_decay=0,
            family="tree",
            family_options={"depth": setting.depth},
            objective="classification",
            data="labelled_hierarchy",
            data_options={**setting._asdict(), **options},
            metrics=("train_loss", "accuracy", "probe_cross_entropy"),
        )
        runs.append(sweep.run(spec, progress=False).squeeze("step", drop=True))
    both = xr.concat(runs, "seed", combine_attrs="override", coords="minimal", compat="override")
    return both.assign_coords(seed=np.arange(GRAMMARS * SEEDS))


def of_model_size(folder: Path) -> dict:
    """One setting along data size, and whether it sharpens with the model size. Its report is written to a folder."""
    setting = Setting(4, 3)
    data = train(setting, MODEL_SIZES)
    analysis = jaxphase.analyze(data, along="data_size", order_parameter="accuracy")
    folder.mkdir(parents=True, exist_ok=True)
    jaxphase.save_analysis(analysis, folder)
    figures = plots.write_figures(analysis, folder)
    (folder / "report.html").unlink(missing_ok=True)
    jaxphase.write_report(analysis, folder / "report.html", figures=figures)
    accuracy = analysis.dataset["accuracy"].transpose("group", "x", "seed").values.astype(float)
    return {
        "setting": setting._asdict(),
        "params": data.params.values.tolist(),
        "data_sizes": data.data_size.values.tolist(),
        "accuracy": accuracy.mean(2).round(4).tolist(),
        "standard_error": (accuracy.std(2, ddof=1) / np.sqrt(accuracy.shape[2])).round(4).tolist(),
        "train_loss": float(data.train_loss.mean("seed").max()),
        "findings": [describe(analysis, found, setting.scale) for found in analysis.on("accuracy")],
        "verdict": analysis.evidence.kind.name.lower(),
        "reasons": words.reasons(analysis),
        **of_order(analysis.evidence.order, analysis.evidence.collapse),
    }


def describe(analysis: jaxphase.Analysis, found: jaxphase.Finding, scale: int) -> dict:
    """The verdict on a curve along data size."""
    return {
        "params": found.group,
        "kind": found.kind.name.lower(),
        "critical_data_size": found.critical_size,
        "interval": list(found.interval),
        "over_scale": found.critical_size / scale,
        "width_decades": found.width,
        "delta_bic": found.delta_bic,
        "mirage": "" if found.mirage is None else found.mirage.name.lower(),
        "remark": words.remark(analysis, found),
    }


def of_order(order: scaling.Order, collapse: scaling.Collapse) -> dict:
    """What the verdict on a family of curves rests on."""
    return {
        "order": order.kind.name.lower().replace("_", " "),
        "collapse": collapse.kind.name.lower().replace("_", " "),
        **{name: np.asarray(getattr(order, name)).tolist() for name in ("center", "center_se", "width", "width_se")},
        "sharpening": [order.sharpening, *order.sharpening_interval.tolist()],
        "drift": [order.drift, *order.drift_interval.tolist()],
        "peak": np.asarray(order.peak).tolist(),
        "peak_growth": [order.peak_growth, *order.peak_growth_interval.tolist()],
        "bimodal_p_value": order.bimodal_p_value.tolist(),
        "inverse_nu": [collapse.inverse_nu, *collapse.inverse_nu_interval.tolist()],
        "chi2_per_dof": collapse.chi2_per_dof,
    }


def of_scale() -> dict:
    """The verdict on each series of settings, from outcomes [settings, octaves, runs]."""
    runs, series = in_hierarchy(), {}
    for name, settings in SERIES.items():
        outcomes = []
        for setting in settings:
            accuracy = np.array(runs[setting]["accuracy"]).T
            outcomes.append((accuracy * setting.synonyms - 1) / (setting.synonyms - 1))
        scales = [setting.synonyms**setting.depth for setting in settings]
        series[name] = {"scale": scales, **judge(np.array(scales, float), np.array(outcomes))}
    return {"series": series}


def in_hierarchy() -> dict[Setting, dict]:
    """Runs of the network of the hierarchy's shape."""
    return dict(zip(SETTINGS, json.loads((HERE / "hierarchy.json").read_text())["tree"], strict=True))


def called(setting: Setting) -> str:
    return f"m = {setting.synonyms}, L = {setting.depth}"


def judge(size: np.ndarray, outcomes: np.ndarray) -> dict:
    """Transition or crossover, of outcomes [settings, octaves, runs]; centers and widths in octaves of strings."""
    control = np.arange(-4, outcomes.shape[1] - 4) / 2
    order = scaling.transition_order(size, control, outcomes)
    mean, error = outcomes.mean(2), outcomes.std(2, ddof=1) / np.sqrt(outcomes.shape[2])
    error = np.maximum(error, np.median(error) / 2)  # the scatter of a few runs is itself uncertain
    sizes, controls = np.meshgrid(size, control, indexing="ij")
    fell = scaling.collapse(*(column.ravel() for column in (sizes, controls, mean, error)), exponent=0)
    sigmoid = detect.fit_sigmoid(np.repeat(control, outcomes.shape[2]), outcomes.reshape(len(size), -1))
    drawn = {"sigmoid_width": sigmoid.width, "sigmoid_width_se": sigmoid.width_se}
    return {"shape": order.shape.name.lower(), **of_order(order, fell), **drawn}


def left_out() -> dict:
    """Critical numbers of strings of the grammars of hierarchy.json, predicted from other settings."""
    rows, without = [], Counter()
    for setting, run in in_hierarchy().items():
        for grammar, accuracy in enumerate(np.split(np.array(run["accuracy"]), 2)):
            control = np.tile(np.log10(setting.sizes), len(accuracy))
            found = detect.classify(control, accuracy.ravel())
            kind, ends = detect.CurveKind(int(found.kind)).name.lower(), 10.0 ** np.asarray(found.interval)
            if kind not in ("sigmoid", "step") or not np.isfinite(ends).all():
                without[f"{called(setting)}: {kind}"] += 1
                continue
            rows.append((called(setting), kind, float(10.0**found.center), *ends, measures(setting, grammar)))
    names, kinds, critical, low, high, of = zip(*rows, strict=True)
    table = {
        "measured": [{"setting": row[0], "kind": row[1], "critical": row[2], "interval": row[3:5]} for row in rows],
        "kinds": dict(Counter(kinds)),
        "without": dict(without),
        "by": {},
        "theory times a constant": constant(names, np.log10(critical) - np.log10([each["classes m^L"] for each in of])),
    }
    for measure, meaning in MEASURES.items():
        complexity = [each[measure] for each in of]
        missing = [np.nan] * len(names)
        data = predict.measured(names, ["classification"] * len(names), missing, complexity, critical, low, high)
        table["by"][measure] = {"is": meaning, "values": complexity, **regress(data)}
        told = table["by"][measure]
        print(f"{measure:26}", {name: told.get(name) for name in ("exponent", "overall", "baseline", "covered")})
    return table


def constant(names, ratio: np.ndarray) -> float:
    """Error in decades of classes * m**L times the geometric mean ratio of the other settings, as `overall`."""
    names, squares = np.array(names), []
    for name in dict.fromkeys(names):
        own = names == name
        squares.append(np.mean((ratio[own] - ratio[~own].mean()) ** 2))
    return float(np.sqrt(np.mean(squares)))


def measures(setting: Setting, grammar: int) -> dict[str, float]:
    """How complex the strings of a grammar are, its labels left aside; measured on 4,096 numbers of bits at most."""
    options = {"train": min(setting.sizes[-1], 4096), "seed": grammar}
    strings = labelled_hierarchy(**setting._asdict(), **options).splits.train[:, 1:]
    return {
        "classes m^L": float(setting.scale),
        "bits a string": entropy(strings) * strings.shape[1],
        "compressed bits a string": compressed_size(strings) * strings.shape[1],
        "bits a symbol": entropy(strings),
    }


def regress(data: predict.Measurements) -> dict:
    """Exponent of the complexity with its interval, and every setting predicted from the others."""
    try:
        model = predict.fit(data)
        errors = predict.leave_one_group_out(model, "family")
    except InputError as error:
        return {"refused": str(error)}
    return {
        "exponent": [*model.exponents.tolist(), *model.exponents_interval.ravel().tolist()],
        "deviations": dict(zip(("settings", "objectives", "scatter"), model.deviations.tolist(), strict=True)),
        "overall": errors.overall,
        "baseline": errors.baseline,
        "covered": f"{errors.covered.sum():.0f} of {errors.count.sum()}",
        "settings": dict(zip(errors.names, errors.bias.tolist(), strict=True)),
    }


def figure(results: dict) -> None:
    """Accuracy along data size; outcomes over the control; widths over the scale; errors of prediction."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from jaxphase.plots.style import STYLE, colors, save

    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(9.6, 7.2), layout="constrained")
        panels = drawing.subplots(2, 2)
        if part := results.get("model_size"):
            _along_data(panels[0, 0], part, colors(len(part["params"])))
        if part := results.get("scale"):
            _outcomes(panels[0, 1])
            _widths(panels[1, 0], part["series"])
        if part := results.get("left_out"):
            _errors(panels[1, 1], part)
        save(drawing, HERE / "hierarchy_transition.png")


def _along_data(panel, part: dict, shades: list) -> None:
    for found, mean, error, color in zip(
        part["findings"], part["accuracy"], part["standard_error"], shades, strict=True
    ):
        label = f"{found['params']:,} parameters: {KINDS[detect.CurveKind[found['kind'].upper()]]}"
        panel.errorbar(part["data_sizes"], mean, error, fmt="o-", ms=3, lw=1.2, mew=0, color=color, label=label)
        if found["critical_data_size"]:
            panel.axvspan(*np.array(found["interval"], float), color=color, alpha=0.14, lw=0)
            panel.axvline(found["critical_data_size"], color=color, lw=1, ls="--")
    panel.set(xlabel="number of training strings", ylabel="probe accuracy", ylim=(0, 1.03))
    panel.set_xscale("log", base=2)
    panel.set_title(f"m = 4, L = 3, along data size: {part['verdict']}", loc="left", fontweight="bold")
    panel.legend(loc="upper left", fontsize=7.5)


def _outcomes(panel) -> None:
    from matplotlib import colormaps

    settings, runs = SERIES["all eight"], in_hierarchy()
    for i, setting in enumerate(settings):
        accuracy, color = np.array(runs[setting]["accuracy"]), colormaps["viridis"](0.95 * i / (len(settings) - 1))
        outcome = (accuracy * setting.synonyms - 1) / (setting.synonyms - 1)
        error = outcome.std(0, ddof=1) / np.sqrt(len(outcome))
        style = {"fmt": "o-", "ms": 3, "lw": 1.2, "mew": 0, "color": color, "label": called(setting)}
        panel.errorbar(np.array(setting.sizes) / setting.scale, outcome.mean(0), error, **style)
    panel.set(xlabel="training strings / (classes · $m^L$)", ylabel="accuracy less chance", ylim=(-0.05, 1.03))
    panel.set_xscale("log", base=2)
    panel.set_title("grammars over their own scale, 40,000 parameters", loc="left", fontweight="bold")
    panel.legend(loc="lower right", fontsize=7.5)


def _widths(panel, series: dict) -> None:
    for (name, found), color in zip(series.items(), ("#0b5394", "#c45a11", "#5b8c2a", "0.6"), strict=True):
        words = f"{name}: {found['order']}; collapse: {found['collapse']}"
        width, error = (np.array(found[name], float) for name in ("sigmoid_width", "sigmoid_width_se"))
        line = "" if name == "all eight" else "-"
        panel.errorbar(found["scale"], width, 1.96 * error, fmt=f"o{line}", color=color, ms=4, lw=1.2, label=words)
    panel.set(xscale="log", yscale="log", xlabel="$m^L$", ylabel="width of the jump, 10 to 90 % (octaves)")
    panel.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    panel.set_xticks([30, 100, 300, 600], ["30", "100", "300", "600"])
    panel.tick_params(which="minor", bottom=False, left=False, labelbottom=False, labelleft=False)
    panel.set_ylim(0.2, 8)
    panel.set_title("Does it sharpen with the grammar?", loc="left", fontweight="bold")
    panel.legend(loc="upper right", fontsize=7.5)


def _errors(panel, part: dict) -> None:
    shown = [(name, told) for name, told in part["by"].items() if "overall" in told]
    for row, (_, told) in enumerate(shown):
        biases = np.array(list(told["settings"].values()))
        panel.plot(biases, np.full(len(biases), row), "o", ms=4, mew=0, alpha=0.6, color="#0b5394")
        words = f"rms {told['overall']:.2f}, mean of the others {told['baseline']:.2f}; covered {told['covered']}"
        panel.text(0.02, row - 0.28, words, transform=panel.get_yaxis_transform(), size=7.5)
    panel.axvline(0, color="0.6", lw=0.8)
    panel.set_yticks(
        range(len(shown)), [name.replace(" m^L", "\n· $m^L$").replace("bits a", "bits\na") for name, _ in shown]
    )
    panel.set_ylim(len(shown) - 0.5, -0.6)
    panel.set_xlabel("predicted - measured critical data size (decades)")
    panel.set_title("Each setting predicted from the other eight", loc="left", fontweight="bold")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=Path("runs/hierarchy"))
    arguments = parser.parse_args()
    jaxphase.use_all_cores()
    path = HERE / "hierarchy_transition.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    run = {"model_size": lambda: of_model_size(arguments.out), "scale": of_scale, "left_out": left_out}
    for part in arguments.parts:
        begin, worked = time.perf_counter(), time.process_time()
        results[part] = run[part]()
        results[part]["seconds"] = round(time.perf_counter() - begin, 1)
        results[part]["core_seconds"] = round(time.process_time() - worked, 1)
        results = plain(results)
        write_json(results, path)
    judged = {"model size": results.get("model_size"), **results.get("scale", {}).get("series", {})}
    for name, found in judged.items():
        if found:
            print(name, {key: found[key] for key in ("order", "collapse", "width", "sharpening", "inverse_nu")})
    figure(results)


if __name__ == "__main__":
    main()
