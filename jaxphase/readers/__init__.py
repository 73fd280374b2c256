"""Measurements as other tools write them: tables, JSON lines, Weights & Biases, TensorBoard; and curves out of them."""

from jaxphase.readers.files import read_csv_table, read_table
from jaxphase.readers.runs import AXES, curves_of

__all__ = ["AXES", "curves_of", "read_csv_table", "read_table"]
