"""How many strings does it take to learn the class of a random hierarchy? Accuracy over data, one figure.

Cagnetta et al. (2024, Phys. Rev. X 14, 031001) say that this number P* grows as classes * m**L, with m synonyms on each
of L levels, however many strings the grammar has. This holds for a network whose layers are those of the hierarchy: the
meaning of a tuple of symbols then shows in its correlation with the class. In their setting there are as many classes
and symbols as synonyms, and the class is the target. Here the class is a token before the string, and the objective its
cross-entropy; a linear probe, fitted on 128 other strings, reads it from the last hidden layer. Their network (`Tree`)
is compared with a perceptron that knows nothing of the hierarchy. After 600 steps the loss on the training strings is
0.03 or less for the tree (0.4 for the most strings of m = 5, L = 4), and higher for the perceptron in the larger
grammars. Numbers of strings are half an octave apart; each setting has two grammars.

P* is the center of the sigmoid that `fit_sigmoid` finds in accuracy over log2 of the number of strings, for each
grammar and seed on its own; its error is the standard error over these. The exponent is that of a line through the
settings.

    python experiments/hierarchy.py

Data, objective and family are defined in this file: an example of how to add to `DATA`, `OBJECTIVES` and `FAMILIES`.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxphase import detect, sweep, use_all_cores
from jaxphase.config import SweepSpec
from jaxphase.data import DATA, Layout, Source, hierarchy
from jaxphase.data.random_hierarchy import draw_rules, parse
from jaxphase.models import FAMILIES, Family, Head, Parametrization
from jaxphase.models.layers import Dense, RMSNorm
from jaxphase.models.parametrization import normal
from jaxphase.objectives import OBJECTIVES
from jaxphase.objectives.reconstruction import cross_entropy

HERE = Path(__file__).parent
GRAMMARS, SEEDS = 2, 3
HELD_OUT = 128  # strings for the probe, and as many to validate


class Setting(NamedTuple):
    """Knobs of the grammar; it has as many classes and symbols as synonyms."""

    synonyms: int
    depth: int

    @property
    def scale(self) -> int:
        """The paper's P*."""
        return self.synonyms ** (1 + self.depth)

    @property
    def strings(self) -> int:
        """That the grammar has."""
        return self.synonyms ** (2**self.depth)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of strings to learn from, P*/4 to 16 P*, or what there is."""
        most = self.strings - 2 * HELD_OUT
        wanted = (round(self.scale * 2.0 ** (step / 2)) for step in range(-4, 9))
        return tuple(size for size in wanted if size <= most)


SETTINGS = tuple(Setting(*pair) for pair in ((8, 2), (3, 3), (4, 3), (5, 3), (6, 3), (3, 4), (4, 4), (5, 4), (3, 5)))
NETWORKS = {"tree": lambda setting: {"depth": setting.depth}, "mlp": lambda setting: {"depth": 3}}
TITLES = {"tree": "network of the hierarchy's shape", "mlp": "perceptron"}
STEPS, BATCH, SIZE = 600, 128, 40_000


def labelled_hierarchy(
    synonyms: int, depth: int, train: int, probe: int = HELD_OUT, validation: int = HELD_OUT, seed: int = 0
) -> Source:
    """Strings of the hierarchy with their class as a token before them."""
    shape = {"vocabulary": synonyms, "classes": synonyms, "synonyms": synonyms, "depth": depth, "seed": seed}
    splits, layout, classes, _ = hierarchy(**shape, train=train, probe=probe, validation=validation)
    rules = draw_rules(**shape, branching=2)
    named = {
        name: np.column_stack([parse(rules, strings), strings]).astype(np.int32)
        for name, strings in splits._asdict().items()
        if not name.endswith("labels")
    }
    return Source(splits._replace(**named), layout._replace(shape=(1 + layout.size,)), classes)


@dataclass(frozen=True)
class Classification:
    """Cross-entropy in nats of the token before a string, given the string."""

    layout: Layout

    paired = False

    @property
    def input_layout(self) -> Layout:
        """The string."""
        return self.layout._replace(shape=(self.layout.size - 1,))

    @property
    def head(self) -> Head:
        """Logits of one token."""
        return Head(self.layout._replace(shape=(1,)))

    def loss(self, model, rows: Array, *, key: Array) -> Array:
        """[n] of rows [n, 1 + positions]."""
        return cross_entropy(model(rows[:, 1:]), rows[:, :1])[:, 0]

    def represent(self, model, rows: Array) -> Array:
        """[n, features] of the strings."""
        return model.encode(rows[:, 1:])


class Tuples(nnx.Module):
    """The same dense map, RMSNorm and GELU of every pair of neighbors."""

    def __init__(self, inputs: int, width: int, role: str, scheme: Parametrization, rng: np.random.Generator | None):
        self.kernel = nnx.Param(normal(rng, (2, inputs, width), scheme.init_std(role, 2 * inputs)), role=role)
        self.bias = nnx.Param(np.zeros(width, np.float32), role="vector")
        self.norm = RMSNorm(width)

    def __call__(self, x: Array) -> Array:
        """[n, positions, inputs] -> [n, positions / 2, width]."""
        pairs = x.reshape(len(x), -1, 2, x.shape[-1])
        return jax.nn.gelu(self.norm(jnp.einsum("npsi,sio->npo", pairs, self.kernel[...]) + self.bias[...]))


class Tree(nnx.Module):
    """A convolutional network whose filters are the tuples of the hierarchy, a layer a level."""

    def __init__(
        self,
        input_layout: Layout,
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        depth: int = 3,
    ):
        self.vocabulary = input_layout.vocabulary
        self.levels = nnx.List(
            Tuples(width if level else input_layout.vocabulary, width, "hidden" if level else "input", scheme, rng)
            for level in range(depth)
        )
        self.head = Dense(width, head.layout.vocabulary, "readout", scheme, rng)

    def encode(self, rows: Array) -> Array:
        """[n, positions] -> [n, width]."""
        x = jax.nn.one_hot(rows, self.vocabulary)
        for level in self.levels:
            x = level(x)
        return x[:, 0]

    def __call__(self, rows: Array) -> Array:
        """[n, positions] -> logits [n, 1, vocabulary]."""
        return self.head(self.encode(rows))[:, None]


DATA["labelled_hierarchy"] = labelled_hierarchy
OBJECTIVES["classification"] = Classification
FAMILIES["tree"] = Family(Tree, ("tokens",))


def train(network: str, setting: Setting) -> dict:
    """Accuracy and training loss [grammars * seeds, sizes]."""
    begin, runs = time.perf_counter(), []
    for grammar in range(GRAMMARS):
        options = {**setting._asdict(), "train": setting.sizes[-1], "seed": grammar}
        spec = SweepSpec(
            sizes=(SIZE,),
            data_sizes=setting.sizes,
            seeds=SEEDS,
            checkpoints=(STEPS,),
            batch_size=BATCH,
            learning_rate=3e-3,
            weight_decay=0,
            family=network,
            family_options=NETWORKS[network](setting),
            objective="classification",
            data="labelled_hierarchy",
            data_options=options,
            metrics=("train_loss", "accuracy"),
        )
        runs.append(sweep.run(spec, progress=False).squeeze(["size", "step"]).transpose("seed", "data_size"))
    return {
        **{name: np.concatenate([run[name].values for run in runs]).tolist() for name in ("accuracy", "train_loss")},
        "width": int(runs[0]["width"]),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def thresholds(setting: Setting, run: dict) -> np.ndarray:
    """log2 P* of each run; NaN where no sigmoid is found within the sizes."""
    fit = detect.fit_sigmoid(np.log2(setting.sizes), np.array(run["accuracy"]))
    return np.where((fit.status == 0) | (fit.status == 2), fit.center, np.nan)


def with_error(values: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def exponent(runs: list[dict]) -> str:
    """Slope of measured log P* against the paper's, with its error from the scatter of the settings."""
    found = [np.mean(thresholds(setting, run)) for setting, run in zip(SETTINGS, runs, strict=True)]
    (slope, _), covariance = np.polyfit([np.log2(setting.scale) for setting in SETTINGS], found, 1, cov=True)
    return f"{slope:.2f} ± {np.sqrt(covariance[0, 0]):.2f}"


