"""Measures of one representation: probes, information and spectra. A sweep applies them to many models at once.

- `probe`: linear probe; `neighbors`: nearest-neighbor readout.
- `representation`: effective rank, spectrum slope, alignment, uniformity and spread of directions.
- `information`: entropy of labels and lower bounds on mutual information, in nats.
- `complexity`: entropy and compressed size of data, in bits per number.
- `metrics`: the names, long names and units of all metrics of a sweep.
"""

from jaxphase.evaluate.complexity import compressed_size, entropy
from jaxphase.evaluate.information import info_nce_bound, label_entropy, mutual_information
from jaxphase.evaluate.metrics import METRICS, PROBE_METRICS, VIEW_METRICS, Metric
from jaxphase.evaluate.neighbors import knn_accuracy, vote_accuracy
from jaxphase.evaluate.probe import PreparedFeatures, Probe, fit_probe, linear_probe, prepare_features
from jaxphase.evaluate.representation import (
    Spectrum,
    SpectrumSlope,
    alignment,
    effective_rank,
    feature_std,
    rank_of_spectrum,
    slope_of_spectrum,
    spectrum,
    spectrum_slope,
    uniformity,
)

__all__ = [
    "METRICS",
    "PROBE_METRICS",
    "VIEW_METRICS",
    "Metric",
    "PreparedFeatures",
    "Probe",
    "Spectrum",
    "SpectrumSlope",
    "alignment",
    "compressed_size",
    "effective_rank",
    "entropy",
    "feature_std",
    "fit_probe",
    "info_nce_bound",
    "knn_accuracy",
    "label_entropy",
    "linear_probe",
    "mutual_information",
    "prepare_features",
    "rank_of_spectrum",
    "slope_of_spectrum",
    "spectrum",
    "spectrum_slope",
    "uniformity",
    "vote_accuracy",
]
