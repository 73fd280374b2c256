"""```{commands}``` is replaced by what `jaxphase COMMAND --help` prints, a section for each command."""

import contextlib
import io
import os
import sys
import textwrap
from unittest import mock

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


def setup(app):
    """Make the directive known."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}


class Commands(SphinxDirective):
    """Help on every command, in the order of the program."""

    def run(self) -> list[nodes.Node]:
        """A section a command, with its help as it is printed."""
        self.env.note_reread()
        sections = []
        for name in commands():
            section = nodes.section(ids=[f"jaxphase-{name}"], names=[f"jaxphase {name}"])
            section += nodes.title("", f"jaxphase {name}")
            section += nodes.literal_block(text := help_on(name), text, language="text")
            sections.append(section)
        return sections


def commands() -> tuple[str, ...]:
    """The names of all commands."""
    from jaxphase.cli import app

    return tuple(app._subcommands)


def help_on(*command: str) -> str:
    """What --help prints, 80 columns wide, without colors."""
    from jaxphase.cli import main

    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}),
        mock.patch.object(sys, "argv", ["jaxphase", *command, "--help"]),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main()
    # The sentence that says what a command does is one long line.
    lines = [textwrap.fill(line, 80) if len(line) > 80 else line.rstrip() for line in printed.getvalue().split("\n")]
    return "\n".join(lines).strip("\n")
