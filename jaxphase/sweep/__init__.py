"""Sweeps: a spec in, every model of its grid trained and measured, a labelled Dataset out."""

from jaxphase.runtime.cores import use_all_cores
from jaxphase.sweep.plan import Bucket, Lane, Plan, lane_bytes, plan, sizes_of_their_own
from jaxphase.sweep.recipe import Recipe, recipe
from jaxphase.sweep.run import make_plan, run
from jaxphase.sweep.trained import Trained, extract, load

__all__ = [
    "Bucket",
    "Lane",
    "Plan",
    "Recipe",
    "Trained",
    "extract",
    "lane_bytes",
    "load",
    "make_plan",
    "plan",
    "recipe",
    "run",
    "sizes_of_their_own",
    "use_all_cores",
]
