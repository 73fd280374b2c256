"""One HTML page on everything that a folder of results holds."""

from .page import write_report

__all__ = ["write_report"]
