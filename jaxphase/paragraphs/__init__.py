"""Verdicts in words: a paragraph on each metric, made from numbers alone."""

from jaxphase.paragraphs.sentences import paragraph

__all__ = ["paragraph"]
