"""What does every cell learn? Family x objective x data, trained for real, its linear probe beside two baselines.

The first baseline is the network before training (random features), read by the same probe. The second is a probe of
the rows themselves: pixels, numbers, one-hot symbols or, for text, how often each byte occurs. Every cell has two
seeds. The values in SETTINGS were chosen on data drawn with another seed (other rows, other grammars, another split of
the digits), except that some cells of glyphs, hierarchy and text need settings of their own, which was seen on these
data. The error of a gain is that of two binomial shares on the validation rows. Both accuracies come from the same
rows, so that this error is rather too large than too small. Cells that cells.json holds with the same settings are
kept.

    python experiments/cells.py [--data digits glyphs]
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from jaxphase import sweep, use_all_cores
from jaxphase.config import SweepSpec
from jaxphase.data import DATA, Source
from jaxphase.data.python_source import corpus_id
from jaxphase.evaluate import fit_probe, prepare_features
from jaxphase.models import FAMILIES
from jaxphase.objectives import OBJECTIVES
from jaxphase.sweep.lanes import identity

HERE = Path(__file__).parent
HELD_OUT = {"probe": 2000, "validation": 2000, "seed": 1}
SOURCES = {
    "digits": {"train": 800, "probe": 100, "seed": 1},  # ten labels a digit, and 897 rows to validate
    "spiked": {"train": 4096, **HELD_OUT},
    "hierarchy": {"synonyms": 2, "depth": 4, "train": 8192, **HELD_OUT},  # P* = classes * synonyms**depth = 128
    "glyphs": {"train": 8192, **HELD_OUT},
    "ising": {"train": 4096, **HELD_OUT, "probe": 300},
    "text": {"context": 32, "train": 32768, **HELD_OUT},
}
# Data, family, objective, and what is chosen there; a later line wins over an earlier one.
SETTINGS = (
    ("*", "*", "*", {"size": 40_000, "steps": 400, "batch_size": 64, "learning_rate": 3e-3}),
    ("digits", "mlp", "*", {"steps": 1000}),
    ("digits", "mlp", "masked_modeling", {"learning_rate": 1e-3}),
    ("digits", "vit", "masked_modeling", {"steps": 800, "learning_rate": 1e-2}),
    ("digits", "vit", "masked_modeling", {"objective_options": {"mask_fraction": 0.25, "patch": 1}}),
    ("ising", "mlp", "contrastive barlow_twins vicreg", {"objective_options": {"strength": 0.3}}),
    ("glyphs ising text", "resnet vit transformer", "*", {"steps": 250}),
    ("*", "*", "autoencoding", {"family_options": {"bottleneck": 16}}),
    ("glyphs ising", "resnet vit", "*", {"family_options": {"patch": 4}}),  # 16 positions, as many as digits have
    ("glyphs ising", "*", "masked_modeling", {"objective_options": {"patch": 4}}),
    ("glyphs", "resnet vit", "masked_modeling", {"steps": 1000, "family_options": {"patch": 8}}),
    ("glyphs", "resnet", "masked_modeling", {"objective_options": {"patch": 8}}),
    ("glyphs", "vit", "masked_modeling", {"steps": 2000, "family_options": {"depth": 4}}),
    ("glyphs", "vit", "masked_modeling", {"objective_options": {"mask_fraction": 0.3}}),
    ("spiked", "*", "contrastive barlow_twins vicreg", {"objective_options": {"dims": 8, "strength": 3.0}}),
    ("hierarchy", "*", "*", {"steps": 1000}),
    ("hierarchy text", "*", "masked_modeling", {"objective_options": {"mask_fraction": 0.3}}),
    ("text", "mlp", "*", {"size": 300_000, "steps": 300}),  # 32 one-hot bytes are 8,192 numbers
    ("text", "*", "masked_modeling", {"steps": 800}),
)

prepare_jitted, fit_jitted = jax.jit(prepare_features), jax.jit(fit_probe, static_argnums=3)


def settings(data: str, family: str, objective: str) -> dict:
    """How a cell is trained."""
    chosen, cell = {}, (data, family, objective)
    for *where, options in SETTINGS:
        if all(names == "*" or name in names.split() for names, name in zip(where, cell, strict=True)):
            for key, value in options.items():
                chosen[key] = {**chosen.get(key, {}), **value} if isinstance(value, dict) else value
    return chosen


def train(data: str, family: str, objective: str) -> dict:
    """Probe accuracies of a cell by seed, untrained and trained, and what else tells how it went."""
    begin, worked = time.perf_counter(), time.process_time()
    chosen = settings(data, family, objective)
    options = dict(chosen)
    spec = SweepSpec(
        sizes=(options.pop("size"),),
        data_sizes=(SOURCES[data]["train"],),
        checkpoints=(options.pop("steps"),),
        seeds=2,
        family=family,
        objective=objective,
        data=data,
        data_options=SOURCES[data],
        metrics=("train_loss", "val_loss", "accuracy", "effective_rank"),
        **options,
    )
    before = untrained(spec)
    after = sweep.run(spec, progress=False).squeeze()  # seeds are the one axis that is longer than 1
    return {
        "settings": chosen,
        "params": int(after["params"]),
        "width": int(after["width"]),
        "untrained": before,
        "trained": after["accuracy"].values.tolist(),
        **{name: after[name].values.tolist() for name in ("train_loss", "val_loss", "effective_rank")},
        "seconds": round(time.perf_counter() - begin, 2),
        "core_seconds": round(time.process_time() - worked, 2),  # the same on a busy machine
    }


def untrained(spec: SweepSpec) -> list[float]:
    """Probe accuracy of the networks, of one width, that a sweep starts from."""
    recipe = sweep.make_recipe(spec)
    splits = recipe.source.splits

    @partial(jax.jit, static_argnums=0)
    def represent(graph, weights, rows):
        return recipe.objective.represent(nnx.merge(graph, weights), rows)

    accuracies = []
    for lane in sweep.make_plan(spec, recipe).buckets[0].lanes:
        for_weights = identity(lane).spawn(3)[0]
        model = recipe.build(lane.width, np.random.Generator(np.random.Philox(for_weights)))
        features = [represent(*nnx.split(model), rows) for rows in (splits.probe, splits.validation)]
        accuracies.append(accuracy(*features, recipe.source))
    return accuracies


def accuracy(features: jax.Array, held_out: jax.Array, source: Source) -> float:
    """Share of validation rows that a linear probe of features tells, fitted on the probe's rows."""
    _, _, labels, _, held_out_labels = source.splits
    # Two programs: see `prepare_features`.
    return float(fit_jitted(prepare_jitted(features, held_out), labels, held_out_labels, source.classes).accuracy)


