"""Do intervals of a fitted surface L(N, D) hold the truth, and is its fit better and faster than the usual one?

Coverage: surfaces with known parameters. Each condition has 50 with the parameters of Hoffmann et al. (2022) and 50
with drawn ones, with log-normal noise, on square grids over three decades of N and of D, with seeds. Outliers: the same
with 4 % of the runs 10 to 30 % too high, fitted by the Huber loss and by least squares. Search: the least objective
found and the time it takes, beside scipy's L-BFGS-B from the starts of the papers' grid, in this process. SciPy
minimizes the mean of the losses, their sum, or their sum over delta**2. Real: masked modeling of digits. There the data
size is the number of different images and all models train for the same number of steps, so that this part says nothing
about compute.

    python experiments/allocation.py [--surfaces 50] [--parts coverage outliers search real]
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import jax
import numpy as np
from scipy.optimize import minimize, minimize_scalar

from jaxphase.predict import Surface, allocate, fit_surface, isoflop

HERE = Path(__file__).parent
CHINCHILLA = np.array([1.69, 406.4, 0.34, 410.7, 0.28])
PARAMS, DATA, COMPUTE = (1e7, 1e10), (1e9, 1e12), (1e21, 1e24)
NAMES = ("E", "A", "a", "B", "b", "exponent", "N_opt(1e21)", "N_opt(1e24)", "loss(1e24)")


def law(theta: np.ndarray, params: np.ndarray, data: np.ndarray) -> np.ndarray:
    """L(N, D) of parameters [..., 5]."""
    floor, by_size, a, by_data, b = np.moveaxis(theta, -1, 0)[..., None]  # one more axis, of the runs
    return floor + by_size / params**a + by_data / data**b


def grid(side: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """N and D of all runs."""
    params, data = np.meshgrid(np.geomspace(*PARAMS, side), np.geomspace(*DATA, side))
    return np.tile(params.ravel(), seeds), np.tile(data.ravel(), seeds)


def worlds(rng: np.random.Generator, count: int) -> np.ndarray:
    """Parameters [2 count, 5]: Chinchilla's, then drawn ones whose three terms are of one order in the middle."""
    a, b = rng.uniform(0.2, 0.6, (2, count))
    size, data = np.exp(rng.uniform(np.log(0.2), np.log(0.8), (2, count)))
    middle = [np.sqrt(np.prod(ends)) for ends in (PARAMS, DATA)]
    drawn = np.stack([rng.uniform(0.5, 2.5, count), size * middle[0] ** a, a, data * middle[1] ** b, b], axis=1)
    return np.concatenate([np.tile(CHINCHILLA, (count, 1)), drawn])


