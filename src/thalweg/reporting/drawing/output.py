"""The files that a figure becomes: the drawing, all its data, and its description for pages and papers."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from thalweg import templates
from thalweg.reporting import style
from thalweg.reporting.drawing.data import Drawing, as_python
from thalweg.reporting.figures import BY_NAME
from thalweg.results.files import write_atomically

PIXELS_PER_INCH = 96
"""Of CSS."""


def describe(name: str, problem: str | None, drawing: Drawing) -> dict[str, Any]:
    """Describe a figure as a page needs it: its size in CSS pixels, its words from the data, its short table."""
    width, height = (round(inches * PIXELS_PER_INCH) for inches in drawing.figure.get_size_inches())
    table, facts = _without_empty_columns(drawing.table), _without_nan(drawing.facts)
    alternative = templates.call(BY_NAME[name].texts, "alternative", problem=problem, **facts)
    return {
        "figure": name,
        "problem": problem,
        "alt": " ".join(alternative.split()),
        "width": width,
        "height": height,
        "facts": facts,
        "columns": list(table.columns),
        "numbers": list(table.select_dtypes("number")),
        "rows": [list(map(_cell, table.columns, row)) for row in table.itertuples(index=False)],
    }


def _without_empty_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Drop the columns of a table that say nothing: no hyperparameters, no run out of time, no problem left out."""
    nothing = {"hyperparameters": "{}", "out_of_time": 0, "left_out": 0}
    return table.drop(columns=[name for name in table if name in nothing and (table[name] == nothing[name]).all()])


def _without_nan(facts: Any) -> Any:
    """Replace NaN in facts, such as the interval of too few seeds, by None: JSON has no NaN."""
    if isinstance(facts, dict):
        return {name: _without_nan(value) for name, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [_without_nan(value) for value in facts]
    return None if isinstance(facts, float) and math.isnan(facts) else facts


def _cell(column: str, value: Any) -> str:
    """Write a value of a short table as a page shows it."""
    value = as_python(value)
    if value is None:
        return templates.number(value)
    if isinstance(value, bool):
        return "✓" if value else ""
    if isinstance(value, float):
        return templates.rate(value) if column == "learning_rate" else templates.number(value)
    return str(value)


def write(
    name: str,
    problem: str | None,
    drawing: Drawing,
    folder: Path,
    save: Callable[[Figure, Path], None] = style.save,
) -> None:
    """Write `folder`/PROBLEM/NAME.svg, .pdf, .csv (all that is drawn) and .json (its description).

    A figure over all problems becomes `folder`/NAME.svg and so on. `save` writes the drawing itself.
    """
    svg = folder / (problem or "") / f"{name}.svg"
    save(drawing.figure, svg)
    write_atomically(svg.with_suffix(".csv"), drawing.data.to_csv(index=False, lineterminator="\n").encode())
    text = json.dumps(describe(name, problem, drawing), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(svg.with_suffix(".json"), (text + "\n").encode())
