"""What was measured, by us or by anyone, as one labeled Dataset: readers of every format, checks, choices of axes."""

from .dataset import LEAST_SIZES, Along, at_best_rate, at_step, check, check_form, curves_along, has_groups, metrics_of
from .reading import read, read_csv

__all__ = [
    "LEAST_SIZES",
    "Along",
    "at_best_rate",
    "at_step",
    "check",
    "check_form",
    "curves_along",
    "has_groups",
    "metrics_of",
    "read",
    "read_csv",
]
