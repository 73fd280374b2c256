"""Do intervals of predicted critical sizes hold the truth, for families that were measured and for new ones?

Coverage: worlds of a known law, drawn anew each time: exponents, spreads of families (0.1 to 1 decade) and objectives
(0.05 to 0.5), scatter (0.05 to 0.3) and errors of measurement (0.02 to 0.2), by number of measurements and of families.
Beside ours stands the usual interval, which takes the likeliest deviations as known and uses the quantiles of a normal.
Broken: the same where an assumption fails: exponents differ by family, scatter has heavy tails, or stated intervals are
half as wide as they should be. Grouped: critical data sizes by the size of the model, with data sets as groups, alone
or beside families and objectives. Left out: leave-one-family-out errors beside those of families that are truly new.
Next: how much following the recommendations narrows an interval, beside random candidates of the same cost. Real:
leave-one-family-out on analyzed sweeps.

    python experiments/prediction.py [--worlds 200] [--parts coverage broken grouped left_out next] [--folders DIR ...]
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxphase.predict import leave_one_group_out
from jaxphase.predict.measurements import FACTORS, Measurements, measured, read_measurements, standard_errors
from jaxphase.predict.next_runs import recommend
from jaxphase.predict.regression import CriticalModel, critical_size, fit, predictive
from jaxphase.predict.terms import condition_columns

HERE = Path(__file__).parent
QUERIES = 5
CONDITIONS = [(n, families) for families in (2, 4) for n in (6, 12, 24, 48)]


class World(NamedTuple):
    """A law of critical sizes: effects in decades, the last family being one that is not measured."""

    families: np.ndarray
    objectives: np.ndarray
    exponents: np.ndarray  # [families, 2]
    scatter: float
    heavy: bool


def world(rng: np.random.Generator, families: int, broken: str = "") -> World:
    """A world drawn at random."""
    by_family, by_objective, scatter = np.exp(rng.uniform(np.log([0.1, 0.05, 0.05]), np.log([1, 0.5, 0.3])))
    exponents = np.tile(rng.normal([0.5, 0], [0.3, 0.5]), (families + 1, 1))
    if broken == "exponents":
        exponents = exponents + rng.normal(0, 0.2, exponents.shape)
    effects = by_family * rng.standard_normal(families + 1), by_objective * rng.standard_normal(3)
    return World(*effects, exponents, scatter, broken == "tails")


def truth(rng, law: World, family, objective, data_size, bits) -> np.ndarray:
    """log10 critical sizes of conditions, their scatter drawn."""
    noise = rng.standard_t(3, len(bits)) / np.sqrt(3) if law.heavy else rng.standard_normal(len(bits))
    x = np.stack([np.log10(data_size / 1e3), np.log10(bits / 3)], axis=1)
    slope = np.sum(law.exponents[family] * x, axis=1)
    return 5 + law.families[family] + law.objectives[objective] + slope + law.scatter * noise


def draw(rng, count: int):
    """Data sizes over two decades and complexities over one."""
    return 10 ** rng.uniform(2, 4, count), 10 ** rng.uniform(-0.5, 0.5, count)


def measure(rng, law: World, count: int, too_narrow: float = 1.0) -> Measurements:
    """Measurements of a world, families and objectives as even as they go."""
    family, objective = np.arange(count) % (len(law.families) - 1), rng.permutation(np.arange(count) % 3)
    condition = draw(rng, count)
    se = np.exp(rng.uniform(np.log(0.02), np.log(0.2), count))
    y = truth(rng, law, family, objective, *condition) + se * rng.standard_normal(count)
    half = 1.96 * se / too_narrow
    names = [[f"f{i}" for i in family], [f"o{i}" for i in objective]]
    return measured(*names, *condition, 10**y, 10 ** (y - half), 10 ** (y + half))


def plug_in(model: CriticalModel, columns: dict) -> tuple[np.ndarray, np.ndarray]:
    """The usual interval, of the likeliest deviations (the prior included) and a normal."""
    best = np.argmax(model.posterior.weight)
    mean, variance = (part[best] for part in predictive(model, columns))
    half = 1.96 * np.sqrt(variance)
    return mean - half, mean + half


def ask(rng, law: World, model: CriticalModel, new: bool) -> tuple[list, list, float]:
    """Whether our interval and the usual one hold the truth of some conditions, and the width of ours in decades."""
    family = len(law.families) - 1 if new else rng.integers(len(law.families) - 1)
    objective = rng.integers(3)
    low, high = np.log(list(model.terms.domain.values())).T
    conditions = np.exp(rng.uniform(low, high, (QUERIES, 2))).T
    true = truth(rng, law, np.full(QUERIES, family), np.full(QUERIES, objective), *conditions)
    names = f"f{family}", f"o{objective}"
    asked = dict(zip(("family", "objective", "data_size", "data_complexity"), (*names, *conditions), strict=True))
    low, high = np.log10(critical_size(model, **asked, new_family=new).interval).T
    usual = plug_in(model, condition_columns(**asked))
    return (low <= true) & (true <= high), (usual[0] <= true) & (true <= usual[1]), float(np.mean(high - low))


def trial(seed, families: int, count: int, broken: str = "") -> dict:
    """All answers in one world."""
    rng = np.random.default_rng(seed)
    law = world(rng, families, broken)
    model = fit(measure(rng, law, count, 2.0 if broken == "errors" else 1.0))
    known, new = (ask(rng, law, model, new) for new in (False, True))
    exponents = law.exponents[:-1].mean(axis=0)
    low, high = model.exponents_interval.T
    return {
        "known": np.mean(known[0]),
        "new": np.mean(new[0]),
        "known, usual": np.mean(known[1]),
        "new, usual": np.mean(new[1]),
        "exponent of data size": low[0] <= exponents[0] <= high[0],
        "exponent of complexity": low[1] <= exponents[1] <= high[1],
        "decades, known": known[2],
        "decades, new": new[2],
    }


def average(trials: list[dict]) -> dict:
    """Shares, each with its standard error over worlds, and median widths."""
    table = {}
    for name in trials[0]:
        values = np.array([one[name] for one in trials], float)
        table[name] = round(float(np.median(values) if name.startswith("decades") else values.mean()), 4)
        if not name.startswith("decades"):
            table[f"{name}, se"] = round(float(values.std() / np.sqrt(len(values))), 4)
    return table


def show(where: str, row: dict) -> None:
    print(
        f"{where:34}", *(f"{name} {value:.3f}" for name, value in row.items() if "se" not in name.split()), flush=True
    )


def coverage(worlds: int) -> dict:
    """Coverage by number of measurements and of families."""
    table = {}
    for count, families in CONDITIONS:
        where = f"{count} measurements, {families} families"
        table[where] = average([trial([count, families, i], families, count) for i in range(worlds)])
        show(where, table[where])
    shares = [name for name in table[where] if not name.startswith("decades") and not name.endswith(", se")]
    table["all"] = {name: float(np.mean([row[name] for row in table.values()])) for name in shares}
    show("all", table["all"])
    return table


def broken(worlds: int) -> dict:
    """Coverage where an assumption does not hold."""
    table = {}
    for what in ("exponents", "tails", "errors"):
        table[what] = average([trial([7, i], 4, 24, what) for i in range(worlds)])
        show(what, table[what])
    return table


def grouped(worlds: int) -> dict:
    """Coverage for critical data sizes of 4 data sets in 36 measurements, and of data sets that were not measured."""
    table = {}
    for levels in (("data",), ("family", "objective", "data")):
        held = {"known": [], "new": [], "exponent of model size": []}
        for i in range(worlds):
            rng = np.random.default_rng([13, len(levels), i])
            spreads = np.exp(rng.uniform(np.log([0.1, 0.05, 0.1]), np.log([1, 0.5, 1]))) * np.isin(FACTORS, levels)
            effects = [spread * rng.standard_normal(5) for spread in spreads]
            slope, scatter = rng.normal(-0.3, 0.3), np.exp(rng.uniform(np.log(0.05), np.log(0.3)))
            of = rng.permuted(np.tile(np.arange(36) % 4, (3, 1)), axis=1)
            names = [[f"{name}{k}" for k in which] for name, which in zip(FACTORS, of, strict=True)]
            size, se = 10 ** rng.uniform(3, 6, 36), np.exp(rng.uniform(np.log(0.02), np.log(0.2), 36))
            law = sum(effect[which] for effect, which in zip(effects, of, strict=True)) + slope * np.log10(size / 3e4)
            y = 3 + law + np.hypot(scatter, se) * rng.standard_normal(36)
            ends = 10 ** (y + 1.96 * se * np.array([[0], [-1], [1]]))
            columns = {"model_size": size, "data": names[2], "along": "data"}
            model = fit(measured(*names[:2], None, None, *ends, **columns), group_by=levels)
            low, high = model.exponents_interval[0]
            held["exponent of model size"].append(low <= slope <= high)
            for kind, last in (("known", 0), ("new", 4)):
                asked = {level: f"{level}{last if level == 'data' else 0}" for level in levels}
                place = 10 ** rng.uniform(3.2, 5.8)
                found = critical_size(model, **asked, model_size=place, new_data=kind == "new")
                true = 3 + effects[0][0] + effects[1][0] + effects[2][last] + slope * np.log10(place / 3e4)
                true += scatter * rng.standard_normal()
                held[kind].append(np.log10(found.interval[0]) <= true <= np.log10(found.interval[1]))
        where = "by " + " and ".join(levels)
        table[where] = average([dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)])
        show(where, table[where])
    return table


def left_out(worlds: int) -> dict:
    """Root mean square error of leaving a family out, and of families not measured, in decades; and its coverage."""
    rows = []
    for i in range(worlds // 4):
        rng = np.random.default_rng([9, i])
        law = world(rng, 5)
        model = fit(measure(rng, law, 30))
        errors = leave_one_group_out(model, "family")
        count = 100
        conditions, objective = draw(rng, count), rng.integers(3)
        fresh = law._replace(families=np.append(law.families[:-1], 0.0))
        spread = law.families.std() * rng.standard_normal(count)
        true = truth(rng, fresh, np.full(count, 5), np.full(count, objective), *conditions) + spread
        asked = {"data_size": conditions[0], "data_complexity": conditions[1], "beyond": 100.0}
        guess = critical_size(model, family="f5", objective=f"o{objective}", new_family=True, **asked).size
        own = np.sqrt(np.mean((np.log10(guess) - true) ** 2))
        rows.append((errors.overall, own, errors.baseline, errors.covered.sum() / errors.count.sum()))
    overall, own, baseline, covered = np.array(rows).T
    table = {
        "left out, decades": float(np.sqrt(np.mean(overall**2))),
        "truly new, decades": float(np.sqrt(np.mean(own**2))),
        "mean of the others, decades": float(np.sqrt(np.mean(baseline**2))),
        "left out, covered": float(np.mean(covered)),
    }
    show("left out", table)
    return table


def following(worlds: int) -> dict:
    """Width in decades of a new family's interval after four more sweeps: recommended, or drawn from the candidates."""
    widths = {"before": [], "recommended": [], "random": []}
    flops = {"recommended": [], "random": []}
    for i in range(max(worlds // 40, 2)):
        rng = np.random.default_rng([11, i])
        law = world(rng, 4)
        start = measure(rng, law, 12)
        where = {"family": "f4", "objective": "o0", "data_size": 3e3, "data_complexity": 2.0, "beyond": 100.0}
        before = critical_size(fit(start), **where, new_family=True)
        widths["before"].append(np.log10(before.interval[1] / before.interval[0]))
        for policy, spending in flops.items():
            data, spent = start, 0.0
            for _ in range(4):
                model = fit(data)
                target = critical_size(model, **where, new_family="f4" not in model.terms.levels["family"])
                offers = recommend(model, target, seeds=(4,), count=999)
                offer = offers[0] if policy == "recommended" else offers[rng.integers(len(offers))]
                spent += offer.flops
                data = add(rng, law, data, offer)
            model = fit(data)
            after = critical_size(model, **where, new_family="f4" not in model.terms.levels["family"])
            widths[policy].append(np.log10(after.interval[1] / after.interval[0]))
            spending.append(spent)
    table = {name: float(np.median(values)) for name, values in widths.items()}
    table |= {f"log10 flops, {name}": float(np.median(np.log10(values))) for name, values in flops.items()}
    show("next", table)
    return table


def add(rng, law: World, data: Measurements, offer) -> Measurements:
    """The measurements with the recommended one carried out."""
    family, objective = int(offer.family[1:]), int(offer.objective[1:])
    condition = np.array([offer.data_size]), np.array([offer.data_complexity])
    se = np.median(standard_errors(data))
    [y] = truth(rng, law, [family], [objective], *condition) + se * rng.standard_normal()
    row = offer.family, offer.objective, *condition, 10**y, 10 ** (y - 1.96 * se), 10 ** (y + 1.96 * se)
    return measured(*([*column, np.ravel(new)[0]] for column, new in zip(data[:7], row, strict=True)))


def real(folders: list[Path]) -> dict:
    """Exponents and leave-one-family-out errors on analyzed sweeps."""
    data = read_measurements(folders)
    model = fit(data)
    table = {
        "measurements": len(data.family),
        "censored": dict(data.censored),
        "exponents": dict(zip(model.terms.covariates, model.exponents.tolist(), strict=True)),
        "intervals": model.exponents_interval.tolist(),
        "deviations": model.deviations.tolist(),
    }
    if len(model.terms.levels["family"]) > 2:
        errors = leave_one_group_out(model, "family")
        table["left out"] = {name: np.asarray(value).tolist() for name, value in errors._asdict().items()}
    print(json.dumps(table, indent=1))
    return table


def figure(table: dict, path: Path) -> None:
    """Coverage against the number of measurements; predictions in one world against what is true there."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from jaxphase.plots import STYLE, save

    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(7.6, 3.2), layout="constrained")
        left, right = drawing.subplots(1, 2)
        left.axhspan(0.90, 0.98, color="0.92", lw=0)
        left.axhline(0.95, color="0.6", lw=0.8)
        marks = {"known": ("#0b5394", "measured family"), "new": ("#c0392b", "new family")}
        for (name, (color, label)), usual in ((item, usual) for item in marks.items() for usual in (False, True)):
            key = f"{name}, usual" if usual else name
            rows = [table["coverage"][f"{n} measurements, {k} families"] for n, k in CONDITIONS if k == 4]
            shares, errors = [row[key] for row in rows], [row[f"{key}, se"] for row in rows]
            counts = [n * (1.04 if usual else 0.96) for n, k in CONDITIONS if k == 4]
            style = {"ls": "--", "mfc": "white"} if usual else {"ls": "-"}
            left.errorbar(counts, shares, errors, color=color, marker="o", ms=4, lw=1.2, **style)
            left.plot([], [], color=color, marker="o", ms=4, **style, label=label + (", plug-in" if usual else ""))
        left.set_xscale("log")
        left.set_xticks([6, 12, 24, 48], ["6", "12", "24", "48"])
        left.minorticks_off()
        left.set(xlabel="measured critical sizes", ylabel="share of 95 % intervals that hold the truth")
        left.set_title("Coverage, four families", loc="left")
        left.set_ylim(0.65, 1.01)
        left.legend(loc="lower right", fontsize=7.5)

        rng = np.random.default_rng(3)
        law = world(rng, 4)._replace(families=np.array([0.0, 0.5, -0.6, 0.2, -0.2]), scatter=0.12)
        model = fit(measure(rng, law, 24))
        for family, color, label in ((1, "#0b5394", "measured family"), (4, "#c0392b", "new family")):
            conditions = draw(rng, 8)
            true = 10 ** truth(rng, law, np.full(8, family), np.zeros(8, int), *conditions)
            names = {"family": f"f{family}", "objective": "o0", "new_family": family == 4}
            asked = {"data_size": conditions[0], "data_complexity": conditions[1], "beyond": 100.0}
            found = critical_size(model, **names, **asked)
            ends = np.abs(found.interval.T - found.size)
            right.errorbar(true, found.size, ends, color=color, fmt="o", ms=4, lw=1, label=label)
        right.set(xscale="log", yscale="log", xlabel="true critical size", ylabel="predicted, with 95 % interval")
        lowest, highest = right.get_xlim()
        right.plot([lowest, highest], [lowest, highest], color="0.6", lw=0.8, zorder=0)
        right.set_title("One world, 24 measurements", loc="left")
        right.legend(loc="lower right", fontsize=7.5)
        save(drawing, path)


def main() -> None:
    parts = {"coverage": coverage, "broken": broken, "grouped": grouped, "left_out": left_out, "next": following}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--parts", nargs="*", default=list(parts))
    parser.add_argument("--folders", nargs="*", type=Path, default=[])
    arguments = parser.parse_args()
    path = HERE / "prediction.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for part in arguments.parts:
        begin, run = time.perf_counter(), parts[part]
        results[part] = run(arguments.worlds)
        results[part]["seconds"] = round(time.perf_counter() - begin, 1)
        results["worlds"] = arguments.worlds
    if arguments.folders:
        results["real"] = real(arguments.folders)
    path.write_text(json.dumps(results, indent=1) + "\n")
    if "coverage" in results:
        figure(results, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
