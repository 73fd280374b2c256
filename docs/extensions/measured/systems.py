"""Systems whose transitions are known exactly: what is recovered of them."""

from collections.abc import Iterator
from statistics import mean, stdev

from .tables import number, table, table_of, with_error


@table_of("experiments/known_systems.json")
def known_systems(results: dict) -> str:
    """Every number and verdict of `jaxphase validate` beside its exact value, over the seeds."""
    rows = [[row["system"], row["quantity"], *_recovered(row)] for row in results["rows"]]
    pulls = [pull for row in results["rows"] for pull in row.get("pull", [])]
    words = (
        f"{len(results['seconds'])} seeds, {min(results['seconds']):.0f} to {max(results['seconds']):.0f} s each on "
        f"{results['devices']}. A number is the mean over the seeds, with the mean of the standard errors "
        "of one seed. The pull is the difference from the exact value in standard errors: its mean should be near 0 "
        f"and its deviation near 1. Over all {len(pulls)} numbers they are {mean(pulls):.1f} and {stdev(pulls):.2f}."
    )
    headings = ("system", "quantity", "exact", "recovered", "mean pull", "deviation")
    return f"{words}\n\n{table(headings, rows)}"


def _recovered(row: dict) -> list[str]:
    if "pull" not in row:
        return [str(row["exact"]), f"{sum(row['right'])} of {len(row['right'])} seeds right", "", ""]
    value, error = (sum(row[key]) / len(row[key]) for key in ("value", "error"))
    pulls = [f"{row[key]:.1f}" for key in ("mean pull", "deviation of pulls")]
    return [number(row["exact"], 6), with_error(value, error), *pulls]


@table_of("experiments/critical_precision.json")
def critical_precision(results: dict) -> str:
    """Critical points and exponents of larger simulations, by two ways to measure them."""
    rows = [
        [
            system,
            way,
            quantity,
            number(found["exact"], 6),
            with_error(found["value"], found["error"]),
            f"{found['pull']:.1f}",
        ]
        for system, way, quantity, found in _measurements(results)
    ]
    machines = "; ".join(
        f"{system}: {measured['seconds']:.0f} s on {measured['devices']}" for system, measured in results.items()
    )
    return f"{machines}.\n\n{table(('system', 'from', 'quantity', 'exact', 'recovered', 'pull'), rows)}"


def _measurements(results: dict) -> Iterator[tuple[str, str, str, dict]]:
    for system, measured in results.items():
        for way, quantities in measured["ways"].items():
            for quantity, found in quantities.items():
                yield system, way, quantity, found


@table_of("experiments/monte_carlo_renormalization.json")
def monte_carlo_renormalization(results: dict) -> str:
    """Exponents of the Ising model by step of the renormalization, with the most operators."""
    best: dict[tuple[str, int], dict] = {}
    for row in results["rows"]:
        at = row["exponent"], row["step"]
        if at not in best or row["operators"] > best[at]["operators"]:
            best[at] = row
    rows = []
    for (exponent, step), row in best.items():
        lattices = f"{step} ({row['from']} to {row['to']})"
        measured = with_error(row["value"], row["error"])
        rows.append([exponent, lattices, str(row["operators"]), measured, number(results[exponent]["exact"], 4)])
    alone, wider = (results[key]["p_value of 2-D Ising"] for key in ("statistical", "with the next step"))
    words = (
        f"{results['configurations']:,} configurations of {results['size']} x {results['size']} spins. The errors are "
        "statistical. With these alone the exponents of the second step would be rejected as those of the 2-D Ising "
        f"class (p = {alone:.0e}); with the change to the third step added to the errors they are accepted "
        f"(p = {wider:.2f})."
    )
    return f"{words}\n\n{table(('exponent', 'step (lattice)', 'operators', 'measured', 'exact'), rows)}"


@table_of("experiments/order_chaos.json")
def order_chaos(results: dict) -> str:
    """chi against mean-field theory, and the critical variances of weights."""
    rows = []
    for activation, found in results["results"].items():
        grid = found["grid"]
        for line in found["divergence"]:
            critical = line["critical weight variance"]
            measured = with_error(critical["measured"], critical["se"])
            distance, bias = number(grid["median |chi - theory|"]), number(line["bias variance"])
            rows.append([activation, distance, bias, measured, number(critical["theory"], 4)])
    headings = ("activation", "median of |chi - theory|", "bias variance", "critical weight variance", "theory")
    return table(headings, rows)
