"""Draw the figures of a problem, or of an experiment as a whole, as SVG and PDF, each with its data and a description
beside it: in one process, since to load the libraries takes longer than to draw a figure."""

import argparse
import gc
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from thalweg import templates
from thalweg.experiment.schema import Experiment, load
from thalweg.reporting import style
from thalweg.reporting.figures import (
    arrivals,
    batch_sizes,
    budgets,
    claims,
    convergence,
    factors,
    figures_of,
    gradients,
    heat_map,
    improvements,
    learning_rates,
    optimizers,
    panels,
    paths,
    profile,
    ranks,
    scaling,
    schedules,
)
from thalweg.results.store import write_whole

DRAW: dict[str, Callable[[Path, Experiment, Any], panels.Drawing]] = {
    "claims": claims.draw,
    "improvements": improvements.draw,
    "ranks": ranks.draw,
    "profile": profile.draw,
    "factors": factors.draw,
    "convergence": convergence.draw,
    "convergence_test": partial(convergence.draw, split="test"),
    "convergence_epochs": partial(convergence.draw, split="test", against="epoch"),
    "convergence_examples": partial(convergence.draw, split="test", against="examples"),
    "arrivals": arrivals.draw,
    "learning_rates": learning_rates.draw,
    "budgets": budgets.draw,
    "optimizers": optimizers.draw,
    "heat_map": heat_map.draw,
    "batch_sizes": batch_sizes.draw,
    "scaling": scaling.draw,
    "gradients": gradients.draw,
    "gradient_noise": partial(gradients.draw, quantities=gradients.NOISE),
    "schedules": schedules.draw,
    "paths": paths.draw,
}
"""Draws each of NAMES from the folder of tables: for a problem, or with None for the experiment as a whole."""
PIXELS_PER_INCH = 96


def describe(name: str, problem: str | None, drawing: panels.Drawing) -> dict[str, Any]:
    """What a page needs to show the figure: its size in CSS pixels, its words from the data, its short table."""
    width, height = (round(inches * PIXELS_PER_INCH) for inches in drawing.figure.get_size_inches())
    table, facts = _told(drawing.table), _without_nan(drawing.facts)
    alt = templates.render(f"alt/{name}.txt", problem=problem, **facts)
    return {
        "figure": name,
        "problem": problem,
        "alt": " ".join(alt.split()),
        "width": width,
        "height": height,
        "facts": facts,
        "columns": list(table.columns),
        "numbers": list(table.select_dtypes("number")),
        "rows": [list(map(_cell, table.columns, row)) for row in table.itertuples(index=False)],
    }


def _told(table: pd.DataFrame) -> pd.DataFrame:
    """A table without the columns that tell nothing in it: nothing was searched or left out, no run was out of time."""
    nothing = {"hyperparameters": "{}", "out_of_time": 0, "left_out": 0}
    return table.drop(columns=[name for name in table if name in nothing and (table[name] == nothing[name]).all()])


def _without_nan(facts: Any) -> Any:
    """Facts in which None is what is not known, such as the interval of too few seeds: JSON has no NaN."""
    if isinstance(facts, dict):
        return {name: _without_nan(value) for name, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [_without_nan(value) for value in facts]
    return None if isinstance(facts, float) and math.isnan(facts) else facts


def _cell(column: str, value: Any) -> str:
    value = panels.plain(value)
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
    drawing: panels.Drawing,
    folder: Path,
    save: Callable[[Figure, Path], None] = style.save,
) -> None:
    """Write `folder`/PROBLEM/NAME.svg, .pdf, .csv (all that is drawn) and .json (see `describe`); `folder`/NAME.svg …
    of the experiment as a whole. `save` writes the drawing itself."""
    svg = folder / (problem or "") / f"{name}.svg"
    save(drawing.figure, svg)
    write_whole(svg.with_suffix(".csv"), drawing.data.to_csv(index=False, lineterminator="\n").encode())
    text = json.dumps(describe(name, problem, drawing), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(svg.with_suffix(".json"), (text + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--problem", help="draw its figures, and not those of the experiment as a whole")
    parser.add_argument("--output", type=Path, required=True, help="the folder of the figures")
    arguments = parser.parse_args()
    experiment = load(arguments.experiment)
    # A figure is a web of objects that lives to its end: to look through it for garbage takes a fifth of the time.
    gc.disable()
    with style.applied():
        for name in figures_of(experiment, arguments.problem):
            drawing = DRAW[name](arguments.tables, experiment, arguments.problem)
            write(name, arguments.problem, drawing, arguments.output)


if __name__ == "__main__":
    main()
