"""What a representation holds: probes, information and spectra, of one model; the sweep lifts them over lanes."""

from jaxphase.evaluate.information import label_entropy, mutual_information
from jaxphase.evaluate.metrics import METRICS, OF_PROBE, Metric
from jaxphase.evaluate.probe import Prepared, Probe, linear_probe, prepare, probe_prepared
from jaxphase.evaluate.representation import effective_rank

__all__ = [
    "METRICS",
    "OF_PROBE",
    "Metric",
    "Prepared",
    "Probe",
    "effective_rank",
    "label_entropy",
    "linear_probe",
    "mutual_information",
    "prepare",
    "probe_prepared",
]
