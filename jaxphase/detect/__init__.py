"""Detectors: one curve in, one NamedTuple out, over any leading axes. See `curve_detector` for what they share."""

from .batched import curve_detector
from .correlation import IntegratedTime, autocorrelation, correlation_length, integrated_time
from .cusum import Cusum, cusum
from .derivatives import Gradients, gradients
from .mirage import MIRAGE_KINDS, Mirage, mirage_test
from .power_law import PowerLaw, fit_power_law
from .segment import Segmentation, segment
from .sigmoid import Sigmoid, fit_sigmoid
from .significance import Bootstrap, ChangeTest, benjamini_hochberg, bootstrap, change_test
from .verdict import KINDS, Verdict, classify

__all__ = [
    "KINDS",
    "MIRAGE_KINDS",
    "Bootstrap",
    "ChangeTest",
    "Cusum",
    "Gradients",
    "IntegratedTime",
    "Mirage",
    "PowerLaw",
    "Segmentation",
    "Sigmoid",
    "Verdict",
    "autocorrelation",
    "benjamini_hochberg",
    "bootstrap",
    "change_test",
    "classify",
    "correlation_length",
    "curve_detector",
    "cusum",
    "fit_power_law",
    "fit_sigmoid",
    "gradients",
    "integrated_time",
    "mirage_test",
    "segment",
]
