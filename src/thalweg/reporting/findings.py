"""What the tables say, sorted into what a page puts in words. Words themselves stand in the templates."""

import math
from typing import Any

import pandas as pd

from thalweg.analysis.choose import CELL
from thalweg.analysis.tables import FACTORS


def of_problem(problem: str, comparisons: pd.DataFrame, cells: pd.DataFrame) -> dict[str, Any] | None:
    """The cell that the tuning runs choose, its test loss, and every other level of each factor by its verdict.

    None where no cell was evaluated, or every tuning run of every cell diverged.
    """
    compared = comparisons[comparisons["problem"] == problem]
    best = cells.merge(compared.loc[compared["verdict"] == "reference", CELL].drop_duplicates())
    if best.empty or best["n"].iloc[0] == 0 or math.isinf(best["tuning_validation_loss"].iloc[0]):
        return None
    others = compared[compared["verdict"] != "reference"]
    by_verdict = {
        verdict: [
            {"factor": factor, "levels": others[(others["verdict"] == verdict) & (others["factor"] == factor)]}
            for factor in FACTORS
        ]
        for verdict in ("higher", "lower", "not distinguishable", "too few seeds")
    }
    return {
        "problem": problem,
        "best": records(best)[0],
        **{
            verdict.replace(" ", "_"): [
                {**group, "levels": records(group["levels"])} for group in groups if len(group["levels"])
            ]
            for verdict, groups in by_verdict.items()
        },
        "compared": records(compared),
    }


def caution(counts: pd.DataFrame, cells: pd.DataFrame, provenance: pd.DataFrame) -> dict[str, Any]:
    """What a reader must know before believing a number."""
    return {
        "missing": int(counts["missing"].sum()),
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
