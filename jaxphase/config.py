"""What to train and what to look for: frozen settings, checked when made, read from and written to TOML."""

import dataclasses
import itertools
import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from jaxphase.errors import InputError


@dataclass(frozen=True)
class SweepSpec:
    """A grid of models to train, every size x data size x seed x learning rate, and how to train them.

    Attributes:
        sizes: Numbers of parameters; models have the nearest ones that the family offers.
        data_sizes: Numbers of training samples.
        checkpoints: Training steps at which to measure; training ends at the last.
        seeds: Number of models of each kind.
        family: Family of models: mlp, resnet, transformer or vit.
        family_options: Options of the family, such as depth=3.
        objective: Self-supervised task: autoencoding, masked_modeling, contrastive, barlow_twins or vicreg.
        objective_options: Options of the objective, such as mask_fraction=0.25.
        data: Data set to train on: digits, glyphs, text, hierarchy, spiked, ising or arrays.
        data_options: Options of the data, such as path=mine.npz.
        optimizer: One of adamw, adam and sgd, or NAME of any optax scale_by_NAME.
        parametrization: How learning rates follow the width: mup or standard.
        base_width: Width at which the learning rate holds.
        batch_size: Samples in a training step.
        learning_rate: One learning rate, or several in increasing order.
        warmup_steps: Training steps in which the learning rate rises from zero.
        weight_decay: Decoupled weight decay.
        clip_norm: Largest norm of the gradient; 0 for no limit.
        metrics: Metrics to measure; all of them if none is named.

    Raises:
        InputError: If a value cannot be used.
    """

    sizes: tuple[int, ...]
    data_sizes: tuple[int, ...]
    checkpoints: tuple[int, ...]
    seeds: int = 4
    family: str = "mlp"
    family_options: Mapping[str, int] = field(default_factory=dict)
    objective: str = "masked_modeling"
    objective_options: Mapping[str, float] = field(default_factory=dict)
    data: str = "digits"
    data_options: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "adamw"
    parametrization: str = "mup"
    base_width: int = 64
    batch_size: int = 64
    learning_rate: float | tuple[float, ...] = 3e-3
    warmup_steps: int = 20
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        from jaxphase.data import DATA
        from jaxphase.evaluate.metrics import METRICS
        from jaxphase.models import FAMILIES, PARAMETRIZATIONS
        from jaxphase.objectives import OBJECTIVES

        for name in ("sizes", "data_sizes", "checkpoints"):
            object.__setattr__(self, name, _increasing(name, getattr(self, name)))
        for name in ("seeds", "base_width", "batch_size"):
            _whole(name, getattr(self, name), least=1)
        _whole("warmup_steps", self.warmup_steps, least=0)
        for rate in self.learning_rates:
            _number("learning_rate", rate, positive=True)
        if list(self.learning_rates) != sorted(set(self.learning_rates)):
            raise InputError(
                f"learning_rate is {list(self.learning_rates)}: give numbers in increasing order, each once."
            )
        if isinstance(self.learning_rate, list):
            object.__setattr__(self, "learning_rate", self.learning_rates)
        for name in ("weight_decay", "clip_norm"):
            _number(name, getattr(self, name))
        for name, table in (
            ("family", FAMILIES),
            ("objective", OBJECTIVES),
            ("data", DATA),
            ("parametrization", PARAMETRIZATIONS),
        ):
            _one_of(name, getattr(self, name), table)
        for name in ("family_options", "objective_options", "data_options"):
            if not isinstance(getattr(self, name), Mapping):
                raise InputError(f"{name} is {getattr(self, name)!r}: give a table such as {{depth = 2}}.")
        if not isinstance(self.metrics, list | tuple):
            raise InputError(f"metrics is {self.metrics!r}: give a list of names.")
        for name in self.metrics:
            _one_of("an entry of metrics", name, METRICS)
        chosen = tuple(name for name in METRICS if name in self.metrics or not self.metrics)
        object.__setattr__(self, "metrics", chosen)

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """Learning rates of the grid."""
        return tuple(self.learning_rate) if isinstance(self.learning_rate, list | tuple) else (self.learning_rate,)

    @property
    def steps(self) -> int:
        """Number of training steps."""
        return self.checkpoints[-1]


