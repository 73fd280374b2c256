"""```{schema}``` is replaced by tables of the fields of analysis.json, from the descriptions in its JSON Schema."""

import json
from importlib.resources import files

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

FILE = files("jaxphase.analysis") / "analysis.schema.json"


def setup(app):
    """Make the directive known."""
    app.add_directive("schema", Schema)
    return {"parallel_read_safe": True}


class Schema(SphinxDirective):
    """A table for the file, and one for each kind of object in it."""

    def run(self) -> list[nodes.Node]:
        """Parse the Markdown that `tables` makes."""
        self.env.note_reread()
        return self.parse_text_to_nodes(tables(json.loads(FILE.read_text())), allow_section_headings=True)


def tables(schema: dict) -> str:
    """Markdown: the fields of the whole file, then those of every object that has some."""
    kinds = {name: kind for name, kind in schema["$defs"].items() if "properties" in kind}
    parts = [f"## The file\n\n{_table(schema)}"]
    parts += [
        f"(schema-{name})=\n## `{name}`\n\n{kind['description']}\n\n{_table(kind)}" for name, kind in kinds.items()
    ]
    return "\n\n".join(parts)


def _table(kind: dict) -> str:
    rows = [f"| `{name}` | {_type(field)} | {_description(field)} |" for name, field in kind["properties"].items()]
    return "\n".join(("| field | type | meaning |", "| --- | --- | --- |", *rows))


def _description(field: dict) -> str:
    words, choices = field.get("description", ""), field.get("enum", [])
    shown = ", ".join(f"`{choice}`" if choice else "empty" for choice in choices)
    return f"{words} One of {shown}." if choices else words


def _type(field: dict) -> str:
    """The type of a field in words, with a link to what is described on its own."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return _OWN.get(name) or f"[{name}](#schema-{name})"
    if "oneOf" in field:
        return " or ".join(map(_type, field["oneOf"]))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return "string"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}" + ("s" if field["items"].get("type") in ("number", "string") else "")
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " or ".join(kinds)


_OWN = {
    "number": "number or null",
    "count": "integer",
    "numbers": "list of numbers",
    "table": "number for each group and size",
    "interval": "two numbers",
    "group": "number or null",
    "status": "integer",
    "matrix": "matrix of numbers",
}