def describe(data: str) -> dict:
    """What a cell is compared with: the probe of the rows themselves, and the share of the commonest class."""
    source = DATA[data](**SOURCES[data])
    kind, _, vocabulary = source.layout
    rows = [source.splits.probe, source.splits.validation]
    if kind == "tokens":
        one_hot = [np.eye(vocabulary, dtype=np.float32)[part] for part in rows]
        rows = [part.sum(1) if data == "text" else part.reshape(len(part), -1) for part in one_hot]
    labels = source.splits.validation_labels
    return {
        "options": SOURCES[data],
        "families": [name for name, family in FAMILIES.items() if kind in family.input_kinds],
        "raw": accuracy(*rows, source),
        "commonest": float(np.bincount(labels).max() / len(labels)),
        "validation": len(labels),
    } | ({"corpus": corpus_id()} if data == "text" else {})


def gain(cell: dict, rows: int) -> tuple[float, float, float]:
    """Accuracy trained, untrained, and the standard error of their difference on so many validation rows."""
    after, before = np.mean(cell["trained"]), np.mean(cell["untrained"])
    return after, before, np.sqrt((after * (1 - after) + before * (1 - before)) / rows)


def measured(results: dict) -> list[tuple[str, dict]]:
    """Data sets that there are results of, in the order of SOURCES, and what is known of them."""
    return [(data, results["data"][data]) for data in SOURCES if data in results["data"]]