@dataclass(frozen=True)
class PhaseTransitionConfig:
    """The question: over which ranges to look for a transition, and in which order parameter.

    Ranges are (lowest, highest), sampled evenly in the logarithm, both ends included.

    Attributes:
        model_size_range: Numbers of parameters.
        model_size_samples: Number of model sizes.
        data_size_range: Numbers of training samples.
        data_size_samples: Number of data sizes.
        training_steps_range: Training steps at which to measure.
        training_steps_samples: Number of checkpoints.
        order_parameter: Name of the metric that the phase diagram and the headline verdict are about.
        renormalization_steps: How often a renormalization halves the models.
        criticality_threshold: Lowest criticality index, below 1, of a network that is called critical.

    Raises:
        InputError: If a value cannot be used.
    """

    model_size_range: tuple[int, int] = (700, 60_000)
    model_size_samples: int = 12
    data_size_range: tuple[int, int] = (64, 1024)
    data_size_samples: int = 2
    training_steps_range: tuple[int, int] = (10, 600)
    training_steps_samples: int = 6
    order_parameter: str = "mutual_information"
    renormalization_steps: int = 3
    criticality_threshold: float = 0.8

    def __post_init__(self) -> None:
        _whole("renormalization_steps", self.renormalization_steps, least=1)
        _number("criticality_threshold", self.criticality_threshold, positive=True)
        if self.criticality_threshold >= 1:
            raise InputError(f"criticality_threshold is {self.criticality_threshold}: give a number below 1.")
        for axis in ("model_size", "data_size", "training_steps"):
            low_high = _increasing(f"{axis}_range", getattr(self, f"{axis}_range"))
            if len(low_high) != 2:
                raise InputError(f"{axis}_range is {list(low_high)}: give two numbers, lowest and highest.")
            object.__setattr__(self, f"{axis}_range", low_high)
            _whole(f"{axis}_samples", getattr(self, f"{axis}_samples"), least=2)
        if not isinstance(self.order_parameter, str):
            raise InputError(f"order_parameter is {self.order_parameter!r}: give the name of a metric, in quotes.")

    @property
    def axes(self) -> dict[str, Any]:
        """The fields of a `SweepSpec` that sample these ranges: sizes, data_sizes and checkpoints."""
        return {
            "sizes": log_space(*self.model_size_range, self.model_size_samples),
            "data_sizes": log_space(*self.data_size_range, self.data_size_samples),
            "checkpoints": log_space(*self.training_steps_range, self.training_steps_samples),
        }

    def sweep(self, **settings: Any) -> SweepSpec:
        """Make the sweep that covers these ranges.

        Args:
            **settings: Fields of `SweepSpec`; sizes, data_sizes and checkpoints take the place of the ranges.

        Returns:
            The spec.

        Raises:
            InputError: If a setting cannot be used.

        Example:
            >>> spec = PhaseTransitionConfig(model_size_range=(1000, 100_000)).sweep(family="resnet")
        """
        return SweepSpec(**(self.axes | settings))

    def check_measured(self, spec: SweepSpec) -> None:
        """Raise InputError if a sweep does not measure the order parameter."""
        _one_of("order_parameter", self.order_parameter, spec.metrics)


def log_space(low: int, high: int, samples: int) -> tuple[int, ...]:
    """Space whole numbers evenly in the logarithm.

    Args:
        low: The smallest number.
        high: The largest number.
        samples: How many numbers.

    Returns:
        The numbers in increasing order; fewer than `samples` where rounding makes neighbors equal.
    """
    ratio = math.log(high / low) / (samples - 1)
    return tuple(sorted({round(low * math.exp(i * ratio)) for i in range(samples)}))


def read_toml(path: str | Path) -> tuple[SweepSpec, PhaseTransitionConfig]:
    """Read spec and question from a TOML file.

    Args:
        path: A file with tables [sweep] and [phase_transition], both optional, whose keys are the fields of `SweepSpec`
            and `PhaseTransitionConfig`.

    Returns:
        Spec and question; a field that the file does not name has its default.

    Raises:
        InputError: If the file cannot be read, or if a key or value cannot be used.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give the path of a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from error
    for name, value in tables.items():
        if name not in ("sweep", "phase_transition") or not isinstance(value, dict):
            raise InputError(f"{path}: '{name}' is not a table of a spec; use [sweep] and [phase_transition].")
    for name, kind in (("sweep", SweepSpec), ("phase_transition", PhaseTransitionConfig)):
        for key in tables.get(name, {}):
            _one_of(f"a key of [{name}] in {path}", key, [entry.name for entry in dataclasses.fields(kind)])
    config = PhaseTransitionConfig(**tables.get("phase_transition", {}))
    spec = config.sweep(**tables.get("sweep", {}))
    config.check_measured(spec)
    return spec, config


def to_toml(spec: SweepSpec, config: PhaseTransitionConfig) -> str:
    """Write spec and question as text that `read_toml` turns back into the same objects.

    Args:
        spec: The models to train.
        config: The question to answer.

    Returns:
        The TOML text.
    """
    return tomli_w.dumps({"sweep": vars(spec), "phase_transition": vars(config)})


def _whole(name: str, value: Any, least: int) -> None:
    """InputError for anything but a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is {value!r}: give a whole number of at least {least}.")


def _number(name: str, value: Any, positive: bool = False) -> None:
    """InputError for anything but a finite number that is not negative, or that is positive."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not numeric or value < 0 or (positive and value == 0):
        raise InputError(f"{name} is {value!r}: give a {'positive' if positive else 'non-negative'} number.")


def _increasing(name: str, values: Any) -> tuple[int, ...]:
    """The values as a tuple; InputError for anything but positive whole numbers in increasing order."""
    if not isinstance(values, list | tuple) or not values:
        raise InputError(f"{name} is {values!r}: give a list of positive whole numbers in increasing order.")
    for value in values:
        _whole(f"an entry of {name}", value, least=1)
    if any(b <= a for a, b in itertools.pairwise(values)):
        raise InputError(f"{name} is {list(values)}: give positive whole numbers in increasing order, each once.")
    return tuple(values)


def _one_of(name: str, value: Any, known: Collection[str]) -> None:
    """InputError for a value that is not known."""
    if value not in known:
        raise InputError(f"{name} is {value!r}: choose one of {', '.join(known)}.")
