"""The metrics that a sweep measures at every checkpoint: the name of each in words, and its unit."""

from typing import NamedTuple


class Metric(NamedTuple):
    """How a metric is written on an axis.

    Attributes:
        long_name: Its name in words.
        units: Its unit.
    """

    long_name: str
    units: str


# Metrics that need a readout fitted on the representation, and those that need two views of each row.
PROBE_METRICS = ("accuracy", "probe_cross_entropy", "mutual_information", "effective_capacity", "knn_accuracy")
VIEW_METRICS = ("alignment", "info_nce")
METRICS = {
    "train_loss": Metric("training loss", "per-sample objective"),
    "val_loss": Metric("validation loss", "per-sample objective"),
    "accuracy": Metric("linear-probe accuracy", "fraction of held-out samples"),
    "probe_cross_entropy": Metric("linear-probe cross-entropy", "nats"),
    "mutual_information": Metric("mutual information, lower bound", "nats"),
    "effective_rank": Metric("effective rank (RankMe)", "dimensions"),
    "generalization_gap": Metric("generalization gap", "validation loss - training loss"),
    "effective_capacity": Metric("effective capacity (probe degrees of freedom)", "dimensions"),
    "knn_accuracy": Metric("nearest-neighbor accuracy", "fraction of held-out samples"),
    "spectrum_slope": Metric("spectrum slope (alpha-ReQ)", "decades per decade"),
    "alignment": Metric("alignment of two views", "squared distance"),
    "uniformity": Metric("uniformity", "log potential"),
    "feature_std": Metric("spread of directions", "fraction of an even spread"),
    "info_nce": Metric("information between two views, lower bound", "nats"),
}
