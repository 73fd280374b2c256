"""Error rates of the detectors of one curve."""

from .tables import percent, table, table_of


@table_of("experiments/calibration.json")
def verdicts(results: dict) -> str:
    """Percent of curves called a transition, by kind of curve, at four of the noises."""
    mistakes = {
        "flat": "flat",
        "power law": "power law",
        "power law with floor": "power law with floor",
        "smooth broken law": "smooth bend",
        "… that flattens": "bend that flattens",
        "… that steepens": "bend that steepens",
    }
    found = ("sigmoid found", "step found")
    shown = {name: row for name, row in results["verdicts"].items() if name.endswith(("0.005", "0.02", "0.05", "0.1"))}
    rows = [
        [*_points_and_noise(name), *(percent(row[kind]) for kind in (*mistakes, *found))] for name, row in shown.items()
    ]
    words = (
        f"Percent of {results['curves']:,} curves of each kind that are called a transition. In all columns but the "
        "last two this is a mistake. The noise is given as a share of the whole change of the curve."
    )
    return f"{words}\n\n{table(('points', 'noise', *mistakes.values(), *found), rows)}"


@table_of("experiments/calibration.json")
def coverage(results: dict) -> str:
    """Percent of 95 % intervals that hold the truth: least and most over points and noises."""
    rows = []
    for name, cases in results["coverage"].items():
        shares = [case["share"] for case in cases.values()]
        rows.append([name.replace("centre", "center"), percent(min(shares)), percent(max(shares))])
    return table(("95 % interval of the", "holds the truth in % of curves, least", "most"), rows)


@table_of("experiments/calibration.json")
def p_values(results: dict) -> str:
    """Percent of true hypotheses that are rejected at 5 %, by test and number of points."""
    rows = []
    for name, cases in results["p_values"].items():
        if "AR(1) 0.0" not in name and "AR(1) 0.3" not in name:
            sizes = ", ".join(f"{percent(case['size'])} ({points})" for points, case in cases.items())
            rows.append([name, sizes])
    return table(("test", "rejected, % (points)"), rows)


@table_of("experiments/calibration_curves.json")
def bands(results: dict) -> str:
    """Percent of the points of a curve that the band of its fit holds, with the kind given and as it is called."""
    rows = [
        [
            kind.replace("_", " "),
            setting.replace("1 seeds", "1 seed"),
            *(percent(case[key]) for key in ("own kind", "called kind", "called right")),
        ]
        for kind, settings in results["bands"].items()
        for setting, case in settings.items()
    ]
    words = (
        f"Percent of {results['curves']['bands']} curves that their 95 % band holds, on average over the sizes, and "
        "percent of curves that are called by their true kind."
    )
    headings = ("kind", "setting", "held, true kind given", "held, kind as called", "called right")
    return f"{words}\n\n{table(headings, rows)}"


@table_of("experiments/calibration_curves.json")
def plateaus(results: dict) -> str:
    """Percent of training curves in which exactly the true plateaus are found."""
    noises = list(next(iter(results["plateaus"].values())))
    rows = [
        [kind, *(percent(cases[noise]["right"]) for noise in noises)] for kind, cases in results["plateaus"].items()
    ]
    words = (
        f"Percent of {results['curves']['plateaus']} curves of each kind in which as many plateaus are found as there "
        "are. The noise is given as a share of the whole change of the curve."
    )
    return f"{words}\n\n{table(('curves', *noises), rows)}"


def _points_and_noise(name: str) -> tuple[str, str]:
    points, noise = name.split(", noise ")
    return points.removeprefix("n="), noise
