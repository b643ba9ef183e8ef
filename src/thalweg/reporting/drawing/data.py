"""What figures read from the tables, and the facts by which their captions and descriptions speak of them.

"Facts" are plain Python values. Templates of reports/figures/ put them into words.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from thalweg import templates
from thalweg.analysis import comparing
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.histories import FAILURES
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared

TRAINED_CELL = ["optimizer", "schedule", "batch_size", *TRIAL]
"""The columns that name a problem's cell with the hyperparameters that were chosen for it."""


class Drawing(NamedTuple):
    """A figure, all the data that it shows, a short table of its main numbers, and the facts that describe it."""

    figure: Figure
    data: pd.DataFrame
    table: pd.DataFrame
    facts: dict[str, Any]


def read_table(tables: Path, name: str, problem: str | None = None) -> pd.DataFrame:
    """Read the rows of a table that belong to a problem; with None all rows."""
    return pd.read_parquet(tables / f"{name}.parquet", filters=[("problem", "==", problem)] if problem else None)


def levels_present(names: Sequence[Any], column: pd.Series) -> list[Any]:
    """Return those of `names` that a column holds, in their own order; all of them where it holds none."""
    present = set(column)
    return [name for name in names if name in present] or list(names)


def best_cells(tables: Path, problem: str) -> pd.DataFrame:
    """Return the row of `cells` of each optimizer's best cell, as `comparisons` has it."""
    levels = read_table(tables, "comparisons", problem)
    return levels.loc[levels["factor"] == "optimizer", [*CELL, *TRIAL]].merge(read_table(tables, "cells", problem))


def count_lost(rows: pd.DataFrame) -> dict[str, int]:
    """Count the runs of all rows that diverged, and those that ran out of time."""
    return {column: int(rows[column].sum()) for column in FAILURES}


def count_seeds(cells: pd.DataFrame, expected_runs: int) -> dict[str, int]:
    """Count the seeds of cells: the most, the fewest of a cell that was run, and how many expected runs are missing."""
    counts = cells["n"][cells["n"] > 0]
    most, fewest = (int(counts.max()), int(counts.min())) if len(counts) else (0, 0)
    return {"seeds": most, "fewest": fewest, "missing": expected_runs - int(counts.sum())}


def count_missing_tuning(tables: Path, experiment: Experiment, problem: str) -> dict[str, int]:
    """Count the tuning runs of a problem that are missing."""
    runs = int(read_table(tables, "rates", problem)["n"].sum())
    return {"missing": declared(experiment)[problem, "tuning"] - runs}


def lowest_and_highest(rows: pd.DataFrame, value: str, names: list[str]) -> dict[str, Any]:
    """Return the rows with the lowest and the highest finite value, of equal ones the first, with `names` of each."""
    finite = rows[np.isfinite(rows[value].astype(float))]
    if finite.empty:
        return {"lowest": None, "highest": None}
    values = finite[value].to_numpy(float)
    ends = {"lowest": finite.iloc[values.argmin()], "highest": finite.iloc[values.argmax()]}
    return {end: {name: as_python(row[name]) for name in [*names, value]} for end, row in ends.items()}


def measures(experiment: Experiment, problem: str | None) -> list[str]:
    """Return what runs are compared by on a problem, or with None on all problems, each measure once."""
    of_problems = comparing.measures(experiment)
    return list(dict.fromkeys(of_problems.values())) if problem is None else [of_problems[problem]]


def as_python(value: Any) -> Any:
    """Return a NumPy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def target_in_words(target: str) -> str:
    """Write a target as people do: validation loss ≤ 0.01."""
    column, way, value = target.split()
    return f"{column.replace('_', ' ')} {'≥' if way == '>=' else '≤'} {templates.rate(float(value))}"