def ratio(runs: list[dict]) -> float:
    """Measured P* over the paper's, geometric mean over the settings."""
    logs = [
        np.mean(thresholds(setting, run)) - np.log2(setting.scale) for setting, run in zip(SETTINGS, runs, strict=True)
    ]
    return float(2 ** np.mean(logs))


def figure(results: dict) -> None:
    """Accuracy over the paper's variable for both networks, and measured against predicted thresholds of the first."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from jaxphase.plots import STYLE

    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(11.5, 3.7), layout="constrained")
        *panels, last = drawing.subplots(1, 3)
        colors = [mpl.colormaps["viridis"](0.95 * i / (len(SETTINGS) - 1)) for i in range(len(SETTINGS))]
        for panel, (network, title) in zip(panels, TITLES.items(), strict=True):
            for setting, run, color in zip(SETTINGS, results[network], colors, strict=True):
                accuracy = 100 * np.array(run["accuracy"])
                error = accuracy.std(0, ddof=1) / np.sqrt(len(accuracy))
                label = f"m = {setting.synonyms}, L = {setting.depth}"
                scaled = np.array(setting.sizes) / setting.scale
                panel.errorbar(scaled, accuracy.mean(0), error, fmt="o-", ms=3, lw=1.2, color=color, label=label)
            panel.set(title=title, xlabel="training strings / (classes · $m^L$)", ylabel="probe accuracy (%)")
            panel.set(ylim=(0, 103))
            panel.set_xscale("log", base=2)
        last.legend(*panels[0].get_legend_handles_labels(), fontsize=7.5, ncols=2, loc="lower right")
        for setting, run, color in zip(SETTINGS, results["tree"], colors, strict=True):
            center, error = with_error(thresholds(setting, run))
            spread = 2.0**center * np.abs(2.0 ** np.array([[-error], [error]]) - 1)
            last.errorbar(setting.scale, 2.0**center, spread, fmt="o", color=color, ms=5)
        scales = np.array([setting.scale for setting in SETTINGS])
        ends = np.array([scales.min(), scales.max()])
        last.plot(ends, ratio(results["tree"]) * ends, color="0.5", lw=1, ls="--", zorder=0)
        last.set_title(f"{TITLES['tree']},\nexponent {exponent(results['tree'])}")
        last.set(xlabel="classes · $m^L$", ylabel="measured P* (training strings)")
        last.set_xscale("log", base=2)
        last.set_yscale("log", base=2)
        drawing.savefig(HERE / "hierarchy.png", dpi=160)


def main() -> None:
    use_all_cores()
    results = {}
    for network in NETWORKS:
        results[network] = []
        for setting in SETTINGS:
            run = train(network, setting)
            results[network].append(run)
            center, error = with_error(thresholds(setting, run))
            print(
                f"{network:5} m {setting.synonyms} L {setting.depth}  classes m^L {setting.scale:4}  "
                f"P* {2**center:6.0f} ± {100 * np.log(2) * error:.0f} %  ratio {2**center / setting.scale:5.2f}  "
                f"largest training loss {np.max(run['train_loss']):.3f}  {run['seconds']:.0f} s",
                flush=True,
            )
    (HERE / "hierarchy.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"tree: exponent {exponent(results['tree'])}, P* {ratio(results['tree']):.2f} classes m^L")
    figure(results)


if __name__ == "__main__":
    main()