def answers(fit: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Estimates [surfaces, 9] and intervals [surfaces, 9, 2] of NAMES."""
    best = allocate(fit, COMPUTE)
    value = [fit.E, fit.A, fit.a, fit.B, fit.b, best.exponent, *best.params.T, best.loss[:, 1]]
    ends = [best.exponent_interval[:, None], best.params_interval, best.loss_interval[:, 1:]]
    return np.stack(value, axis=1), np.concatenate([fit.interval, *ends], axis=1)


def truths(theta: np.ndarray) -> np.ndarray:
    """The same [surfaces, 9] of the true laws, worked out here."""
    _, by_size, a, by_data, b = theta.T
    best = [(a * by_size / (b * by_data)) ** (1 / (a + b)) * (c / 6) ** (b / (a + b)) for c in COMPUTE]
    loss = law(theta, best[1][:, None], COMPUTE[1] / 6 / best[1][:, None])[:, 0]
    return np.column_stack([theta, b / (a + b), *best, loss])


def covered(fit: Surface, theta: np.ndarray) -> dict:
    """Share of the intervals that hold the truth, by name, and of the surfaces that are judged."""
    judged = np.asarray(fit.status) < 2
    low, high = np.moveaxis(answers(fit)[1], -1, 0)
    inside = ((low <= truths(theta)) & (truths(theta) <= high))[judged]
    return dict(zip(NAMES, inside.mean(axis=0).round(4).tolist(), strict=True)) | {"judged": float(judged.mean())}


def coverage(count: int) -> dict:
    """Coverage by condition, of Chinchilla's law and of the drawn ones."""
    table = {}
    for (side, seeds), noise in itertools.product(((5, 1), (9, 1), (7, 2), (5, 3)), (0.005, 0.02)):
        rng = np.random.default_rng([side, seeds, round(1e4 * noise)])
        theta, (params, data) = worlds(rng, count), grid(side, seeds)
        loss = law(theta, params, data)
        fit = fit_surface(params, data, loss * np.exp(noise * rng.standard_normal(loss.shape)))
        for name, part in (("chinchilla", slice(count)), ("drawn", slice(count, None))):
            row = covered(jax.tree.map(lambda field, part=part: field[part], fit), theta[part])
            table.setdefault(name, {})[f"{side}x{side}, {seeds} seeds, noise {noise}"] = row
            print(
                f"{name:10} {side}x{side} {seeds} {noise:5} ", *(f"{share:.2f}" for share in row.values()), flush=True
            )
    shares = {name: np.mean([row[name] for rows in table.values() for row in rows.values()]) for name in NAMES}
    table["all"] = {name: float(share) for name, share in shares.items()}
    print("all", table["all"])
    return table


def outliers(count: int) -> dict:
    """Coverage, bias and scatter of the exponent of N_opt with and without outliers, by delta."""
    rng, table = np.random.default_rng(1), {}
    params, data = grid(7, 1)
    theta = np.tile(CHINCHILLA, (count, 1))
    loss = law(theta, params, data) * np.exp(0.005 * rng.standard_normal((count, len(params))))
    spoiled = np.where(rng.random(loss.shape) < 0.04, loss * rng.uniform(1.1, 1.3, loss.shape), loss)
    for (name, runs), delta in itertools.product((("clean", loss), ("4 % outliers", spoiled)), (1e-3, 1.0)):
        fit = fit_surface(params, data, runs, delta=delta)
        error = np.asarray(allocate(fit, 1e21).exponent - CHINCHILLA[4] / (CHINCHILLA[2] + CHINCHILLA[4]))
        row = covered(fit, theta) | {"bias": float(np.nanmean(error)), "sd": float(np.nanstd(error))}
        table[f"{name}, delta {delta}"] = row
        print(f"{name:12} {delta:6}", *(f"{number:.3f}" for number in row.values()), flush=True)
    return table


def objective(theta, log_n, log_d, log_l, delta, scale=1.0):
    """Sum of Huber losses times a scale, and its gradient, in the papers' parameters (ln A, ln B, ln E, a, b)."""
    a, b, e, alpha, beta = theta
    terms = np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(log_n, e)])
    top = terms.max(axis=0)
    total = top + np.log(np.exp(terms - top).sum(axis=0))
    share, error = np.exp(terms - total), total - log_l
    push = np.clip(error, -delta, delta)
    value = np.where(np.abs(error) <= delta, error**2 / 2, delta * (np.abs(error) - delta / 2))
    gradient = np.array(
        [share[0] @ push, share[1] @ push, share[2] @ push, -(share[0] * log_n) @ push, -(share[1] * log_d) @ push]
    )
    return scale * value.sum(), scale * gradient


