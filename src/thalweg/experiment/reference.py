"""Write what the documentation says of keys and measures from the code: `python -m thalweg.experiment.reference DOCS`.

It rewrites the tables in DOCS/experiment-file.md, each between a line `<!-- keys of ProblemGrid -->` and a line
`<!-- end of keys -->`, the table of measures between two such lines, and the JSON Schema in
DOCS/experiment.schema.json, by which editors check experiment files.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from thalweg.experiment.claims import Claim, Of
from thalweg.experiment.keys import ChangesBits, metadata_of
from thalweg.experiment.measures import KINDS, read_measure
from thalweg.experiment.schema import (
    FIELDS_FROM_PATH,
    Experiment,
    Optimizer,
    Paper,
    PaperFigure,
    ProblemGrid,
    RandomSearch,
    Reproduction,
    Schedule,
    Seeds,
)

SECTIONS: tuple[type[BaseModel], ...] = (
    *(Experiment, ProblemGrid, Optimizer, RandomSearch, Schedule, Seeds, Reproduction, Claim, Of, Paper, PaperFigure),
)
"""The sections whose keys the page can list."""

PAGE = "experiment-file.md"
JSON_SCHEMA = "experiment.schema.json"

_IN_WORDS: dict[ChangesBits, str] = {
    "yes": "yes",
    "derived": "yes",
    "only with end_at_target": "with `end_at_target`",
    "only what is recorded": "no",
    "no": "no",
}


def fill_tables(page: str) -> str:
    """Return a page with each of its tables of keys as the schema has them now, and its table of measures."""
    sections = {section.__name__: section for section in SECTIONS}
    page = re.sub(
        r"(<!-- keys of (\w+) -->\n).*?(<!-- end of keys -->)",
        lambda match: f"{match[1]}{key_table(sections[match[2]])}{match[3]}",
        page,
        flags=re.DOTALL,
    )
    return re.sub(
        r"(<!-- measures -->\n).*?(<!-- end of measures -->)",
        lambda match: f"{match[1]}{measure_table()}{match[2]}",
        page,
        flags=re.DOTALL,
    )


def key_table(section: type[BaseModel]) -> str:
    """Return a section's keys as a table in Markdown.

    The columns of defaults and of changed bits are left out where they would say the same of every key.
    """
    rows = [
        [f"`{field.alias or name}`", str(field.description), _default(section, name), _bits(section, name)]
        for name, field in section.model_fields.items()
        if name not in FIELDS_FROM_PATH
    ]
    if others := getattr(section, "other_keys", ""):
        rows.append(["any other", others, "", rows[0][3]])
    heads = ["key", "meaning", "default", "changes bits"]
    shown = [place for place in range(len(heads)) if place < 2 or len({row[place] for row in rows}) > 1]
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line[place] for place in shown)} |\n" for line in lines)


def measure_table() -> str:
    """Return the kinds of measures that a claim can have as a table in Markdown."""
    rows = [
        [", ".join(f"`{form}`" for form in kind.forms), kind.meaning, _comparison_in_words(kind.forms, kind.fits)]
        for kind in KINDS
    ]
    lines = [["measure", "of each run", "compared as"], ["---"] * 3, *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def _comparison_in_words(forms: Sequence[str], fits: Sequence[str]) -> str:
    effects = {read_measure(form).effect for form in forms} if "compare" in fits else set()
    return "ratio; difference, if it is an accuracy or another share" if len(effects) > 1 else "".join(effects)


def _default(section: type[BaseModel], name: str) -> str:
    in_words: str = metadata_of(section, name)["default_in_words"]
    value = section.model_fields[name].default
    if isinstance(value, bool):
        return str(value).lower()
    return in_words or (str(value) if isinstance(value, str | int) else "")


def _bits(section: type[BaseModel], name: str) -> str:
    changes_bits: ChangesBits = metadata_of(section, name)["changes_bits"]
    return _IN_WORDS[changes_bits]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of an experiment file."""
    schema = Experiment.model_json_schema()
    for section in (schema, *schema["$defs"].values()):
        for form in (section, *section.get("anyOf", ())):
            _simplify(form)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "An experiment of Thalweg",
        "required": [name for name in schema["required"] if name not in FIELDS_FROM_PATH],
    }


def _simplify(section: dict[str, Any]) -> None:
    """Leave what no editor needs out of a section's schema: titles made from names, and our own metadata."""
    section.pop("title", None)
    properties = section.get("properties", {})
    for name in FIELDS_FROM_PATH & properties.keys():
        del properties[name]
    for value in properties.values():
        for keyword in ("title", "changes_bits", "default_in_words", "own_fingerprint"):
            value.pop(keyword, None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.experiment.reference", description=__doc__)
    parser.add_argument("docs", type=Path, help="the folder of the documentation")
    docs = parser.parse_args().docs
    page = docs / PAGE
    page.write_text(fill_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    (docs / JSON_SCHEMA).write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
