"""What was measured, by us or by anyone, as one labelled Dataset: readers of every format, checks, choices of axes."""

from .dataset import LEAST_SIZES, along_data, at_best_rate, at_step, axis, check, metrics_of
from .reading import read, read_csv

__all__ = [
    "LEAST_SIZES",
    "along_data",
    "at_best_rate",
    "at_step",
    "axis",
    "check",
    "metrics_of",
    "read",
    "read_csv",
]
