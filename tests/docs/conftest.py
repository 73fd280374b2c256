"""Blocks of the pages, to be run."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "pages"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, the word behind it, its text and the first line of that in the page."""

    language: str
    word: str
    text: str
    line: int


@pytest.fixture(scope="session")
def blocks():
    """The fenced blocks of a page, in order."""

    def of(page: str) -> list[Block]:
        text = (PAGES / page).read_text(encoding="utf-8")
        return [Block(m[1], m[2] or "", m[3], text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)]

    return of
