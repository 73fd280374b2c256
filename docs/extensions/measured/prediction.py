"""How well critical sizes and optimal allocations are predicted."""

from .tables import number, percent, table, table_of, times


@table_of("experiments/prediction.json")
def prediction(results: dict) -> str:
    """Percent of 95 % intervals of prediction that hold the truth, for known and for new families."""
    groups = {
        "": {name: case for name, case in results["coverage"].items() if name != "all"},
        "broken: ": results["broken"],
        "along data, ": results["grouped"],
    }
    cases = {f"{group}{name}": case for group, named in groups.items() for name, case in named.items()}
    cases["all that break no assumption"] = results["coverage"]["all"]
    rows = [
        [name, percent(case["known"]), percent(case["new"])] for name, case in cases.items() if isinstance(case, dict)
    ]
    return table(("worlds", "families that were measured, %", "new families, %"), rows)


@table_of("experiments/prediction.json")
def next_runs(results: dict) -> str:
    """Width of the interval of a prediction before and after more runs."""
    found = results["next"]
    rows = [
        ["before", number(found["before"]), ""],
        ["after the recommended runs", number(found["recommended"]), number(found["log10 flops, recommended"])],
        ["after random runs", number(found["random"]), number(found["log10 flops, random"])],
    ]
    return table(("", "interval, decades", "log10 of the operations spent"), rows)


@table_of("experiments/hierarchy_transition.json")
def left_out(results: dict) -> str:
    """Errors of critical data sizes of grammars, each predicted from the others, by measure of complexity."""
    found = results["left_out"]["by"]
    rows = [[f"{name} ({by['is']})", number(by["overall"]), by["covered"]] for name, by in found.items()]
    rows.append(["the mean of the others", number(next(iter(found.values()))["baseline"]), ""])
    return table(("predicted from", "error, decades", "intervals that hold the truth"), rows)


@table_of("experiments/allocation.json")
def allocation(results: dict) -> str:
    """Percent of 95 % intervals of fitted surfaces that hold the truth: overall, and least over the conditions."""
    count = results["surfaces"]
    conditions = {
        f"{grid}, {law}": case for law in ("chinchilla", "drawn") for grid, case in results["coverage"][law].items()
    }
    overall = results["coverage"]["all"]
    rows = []
    for name, share in overall.items():
        by_law = [case[name] for case in conditions.values()]
        rows.append([name, percent(share), percent(min(by_law)), percent(max(by_law))])
    words = (
        f"Percent of 95 % intervals that hold the truth, over {count * len(conditions)} synthetic surfaces: "
        f"{count} in each of {len(conditions)} conditions (grid, seeds and noise, with the law of Hoffmann et al. "
        "or with one that is drawn)."
    )
    return f"{words}\n\n{table(('interval of', 'all', 'worst condition', 'best condition'), rows)}"


@table_of("experiments/allocation.json")
def outliers(results: dict) -> str:
    """Bias, scatter and coverage of the exponent with and without outliers, by loss function."""
    names = {"0.001": "Huber loss", "1.0": "least squares"}
    rows = []
    for name, case in results["outliers"].items():
        runs, delta = name.split(", delta ")
        rows.append([runs, names[delta], number(case["bias"]), number(case["sd"]), percent(case["exponent"])])
    return table(("runs", "fitted by", "bias of the exponent", "its scatter", "interval covers, %"), rows)


@table_of("experiments/allocation.json")
def search(results: dict) -> str:
    """Time and quality of the minimum of a surface's fit, ours and SciPy's."""
    found = results["search"]
    ours = found["ours"]
    rows = [["jaxphase", f"{number(ours['seconds, with draws'])} s", "", number(ours["largest excess"])]]
    for name, case in found.items():
        if isinstance(case, dict) and name != "ours":
            excess = case["largest excess of the best start"]
            cells = [f"{number(case['seconds, with draws'])} s", times(case["times ours"]), number(excess)]
            rows.append([f"SciPy {name}".replace("^", "**"), *cells])
    words = (
        f"Seconds for one surface with {found['draws']} refits, and how far the lowest objective found from "
        f"{found['starts']} starts lies above the least one known, as a multiple of that."
    )
    return f"{words}\n\n{table(('', 'time', 'times ours', 'largest excess'), rows)}"
