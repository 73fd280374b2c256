"""```{measured} verdicts``` is replaced by a table of measured error rates, from the numbers in experiments/."""

import json
from collections.abc import Callable
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

EXPERIMENTS = Path(__file__).parent.parent.parent / "experiments"


def setup(app):
    """Make the directive known."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True}


class Measured(SphinxDirective):
    """One of the tables below, by name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse the Markdown of the table."""
        file, write = TABLES[self.arguments[0]]
        self.env.note_dependency(path := EXPERIMENTS / file)
        return self.parse_text_to_nodes(write(json.loads(path.read_text())))


def verdicts(results: dict) -> str:
    """Percent of curves called a transition, by kind; four kinds of sizes and noises out of all."""
    kinds = ("flat", "power law", "power law with floor", "… that flattens", "… that steepens")
    found = ("sigmoid found", "step found")
    shown = [name for name in results["verdicts"] if name.endswith(("0.005", "0.02", "0.05", "0.1"))]
    names = [name.replace("…", "bend") for name in kinds]
    rows = [[*_of(name), *(_percent(results["verdicts"][name][kind]) for kind in (*kinds, *found))] for name in shown]
    words = (
        f"Percent of {results['curves']:,} curves of each kind that were called a transition: a mistake in the columns "
        "before the last two. Noise is a part of the whole change of a curve."
    )
    return f"{words}\n\n{_table(('points', 'noise', *names, *found), rows)}"


def coverage(results: dict) -> str:
    """Percent of 95 % intervals that hold the truth: least and most over points and noises."""
    rows = []
    for name, cases in results["coverage"].items():
        shares = [case["share"] for case in cases.values()]
        rows.append([name, _percent(min(shares)), _percent(max(shares))])
    return _table(("95 % interval of the", "holds the truth in % of curves, least", "most"), rows)


def p_values(results: dict) -> str:
    """Percent of true hypotheses that are rejected at 5 %, by test and number of points."""
    rows = []
    for name, cases in results["p_values"].items():
        if "AR(1) 0.0" not in name and "AR(1) 0.3" not in name:
            sizes = ", ".join(f"{_percent(case['size'])} ({points})" for points, case in cases.items())
            rows.append([name, sizes])
    return _table(("test", "rejected, % (points)"), rows)


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
        "corrected": "are equal but for corrections",
    }
    rows = []
    for name, entry in results["results"].items():
        called = entry.get("kinds", entry)
        covered = entry.get("covered", {})
        shares = [_percent(covered[key]) if key in covered else "" for key in ("critical", "1/nu", "exponent")]
        rows.append([names.get(name, name), *(_percent(called[kind]) for kind in kinds), *shares])
    covered = [f"{name} covered" for name in ("critical", "1/nu", "exponent")]
    words = (
        f"Percent of {results['count']} families of each kind, by what they were called, and of intervals that cover:"
    )
    return f"{words}\n\n{_table(('families that', *kinds, *covered), rows)}"


def order(results: dict) -> str:
    """Percent of families by the order that `scaling.transition_order` gives them."""
    rows = [[name, *map(_percent, called.values())] for name, called in results["results"].items()]
    kinds = next(iter(results["results"].values()))
    words = f"Percent of {results['count']} families of each kind, by what `scaling.transition_order` called them:"
    return f"{words}\n\n{_table(('families', *kinds), rows)}"


def prediction(results: dict) -> str:
    """Percent of 95 % intervals of prediction that hold the truth, for known and for new families."""
    cases = {name: case for name, case in results["coverage"].items() if isinstance(case, dict) and name != "all"}
    broken = {f"broken: {name}": case for name, case in results["broken"].items() if isinstance(case, dict)}
    rows = [[name, _percent(case["known"]), _percent(case["new"])] for name, case in (cases | broken).items()]
    return _table(("worlds", "families that were measured, %", "new families, %"), rows)


def _of(name: str) -> tuple[str, str]:
    points, noise = name.split(", noise ")
    return points.removeprefix("n="), noise


def _percent(share: float) -> str:
    return f"{100 * share:.3g}" if share < 1 else "100"


def _table(headings: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


TABLES: dict[str, tuple[str, Callable[[dict], str]]] = {
    "verdicts": ("calibration.json", verdicts),
    "coverage": ("calibration.json", coverage),
    "p_values": ("calibration.json", p_values),
    "collapse": ("collapse.json", collapse),
    "order": ("order.json", order),
    "prediction": ("prediction.json", prediction),
}
