"""```{reference} jaxphase.detect``` is replaced by the public names of that module, with their docstrings.

Names are those of `__all__`, or without it the public functions and classes that the module defines. Docstrings are
Markdown with the sections of `SECTIONS`; outside of code, asterisks are never emphasis. What `jaxphase` itself exports
is described on its page, and only listed on that of the room that it comes from.
"""

import enum
import inspect
import re
import textwrap
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

from docutils import nodes
from jax.typing import ArrayLike
from numpy.typing import ArrayLike as NumpyArrayLike
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature
from sphinx.util.typing import stringify_annotation

import jaxphase

FENCE = ":" * 8
SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Example", "References")
HEADING = re.compile(rf"^({'|'.join(SECTIONS)}):\n((?:[ ]{{4}}.*(?:\n|$)|\n)+)", re.MULTILINE)
SCALARS = re.escape(" | bool | number | bool | int | float | complex")
ARRAY_LIKE = (ArrayLike, NumpyArrayLike)
ENTRY = re.compile(r"^(\*{0,2}[\w., ]+): ", re.MULTILINE)


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
    described = [(name, thing) for name, thing in names if module is jaxphase or not exported(name, thing)]
    rows = [f"| {_link(module, name, (name, thing) in described)} | {summary(thing)} |" for name, thing in names]
    table = "\n".join(("| name | |", "| --- | --- |", *rows)) if rows else ""
    entries = [entry(name, thing, alias=module is jaxphase) for name, thing in described]
    return "\n\n".join((markdown(inspect.getdoc(module) or ""), table, *entries))


def _link(module: ModuleType, name: str, here: bool) -> str:
    return f"[`{name}`](#{module.__name__}.{name})" if here else f"`jaxphase.{name}`"


def public(module: ModuleType) -> list[tuple[str, Any]]:
    """Names and what they stand for: functions first, then classes and what else there is, modules left out."""
    names = getattr(module, "__all__", None)
    if names is None:
        own = {name: thing for name, thing in vars(module).items() if not name.startswith("_")}
        names = [name for name, thing in own.items() if getattr(thing, "__module__", "") == module.__name__]
    things = [(name, getattr(module, name)) for name in names]
    things = [(name, thing) for name, thing in things if not inspect.ismodule(thing) and not name.startswith("_")]
    return sorted(things, key=lambda pair: (1 if inspect.isclass(pair[1]) else 2 * (not callable(pair[1])), pair[0]))


def exported(name: str, thing: Any) -> bool:
    """Whether `jaxphase.name` is this very thing."""
    return name in jaxphase.__all__ and getattr(jaxphase, name) is thing


def entry(name: str, thing: Any, alias: bool = False) -> str:
    """A name with its signature and docstring; with `alias` it is found by the name that it has in its room too."""
    canonical = f":canonical: {'.'.join(thing.__module__.split('.')[:2])}.{name}\n" if alias else ""
    if inspect.isclass(thing):
        body = "\n\n".join((_words(thing), _members(thing), *_methods(thing)))
        return _directive("class", f"{name}{_signature(thing)}", canonical + "\n" + body)
    if callable(thing):
        return _directive("function", f"{name}{_signature(thing)}", f"{canonical}\n{_words(thing)}")
    return _directive("data", name, f"\n{_listed(thing)}")


def summary(thing: Any) -> str:
    """The first sentence of a docstring, in one line of a table."""
    if not callable(thing):
        return _listed(thing)
    paragraph = _docstring(thing).split("\n\n")[0].replace("\n", " ")
    sentence = re.split(r"(?<=[.:?]) (?=[A-Z])", paragraph, maxsplit=1)[0]
    return markdown(sentence).replace("|", "\\|")


def markdown(docstring: str) -> str:
    """Markdown of a docstring: its sections as lists of fields, code as a block, asterisks outside of code escaped."""
    pieces, end = [], 0
    for section in HEADING.finditer(docstring):
        pieces += [_escaped(docstring[end : section.start()]), _section(section[1], textwrap.dedent(section[2]))]
        end = section.end()
    return "\n\n".join((*pieces, _escaped(docstring[end:])))


