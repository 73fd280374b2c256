"""Scaling: many sizes in, exponents out; what a sharpening with a second size, and a scatter over seeds, tell."""

from .collapse import COLLAPSE_KINDS, Collapse, collapse
from .crossings import Crossings, crossings
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
from .forms import FORMS, ScalingForms, scaling_forms
from .hysteresis import Hysteresis, hysteresis
from .moments import Bimodality, Moment, bimodality, binder_cumulant, susceptibility
from .order import ORDERS, Order, transition_order
from .universality import CLASSES, Universality, identify_universality_class

__all__ = [
    "CLASSES",
    "COLLAPSE_KINDS",
    "FORMS",
    "ORDERS",
    "Bimodality",
    "Collapse",
    "CorrelationExponent",
    "CorrelationFunction",
    "CorrelationLengths",
    "Crossings",
    "DepthCorrelation",
    "Hysteresis",
    "Moment",
    "Order",
    "ScalingForms",
    "Universality",
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
