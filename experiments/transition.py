"""Do masked autoencoders of digits have a phase transition in model size? With 32 seeds in each cell.

    python experiments/transition.py [--seeds 32] [--steps 600]

Trains MLPs of 10 sizes on 4 data sizes of the digits and lets `jaxphase.analyze` evaluate two order parameters: the
mutual information of representation and digit, and the validation loss. A transition would sharpen with the data size,
and its scatter over seeds would peak. Writes transition.json and the figures transition_fluctuations.png and
transition_collapse.png.
"""

import argparse
from pathlib import Path

import jaxphase
from jaxphase import plots, sweep, words
from jaxphase.config import SweepSpec, log_space
from jaxphase.runtime.files import write_json

HERE = Path(__file__).parent
ORDER_PARAMETERS = ("mutual_information", "val_loss")


def measure(seeds: int, steps: int):
    """The swept family: sizes x data sizes x seeds."""
    spec = SweepSpec(
        sizes=log_space(600, 60_000, 10),
        data_sizes=(64, 160, 400, 1000),
        checkpoints=(steps,),
        seeds=seeds,
        metrics=("train_loss", "val_loss", "accuracy", "probe_cross_entropy", "mutual_information"),
    )
    return sweep.run(spec)


def summarize(analysis: jaxphase.Analysis) -> dict:
    """Verdict, reasons, and the numbers that they rest on."""
    evidence = analysis.evidence
    order, collapse = evidence.order, evidence.collapse
    return {
        "verdict": evidence.kind.name.lower(),
        "reasons": words.reasons(analysis),
        "headline": words.headline(analysis),
        "width": order.width.tolist(),
        "width_se": order.width_se.tolist(),
        "sharpening": [order.sharpening, *order.sharpening_interval.tolist()],
        "peak_growth": [order.peak_growth, *order.peak_growth_interval.tolist()],
        "bimodal_p_value": order.bimodal_p_value.tolist(),
        "inverse_nu": [collapse.inverse_nu, *collapse.inverse_nu_interval.tolist()],
        "chi2_per_dof": collapse.chi2_per_dof,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--steps", type=int, default=600)
    arguments = parser.parse_args()
    jaxphase.use_all_cores()
    data = measure(arguments.seeds, arguments.steps)
    results = {}
    for name in ORDER_PARAMETERS:
        analysis = jaxphase.analyze(data, order_parameter=name)
        results[name] = summarize(analysis)
        print(f"{name}: {analysis.evidence.kind.name.lower()}", *words.reasons(analysis), sep="\n  ", flush=True)
        if name == ORDER_PARAMETERS[0]:
            pages = plots.pages(analysis)
            for page in ("fluctuations", "collapse"):
                plots.save(pages[page], HERE / f"transition_{page}.png")
    write_json({"settings": vars(arguments), "results": results}, HERE / "transition.json")


if __name__ == "__main__":
    main()
