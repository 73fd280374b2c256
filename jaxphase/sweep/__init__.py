"""Sweeps: a spec in, every model of its grid trained and measured, a labelled Dataset out."""

from jaxphase.sweep.mesh import use_all_cores
from jaxphase.sweep.plan import Bucket, Lane, Plan, plan
from jaxphase.sweep.recipe import Recipe, recipe
from jaxphase.sweep.run import extract, make_plan, run

__all__ = ["Bucket", "Lane", "Plan", "Recipe", "extract", "make_plan", "plan", "recipe", "run", "use_all_cores"]
