"""Exponents of the two-dimensional Ising model by Monte Carlo renormalization, as a table over steps and operators.

    python experiments/monte_carlo_renormalization.py [--count 60000] [--size 64]

Configurations at K_c are blocked by majority rule, b = 2, again and again. At each step the linearized map comes from
the first one, two, ... even operators for y_t = 1 and odd ones for y_h = 15/8 (Swendsen 1979, Phys. Rev. Lett. 42,
859). The first step is off because K_c is not yet near the fixed point of the rule, and the last ones because the
lattice is small; a single number without the table would hide both. Prints the table, the exponents of the second step
and their universality class, and writes monte_carlo_renormalization.json and .png.
"""

import argparse
import functools
import json
import time
from pathlib import Path

import jax
import matplotlib
import numpy as np

from jaxphase import use_all_cores

use_all_cores()  # before JAX starts, as it may when what follows is imported
matplotlib.use("Agg")

import jax.numpy as jnp  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402

from jaxphase.rg.linearization import critical_exponents, linearized  # noqa: E402
from jaxphase.scaling import identify_universality_class  # noqa: E402
from jaxphase.systems import ising  # noqa: E402
from jaxphase.systems.block_spins import EVEN_OPERATORS, ODD_OPERATORS, even_operators, majority, odd_operators  # noqa: E402

HERE = Path(__file__)
EXACT = {"y_t": 1.0, "y_h": 15 / 8}
SMALLEST = 4
CHUNK = 500


@functools.partial(jax.jit, static_argnames="levels")
def operators_of(key: jax.Array, spins: jax.Array, levels: int) -> tuple[jax.Array, jax.Array]:
    """Even and odd operators of configurations `[count, L, L]` after 0, 1, ... steps: `[levels, count, k]`."""

    def of_chunk(chunk):
        key, spins = chunk
        found = []
        for step, key_of_step in enumerate(jax.random.split(key, levels)):
            spins = majority(spins, key=key_of_step) if step else spins
            found.append((even_operators(spins), odd_operators(spins)))
        return tuple(jnp.stack(each) for each in zip(*found, strict=True))

    chunks = spins.reshape(-1, CHUNK, *spins.shape[1:])
    found = jax.lax.map(of_chunk, (jax.random.split(key, len(chunks)), chunks))
    return tuple(jnp.moveaxis(each, 0, 1).reshape(levels, -1, each.shape[-1]) for each in found)


def convergence(operators: dict[str, jax.Array], size: int) -> list[dict]:
    """A row for every exponent, step and number of operators."""
    rows = []
    for name, measured in operators.items():
        for step in range(len(measured) - 1):
            for k in range(1, measured.shape[-1] + 1):
                found = linearized(measured[step, :, :k], measured[step + 1, :, :k], 2)
                row = {"exponent": name, "step": step + 1, "from": size >> step, "to": size >> step + 1, "operators": k}
                row |= {"value": float(found.y[0]), "error": float(found.y_se[0]), "status": int(found.status)}
                rows.append(row | {"blocks": np.asarray(found.y_blocks[:, 0], float).tolist()})
    return rows


def conclusion(rows: list[dict]) -> dict:
    """Exponents of the second step with all operators; that it differs from the third is an error of the method."""
    chosen = {name: [row for row in rows if row["exponent"] == name and row["step"] == 2][-1] for name in EXACT}
    third = {name: [row for row in rows if row["exponent"] == name and row["step"] == 3][-1] for name in EXACT}
    blocks = np.array([chosen[name]["blocks"] for name in EXACT])
    count = blocks.shape[1]
    statistical = np.cov(blocks) * (count - 1) ** 2 / count
    moved = np.array([chosen[name]["value"] - third[name]["value"] for name in EXACT])
    values = [chosen[name]["value"] for name in EXACT]
    report = {name: {"value": value, "exact": EXACT[name]} for name, value in zip(EXACT, values, strict=True)}
    for label, covariance in (("statistical", statistical), ("with the next step", statistical + np.diag(moved**2))):
        found = critical_exponents(*values, 2, covariance)
        match = identify_universality_class(found.exponents, found.covariance, dimension=2)
        errors = np.sqrt(np.diag(found.covariance))
        report[label] = {
            "errors": dict(zip(EXACT, np.sqrt(np.diag(covariance)).tolist(), strict=True)),
            "exponents": {
                name: [value, float(error)]
                for (name, value), error in zip(found.exponents.items(), errors, strict=True)
            },
            "best": match.best,
            "p_value of 2-D Ising": float(match.p_value[match.classes.index("2-D Ising")]),
        }
    return report


def show(rows: list[dict], report: dict) -> None:
    for name, exact in EXACT.items():
        own = [row for row in rows if row["exponent"] == name]
        count = max(row["operators"] for row in own)
        print(f"\n{name} (exact {exact})   " + "".join(f"{k + 1:>14}" for k in range(count)))
        for step in sorted({row["step"] for row in own}):
            cells = [row for row in own if row["step"] == step]
            print(f"{cells[0]['from']:>4} -> {cells[0]['to']:<12}", end="")
            print("".join(f"{row['value']:.4f}({1e4 * row['error']:.0f})".rjust(14) for row in cells))
    print()
    for label in ("statistical", "with the next step"):
        print(label, json.dumps(report[label]))


def draw(rows: list[dict], path: Path) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for panel, name, names in zip(panels, EXACT, (EVEN_OPERATORS, ODD_OPERATORS), strict=True):
        panel.axhline(EXACT[name], color="0.6", linewidth=0.8)
        steps = sorted({row["step"] for row in rows})
        for k in range(len(names)):
            cells = [row for row in rows if row["exponent"] == name and row["operators"] == k + 1]
            label = names[0] if k == 0 else f"+ {names[k]}"
            offset = 0.08 * (k - (len(names) - 1) / 2)
            value, error = ([row[key] for row in cells] for key in ("value", "error"))
            panel.errorbar(np.array(steps) + offset, value, error, fmt="o", markersize=4, label=label)
        panel.set_xticks(steps, [f"{row['from']}\u2192{row['to']}" for row in cells])
        panel.set_xlabel("renormalization step")
        panel.set_ylabel({"y_t": "$y_t$", "y_h": "$y_h$"}[name])
        panel.legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60000)
    parser.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    if arguments.size < 8 * SMALLEST:
        parser.error(f"three steps down to {SMALLEST} x {SMALLEST} need a size of at least {8 * SMALLEST}")
    count, size = -(-arguments.count // CHUNK) * CHUNK, arguments.size
    began = time.perf_counter()
    to_draw, to_block = jax.random.split(jax.random.key(0))
    spins = ising.configurations(np.array([ising.CRITICAL_COUPLING]), size, count, key=to_draw, every=3, burn=200)[0]
    levels = (size // SMALLEST).bit_length()
    operators = dict(zip(EXACT, operators_of(to_block, spins, levels), strict=True))
    rows = convergence(operators, size)
    seconds = round(time.perf_counter() - began, 1)
    report = conclusion(rows)
    show(rows, report)
    for row in rows:
        del row["blocks"]
    device = f"{jax.local_device_count()} {jax.default_backend()} ({jax.devices()[0].device_kind})"
    report = {"size": size, "configurations": count, "device": device, "seconds": seconds, "rows": rows} | report
    HERE.with_suffix(".json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    draw(rows, HERE.with_suffix(".png"))


if __name__ == "__main__":
    main()
