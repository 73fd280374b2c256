"""What trained models learn, and at which learning rate."""

import math
from statistics import mode

from .tables import number, table, table_of, with_error

OBJECTIVES = {
    "autoencoding": "autoencoding",
    "masked_modeling": "masked modeling",
    "contrastive": "contrastive",
    "barlow_twins": "Barlow Twins",
    "vicreg": "VICReg",
}


@table_of("experiments/cells.json")
def cells(results: dict) -> str:
    """Probe accuracy of every cell after and before training."""
    rows = []
    for data, about in results["data"].items():
        for family in about["families"]:
            found = [results["cells"].get(f"{data} {family} {objective}") for objective in OBJECTIVES]
            learned = [_learned(cell, about["validation"]) if cell else "" for cell in found]
            rows.append([data, f"{100 * about['commonest']:.0f}", f"{100 * about['raw']:.1f}", family, *learned])
    sizes, steps, times = zip(
        *((cell["settings"]["size"], cell["settings"]["steps"], cell["seconds"]) for cell in results["cells"].values()),
        strict=True,
    )
    words = (
        f"Most models have about {mode(sizes):,} parameters (at most {max(sizes):,}). They train for {min(steps):,} to "
        f"{max(steps):,} steps, which takes {min(times):.0f} to {max(times):.0f} s a cell on two cores."
    )
    headings = ("data", "commonest class", "raw", "family", *OBJECTIVES.values())
    return f"{table(headings, rows)}\n\n{words}"


def _learned(cell: dict, rows: int) -> str:
    """Accuracies in percent; bold if the gain exceeds the binomial error of two means over seeds."""
    before, after = (sum(cell[key]) / len(cell[key]) for key in ("untrained", "trained"))
    error = math.sqrt((before * (1 - before) + after * (1 - after)) / rows)
    mark = "**" if after - before > error else ""
    return f"{mark}{100 * after:.1f}{mark} ({100 * before:.1f})"


@table_of("experiments/learning_rate.json")
def learning_rate(results: dict) -> str:
    """By how many octaves the best learning rate moves when the width doubles."""
    rows = [
        [name, *(with_error(*case[key]["octaves_per_doubling"]) for key in ("mup", "standard"))]
        for name, case in results.items()
    ]
    return table(("models, data", "octaves per doubling of the width, `mup`", "`standard`"), rows)


@table_of("experiments/families.json")
def families(results: dict) -> str:
    """The verdict of every family and objective on digits, and the kind of its curves at the data sizes."""
    rows = []
    for name, cell in results["cells"].items():
        family, objective = name.split()
        kinds = [finding["kind"].replace("_", " ") for finding in cell["findings"]]
        sizes = ", ".join(number(f["critical_size"]) for f in cell["findings"] if f["critical_size"]) or "none"
        rows.append([family, OBJECTIVES[objective], cell["verdict"], ", ".join(kinds), sizes])
    findings = [finding for cell in results["cells"].values() for finding in cell["findings"]]
    found = sum(finding["critical_size"] is not None for finding in findings)
    sizes = ", ".join(f"{size:,}" for size in dict.fromkeys(finding["data_size"] for finding in findings))
    headings = ("family", "objective", "verdict", f"curves at {sizes} images", "critical sizes")
    return f"{table(headings, rows)}\n\nOf these {len(findings)} curves, {found} has a critical size."


@table_of("experiments/text.json")
def text(results: dict) -> str:
    """Bits per hidden byte of transformers by size and steps."""
    rows = [
        [f"{params:,}", *(number(sum(runs[i] for runs in seeds) / len(seeds)) for i in range(len(results["steps"])))]
        for params, seeds in zip(results["params"], results["bits"], strict=True)
    ]
    words = (
        f"Validation bits per hidden byte, mean over {len(results['bits'][0])} seeds. The frequencies of bytes alone "
        f"give {number(results['one_byte_bits'])}, LZMA {number(results['lzma_bits'])}."
    )
    return f"{words}\n\n{table(('parameters', *(f'{steps:,} steps' for steps in results['steps'])), rows)}"


@table_of("experiments/hierarchy_transition.json")
def hierarchy(results: dict) -> str:
    """How the change of accuracy sharpens as the grammar grows, and with the model."""
    series = {"the model grows": results["model_size"], **results["scale"]["series"]}
    names = {"all eight": "all eight grammars"}
    rows = []
    for name, found in series.items():
        value, low, high = found["sharpening"]
        widths = f"{-value:.2f} [{-high:.2f}, {-low:.2f}]"
        rows.append([names.get(name, name), found["order"], found["collapse"], widths, number(found["chi2_per_dof"])])
    model = results["model_size"]
    scale = model["setting"]["synonyms"] ** (1 + model["setting"]["depth"])
    places = [10**center / scale for center in model["center"]]
    words = (
        f"Along the data size, at the four model sizes, the jump is at {min(places):.1f} to {max(places):.1f} times "
        "classes x m^L."
    )
    headings = ("what grows", "order", "collapse", "power of the width", "chi2 / dof")
    return f"{words}\n\n{table(headings, rows)}"
