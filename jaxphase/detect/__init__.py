"""Detectors: one curve in, one NamedTuple out, over any leading axes.

All of them are called as `detector(x, y, *, weight=None, options)` on curves `[..., n]`: leading axes broadcast as in
NumPy, points come in any order, x may repeat, and a missing point has weight 0 or a value that is not finite. Mistakes
in shapes and options raise a `ValueError`; data never do: a curve that cannot be judged has a `Status` that says so,
and NaN where there is no answer.
"""

from .batched import Detector, curve_detector
from .broken_power_law import BrokenPowerLaw, fit_broken_power_law
from .correlation import IntegratedTime, autocorrelation, correlation_length, integrated_time
from .cumulative_sum import Cusum, cusum
from .derivatives import Gradients, gradients
from .mirage import Mirage, MirageKind, mirage_test
from .piecewise_power_law import PiecewisePowerLaw, fit_piecewise_power_law
from .power_law import PowerLaw, fit_power_law
from .segmentation import Segmentation, segment
from .sigmoid import Sigmoid, fit_sigmoid
from .significance import Bootstrap, ChangeTest, benjamini_hochberg, bootstrap, change_test
from .status import Status
from .steps import Steps, fit_steps
from .verdict import CurveKind, Verdict, classify

__all__ = [
    "Bootstrap",
    "BrokenPowerLaw",
    "ChangeTest",
    "CurveKind",
    "Cusum",
    "Detector",
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
