"""Prediction: from measured losses and critical sizes to what to train next."""

from .allocation import Allocation, IsoFlop, RelativeToOptimum, allocate, isoflop, relative_to_optimum
from .critical import CriticalModel, Effects, Prediction, critical_size, fit
from .hardware import DEVICES, Device, Hardware, hardware
from .held_out import GroupErrors, leave_one_family_out, leave_one_group_out
from .losses import Losses, read_losses
from .measurements import Measurements, measured, read_measurements
from .next_runs import Recommendation, devices_needed, recommend
from .rates import LearningRate, learning_rates
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
    "leave_one_family_out",
    "leave_one_group_out",
    "measured",
    "read_losses",
    "read_measurements",
    "recommend",
    "relative_to_optimum",
]
