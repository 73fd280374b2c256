"""Results in English: headlines, paragraphs and tables, made from the numbers of a result alone."""

from .headlines import headline, remark, verdict
from .observations import reasons
from .paragraphs import paragraph
from .tables import table
from .training import delay_table, law_table, learning_table

__all__ = [
    "delay_table",
    "headline",
    "law_table",
    "learning_table",
    "paragraph",
    "reasons",
    "remark",
    "table",
    "verdict",
]
