"""Find an experiment file, read it, and report every mistake in it at once, each with its line."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from thalweg.experiment import yaml_file
from thalweg.experiment.claims import Claim, Of
from thalweg.experiment.cross_checks import cross_check
from thalweg.experiment.errors import ExperimentError, format_mistakes, suggest
from thalweg.experiment.schema import (
    FIELDS_FROM_PATH,
    Experiment,
    Paper,
    PaperFigure,
    ProblemGrid,
    Reproduction,
    Seeds,
)
from thalweg.experiment.values import NAME_PATTERN, NAME_RULE

Lines = dict[yaml_file.Location, int]
"""The line of each key of a document."""

LineMistake = tuple[int, str]
"""A line of the file, from 1, and what is wrong there."""


def find(folder: Path, name: str) -> Path:
    """Return the file of the experiment of that name. Raises ExperimentError where there is none."""
    names = sorted(file.stem for file in folder.glob("*.yaml") if file.is_file())
    if name not in names:
        raise ExperimentError(
            f"experiment={name}: {folder} has no such experiment{suggest(name, names)}; it has {', '.join(names)}"
        )
    if not re.fullmatch(NAME_PATTERN, name):
        raise ExperimentError(f"{folder / name}.yaml: {NAME_RULE}; rename the file")
    return folder / f"{name}.yaml"


def load(path: Path) -> Experiment:
    """Read and check an experiment file. Raises ExperimentError with every mistake that the file itself shows."""
    document, lines = _read_mapping(path, _EXPECTED_KEYS)
    mistakes = [
        (_line_of((key,), lines), f"{key}: is not a key; the experiment is named by its file")
        for key in sorted(FIELDS_FROM_PATH & document.keys())
    ]
    return _validate(path, path, document, lines, mistakes)


def load_with_claims(path: Path, claims: Path) -> Experiment:
    """Read an experiment file, with the claims of another file, which holds nothing else, in place of its own.

    Raises ExperimentError with every mistake of either file, and every name in a claim that the experiment lacks.
    """
    load(path)
    document, _ = _read_mapping(path, _EXPECTED_KEYS)
    claims_document, lines = _read_mapping(claims, "claims")
    mistakes = [
        (_line_of((key,), lines), f"{key}: is not a key here; a file of claims has claims alone")
        for key in sorted(map(str, claims_document.keys() - {"claims"}))
    ]
    if not claims_document.get("claims"):
        mistakes.append((1, "claims: is missing; write at least one claim"))
        claims_document["claims"] = {}
    return _validate(path, claims, {**document, "claims": claims_document["claims"]}, lines, mistakes)


def error_at(path: Path, mistakes: Iterable[tuple[yaml_file.Location, str]]) -> ExperimentError:
    """Make the error that lists mistakes in an experiment file, given by the location of the key of each."""
    _, lines = _read_mapping(path, _EXPECTED_KEYS)
    return _error(path, [_at_line(location, text, lines) for location, text in mistakes])


_EXPECTED_KEYS = "title, problems, optimizers, …"


def _read_mapping(path: Path, expected_keys: str) -> tuple[dict[str, Any], Lines]:
    try:
        document, lines = yaml_file.read(path)
    except OSError as error:
        raise ExperimentError(f"{path}: {error.strerror}") from None
    except yaml_file.YamlFileError as error:
        raise _error(path, error.mistakes, ordered=True) from None
    if not isinstance(document, dict):
        raise _error(path, [(1, f"must be a mapping with {expected_keys}")])
    return document, lines


def _validate(
    path: Path, reported: Path, document: dict[str, Any], lines: Lines, mistakes: list[LineMistake]
) -> Experiment:
    """Validate the document of the file at `path`.

    Args:
        path: the file of the experiment.
        reported: the file in which mistakes are reported.
        document: what is validated.
        lines: the line of each key in the file `reported`.
        mistakes: the mistakes found so far.
    """
    try:
        experiment = Experiment.model_validate({**document, "name": path.stem, "directory": path.parent})
    except ValidationError as error:
        details = error.errors(include_url=False)
        mistakes += [_line_mistake(detail, lines) for detail in details if not _is_consequence(detail)]
    else:
        mistakes += [_at_line(location, text, lines) for location, text in cross_check(experiment)]
    if mistakes:
        raise _error(reported, mistakes)
    return experiment


def _is_consequence(detail: Any) -> bool:
    """Tell whether a pydantic error only says that nothing is left, because every item had a mistake of its own."""
    return detail["type"] == "too_short" and bool(detail["input"])


_TEXTS = {
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_too_short": "must not be empty",
}
"""The words for the types of error that pydantic describes in Python's terms."""


def _line_mistake(detail: Any, lines: Lines) -> LineMistake:
    """Write one pydantic error as a line and a text."""
    location = tuple(part for part in detail["loc"] if part != "[key]")
    section, last = location[:-1], str(location[-1]) if location else ""
    kind, value = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        known = _known_keys(section)
        text = f"unknown key{suggest(last, known)}; known here: {', '.join(known)}"
    elif kind == "missing":
        location, text = section, f"{last} is missing"
    elif kind == "value_error":
        text = str(detail["ctx"]["error"])
    elif kind == "string_pattern_mismatch" and last == "class":
        text = f"{value!r} is no class; write a class of Keras, or module:Class"
    elif kind == "string_pattern_mismatch":
        text = NAME_RULE
    elif kind == "invalid_key" or (kind == "string_type" and detail["loc"][-1] == "[key]"):
        name = last if kind == "invalid_key" else value
        location, text = section, f"YAML reads a name here as {name}; put it in quotes"
    elif kind == "too_short":
        text = "is empty; write at least one entry"
    else:
        text = f"{_TEXTS.get(kind, detail['msg'].replace('Input should be', 'should be'))}, not {value!r}"
    key = yaml_file.format_location(location)
    # A text that begins with a key of the same section is about that key, and so about its line.
    precise = (*location, *text.partition(":")[0].split("."))
    return _line_of(precise, lines), f"{key}: {text}" if key else text


def _known_keys(section: tuple[str | int, ...]) -> list[str]:
    """Return the keys of a section, given by its location, that takes no others."""
    models: dict[str, type[BaseModel]] = {
        "problems": ProblemGrid,
        "seeds": Seeds,
        "reproductions": Reproduction,
        "claims": Of if section[2:] == ("of",) else Claim,
        "paper": PaperFigure if section[1:2] == ("figures",) else Paper,
    }
    model = models[str(section[0])] if section else Experiment
    return [name for name in model.model_fields if name not in FIELDS_FROM_PATH]


def _line_of(location: yaml_file.Location, lines: Lines) -> int:
    """Return the line of a key or, where the file does not have it, of the nearest section around it."""
    while location not in lines:
        location = location[:-1]
    return lines[location]


def _at_line(location: yaml_file.Location, text: str, lines: Lines) -> LineMistake:
    return _line_of(location, lines), f"{yaml_file.format_location(location)}: {text}"


def _error(path: Path, mistakes: Iterable[LineMistake], *, ordered: bool = False) -> ExperimentError:
    """Make the error that lists mistakes by line, each once; in the order they are in where that is `ordered`."""
    listed = list(mistakes) if ordered else sorted(set(mistakes))
    return ExperimentError(format_mistakes(path, [f"line {line}: {text}" for line, text in listed]))
