"""Scaling: exponents from curves of several sizes, verdicts from how a change sharpens and how seeds scatter."""

from .change import ChangeShape
from .data_collapse import Collapse, CollapseKind, collapse
from .excess_mass import Bimodality, bimodality
from .fields import (
    CorrelationExponent,
    CorrelationFunction,
    CorrelationLengths,
    DepthCorrelation,
    connected_correlation,
    correlation_lengths,
    depth_correlation,
    fit_correlation_exponent,
)
from .forms import FormKind, ScalingForms, scaling_forms
from .hysteresis_loop import Hysteresis, hysteresis
from .moments import Moment, binder_cumulant, susceptibility
from .order import Order, OrderKind, transition_order
from .scaling_relations import ScalingRelation
from .size_crossings import Crossings, crossings
from .universality import Universality, identify_universality_class
from .universality_classes import CLASSES, EXPONENTS, UniversalityClass
from .windows import Windows

__all__ = [
    "CLASSES",
    "EXPONENTS",
    "Bimodality",
    "ChangeShape",
    "Collapse",
    "CollapseKind",
    "CorrelationExponent",
    "CorrelationFunction",
    "CorrelationLengths",
    "Crossings",
    "DepthCorrelation",
    "FormKind",
    "Hysteresis",
    "Moment",
    "Order",
    "OrderKind",
    "ScalingForms",
    "ScalingRelation",
    "Universality",
    "UniversalityClass",
    "Windows",
    "bimodality",
    "binder_cumulant",
    "collapse",
    "connected_correlation",
    "correlation_lengths",
    "crossings",
    "depth_correlation",
    "fit_correlation_exponent",
    "hysteresis",
    "identify_universality_class",
    "scaling_forms",
    "susceptibility",
    "transition_order",
]
