"""```{measured} verdicts``` is replaced by a table of measured numbers, from the JSON that an experiment has written.

Each module holds the tables of one subject. A table is a function of the contents of its file that returns Markdown.
"""

import json
from importlib import import_module

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from .tables import ROOT, TABLES

SUBJECTS = ("detectors", "scaling", "training", "prediction", "systems", "renormalization", "speed")

for subject in SUBJECTS:
    import_module(f"{__name__}.{subject}")


def setup(app):
    """Make the directive known."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True}


class Measured(SphinxDirective):
    """One of the tables, by the name of its function."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse the Markdown of the table."""
        file, write = TABLES[self.arguments[0]]
        self.env.note_dependency(path := ROOT / file)
        return self.parse_text_to_nodes(write(json.loads(path.read_text())))
