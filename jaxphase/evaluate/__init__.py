"""What a representation holds: probes, information and spectra, of one model; the sweep lifts them over lanes."""

from jaxphase.evaluate.complexity import compressed_size, entropy
from jaxphase.evaluate.information import info_nce_bound, label_entropy, mutual_information
from jaxphase.evaluate.metrics import METRICS, OF_PROBE, OF_VIEWS, Metric
from jaxphase.evaluate.neighbours import knn_accuracy, vote
from jaxphase.evaluate.probe import Prepared, Probe, linear_probe, prepare, probe_prepared
from jaxphase.evaluate.representation import (
    Spectrum,
    SpectrumSlope,
    alignment,
    effective_rank,
    feature_std,
    rank_of,
    slope_of,
    spectrum,
    spectrum_slope,
    uniformity,
)

__all__ = [
    "METRICS",
    "OF_PROBE",
    "OF_VIEWS",
    "Metric",
    "Prepared",
    "Probe",
    "Spectrum",
    "SpectrumSlope",
    "alignment",
    "compressed_size",
    "effective_rank",
    "entropy",
    "feature_std",
    "info_nce_bound",
    "knn_accuracy",
    "label_entropy",
    "linear_probe",
    "mutual_information",
    "prepare",
    "probe_prepared",
    "rank_of",
    "slope_of",
    "spectrum",
    "spectrum_slope",
    "uniformity",
    "vote",
]
