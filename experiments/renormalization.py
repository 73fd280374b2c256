"""Does the coarse-graining of a trained family flow to a fixed point? Digits, 6 sizes x 16 seeds, halved three times.

    python experiments/renormalization.py [--seeds 16] [--steps 600]

Trains MLPs by masked modeling, halves their hidden units three times and follows their couplings, beside the same
family untrained. Measures what a step costs if units are chosen by activations, by weights, and without rescaling, and
what halving the resolution costs. The hidden activations of the largest models are also renormalized
phenomenologically, beside surrogates. Writes renormalization.json, and the figures renormalization_flow.png, _loss.png,
_phase_diagram.png and _spectra.png.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxphase import use_all_cores

use_all_cores()  # before JAX starts and SciPy is loaded, as may happen when what follows is imported

from jaxphase import plots, rg, sweep  # noqa: E402
from jaxphase.config import SweepSpec, log_space  # noqa: E402
from jaxphase.rg.families.flows import FOLLOWED, follow  # noqa: E402
from jaxphase.rg.families.halving import renormalize  # noqa: E402
from jaxphase.rg.networks.couplings import layers  # noqa: E402

HERE = Path(__file__).parent
SIZES = log_space(6_000, 100_000, 6)


def train(out: Path, seeds: int, steps: int, learning_rate: float = 3e-3) -> Path:
    """A family in a folder."""
    metrics = ("val_loss", "accuracy", "probe_cross_entropy", "mutual_information")
    spec = SweepSpec(SIZES, (1024,), (steps,), seeds=seeds, learning_rate=learning_rate, metrics=metrics)
    sweep.run(spec, out)
    return out


def summarise(dataset) -> dict:
    """What the flow says, and what the steps cost, means over seeds."""
    family = follow(dataset)
    found = {
        f"layer {flow.layer}, {FOLLOWED[flow.coupling].label}": {
            "start": flow.start,
            "end": flow.end,
            "kind": flow.kind.name.lower(),
            "fixed_point": flow.fixed_point,
            "interval": flow.interval,
            "y": flow.y,
            "misfit": flow.misfit,
        }
        for flow in family.flows
    }
    costs = {name: dataset[name].mean("seed").round(4).values.tolist() for name in ("loss", "accuracy", "outliers")}
    return {
        "flow": found,
        "params": dataset.params.values.tolist(),
        **costs,
        "phase": np.vectorize(lambda phase: rg.Phase(phase).name.lower())(family.phase).tolist(),
    }


def phenomenological(folder: Path, seeds: int) -> dict:
    """Exponents of the hidden activations of the largest models, layer by layer, and how many seeds say what."""
    trained = sweep.load(folder)
    splits = trained.recipe.source.splits
    rows = jnp.concatenate([jnp.asarray(part) for part in (splits.train[:], splits.validation, splits.probe)])
    rows = trained.recipe.objective.inputs(rows, key=jax.random.key(0))
    models = [sweep.extract(folder, size=SIZES[-1], data_size=1024, seed=seed) for seed in range(seeds)]

    @jax.jit
    def activations(model):
        return jnp.stack([layer.function(layer.inputs) for layer in layers(model, rows)])

    samples = jnp.stack([activations(model) for model in models], axis=1)
    found = {}
    for number, layer in enumerate(samples):
        said = rg.phenomenological(layer, key=jax.random.key(1))
        found[f"layer {number}"] = {
            "verdicts": dict(Counter(rg.PopulationKind(int(kind)).name.lower() for kind in said.kind)),
            **{
                name: [float(np.nanmean(value)), float(np.nanstd(value, ddof=1) / np.sqrt(seeds))]
                for name, value in (
                    ("alpha", said.data.alpha.value),
                    ("alpha of shuffled units", said.surrogates.alpha.value[0]),
                    ("alpha of a Gaussian of the same spectrum", said.surrogates.alpha.value[1]),
                    ("mu", said.data.mu.value),
                    ("alpha - 1 - mu", said.relation),
                )
            },
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--steps", type=int, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        trained = train(Path(room) / "trained", arguments.seeds, arguments.steps)
        untrained = train(Path(room) / "untrained", arguments.seeds, 1, learning_rate=1e-12)
        dataset = renormalize(trained)
        results = {
            "trained": summarise(dataset),
            "untrained": summarise(renormalize(untrained, variants=("activations",))),
            "half the resolution too": summarise(renormalize(trained, 2, space=True, variants=("activations",))),
            "phenomenological": phenomenological(trained, arguments.seeds),
        }
    family = follow(dataset)
    for name, figure in plots.flow_pages(dataset, family).items():
        plots.save(figure, HERE / f"renormalization_{name}.png")
    written = json.dumps({"settings": vars(arguments), "results": results}, indent=1).replace("NaN", "null")
    (HERE / "renormalization.json").write_text(written + "\n")
    print(written)


if __name__ == "__main__":
    main()
