"""The report: one HTML file of all that a folder of results holds, to be read, printed and passed on."""

from jaxphase.report.contents import load_analysis
from jaxphase.report.page import write_report

__all__ = ["load_analysis", "write_report"]
