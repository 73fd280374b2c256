"""What halving trained networks leaves, and the exponents of populations of units."""

import math

from .tables import number, table, table_of, with_error


@table_of("experiments/renormalization.json")
def halving(results: dict) -> str:
    """Loss and probe accuracy of the largest models, halved again and again, by how the units are chosen."""
    trained = results["results"]["trained"]
    rows = []
    for i, (loss, accuracy) in enumerate(zip(trained["loss"], trained["accuracy"], strict=True)):
        for name, values in (("loss", loss), ("accuracy", accuracy)):
            rows.append([WAYS[i], name, *(number(value) for value in values[-1])])
    sizes = [f"{params:,} parameters" for params in trained["params"][-1]]
    return table(("units chosen by", "", *sizes), rows)


WAYS = ("activations", "activations, not rescaled", "weights")


@table_of("experiments/renormalization.json")
def same_size(results: dict) -> str:
    """Loss of models trained at a size and of larger ones halved to about that size."""
    trained = results["results"]["trained"]
    grid = [
        (params, step, loss)
        for sizes, losses in zip(trained["params"], trained["loss"][0], strict=True)
        for step, (params, loss) in enumerate(zip(sizes, losses, strict=True))
    ]
    names = ("trained", "halved once", "halved twice", "halved three times")
    rows = [[f"{params:,}", names[step], number(loss)] for params, step, loss in sorted(grid) if params < 20_000]
    return table(("parameters", "", "loss"), rows)


@table_of("experiments/renormalization.json")
def outliers_of_weights(results: dict) -> str:
    """Percent of eigenvalues of weights beyond the edge of noise, by family and step: least and most."""
    rows = []
    for name, found in results["results"].items():
        if isinstance(found, dict) and "outliers" in found:
            steps = zip(*found["outliers"], strict=True)
            rows.append([name, *(_range([share for layers in step for share in layers]) for step in steps)])
    longest = max(map(len, rows))
    headings = ("models", "as trained", "halved once", "twice", "three times")[:longest]
    return table(headings, [row + [""] * (longest - len(row)) for row in rows])


def _range(shares: list[float | None]) -> str:
    known = [share for share in shares if share is not None and not math.isnan(share)]
    return f"{100 * min(known):.0f} to {100 * max(known):.0f} %" if known else "–"


@table_of("experiments/renormalization.json")
def populations(results: dict) -> str:
    """Exponents of the activations of trained networks beside those of surrogates."""
    kinds = ("alpha", "alpha of shuffled units", "alpha of a Gaussian of the same spectrum")
    rows = []
    for layer, found in results["results"]["phenomenological"].items():
        called = ", ".join(f"{kind.replace('_', ' ')} ({count})" for kind, count in found["verdicts"].items())
        rows.append([layer, *(with_error(*found[kind]) for kind in kinds), called])
    return table(("units", "alpha", "shuffled", "Gaussian of the same covariance", "verdicts (seeds)"), rows)


@table_of("experiments/phenomenological.json")
def phenomenological(results: dict) -> str:
    """Exponents alpha and mu of systems with a known answer, and the verdicts."""
    rows = []
    for name, found in results["systems"].items():
        exponents = found["exponents"]["activations"]
        verdict = found["verdict"].replace("_", " ")
        rows.append([name, with_error(*exponents["alpha"]), with_error(*exponents["mu"]), verdict])
    return table(("system", "alpha", "mu", "verdict"), rows)


@table_of("experiments/phenomenological.json")
def pairing_bias(results: dict) -> str:
    """alpha of independent units, measured in the samples that chose the pairs and in others."""
    bias = results["bias"]
    cells = zip(bias["samples a unit"], bias["same samples"], bias["other samples"], strict=True)
    rows = [[str(samples), with_error(*same), with_error(*other)] for samples, same, other in cells]
    return table(("samples a unit", "alpha in the samples that pair", "alpha in other samples"), rows)


@table_of("experiments/phenomenological.json")
def population_coverage(results: dict) -> str:
    """Percent of intervals of two errors that hold the exponent."""
    rows = [
        [name, exponent, number(found["mean"]), f"{100 * found['within 1.96']:.0f}"]
        for name, exponents in results["coverage"].items()
        for exponent, found in exponents.items()
    ]
    return table(("units", "exponent", "mean", "within 1.96 standard errors, %"), rows)