def _section(title: str, body: str) -> str:
    if title == "Example":
        return f"```pycon\n{body.strip()}\n```"
    if title == "References":
        return f"References: {_escaped(body.strip())}"
    if title == "Returns":
        return _field("returns", body)
    _, *entries = ENTRY.split(body)
    pairs = list(zip(entries[::2], entries[1::2], strict=True))
    if title == "Attributes":
        return _field("Attributes", "\n" + "\n".join(f"- `{name}`: {text.strip()}" for name, text in pairs))
    kind = "param" if title == "Args" else "raises"
    return "\n".join(_field(f"{kind} {name.lstrip('*')}", text) for name, text in pairs)


def _field(name: str, text: str) -> str:
    first, _, more = text.strip().partition("\n")
    return f":{name}: {_escaped(first)}\n{textwrap.indent(_escaped(textwrap.dedent(more)), '    ')}".rstrip()


def _escaped(text: str) -> str:
    # Every second piece is code.
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if i % 2 else re.sub(r"([*<])", r"\\\1", piece) for i, piece in enumerate(pieces))


def _directive(kind: str, signature: str, body: str) -> str:
    # The body's own fences are of backticks, and an entry within an entry has a shorter fence of colons.
    fence = ":" * 6 if kind in ("method", "property") else FENCE
    return f"{fence}{{py:{kind}}} {signature}\n{body}\n\n{fence}"


def _docstring(thing: Any) -> str:
    words = inspect.getdoc(thing) or ""
    # A dataclass or NamedTuple without words has those of its signature or of tuple.
    made_up = inspect.isclass(thing) and (thing.__doc__ is None or thing.__doc__.startswith(f"{thing.__name__}("))
    return "" if made_up else words


def _words(thing: Any) -> str:
    return markdown(_docstring(thing))


def _signature(thing: Any) -> str:
    # Nobody makes a member of an enum or a result, whose fields are listed.
    if inspect.isclass(thing) and issubclass(thing, enum.Enum | tuple):
        return ""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "()"
    text = _short(
        stringify_signature(signature, show_annotation=not inspect.isclass(thing), unqualified_typehints=True)
    )
    text = re.sub(r"<(?:function .*?<lambda>|factory|.*? at 0x)[^<>]*>", "...", text)  # defaults without a short name
    text = re.sub(rf"(\w+)\[Array, ('[^']*')\] \| \1\[ndarray, \2\](?:{SCALARS})?", r"\1[ArrayLike, \2]", text)
    for union in ARRAY_LIKE:
        text = text.replace(_short(stringify_annotation(union, "smart")), "ArrayLike")
    return text


def _short(text: str) -> str:
    """Names of types without their modules."""
    return re.sub(r"~?\b(?:\w+\.)+(?=[A-Za-z_])", "", text)


def _members(thing: type) -> str:
    """The members of an enum, as a list."""
    return "\n".join(f"- `{m.name}` = {m.value!r}" for m in thing) if issubclass(thing, enum.Enum) else ""


def _methods(thing: type) -> list[str]:
    found = []
    for name, member in vars(thing).items():
        if name.startswith("_") or not getattr(member, "__doc__", None):
            continue
        if isinstance(member, property):
            found.append(_directive("property", name, f"\n{_words(member)}"))
        elif inspect.isfunction(member):
            found.append(_directive("method", f"{name}{_signature(member)}", f"\n{_words(member)}"))
    return found


def _listed(thing: Any) -> str:
    """A constant: the keys of a dict, the words or names of a tuple, or a number."""
    if isinstance(thing, dict | tuple):
        return ", ".join(f"`{getattr(part, 'name', part)}`" for part in thing)
    return f"`{thing!r}`" if isinstance(thing, int | float) else ""
