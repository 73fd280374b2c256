"""Data, by name: each entry returns its disjoint training, probe and validation splits without a download."""

from jaxphase.data.digits import Source, Splits, digits

DATA = {"digits": digits}

__all__ = ["DATA", "Source", "Splits", "digits"]
