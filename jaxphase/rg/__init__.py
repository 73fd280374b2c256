"""Renormalization: exact maps and their fixed points, trained networks and their activations, coarse-grained step by
step, and depth as a scale.

What works on networks is loaded when first used, and flax with it.
"""

from importlib import import_module
from typing import Any

from ..evaluate import effective_rank
from .flow import Direction, FixedPointKind, FixedPoints, Flow, fixed_points, flow
from .kernel_flow import KernelFlow, kernel_flow
from .linearize import CriticalExponents, Linearized, critical_exponents, linearized
from .mean_field import correlation_map, critical_line, fixed_point, variance_map
from .measured_flow import FlowKind, MeasuredFixedPoint, measured_fixed_point
from .populations.clusters import ClusterFlow, cluster_flow
from .populations.phenomenological import Phenomenological, PopulationKind, phenomenological
from .populations.shells import MomentumFlow, momentum_flow
from .populations.surrogates import phase_randomised, same_spectrum, shuffled
from .signal import Chi, Criticality, Phase, PhaseDiagram, chi, criticality_index, phase_diagram, propagate
from .spectrum import (
    MarchenkoPastur,
    PowerTail,
    Ranks,
    marchenko_pastur,
    marchenko_pastur_density,
    spectral_exponent,
    spectral_ranks,
)

_HOME = {
    "Coarse": "coarse_grain",
    "Couplings": "couplings",
    "METHODS": "coarse_grain",
    "coarse_grain": "coarse_grain",
    "couplings": "couplings",
}

__all__ = [
    "METHODS",
    "Chi",
    "ClusterFlow",
    "Coarse",
    "Couplings",
    "CriticalExponents",
    "Criticality",
    "Direction",
    "FixedPointKind",
    "FixedPoints",
    "Flow",
    "FlowKind",
    "KernelFlow",
    "Linearized",
    "MarchenkoPastur",
    "MeasuredFixedPoint",
    "MomentumFlow",
    "Phase",
    "PhaseDiagram",
    "Phenomenological",
    "PopulationKind",
    "PowerTail",
    "Ranks",
    "chi",
    "cluster_flow",
    "coarse_grain",
    "correlation_map",
    "couplings",
    "critical_exponents",
    "critical_line",
    "criticality_index",
    "effective_rank",
    "fixed_point",
    "fixed_points",
    "flow",
    "kernel_flow",
    "linearized",
    "marchenko_pastur",
    "marchenko_pastur_density",
    "measured_fixed_point",
    "momentum_flow",
    "phase_diagram",
    "phase_randomised",
    "phenomenological",
    "propagate",
    "same_spectrum",
    "shuffled",
    "spectral_exponent",
    "spectral_ranks",
    "variance_map",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"jaxphase.rg.networks.{_HOME[name]}"), name)
    raise AttributeError(f"module 'jaxphase.rg' has no attribute {name!r}")
