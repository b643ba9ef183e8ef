"""The tables of a paper, as rows for its templates. What cannot be told from the best is bold."""

from typing import Any

import pandas as pd

from thalweg.analysis.comparing import MEASURE_COLUMNS, measures
from thalweg.experiment.schema import Experiment
from thalweg.reporting.html.findings import records
from thalweg.reporting.paper import Shown
from thalweg.reporting.paper.numbers import UNITS, best_cells, metrics, metrics_of

WORSE = "higher"
FACTORS = {"optimizers": "optimizer", "schedules": "schedule", "batch_sizes": "batch_size"}


def table(experiment: Experiment, tables: dict[str, pd.DataFrame], shown: Shown) -> dict[str, Any]:
    """What the template of a table is given."""
    if shown.name == "claims":
        return claims(experiment, tables["claims"])
    if shown.name == "ranks":
        return ranks(tables["ranks"], tables["improvements"])
    assert shown.problem is not None
    return levels(tables, shown.problem, FACTORS[shown.name], measures(experiment)[shown.problem])


def levels(tables: dict[str, pd.DataFrame], problem: str, factor: str, measure: str) -> dict[str, Any]:
    """The best cell of each level of a factor, by the measure that runs of the problem are compared by. The reference
    is the one that tuning puts first. It is not among the best where a level is decided to be better."""
    of_factor = best_cells(tables, factor)
    rows = records(of_factor[of_factor["problem"] == problem])
    shown = [name for name in metrics(tables["cells"]) if any(name in metrics_of(row, [name]) for row in rows)]
    worse = {WORSE, *(["reference"] if any(row["verdict"] == "lower" for row in rows) else [])}
    return {
        "factor": factor,
        "axes": [name for name in FACTORS.values() if name != factor],
        "metrics": shown,
        "measure": measure,
        "compared": MEASURE_COLUMNS[measure],
        "seeds": max((row["n"] for row in rows), default=0),
        "verdicts": {row["verdict"] for row in rows},
        "rows": [{**row, "best": row["n"] > 0 and row["verdict"] not in worse} for row in rows],
    }


def claims(experiment: Experiment, table: pd.DataFrame) -> dict[str, Any]:
    """The claims in the order of the experiment file, each with a row for the whole and one for each of its problems;
    effects are in the units that readers see."""
    rows = records(table)
    for row in rows:
        times = UNITS[row["unit"]]
        row |= {name: None if row[name] is None else times * row[name] for name in ("effect", "lower", "upper")}
    of_claims = {name: [row for row in rows if row["claim"] == name] for name in experiment.claims}
    return {
        "claims": [{"says": experiment.claims[name].says, "rows": rows} for name, rows in of_claims.items() if rows]
    }


def ranks(table: pd.DataFrame, improvements: pd.DataFrame) -> dict[str, Any]:
    """Mean ranks over all problems, the best first. Best is the lowest, and each that no pair with it decides about."""
    over_all = table[table["problem"].isna() & table["rank"].notna()].sort_values("rank", kind="stable")
    rows, pairs = records(over_all), improvements[improvements["problem"].isna()]
    first = rows[0]["optimizer"] if rows else None
    decided = pairs[pairs["verdict"].isin(["lower", WORSE]) & ((pairs["first"] == first) | (pairs["second"] == first))]
    worse = {*decided["first"], *decided["second"]} - {first}
    return {
        "problems": rows[0]["problems"] if rows else 0,
        "measure": rows[0]["measure"] if rows else None,
        "few": bool(len(pairs)) and (pairs["verdict"] == "too few seeds").all(),
        "rows": [{**row, "best": row["optimizer"] not in worse} for row in rows],
    }
