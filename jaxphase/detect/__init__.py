"""Detectors: one curve in, one NamedTuple out, over any leading axes. See `curve_detector` for what they share."""

from .batched import curve_detector
from .broken_power_law import BrokenPowerLaw, fit_broken_power_law
from .correlation import IntegratedTime, autocorrelation, correlation_length, integrated_time
from .cusum import Cusum, cusum
from .derivatives import Gradients, gradients
from .mirage import Mirage, MirageKind, mirage_test
from .piecewise_power_law import PiecewisePowerLaw, fit_piecewise_power_law
from .plateaus import Steps, fit_steps
from .power_law import PowerLaw, fit_power_law
from .segment import Segmentation, segment
from .sigmoid import Sigmoid, fit_sigmoid
from .significance import Bootstrap, ChangeTest, benjamini_hochberg, bootstrap, change_test
from .status import Status
from .verdict import CurveKind, Verdict, classify

__all__ = [
    "Bootstrap",
    "BrokenPowerLaw",
    "ChangeTest",
    "CurveKind",
    "Cusum",
    "Gradients",
    "IntegratedTime",
    "Mirage",
    "MirageKind",
    "PiecewisePowerLaw",
    "PowerLaw",
    "Segmentation",
    "Sigmoid",
    "Status",
    "Steps",
    "Verdict",
    "autocorrelation",
    "benjamini_hochberg",
    "bootstrap",
    "change_test",
    "classify",
    "correlation_length",
    "curve_detector",
    "cusum",
    "fit_broken_power_law",
    "fit_piecewise_power_law",
    "fit_power_law",
    "fit_sigmoid",
    "fit_steps",
    "gradients",
    "integrated_time",
    "mirage_test",
    "segment",
]
