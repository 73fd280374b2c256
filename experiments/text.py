"""Bits per byte against size: transformers that fill in hidden bytes of the standard library's sources, one figure.

Every model sees the same number of bytes, so that the law and its floor describe size at a fixed length of training.
The law, `fit_power_law`, is fitted to the means over seeds. Its floor is drawn only for the longest training; for the
others its error is too large. LZMA compresses a million bytes of the training windows in their random order, and has
seen all that come before; the models see 28 of the 32 bytes of a window on average.

    python experiments/text.py
"""

import json
import time
from pathlib import Path

import numpy as np

from jaxphase import detect, sweep, use_all_cores
from jaxphase.config import SweepSpec
from jaxphase.data.python_source import corpus_id

HERE = Path(__file__).parent
SPEC = SweepSpec(
    data="text",
    data_options={"context": 32, "train": 65536, "probe": 1000, "validation": 4000},
    family="transformer",
    objective="masked_modeling",
    objective_options={"mask_fraction": 0.125},
    sizes=(6_000, 12_000, 25_000, 50_000, 100_000, 200_000, 400_000),
    data_sizes=(65536,),
    seeds=3,
    batch_size=32,
    learning_rate=3e-3,
    checkpoints=(500, 1000, 2000),
    metrics=("train_loss", "val_loss"),
)


def measure() -> dict:
    """Parameters [sizes] and bits per hidden byte [sizes, seeds, checkpoints] of validation."""
    begin = time.perf_counter()
    result = sweep.run(SPEC).squeeze("data_size").transpose("size", "seed", "step")
    return {
        "corpus": corpus_id(),
        "steps": result["step"].values.tolist(),
        "params": result["params"].values.tolist(),
        "width": result["width"].values.tolist(),
        "bits": (result["val_loss"].values / np.log(2)).tolist(),
        "one_byte_bits": result.attrs["data_entropy_bits"],
        "lzma_bits": result.attrs["data_compressed_bits"],
        "seconds": round(time.perf_counter() - begin, 1),
    }


def law(results: dict, checkpoint: int) -> detect.PowerLaw:
    """Bits against parameters at one checkpoint."""
    return detect.fit_power_law(np.array(results["params"], float), np.array(results["bits"])[..., checkpoint].mean(1))


def figure(results: dict) -> None:
    """Seeds, their means and the law at every checkpoint; the floor of the last, and what LZMA needs, as lines."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from jaxphase.plots import STYLE

    params, bits = np.array(results["params"], float), np.array(results["bits"])
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(6.2, 4), layout="constrained")
        panel = drawing.subplots()
        grid = np.geomspace(params[0], params[-1], 200)
        for checkpoint, steps in enumerate(results["steps"]):
            color = mpl.colormaps["viridis"](0.85 * checkpoint / (len(results["steps"]) - 1))
            fit = law(results, checkpoint)
            means, size = bits[..., checkpoint].mean(1), bits.shape[1]
            panel.plot(np.repeat(params, size), bits[..., checkpoint].ravel(), ".", ms=3, color=color, alpha=0.5)
            power = f"{fit.exponent:.2f} ± {fit.exponent_se:.2f}"
            label = f"{steps} steps: {fit.floor:.2f} ± {fit.floor_se:.2f} + a $N$^({power})"
            panel.plot(params, means, "o", ms=5, color=color, label=label)
            panel.plot(grid, fit.floor + fit.amplitude * grid**fit.exponent, color=color, lw=1.2)
        panel.axhline(float(fit.floor), color=color, lw=0.8, ls="--")
        panel.axhline(results["lzma_bits"], color="0.5", lw=0.8, ls=":")
        panel.annotate("LZMA", (params[-1], results["lzma_bits"]), va="top", ha="right", fontsize=8, color="0.4")
        panel.set_xscale("log")
        panel.set(xlabel="parameters", ylabel="validation bits per hidden byte")
        panel.legend(fontsize=8)
        drawing.savefig(HERE / "text.png", dpi=160)


def main() -> None:
    use_all_cores()
    results = measure()
    (HERE / "text.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"{results['corpus']}: one byte {results['one_byte_bits']:.2f} bits, LZMA {results['lzma_bits']:.2f}")
    for checkpoint, steps in enumerate(results["steps"]):
        fit, means = law(results, checkpoint), np.array(results["bits"])[..., checkpoint].mean(1)
        print(
            f"{steps:5} steps: {' '.join(f'{value:.3f}' for value in means)}   "
            f"floor {fit.floor:.3f} ± {fit.floor_se:.3f}  exponent {fit.exponent:.3f} ± {fit.exponent_se:.3f}  "
            f"R2 {fit.r2:.4f}  status {fit.status}"
        )
    figure(results)


if __name__ == "__main__":
    main()