def search(count: int, starts: int = 40, refits: int = 20) -> dict:
    """Objective and seconds of our fit and of L-BFGS-B: best of several starts, share of starts that get there."""
    rng, delta = np.random.default_rng(2), 1e-3
    count = min(count, 4)
    params, data = grid(7, 1)
    loss = law(np.tile(CHINCHILLA, (count, 1)), params, data)
    loss *= np.exp(0.01 * rng.standard_normal(loss.shape))
    fit_surface(params, data, loss[:1]).E.block_until_ready()
    begin = time.perf_counter()
    fit = jax.block_until_ready([fit_surface(params, data, row) for row in loss])
    ours = time.perf_counter() - begin
    corners = [(0, 5, 10, 15, 20, 25)] * 2 + [(-1, -0.5, 0, 0.5, 1)] + [(0, 0.5, 1, 1.5, 2)] * 2
    everywhere = np.array(list(itertools.product(*corners)), float)
    scales = {"mean": 1 / len(params), "sum": 1.0, "sum / delta^2": delta**-2}
    found = {kind: [] for kind in scales}
    seconds = dict.fromkeys((*found, "refit"), 0.0)
    mine, least = [], []
    for row, one in zip(loss, fit, strict=True):
        numbers = np.log(params), np.log(data), np.log(row), delta
        chosen = everywhere[rng.choice(len(everywhere), starts, replace=False)]
        theta = np.array([np.log(one.A), np.log(one.B), np.log(one.E), one.a, one.b], float)
        mine.append(objective(theta, *numbers)[0])
        for kind, values in found.items():
            begin = time.perf_counter()
            ends = [minimize(objective, start, (*numbers, scales[kind]), "L-BFGS-B", jac=True).x for start in chosen]
            seconds[kind] += time.perf_counter() - begin
            values.append([objective(end, *numbers)[0] for end in ends])
        begin = time.perf_counter()
        for _ in range(refits):
            again = rng.integers(len(row), size=len(row))
            minimize(objective, theta, (*(n[again] for n in numbers[:3]), delta, delta**-2), "L-BFGS-B", jac=True)
        seconds["refit"] += time.perf_counter() - begin
        plain = {"method": "Nelder-Mead", "options": {"maxiter": 10_000, "xatol": 1e-9, "fatol": 1e-15}}
        least.append(minimize(lambda theta, numbers=numbers: objective(theta, *numbers)[0], theta, **plain).fun)
    least = np.minimum(least, np.minimum(mine, np.min([*found.values()], axis=(0, 2))))
    table = {"surfaces": count, "starts": starts, "draws": fit[0].draws.shape[-2]}
    table["ours"] = {"seconds, with draws": ours / count, "largest excess": float(np.max(mine / least - 1))}
    for kind, values in found.items():
        excess = np.array(values) / least[:, None] - 1
        total = seconds[kind] + table["draws"] / refits * seconds["refit"]
        table[f"L-BFGS-B, {kind}"] = {
            "seconds, with draws": total / count,
            "times ours": total / ours,
            "largest excess of the best start": float(excess.min(axis=1).max()),
            "median excess of a start": float(np.median(excess)),
            "starts within 0.1 %": float(np.mean(excess < 1e-3)),
        }
    print(json.dumps(table, indent=1))
    return table


