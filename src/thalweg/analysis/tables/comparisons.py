"""Which levels of a factor do worse than the best one: their best cells, compared seed by seed, and corrected."""

from typing import Any

import numpy as np
import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.columns import MEASURE, Column
from thalweg.analysis.comparing import GRID_AXES, best_cells, by_seed, measures, paired
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.statistics.paired import decide, ratios, signs
from thalweg.analysis.table import Table
from thalweg.analysis.tables import cells
from thalweg.experiment.schema import Experiment

REFERENCE = {"p": np.nan, "adjusted_p": np.nan, "verdict": "reference"}


def table(experiment: Experiment, by_cell: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """For each problem and factor, each level's best cell against the problem's best cell, seed by seed.

    Compared is what `measures` says. The verdict is of who is lower at each seed, and corrected for all comparisons of
    a problem (`decided`): a cell that is the best of several levels is compared once, and has one verdict. The effect
    is the median over seeds of the ratio, null where a value is not positive. Runs that diverged or were out of time
    leave it defined: against a run that finished the ratio is infinite, against another such run it is one. Its
    interval is for each ratio by itself.
    """
    values, measure = by_seed(experiment, evaluation), measures(experiment)
    rows = []
    for problem, of_problem in by_cell.groupby("problem", sort=False):
        (best,) = _keys(best_cells(of_problem, ["problem"]))
        of_factors = {
            factor: histories.in_grid_order(best_cells(of_problem, [factor]), experiment, [factor])
            for factor in GRID_AXES
        }
        both = {
            key: paired(values.get(key), values.get(best)) for levels in of_factors.values() for key in _keys(levels)
        }
        verdicts = decide({key: signs(pairs) for key, pairs in both.items() if key != best})
        for factor, levels in of_factors.items():
            for key, level in zip(_keys(levels), levels.to_dict("records"), strict=True):
                ratio = ratios(both[key])
                lower, upper = intervals.median_interval(ratio) if ratio is not None else (np.nan, np.nan)
                row = {name: level[name] for name in (*CELL, *TRIAL)} | {"factor": factor, "level": str(level[factor])}
                row |= {"measure": measure[str(problem)], "n": len(both[key])}
                row |= {"median": intervals.quartiles(both[key][:, 0])[1]}
                row |= {"ratio": intervals.quartiles(ratio)[1] if ratio is not None else np.nan}
                rows.append({**row, "lower": lower, "upper": upper, **verdicts.get(key, REFERENCE)})
    order = [
        "problem",
        "factor",
        "level",
        *CELL[1:],
        *TRIAL,
        "measure",
        "n",
        "median",
        "ratio",
        "lower",
        "upper",
        *REFERENCE,
    ]
    return pd.DataFrame(rows)[order]


def _keys(cells: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(cells[CELL].itertuples(index=False, name=None))


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, cells.build(inputs), inputs.evaluation)


TABLE = Table(
    build=build,
    columns={
        "factor": Column(str, "the axis of the grid whose levels are compared"),
        "level": Column(str, "the level; beside it the cell of it that tuning prefers"),
        "learning_rate": Column(float, "the rate chosen for that cell"),
        "measure": MEASURE,
        "n": Column(int, "evaluation seeds that both cells have", unit="seeds"),
        "median": Column(float, "median over these seeds of the measure; a loss is none nearer to zero than 1.4e-14"),
        "ratio": Column(
            float,
            "median over seeds of the measure / that of the problem's best cell at the same seed; null where one "
            "is not positive",
        ),
        "lower": Column(float, "lower end of the median's 95 % interval (order statistics), for this ratio by itself"),
        "upper": Column(float, "upper end of it"),
        "p": Column(float, "two-sided p of the exact sign test that both are lower as often; ties count for nothing"),
        "adjusted_p": Column(
            float, "p adjusted for all comparisons of the problem, a cell of several levels counting once (Holm)"
        ),
        "verdict": Column(
            str,
            "reference; lower or higher, where adjusted_p is at most 5 %; not distinguishable, where it is above; "
            "or too few seeds, where even seeds that all agree could not bring it there",
        ),
    },
)
