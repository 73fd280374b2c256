from . import (
    analysis,
    config,
    curves,
    data,
    detect,
    errors,
    evaluate,
    linalg,
    models,
    objectives,
    plots,
    predict,
    report,
    rg,
    runtime,
    scaling,
    sweep,
    systems,
    validate,
    words,
)
from .analysis import Analysis, Finding, TimeAnalysis, analyze, analyze_time, delay, load_analysis, save_analysis
from .config import PhaseTransitionConfig, SweepSpec
from .curves import read, read_csv
from .errors import InputError
from .report import write_report
from .runtime import use_all_cores
from .words import headline, paragraph, table

__version__: str

__all__ = [
    "Analysis",
    "Finding",
    "InputError",
    "PhaseTransitionConfig",
    "SweepSpec",
    "TimeAnalysis",
    "__version__",
    "analysis",
    "analyze",
    "analyze_time",
    "config",
    "curves",
    "data",
    "delay",
    "detect",
    "errors",
    "evaluate",
    "headline",
    "linalg",
    "load_analysis",
    "models",
    "objectives",
    "paragraph",
    "plots",
    "predict",
    "read",
    "read_csv",
    "report",
    "rg",
    "runtime",
    "save_analysis",
    "scaling",
    "sweep",
    "systems",
    "table",
    "use_all_cores",
    "validate",
    "words",
    "write_report",
]
