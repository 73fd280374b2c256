"""One HTML page on an analysis, or on everything that a folder of results holds: to read, to print and to pass on."""

from .folder import report_folder
from .page import write_report

__all__ = ["report_folder", "write_report"]
