"""Are the error bars of `jaxphase validate` right? How many standard errors its numbers are off, for several seeds.

    python experiments/known_systems.py [--seeds 5] [--large]

Prints a table for every seed, and writes known_systems.json and known_systems.png after each, with a point for every
seed and number. Pulls should scatter about 0 with a deviation of about 1, and verdicts should be right.
"""

import argparse
import json
import math
import time
from pathlib import Path

import jax
import matplotlib
import numpy as np
from rich.console import Console

from jaxphase import use_all_cores

use_all_cores()  # before JAX starts, as it may when what follows is imported
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from jaxphase.validate import MAX_PULL, Check, table, validate  # noqa: E402

HERE = Path(__file__)


def draw(runs: list[tuple[Check, ...]], path: Path) -> None:
    """Pulls of every number, one row each, and the share of right verdicts in words."""
    rows = list(zip(*runs, strict=True))
    figure, axes = plt.subplots(figsize=(9, 0.27 * len(rows) + 1.2), layout="constrained")
    axes.axvspan(-2, 2, color="0.92", zorder=0)
    axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    for place, checks in enumerate(rows):
        if isinstance(checks[0].exact, str):
            right = sum(check.right for check in checks)
            text = f"{checks[0].exact}: {right} of {len(checks)}"
            axes.text(
                0, place, text, ha="center", va="center", fontsize=8, color="C2" if right == len(checks) else "C3"
            )
            continue
        pulls = np.array([check.pull for check in checks])
        colors = ["C0" if check.right else "C3" for check in checks]
        axes.scatter(np.clip(pulls, -MAX_PULL - 0.5, MAX_PULL + 0.5), [place] * len(pulls), s=16, c=colors, alpha=0.7)
        precision = np.median([check.precision for check in checks])
        axes.text(MAX_PULL + 0.8, place, f"{precision:.1e}", va="center", fontsize=8, color="0.4")
    axes.set_yticks(range(len(rows)), [f"{checks[0].system}: {checks[0].quantity}" for checks in rows], fontsize=8)
    axes.set_xlim(-MAX_PULL - 0.7, MAX_PULL + 2.2)
    axes.set_xticks(range(-4, 5, 2))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("(recovered - exact) / standard error; right: error relative to the exact value")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    runs, seconds = [], []
    for seed in range(arguments.seeds):
        began = time.perf_counter()
        runs.append(validate(large=arguments.large, key=jax.random.key(seed)))
        seconds.append(round(time.perf_counter() - began, 1))
        Console(width=140).print(table(runs[-1]))
        print(f"seed {seed}: {seconds[-1]} s", flush=True)
        write(runs, seconds, arguments.large)
        draw(runs, HERE.with_suffix(".png"))


def write(runs: list[tuple[Check, ...]], seconds: list[float], large: bool) -> None:
    """All rows of all seeds, NaN as null, and mean and deviation of the pulls of every number."""
    rows = []
    for checks in zip(*runs, strict=True):
        row = {"system": checks[0].system, "quantity": checks[0].quantity, "exact": checks[0].exact}
        row |= {"value": [check.value for check in checks], "right": [check.right for check in checks]}
        if not isinstance(checks[0].exact, str):
            pulls = [check.pull for check in checks]
            row |= {"error": [check.error for check in checks], "pull": pulls, "mean pull": float(np.mean(pulls))}
            row |= {"deviation of pulls": float(np.std(pulls, ddof=1)) if len(pulls) > 1 else None}
        rows.append(row)
    device = f"{jax.local_device_count()} {jax.default_backend()} ({jax.devices()[0].device_kind})"
    report = {"large": large, "devices": device, "seconds": seconds, "rows": _no_nan(rows)}
    HERE.with_suffix(".json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")


def _no_nan(tree):
    if isinstance(tree, dict):
        return {key: _no_nan(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_no_nan(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


if __name__ == "__main__":
    main()
