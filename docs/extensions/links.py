"""Names in code type, such as `detect.classify`, become links to where they are documented.

A name with a module of jaxphase before it that is nothing, as after something was renamed, is a warning.
"""

import re
from importlib import import_module

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
logger = logging.getLogger(__name__)


def setup(app):
    """Make the transform known."""
    app.add_post_transform(Links)
    return {"parallel_read_safe": True}


class Links(SphinxPostTransform):
    """Literals that name something in the reference are wrapped in a link to it."""

    default_priority = 5

    def run(self, **_) -> None:
        """Look at every literal that is in no link yet."""
        objects = self.env.domains.python_domain.objects
        for literal in list(self.document.findall(nodes.literal)):
            text = literal.astext().removesuffix("()")
            if isinstance(literal.parent, nodes.reference) or not NAME.fullmatch(text):
                continue
            candidates = (text, f"jaxphase.{text}", f"{literal.get('module', 'jaxphase')}.{text}")
            full = next((name for name in candidates if name in objects and name.startswith("jaxphase")), None)
            if full is None:
                self._check(literal, text)
                continue
            found = objects[full]
            if self._within(literal, found.node_id):
                continue
            link = make_refnode(
                self.app.builder, self.env.docname, found.docname, found.node_id, literal.deepcopy(), full
            )
            literal.replace_self(link)

    def _within(self, literal: nodes.Node, node_id: str) -> bool:
        """Whether a literal stands in the entry that it names."""
        parent = literal.parent
        while parent is not None:
            if any(node_id in child.get("ids", ()) for child in parent.children if isinstance(child, nodes.Element)):
                return isinstance(parent, nodes.Element) and parent.tagname == "desc"
            parent = parent.parent
        return False

    def _check(self, literal: nodes.literal, text: str) -> None:
        if text.startswith("jaxphase.") and not exists(text):
            logger.warning("there is no %s", text, location=literal)


def exists(name: str) -> bool:
    """Whether a dotted name is a module or an attribute of one."""
    parts = name.split(".")
    thing = import_module(parts[0])
    for i, part in enumerate(parts[1:], 2):
        if not hasattr(thing, part):
            try:
                import_module(".".join(parts[:i]))
            except ImportError:
                return False
        thing = getattr(thing, part)
    return True