def real(_: int) -> dict:
    """Validation losses of a sweep over model size and number of different images."""
    from jaxphase import sweep
    from jaxphase.config import SweepSpec

    spec = SweepSpec(
        sizes=(2_000, 4_000, 8_000, 16_000, 32_000, 64_000),
        data_sizes=(64, 128, 256, 512, 1024),
        checkpoints=(400,),
        seeds=3,
        metrics=("val_loss",),
    )
    begin = time.perf_counter()
    result = sweep.run(spec).squeeze("step").transpose("data_size", "size", "seed")
    loss, params = result["val_loss"].values, result["params"].values
    print(loss.mean(-1).round(4))
    return {
        "params": params.tolist(),
        "data": result["data_size"].values.tolist(),
        "loss": loss.tolist(),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def figure(results: dict) -> None:
    """IsoFLOP curves and the optimum of one synthetic surface, coverage, and the losses of the sweep of digits."""
    from jaxphase.plots.style import new_figure, save

    params, data = grid(7, 1)
    noise = 0.01 * np.random.default_rng(4).standard_normal(len(params))
    fit = fit_surface(params, data, law(CHINCHILLA, params, data) * np.exp(noise))
    with new_figure(10.5, 7.6) as drawing:
        (curves, valley), (shares, digits) = drawing.subplots(2, 2)
        draw_isoflops(curves, fit)
        draw_optimum(valley, fit)
        draw_coverage(shares, results)
        draw_digits(digits, results["real"])
        save(drawing, HERE / "allocation.png")


def draw_isoflops(axes, fit: Surface) -> None:
    from jaxphase.plots.style import colors

    budgets = np.geomspace(1e19, 1e22, 4)
    best = allocate(fit, budgets)
    for budget, color in zip(budgets, colors(4), strict=True):
        sizes = np.geomspace(*PARAMS, 200)
        sizes = sizes[(budget / 6 / sizes > DATA[0]) & (budget / 6 / sizes < DATA[1])]
        curve = isoflop(fit, budget, sizes)
        axes.plot(sizes, curve.loss, color=color, lw=1.3, label=f"{budget:.0e} FLOP".replace("e+", "e"))
        axes.fill_between(sizes, *curve.loss_interval.T, color=color, alpha=0.25, lw=0)
        axes.plot(sizes, law(CHINCHILLA, sizes, budget / 6 / sizes), color=color, lw=0.9, ls=":")
    ends = np.stack([best.params - best.params_interval[:, 0], best.params_interval[:, 1] - best.params])
    axes.errorbar(best.params, best.loss, xerr=ends, fmt="ko", ms=4, lw=1, label="least loss, 95 %")
    axes.set(xscale="log", xlabel="parameters $N$", ylabel="loss", title="fit to 49 runs, noise 1 %; truth dotted")
    axes.legend(fontsize=7.5)


def draw_optimum(axes, fit: Surface) -> None:
    compute = np.geomspace(1e17, 1e25, 60)
    best = allocate(fit, compute)
    true = np.array([searched(budget) for budget in compute])
    for value, interval, truth, color, name in (
        (best.params, best.params_interval, true, "#0b5394", "parameters"),
        (best.data, best.data_interval, compute / 6 / true, "#e07b39", "data"),
    ):
        axes.loglog(compute, value, color=color, lw=1.3, label=f"best {name}")
        axes.fill_between(compute, *interval.T, color=color, alpha=0.25, lw=0)
        axes.loglog(compute, truth, color=color, ls=":", lw=1)
    axes.axvspan(6 * PARAMS[0] * DATA[0], 6 * PARAMS[1] * DATA[1], color="0.93", zorder=0)
    low, high = best.exponent_interval
    axes.set(xlabel="compute (FLOP; that of the runs is shaded)", ylabel="parameters, tokens")
    axes.set_title(f"$N \\propto C^{{{best.exponent:.3f}}}$, 95 % {low:.3f} to {high:.3f}; truth 0.452, dotted")
    axes.legend()


def searched(compute: float) -> float:
    """Best N of Chinchilla's law by a search."""
    found = minimize_scalar(lambda x: law(CHINCHILLA, np.exp(x), compute / 6 / np.exp(x))[0], bounds=(5, 40))
    return np.exp(found.x)


def draw_coverage(axes, results: dict) -> None:
    table = results["coverage"]
    for i, name in enumerate(NAMES):
        row = [50 * (table["chinchilla"][where][name] + cell[name]) for where, cell in table["drawn"].items()]
        axes.plot(row, np.full(len(row), i), "o", color="#0b5394", alpha=0.4, ms=5)
        axes.plot(100 * table["all"][name], i, "kd", ms=6)
    axes.axvspan(90, 98, color="0.92", zorder=0)
    axes.axvline(95, color="0.7", lw=1, zorder=0)
    axes.set_yticks(range(len(NAMES)), NAMES)
    axes.invert_yaxis()
    axes.set(xlim=(80, 101), xlabel="95 % intervals that hold the truth (%)")
    axes.set_title(f"conditions of {2 * results['surfaces']} surfaces, and all of them (diamonds)")


def draw_digits(axes, found: dict) -> None:
    from jaxphase.plots.style import colors

    loss, sizes, amounts = (np.array(found[name], float) for name in ("loss", "params", "data"))
    runs = np.broadcast_arrays(sizes[:, None], amounts[:, None, None], loss)
    fit = fit_surface(*(run.ravel() for run in runs))
    along = np.geomspace(sizes[0], sizes[-1], 100)
    for amount, row, color in zip(amounts, loss, colors(len(amounts)), strict=True):
        curve = isoflop(fit, 6 * along * amount, along)
        axes.plot(np.repeat(sizes, row.shape[1]), row.ravel(), ".", ms=4, color=color)
        axes.plot(along, curve.loss, color=color, lw=1.2, label=f"{amount:.0f} images")
        axes.fill_between(along, *curve.loss_interval.T, color=color, alpha=0.2, lw=0)
    axes.set(xscale="log", xlabel="parameters $N$", ylabel="validation loss, masked digits")
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    axes.set_xticks([], minor=True)
    spread = [f"{name} {getattr(fit, name):.2f} ± {getattr(fit, name + '_se'):.2f}" for name in ("E", "a", "b")]
    axes.set_title(f"{', '.join(spread)}; rms {100 * fit.rms:.1f} %")
    axes.legend(fontsize=7.5)


def main() -> None:
    parts = {"coverage": coverage, "outliers": outliers, "search": search, "real": real}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surfaces", type=int, default=50)
    parser.add_argument("--parts", nargs="*", default=list(parts))
    arguments = parser.parse_args()
    path = HERE / "allocation.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for part in arguments.parts:
        part_results = parts[part](arguments.surfaces)
        results = json.loads(path.read_text()) if path.exists() else {}
        results |= {part: part_results, "surfaces": arguments.surfaces}
        path.write_text(json.dumps(results, indent=1) + "\n")
    if set(parts) <= set(results):
        figure(results)


if __name__ == "__main__":
    main()
