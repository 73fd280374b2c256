"""Sweeps: from a spec, every model of its grid is planned, trained and measured, and comes back as labeled data."""

from .costs import lane_bytes
from .grid import Lane, distinct_sizes
from .planning import Bucket, Plan, make_plan
from .recipes import Recipe, make_recipe
from .running import run
from .trained import Trained, extract, load

__all__ = [
    "Bucket",
    "Lane",
    "Plan",
    "Recipe",
    "Trained",
    "distinct_sizes",
    "extract",
    "lane_bytes",
    "load",
    "make_plan",
    "make_recipe",
    "run",
]
