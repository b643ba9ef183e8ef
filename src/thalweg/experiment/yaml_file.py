"""Read a YAML file safely, and remember the line on which each key stands, so that a mistake can be pointed at."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

Location = tuple[str | int, ...]


class YamlFileError(Exception):
    """The file is not YAML that can be used. Carries (line, message) pairs in `mistakes`."""

    def __init__(self, mistakes: list[tuple[int, str]]):
        super().__init__("; ".join(message for _, message in mistakes))
        self.mistakes = mistakes


MOST_BYTES = 1_000_000
MOST_ENTRIES = 100_000
"""How many entries a document may have once its aliases are written out: few lines of them can stand for billions."""


class _Loader(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, in which `1e-3` is text, `1:30` is 90, `010` is 8 and 2026-01-01 a date. Here numbers are
    as people write them, and what is none is text. Tags that make anything but JSON's types are refused."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":int", ":float", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag and tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
}


def _refuse(loader: _Loader, node: yaml.Node) -> None:
    raise yaml.constructor.ConstructorError(
        None, None, f"the tag {node.tag!r} makes what an experiment cannot hold; leave it out", node.start_mark
    )


_Loader.add_constructor(None, _refuse)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9_]{0,30})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?([0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
        r"|\.(inf|Inf|INF))$|^\.(nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


def read(path: Path) -> tuple[Any, dict[Location, int]]:
    """Return the document and, for each key's location in it, the line (from 1) on which it stands.

    Raises YamlFileError for text that is not UTF-8, not YAML, repeats a key, or is too large.
    """
    content = path.read_bytes()
    if len(content) > MOST_BYTES:
        raise YamlFileError([(1, f"is larger than {MOST_BYTES:,} bytes; is it an experiment?")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlFileError([(line, f"is not UTF-8 text (byte {error.start}); save it as UTF-8")]) from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        # They are read before the document is made, which merges keys and would write out every alias.
        located = _located(node)
        document = loader.construct_document(node) if node is not None else None
    except RecursionError:
        raise YamlFileError([(1, "is nested too deeply, or within itself, and cannot be read")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlFileError([(line, f"is not valid YAML: it holds the character {chr(error.character)!r}")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise YamlFileError([(line, f"is not valid YAML: {error.problem or error.context}")]) from None
    except (yaml.YAMLError, ValueError, LookupError) as error:
        raise YamlFileError([(1, f"is not valid YAML: {error}")]) from None
    lines: dict[Location, int] = {(): 1}
    mistakes: list[tuple[int, str]] = []
    for location, line, scalar in located:
        if location in lines and isinstance(location[-1], str):
            mistakes.append((line, f"{key(location)}: stands twice (first on line {lines[location]}); remove one"))
        lines.setdefault(location, line)
        if scalar and _unprintable(scalar):
            mistakes.append((line, f"{key(location)}: holds the character {_unprintable(scalar)!r}; remove it"))
    if mistakes:
        raise YamlFileError(mistakes)
    return document, lines


def key(location: Location) -> str:
    """A location as a user writes it, on one line: `problems.sine.epochs`."""
    return ".".join(part if part.isprintable() else repr(part) for part in map(str, location))


def _unprintable(text: str) -> str:
    """The first character of a text that no file and no page can hold, which escapes such as `\\0` can make."""
    return next((one for one in text if unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t"), "")


def _located(node: yaml.Node | None) -> list[tuple[Location, int, str]]:
    """Every entry of a document by its location, with its line and, of a scalar, its text."""
    found = list(islice(_locations(node), MOST_ENTRIES + 1)) if node is not None else []
    if len(found) > MOST_ENTRIES:
        raise YamlFileError([(1, f"holds more than {MOST_ENTRIES:,} entries once its aliases are written out")])
    return found


def _locations(node: yaml.Node, above: Location = ()) -> Iterator[tuple[Location, int, str]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            here = (*above, name.value if isinstance(name, yaml.ScalarNode) else "?")
            yield here, name.start_mark.line + 1, _text(value)
            yield from _locations(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*above, index), value.start_mark.line + 1, _text(value)
            yield from _locations(value, (*above, index))


def _text(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""