def table(results: dict) -> str:
    """Markdown: percent right trained (untrained), bold where the gain is more than its standard error."""
    lines = [
        f"| data | commonest class | raw | family | {' | '.join(OBJECTIVES)} |",
        "|---" * (4 + len(OBJECTIVES)) + "|",
    ]
    for data, known in measured(results):
        for family in known["families"]:
            entries = []
            for objective in OBJECTIVES:
                cell = results["cells"].get(f"{data} {family} {objective}")
                if cell:
                    after, before, error = gain(cell, known["validation"])
                    mark = "**" if after - before > error else ""
                    entries.append(f"{mark}{100 * after:.1f}{mark} ({100 * before:.1f})")
                else:
                    entries.append("")
            same = f"{100 * known['commonest']:.0f} | {100 * known['raw']:.1f}"
            lines.append(f"| {data} | {same} | {family} | {' | '.join(entries)} |")
    return "\n".join(lines)


def figure(results: dict) -> None:
    """A panel a data set: every cell untrained and trained, the rows themselves as a line."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from jaxphase.plots import STYLE

    colors = dict(zip(FAMILIES, ("#0b5394", "#e07b39", "#2a9d8f", "#7a0177"), strict=True))
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(12.5, 8.5), layout="constrained")
        panels = drawing.subplots(2, 3).ravel()
        for panel, (data, known) in zip(panels, measured(results), strict=False):
            cells = [(family, objective) for family in known["families"] for objective in OBJECTIVES]
            for row, (family, objective) in enumerate(cells):
                cell = results["cells"].get(f"{data} {family} {objective}")
                if cell:
                    after, before, error = (100 * value for value in gain(cell, known["validation"]))
                    panel.plot([before, after], [row, row], color=colors[family], lw=1, alpha=0.5)
                    panel.plot(before, row, "o", color=colors[family], mfc="white", ms=5)
                    panel.errorbar(after, row, xerr=error, fmt="o", color=colors[family], ms=5, lw=1)
            panel.axvline(100 * known["raw"], color="0.5", lw=1, ls="--", zorder=0)
            panel.set_yticks(
                range(len(cells)), [f"{family}, {objective.replace('_', ' ')}" for family, objective in cells]
            )
            panel.set(title=data, xlabel="linear-probe accuracy (%)")
            panel.invert_yaxis()
        drawing.suptitle(
            "Open: before training; filled: after, with the standard error of the gain; dashed: the rows themselves"
        )
        drawing.savefig(HERE / "cells.png", dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="*", choices=SOURCES, default=list(SOURCES))
    arguments = parser.parse_args()
    use_all_cores()
    path = HERE / "cells.json"
    results = json.loads(path.read_text()) if path.exists() else {"data": {}, "cells": {}}
    for data in arguments.data:
        if results["data"].get(data, {}).get("options") != SOURCES[data]:
            results["data"][data] = describe(data)
            results["cells"] = {name: cell for name, cell in results["cells"].items() if name.split()[0] != data}
        for family in results["data"][data]["families"]:
            for objective in OBJECTIVES:
                name = f"{data} {family} {objective}"
                if results["cells"].get(name, {}).get("settings") == settings(data, family, objective):
                    continue
                results["cells"][name] = cell = train(data, family, objective)
                path.write_text(json.dumps(results, indent=1) + "\n")
                after, before, error = gain(cell, results["data"][data]["validation"])
                numbers = f"{100 * before:5.1f} -> {100 * after:5.1f}  gain {(after - before) / error:5.1f} errors"
                rank = np.mean(cell["effective_rank"])
                print(f"{name:40} {numbers}  rank {rank:5.1f}  {cell['seconds']:5.1f} s", flush=True)
    print(f"\n{table(results)}")
    figure(results)


if __name__ == "__main__":
    main()
