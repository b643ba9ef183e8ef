"""Gather from the tables what the pages say in words. The words themselves are in the templates."""

import math
from typing import Any

import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.comparing import GRID_AXES, preference


def summarize_problem(
    problem: str, comparisons: pd.DataFrame, cells: pd.DataFrame, sensitivity: pd.DataFrame
) -> dict[str, Any] | None:
    """Summarize a problem: the cell that its tuning runs choose, and the other levels of each factor by verdict.

    Args:
        problem: The problem's name.
        comparisons: The table `comparisons`.
        cells: The table `cells`.
        sensitivity: The table `sensitivity`.

    Returns:
        None if no cell was chosen. Else `best`, the chosen row of `cells`; `measure`, by which levels are compared, and
        `median`, the best cell's median of it; `range`, the best cell's range of good learning rates or None; `tie`,
        the number of cells that are as good as the best by their tuning runs, including it, and their loss; `compared`,
        the rows of `comparisons`; and for each verdict the levels that have it, grouped by factor. A level whose cell
        was listed for an earlier level has that as `same_as`.
    """
    compared = comparisons[comparisons["problem"] == problem]
    best = find_chosen_cell(compared, cells)
    if best is None:
        return None
    ranked = preference(cells[cells["problem"] == problem])
    lowest, ties = float(ranked["loss"].iloc[0]), (ranked == ranked.iloc[0]).all(axis=1)
    reference = compared[compared["verdict"] == "reference"].iloc[0]
    others = mark_same_cells(compared[compared["verdict"] != "reference"])
    others = others.merge(cells[[*CELL, *histories.FAILURES]], how="left")
    others["verdict"] = others["verdict"].where(others["n"] > 0, "not run")
    by_verdict = {
        verdict: [
            {"factor": factor, "levels": others[(others["verdict"] == verdict) & (others["factor"] == factor)]}
            for factor in GRID_AXES
        ]
        for verdict in ("higher", "lower", "not distinguishable", "too few seeds", "not run")
    }
    return {
        "problem": problem,
        "best": records(best)[0],
        "measure": reference["measure"],
        "median": float(reference["median"]),
        "range": next(iter(records(sensitivity[sensitivity["rates"] > 0].merge(best[CELL]))), None),
        "tie": {"cells": int(ties.sum()), "loss": lowest, "unresolved": lowest == histories.LOSS_RESOLUTION},
        **{
            verdict.replace(" ", "_"): [
                {**group, "levels": records(group["levels"])} for group in groups if len(group["levels"])
            ]
            for verdict, groups in by_verdict.items()
        },
        "compared": records(compared),
    }


def find_chosen_cell(compared: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame | None:
    """Find the row of the cell that the tuning runs choose on a problem.

    Args:
        compared: The problem's rows of the table `comparisons`.
        cells: The table `cells`.

    Returns:
        None if in no cell most tuning runs finished, or if the evaluation runs of the chosen cell are missing.
    """
    best = _preferred(compared, cells)
    return None if best is None or best["n"].iloc[0] == 0 else best


def find_unevaluated_choice(problem: str, comparisons: pd.DataFrame, cells: pd.DataFrame) -> dict[str, Any] | None:
    """Find the cell that the tuning runs choose on a problem if its evaluation runs are missing, else None."""
    best = _preferred(comparisons[comparisons["problem"] == problem], cells)
    return None if best is None or best["n"].iloc[0] > 0 else records(best)[0]


def _preferred(compared: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame | None:
    """Find the row of the cell that tuning prefers, None if in no cell most tuning runs finished."""
    best = cells.merge(compared.loc[compared["verdict"] == "reference", CELL].drop_duplicates())
    return None if best.empty or math.isinf(best["tuning_validation_loss"].iloc[0]) else best


def mark_same_cells(levels: pd.DataFrame) -> pd.DataFrame:
    """Add the column `same_as`: the first level that has the same cell, None for the first one itself."""
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    same = []
    for row in levels[["factor", "level", *CELL]].itertuples(index=False, name=None):
        factor, level, *cell = row
        same.append(first.get(tuple(cell)))
        first.setdefault(tuple(cell), {"factor": factor, "level": level})
    return levels.assign(same_as=pd.Series(same, index=levels.index, dtype=object))


def count_cautions(counts: pd.DataFrame, cells: pd.DataFrame, provenance: pd.DataFrame) -> dict[str, Any]:
    """Count what a reader must know before believing a number.

    `trained` is the number of different runs, and `repeated` how many more are declared because the grid has the same
    run at several places.
    """
    trained = int(provenance["runs"].sum())
    return {
        "missing": int(counts["missing"].sum()),
        "trained": trained,
        "repeated": int((counts["declared"] - counts["missing"]).sum()) - trained,
        "out_of_time": int(counts["out_of_time"].sum()),
        "edges": records(cells[cells["edge"].notna()]),
        "cells": len(cells),
        "dirty": int(provenance.loc[provenance["dirty"].astype(bool), "runs"].sum()),
        "instruction_sets": sorted(set(provenance["instruction_set"].astype(str))),
        "commits": sorted(set(provenance["commit"].astype(str))),
        "too_few_seeds": bool((cells["interval"] == "too few seeds").any()),
    }


def matrix(cells: pd.DataFrame, problem: str, optimizers: list[str], schedules: list[str]) -> list[dict[str, Any]]:
    """Arrange a problem's cells by batch size, optimizer and schedule, with None where there is no cell."""
    rows = {tuple(row[name] for name in CELL): row for row in records(cells[cells["problem"] == problem])}
    batch_sizes = sorted({key[3] for key in rows})
    return [
        {
            "batch_size": size,
            "rows": [
                {"optimizer": name, "cells": [rows.get((problem, name, schedule, size)) for schedule in schedules]}
                for name in optimizers
            ],
        }
        for size in batch_sizes
    ]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """List a table's rows as dictionaries. Every missing value is None, so that templates check for one value only."""
    rows: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return rows
