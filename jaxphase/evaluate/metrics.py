"""The metrics a sweep measures at every checkpoint: what each is called in words, and its unit."""

from typing import NamedTuple


class Metric(NamedTuple):
    """Long name and unit, as written on an axis."""

    long_name: str
    units: str


# What a linear readout of the representation gives: the dearest to measure.
OF_PROBE = ("accuracy", "probe_cross_entropy", "mutual_information", "effective_capacity")
METRICS = {
    "train_loss": Metric("training loss", "per-sample objective"),
    "val_loss": Metric("validation loss", "per-sample objective"),
    "accuracy": Metric("linear-probe accuracy", "fraction of held-out images"),
    "probe_cross_entropy": Metric("linear-probe cross-entropy", "nats"),
    "mutual_information": Metric("mutual information, lower bound", "nats"),
    "effective_rank": Metric("effective rank (RankMe)", "dimensions"),
    "generalization_gap": Metric("generalization gap", "validation loss - training loss"),
    "effective_capacity": Metric("effective capacity (probe degrees of freedom)", "dimensions"),
}
