"""What the tables say, sorted into what a page puts in words. Words themselves stand in the templates."""

import math
from typing import Any

import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.tables.comparisons import FACTORS, preference


def of_problem(
    problem: str, comparisons: pd.DataFrame, cells: pd.DataFrame, sensitivity: pd.DataFrame
) -> dict[str, Any] | None:
    """The cell that the tuning runs choose, its test loss, and every other level of each factor by its verdict.

    `tie` is how many cells are as good as the best on tuning runs, itself included. `measure` is what levels are
    compared by, and `median` the chosen cell's median of it. A level whose cell was named for
    another level before carries that one as `same_as`. `range` is the range of good learning rates, if that is known.

    None where no cell was chosen.
    """
    compared = comparisons[comparisons["problem"] == problem]
    best = chosen(compared, cells)
    if best is None:
        return None
    ranked = preference(cells[cells["problem"] == problem])
    lowest, ties = float(ranked["loss"].iloc[0]), (ranked == ranked.iloc[0]).all(axis=1)
    reference = compared[compared["verdict"] == "reference"].iloc[0]
    others = with_same_cells(compared[compared["verdict"] != "reference"])
    others = others.merge(cells[[*CELL, *histories.LOST]], how="left")
    others["verdict"] = others["verdict"].where(others["n"] > 0, "not run")
    by_verdict = {
        verdict: [
            {"factor": factor, "levels": others[(others["verdict"] == verdict) & (others["factor"] == factor)]}
            for factor in FACTORS
        ]
        for verdict in ("higher", "lower", "not distinguishable", "too few seeds", "not run")
    }
    return {
        "problem": problem,
        "best": records(best)[0],
        "measure": reference["measure"],
        "median": float(reference["median"]),
        "range": next(iter(records(sensitivity[sensitivity["rates"] > 0].merge(best[CELL]))), None),
        "tie": {"cells": int(ties.sum()), "loss": lowest, "unresolved": lowest == histories.RESOLUTION},
        **{
            verdict.replace(" ", "_"): [
                {**group, "levels": records(group["levels"])} for group in groups if len(group["levels"])
            ]
            for verdict, groups in by_verdict.items()
        },
        "compared": records(compared),
    }


def chosen(compared: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame | None:
    """The row of the cell that the tuning runs choose on a problem, from its comparisons.

    None where in no cell most tuning runs finished, or the evaluation runs of the chosen one are missing.
    """
    best = _preferred(compared, cells)
    return None if best is None or best["n"].iloc[0] == 0 else best


def not_run(problem: str, comparisons: pd.DataFrame, cells: pd.DataFrame) -> dict[str, Any] | None:
    """The cell that the tuning runs choose on a problem where its evaluation runs are missing, else None."""
    best = _preferred(comparisons[comparisons["problem"] == problem], cells)
    return None if best is None or best["n"].iloc[0] > 0 else records(best)[0]


def _preferred(compared: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame | None:
    """The row of the cell that tuning prefers, None where in no cell most tuning runs finished."""
    best = cells.merge(compared.loc[compared["verdict"] == "reference", CELL].drop_duplicates())
    return None if best.empty or math.isinf(best["tuning_validation_loss"].iloc[0]) else best


def with_same_cells(levels: pd.DataFrame) -> pd.DataFrame:
    """`levels` with the first level of the same cell as `same_as`, None where the level is the first itself."""
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    same = []
    for row in levels[["factor", "level", *CELL]].itertuples(index=False, name=None):
        factor, level, *cell = row
        same.append(first.get(tuple(cell)))
        first.setdefault(tuple(cell), {"factor": factor, "level": level})
    return levels.assign(same_as=pd.Series(same, index=levels.index, dtype=object))


def caution(counts: pd.DataFrame, cells: pd.DataFrame, provenance: pd.DataFrame) -> dict[str, Any]:
    """What a reader must know before believing a number. `repeated` is how many declared runs are other ones too, and
    `trained` how many different ones there are."""
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
    """For each batch size a row an optimizer, with the cells of its schedules in order (None where there is none)."""
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
    """A frame's rows as dictionaries; what is missing is None, so that templates need to know one nothing only."""
    rows: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return rows
