"""Prediction: from measured losses and critical sizes to the next models to train."""

from .allocation import Allocation, IsoFlop, RelativeToOptimum, allocate, isoflop, relative_to_optimum
from .cross_validation import GroupErrors, leave_one_group_out
from .devices import DEVICES, Device, Hardware, devices_needed, hardware
from .losses import Losses, read_losses
from .measurements import Measurements, measured, read_measurements
from .next_runs import Recommendation, recommend
from .rates import LearningRate, learning_rates
from .regression import CriticalModel, Effects, Prediction, critical_size, fit
from .surface import Surface, fit_surface

__all__ = [
    "DEVICES",
    "Allocation",
    "CriticalModel",
    "Device",
    "Effects",
    "GroupErrors",
    "Hardware",
    "IsoFlop",
    "LearningRate",
    "Losses",
    "Measurements",
    "Prediction",
    "Recommendation",
    "RelativeToOptimum",
    "Surface",
    "allocate",
    "critical_size",
    "devices_needed",
    "fit",
    "fit_surface",
    "hardware",
    "isoflop",
    "learning_rates",
    "leave_one_group_out",
    "measured",
    "read_losses",
    "read_measurements",
    "recommend",
    "relative_to_optimum",
]
