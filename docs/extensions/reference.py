"""```{reference} jaxphase.detect``` is replaced by the public names of that module, with their docstrings.

Names are those of `__all__`, or without it the public functions and classes that the module defines. Docstrings are
read as Markdown, with two liberties: asterisks are never emphasis, and lines that are laid out in columns stay as they
are.
"""

import dataclasses
import inspect
import re
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

FENCE = ":" * 8
# A field of a class body, with the comment that may stand behind it.
FIELD = re.compile(r"^    (\w+): .*?(?:\s#\s(.*))?$", re.MULTILINE)
# Two words or more, then several spaces, then more.
IN_COLUMNS = re.compile(r"\S {3,}\S")

# In signatures names stand without these before them.
ELSEWHERE = ("jaxphase", "jax", "numpy", "xarray", "pathlib", "typing", "collections", "flax", "matplotlib", "pandas")


def setup(app):
    """Make the directive known."""
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True}


class Reference(SphinxDirective):
    """The public names of one module: a table of what each is, then all that is said of them."""

    required_arguments = 1
    option_spec: ClassVar = {"only": str.split}

    def run(self) -> list[nodes.Node]:
        """Parse the Markdown that `page` makes, and remember the module in whatever is named in it."""
        module = import_module(self.arguments[0])
        self.env.note_reread()
        self.env.ref_context["py:module"] = module.__name__
        parsed = self.parse_text_to_nodes(page(module, self.options.get("only")), offset=self.content_offset)
        for node in parsed:
            for literal in node.findall(nodes.literal):
                literal["module"] = module.__name__
        return parsed


def page(module: ModuleType, only: list[str] | None = None) -> str:
    """Markdown on a module: its docstring, a table of its names, or of some only, and an entry for each."""
    names = public(module) if only is None else [(name, getattr(module, name)) for name in only]
    rows = "\n".join(f"| [`{name}`](#{module.__name__}.{name}) | {summary(thing)} |" for name, thing in names)
    table = f"| name | |\n| --- | --- |\n{rows}"
    entries = "\n\n".join(entry(*pair) for pair in names)
    return "\n\n".join((markdown(inspect.getdoc(module) or ""), table, entries))


def public(module: ModuleType) -> list[tuple[str, Any]]:
    """Names and what they stand for: functions first, then classes and what else there is, modules left out."""
    names = getattr(module, "__all__", None)
    if names is None:
        own = {name: thing for name, thing in vars(module).items() if not name.startswith("_")}
        names = [name for name, thing in own.items() if getattr(thing, "__module__", "") == module.__name__]
    things = [(name, getattr(module, name)) for name in names]
    things = [(name, thing) for name, thing in things if not inspect.ismodule(thing) and not name.startswith("_")]
    return sorted(things, key=lambda pair: (1 if inspect.isclass(pair[1]) else 2 * (not callable(pair[1])), pair[0]))


def entry(name: str, thing: Any) -> str:
    """A name with its signature and docstring."""
    if inspect.isclass(thing):
        methods = "\n\n".join(_methods(thing))
        return _directive("class", f"{name}{_signature(thing)}", f"{_words(thing)}\n\n{_fields(thing)}\n\n{methods}")
    if callable(thing):
        return _directive("function", f"{name}{_signature(thing)}", _words(thing))
    return _directive("data", name, f"`{thing!r}`" if isinstance(thing, tuple | int | float) else _listed(thing))


def summary(thing: Any) -> str:
    """The first sentence of a docstring, in one line of a table."""
    if not callable(thing):
        return ", ".join(map(str, thing)) if isinstance(thing, tuple | dict) else ""
    paragraph = _docstring(thing).split("\n\n")[0].replace("\n", " ")
    sentence = re.split(r"(?<=[.:?]) (?=[A-Z])", paragraph, maxsplit=1)[0]
    return markdown(sentence).replace("|", "\\|")


def markdown(docstring: str) -> str:
    """Markdown of a docstring: blocks in columns fenced, asterisks outside of code escaped."""
    blocks = [_block(block) for block in re.split(r"\n\s*\n", docstring.strip("\n"))]
    return "\n\n".join(blocks)


def _block(block: str) -> str:
    lines = block.split("\n")
    if all(line.startswith("    ") for line in lines):
        return block
    if sum(bool(IN_COLUMNS.search(line)) for line in lines) >= 2:
        return f"```text\n{block}\n```"
    # Every second piece is code.
    pieces = re.split(r"(`[^`]*`)", block)
    return "".join(p if i % 2 else re.sub(r"([*<|])", r"\\\1", p) for i, p in enumerate(pieces))


def _directive(kind: str, signature: str, body: str) -> str:
    # The body's own fences are of backticks, and an entry within an entry has a shorter fence of colons.
    fence = ":" * 6 if kind in ("method", "property") else FENCE
    return f"{fence}{{py:{kind}}} {signature}\n\n{body}\n\n{fence}"


def _docstring(thing: Any) -> str:
    words = inspect.getdoc(thing) or ""
    # A dataclass or NamedTuple without words has those of its signature or of tuple.
    made_up = inspect.isclass(thing) and (thing.__doc__ is None or thing.__doc__.startswith(f"{thing.__name__}("))
    return "" if made_up else words


def _words(thing: Any) -> str:
    return markdown(_docstring(thing))


def _signature(thing: Any) -> str:
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "()"
    if inspect.isclass(thing):  # fields are listed below, with their types
        plain = [entry.replace(annotation=entry.empty) for entry in signature.parameters.values()]
        signature = signature.replace(parameters=plain, return_annotation=signature.empty)
    text = str(signature).replace("NoneType", "None")
    text = re.sub(r"<function [^ ]*<lambda> at \w+>", "...", text)
    text = re.sub(r"<\w+ '?(?:[\w.]*\.)?(\w+)'?(?: at \w+)?>", r"\1", text)  # other functions and classes as defaults
    return re.sub(rf"\b(?:{'|'.join(ELSEWHERE)})\.(?:\w+\.)*(?=\w)", "", text)


def _fields(thing: type) -> str:
    """The fields of a NamedTuple or dataclass that have a comment, as a list."""
    names = getattr(thing, "_fields", None) or [e.name for e in dataclasses.fields(thing)] if _is_record(thing) else []
    if not names:
        return ""
    comments = dict(FIELD.findall(inspect.getsource(thing)))
    return "\n".join(f"- `{name}`: {markdown(comments[name])}" for name in names if comments.get(name))


def _is_record(thing: type) -> bool:
    return dataclasses.is_dataclass(thing) or hasattr(thing, "_fields")


def _methods(thing: type) -> list[str]:
    found = []
    for name, member in vars(thing).items():
        if name.startswith("_") or not getattr(member, "__doc__", None):
            continue
        if isinstance(member, property):
            found.append(_directive("property", name, _words(member)))
        elif inspect.isfunction(member):
            found.append(_directive("method", f"{name}{_signature(member)}", _words(member)))
    return found


def _listed(thing: Any) -> str:
    return ", ".join(f"`{name}`" for name in thing) if isinstance(thing, dict) else ""
