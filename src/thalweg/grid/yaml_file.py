"""Read a YAML file safely, and remember the line on which each key stands, so that a mistake can be pointed at."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Location = tuple[str | int, ...]


class YamlFileError(Exception):
    """The file is not YAML that can be used. Carries (line, message) pairs in `mistakes`."""

    def __init__(self, mistakes: list[tuple[int, str]]):
        super().__init__("; ".join(message for _, message in mistakes))
        self.mistakes = mistakes


class _Loader(yaml.SafeLoader):
    """PyYAML reads `1e-3` as text, as YAML 1.1 asks; people who write learning rates mean a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)$"),
    list("-+.0123456789"),
)


def read(path: Path) -> tuple[Any, dict[Location, int]]:
    """Return the document and, for each key's location in it, the line (from 1) on which it stands.

    Raises YamlFileError for text that is not UTF-8, not YAML, or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlFileError([(1, f"is not UTF-8 text (byte {error.start})")]) from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        document = loader.construct_document(node) if node is not None else None
        located = list(_locations(node)) if node is not None else []
    except RecursionError:
        raise YamlFileError([(1, "is nested too deeply, or within itself, and cannot be read")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise YamlFileError([(line, f"is not valid YAML: {error.problem or error.context}")]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlFileError([(1, f"is not valid YAML: {error}")]) from None
    lines: dict[Location, int] = {(): 1}
    repeated: list[tuple[int, str]] = []
    for location, line in located:
        if location in lines and isinstance(location[-1], str):
            name = ".".join(map(str, location))
            repeated.append((line, f"{name}: stands twice (first on line {lines[location]}); remove one"))
        lines.setdefault(location, line)
    if repeated:
        raise YamlFileError(repeated)
    return document, lines


def _locations(node: yaml.Node, above: Location = ()) -> Iterator[tuple[Location, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                here = (*above, key.value)
                yield here, key.start_mark.line + 1
                yield from _locations(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*above, index), value.start_mark.line + 1
            yield from _locations(value, (*above, index))
