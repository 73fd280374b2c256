"""Error rates of what is told from many sizes together."""

from .tables import number, percent, table, table_of


@table_of("experiments/collapse.json")
def collapse(results: dict) -> str:
    """Percent of families by what they were called, and the coverage of their intervals."""
    kinds = ("transition", "crossover", "no collapse")
    names = {
        "transition": "sharpen",
        "corrections, not allowed for": "sharpen, corrections of 40 %",
        "corrections, allowed for": "the same, `corrections=True`",
        "any corrections, allowed for": "any corrections, `corrections=True`",
        "same": "are equal at all sizes",
        "taller": "grow taller",
        "shifted": "move",
        "raised": "rise",
        "corrected": "are equal except for corrections",
    }
    rows = []
    for name, entry in results["results"].items():
        called = entry.get("kinds", entry)
        covered = entry.get("covered", {})
        shares = [percent(covered[key]) if key in covered else "" for key in ("critical", "1/nu", "exponent")]
        rows.append([names.get(name, name), *(percent(called[kind]) for kind in kinds), *shares])
    covered = [f"{name} covered" for name in ("critical", "1/nu", "exponent")]
    words = f"Percent of {results['count']} families of each kind by verdict, and percent of 95 % intervals that cover."
    return f"{words}\n\n{table(('families that', *kinds, *covered), rows)}"


@table_of("experiments/order.json")
def order(results: dict) -> str:
    """Percent of families by the order that `scaling.transition_order` gives them."""
    rows = [
        [name.replace("two heaps", "bimodal outcomes"), *map(percent, called.values())]
        for name, called in results["results"].items()
    ]
    kinds = next(iter(results["results"].values()))
    words = f"Percent of {results['count']} families of each kind, by the verdict of `scaling.transition_order`:"
    return f"{words}\n\n{table(('families', *kinds), rows)}"


@table_of("experiments/transition.json")
def transition(results: dict) -> str:
    """The evidence on the digits for two order parameters: exponents of width and scatter, and 1/nu."""
    names = {"mutual_information": "mutual information", "val_loss": "validation loss"}
    rows = []
    for metric, found in results["results"].items():
        exponents = [(-value, -high, -low) for value, low, high in [found["sharpening"]]]
        cells = [_interval(*exponents[0]), _interval(*found["peak_growth"]), _interval(*found["inverse_nu"])]
        rows.append([names[metric], found["verdict"], *cells, number(found["chi2_per_dof"])])
    headings = ("order parameter", "verdict", "power of the width", "power of the variance", "1/nu", "chi2 / dof")
    return table(headings, rows)


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
