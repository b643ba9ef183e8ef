"""What a paper's text says of the results, as facts for its template, which prints every number by its command."""

import math
from typing import Any

import pandas as pd

from thalweg.analysis.comparing import EXAMPLES, MEASURE_COLUMNS
from thalweg.experiment.schema import Experiment
from thalweg.reporting.html.findings import find_chosen_cell, records
from thalweg.reporting.paper.numbers import TOO_FEW_SEEDS, VERDICT_NAMES, VERDICTS, best_cells, verdicts


def results(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The problems where a cell was chosen, the claims by their verdicts, and the reproductions."""
    problems = [_problem(name, tables) for name in experiment.problems]
    wholes = records(tables["claims"][tables["claims"]["problem"].isna()])
    claims = [{**row, "says": experiment.claims[row["claim"]].says} for row in wholes]
    quantities = tables["reproductions"]
    return {
        "problems": [problem for problem in problems if problem],
        "claims": {
            name: [claim for claim in claims if claim["verdict"] == verdict] for name, verdict in VERDICTS.items()
        },
        "reproductions": {
            name: records(quantities[quantities["reproduction"] == name]) for name in experiment.reproductions
        },
    }


def _problem(problem: str, tables: dict[str, pd.DataFrame]) -> dict[str, Any] | None:
    """Whether the chosen cell has an interval, and the other optimizers by the verdicts on them."""
    compared = tables["comparisons"][tables["comparisons"]["problem"] == problem]
    best = find_chosen_cell(compared, tables["cells"])
    if best is None:
        return None
    rows = best_cells(tables, "optimizer")
    rows = records(rows[rows["problem"] == problem])
    levels, measure = verdicts(rows), rows[0]["measure"]
    return {
        "name": problem,
        "at_target": measure == EXAMPLES,
        "interval": not math.isnan(best[f"{MEASURE_COLUMNS[measure]}_lower"].iloc[0]),
        "others": len(rows) - 1,
        "few": bool(levels[TOO_FEW_SEEDS]),
        **{called.lower(): levels[verdict] for called, verdict in VERDICT_NAMES.items()},
    }
