"""Read a YAML file safely, with the line of each key, so that a message can point at a mistake."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

Location = tuple[str | int, ...]
"""The keys and indices that lead to an entry of a document."""


class YamlFileError(Exception):
    """The file is no usable YAML. `mistakes` has pairs of a line and a message."""

    def __init__(self, mistakes: list[tuple[int, str]]):
        super().__init__("; ".join(message for _, message in mistakes))
        self.mistakes = mistakes


MAX_BYTES = 1_000_000
MAX_ENTRIES = 100_000
"""How many entries a document may have once its aliases are expanded. A few lines of aliases can stand for billions."""


class _Loader(yaml.SafeLoader):
    """A loader that reads numbers as people write them, everything else as text, and no types but those of JSON.

    PyYAML by itself reads YAML 1.1, in which `1e-3` is text, `1:30` is 90, `010` is 8 and 2026-01-01 is a date.
    """


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":int", ":float", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag and tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
}


def _refuse_tag(loader: _Loader, node: yaml.Node) -> None:
    raise yaml.constructor.ConstructorError(
        None, None, f"the tag {node.tag!r} makes what an experiment cannot hold; leave it out", node.start_mark
    )


_Loader.add_constructor(None, _refuse_tag)
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
    """Read a YAML file.

    Returns:
        The document, and the line (from 1) of each of its entries by location.

    Raises:
        YamlFileError: The text is not UTF-8, is not YAML, repeats a key or is too large.
        OSError: The file cannot be read.
    """
    content = path.read_bytes()
    if len(content) > MAX_BYTES:
        raise YamlFileError([(1, f"is larger than {MAX_BYTES:,} bytes; is it an experiment?")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlFileError([(line, f"is not UTF-8 text (byte {error.start}); save it as UTF-8")]) from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        # Entries are listed before the document is built, because that merges keys and expands every alias.
        entries = _list_entries(node)
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
    for location, line, scalar in entries:
        key = format_location(location)
        if location in lines and isinstance(location[-1], str):
            mistakes.append((line, f"{key}: stands twice (first on line {lines[location]}); remove one"))
        lines.setdefault(location, line)
        if character := _first_unprintable(scalar):
            mistakes.append((line, f"{key}: holds the character {character!r}; remove it"))
    if mistakes:
        raise YamlFileError(mistakes)
    return document, lines


def format_location(location: Location) -> str:
    """Write a location on one line: `problems.sine.epochs`."""
    return ".".join(part if part.isprintable() else repr(part) for part in map(str, location))


def _first_unprintable(text: str) -> str:
    """Return the first character of a text that no page can show, or an empty text. Escapes such as `\\0` make them."""
    return next((char for char in text if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t"), "")


Entry = tuple[Location, int, str]
"""The location of an entry, its line, and its text where it is a scalar."""


def _list_entries(node: yaml.Node | None) -> list[Entry]:
    """List every entry of a document with its aliases expanded. Raises YamlFileError where there are too many."""
    entries = list(islice(_iterate_entries(node), MAX_ENTRIES + 1)) if node is not None else []
    if len(entries) > MAX_ENTRIES:
        raise YamlFileError([(1, f"holds more than {MAX_ENTRIES:,} entries once its aliases are written out")])
    return entries


def _iterate_entries(node: yaml.Node, parent: Location = ()) -> Iterator[Entry]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            location = (*parent, name.value if isinstance(name, yaml.ScalarNode) else "?")
            yield location, name.start_mark.line + 1, _scalar_text(value)
            yield from _iterate_entries(value, location)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*parent, index), value.start_mark.line + 1, _scalar_text(value)
            yield from _iterate_entries(value, (*parent, index))


def _scalar_text(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""
