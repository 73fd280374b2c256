"""From measured curves to verdicts: is there a transition, where, how wide, and how sure?"""

from .evidence import Evidence
from .findings import Analysis, Boundary, Break, Finding, Interval, Slope
from .judge import analyze
from .stored import load_analysis
from .times import delay
from .training_time import TimeAnalysis, analyze_time

__all__ = [
    "Analysis",
    "Boundary",
    "Break",
    "Evidence",
    "Finding",
    "Interval",
    "Slope",
    "TimeAnalysis",
    "analyze",
    "analyze_time",
    "delay",
    "load_analysis",
]
