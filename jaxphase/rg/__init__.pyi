from .beta_function import Flow, flow
from .criticality import Criticality, Phase, criticality_index
from .families.flows import CouplingFlow, FamilyFlow, follow, read_flow, write_flow
from .families.halving import renormalize
from .kernel_regression import KernelFlow, kernel_flow
from .linearization import CriticalExponents, Linearized, critical_exponents, linearized
from .maps import Direction, FixedPointKind, FixedPoints, fixed_points
from .mean_field import CriticalLine, FixedPoint, correlation_map, critical_line, fixed_point, variance_map
from .measured_flow import FlowKind, MeasuredFixedPoint, measured_fixed_point
from .networks.coarse_graining import Coarse, coarse_grain
from .networks.couplings import Couplings, couplings
from .populations.clusters import ClusterFlow, Exponent, cluster_flow
from .populations.phenomenology import Phenomenological, PopulationKind, phenomenological
from .populations.shells import MomentumFlow, momentum_flow
from .populations.surrogates import phase_randomized, same_spectrum, shuffled
from .signal import Chi, PhaseDiagram, Propagation, chi, phase_diagram, propagate
from .spectrum import (
    MarchenkoPastur,
    PowerTail,
    Ranks,
    effective_rank,
    marchenko_pastur,
    marchenko_pastur_density,
    spectral_exponent,
    spectral_ranks,
)

__all__ = [
    "Chi",
    "ClusterFlow",
    "Coarse",
    "CouplingFlow",
    "Couplings",
    "CriticalExponents",
    "CriticalLine",
    "Criticality",
    "Direction",
    "Exponent",
    "FamilyFlow",
    "FixedPoint",
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
    "Propagation",
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
    "follow",
    "kernel_flow",
    "linearized",
    "marchenko_pastur",
    "marchenko_pastur_density",
    "measured_fixed_point",
    "momentum_flow",
    "phase_diagram",
    "phase_randomized",
    "phenomenological",
    "propagate",
    "read_flow",
    "renormalize",
    "same_spectrum",
    "shuffled",
    "spectral_exponent",
    "spectral_ranks",
    "variance_map",
    "write_flow",
]
