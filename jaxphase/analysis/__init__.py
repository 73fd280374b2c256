"""From measured curves to findings: is there a transition, where, how wide, and how sure? Data only, no words."""

from .evidence import LEAST_GROUPS, Evidence, TransitionKind, transition_evidence
from .findings import Analysis, Boundary, Break, Finding, Interval, Slope
from .judge import analyze
from .plateaus import Plateau, find_plateaus
from .stored import load_analysis, save_analysis
from .times import Delay, DelayKind, TimeLaw, TimeLawKind, delay, fit_time_law, half_time
from .training_time import Event, LearningCurve, SizeDelay, SizeLaw, TimeAnalysis, analyze_time

__all__ = [
    "LEAST_GROUPS",
    "Analysis",
    "Boundary",
    "Break",
    "Delay",
    "DelayKind",
    "Event",
    "Evidence",
    "Finding",
    "Interval",
    "LearningCurve",
    "Plateau",
    "SizeDelay",
    "SizeLaw",
    "Slope",
    "TimeAnalysis",
    "TimeLaw",
    "TimeLawKind",
    "TransitionKind",
    "analyze",
    "analyze_time",
    "delay",
    "find_plateaus",
    "fit_time_law",
    "half_time",
    "load_analysis",
    "save_analysis",
    "transition_evidence",
]
