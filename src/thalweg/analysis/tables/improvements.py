"""How often one optimizer does better than another at the same seed: the probability of improvement."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from thalweg.analysis import comparing
from thalweg.analysis.choose import CELL
from thalweg.analysis.columns import MEASURE, Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import paired
from thalweg.analysis.table import Table
from thalweg.analysis.tables import cells
from thalweg.experiment.schema import Experiment

COLUMNS = ["problem", "first", "second", "measure", "problems", "n", "probability", "lower", "upper"]
COLUMNS += ["p", "adjusted_p", "verdict"]


def table(experiment: Experiment, by_cell: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and pair of optimizers, and one a pair over all problems (there `problem` is null).

    Each optimizer stands there with its best cell, compared by what `comparisons` compares a problem's cells by. The
    verdict says how the first compares with the second, and is corrected for all pairs of the problem. Over all
    problems the sign test takes the seeds of all of them.
    """
    values, measures = comparing.by_seed(experiment, evaluation), comparing.measures(experiment)
    best = comparing.best_cells(by_cell, ["problem", "optimizer"])
    ends = {key[:2]: values.get(key) for key in best[CELL].itertuples(index=False, name=None)}
    pairs = list(combinations(experiment.optimizers, 2))
    signs = {
        (problem, *pair): paired.signs(comparing.paired(*(ends.get((problem, name)) for name in pair)))
        for problem in experiment.problems
        for pair in pairs
    }
    rows = []
    for problem, names in [*((name, [name]) for name in experiment.problems), (None, list(experiment.problems))]:
        of_pairs = {pair: [signs[name, *pair] for name in names if len(signs[name, *pair])] for pair in pairs}
        decided = paired.decide(
            {pair: np.concatenate([*signs_of_problems, []]) for pair, signs_of_problems in of_pairs.items()}
        )
        for (first, second), signs_of_problems in of_pairs.items():
            row: dict[str, Any] = {"problem": problem, "first": first, "second": second}
            row |= {
                "measure": " or ".join(dict.fromkeys(measures[name] for name in names)),
                "problems": len(signs_of_problems),
                "n": sum(map(len, signs_of_problems)),
            }
            row |= dict(zip(("probability", "lower", "upper"), paired.improvement(signs_of_problems), strict=True))
            rows.append({**row, **decided[first, second]})
    return pd.DataFrame(rows, columns=COLUMNS)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, cells.build(inputs), inputs.evaluation)


TABLE = Table(
    build=build,
    columns={
        "problem": Column(str, "the problem's name in the experiment file; null for all problems together"),
        "first": Column(str, "an optimizer, with the cell of it that tuning prefers"),
        "second": Column(str, "another optimizer, with its own; each pair is there once"),
        "measure": MEASURE,
        "problems": Column(int, "on how many both were evaluated", unit="problems"),
        "n": Column(int, "evaluation seeds that both have, those of all these problems", unit="seeds"),
        "probability": Column(
            float,
            "share of seeds at which the first has the lower measure, a tie counting half; over all problems the "
            "mean of theirs",
        ),
        "lower": Column(float, "lower end of its 95 % interval (Clopper–Pearson), for this pair by itself"),
        "upper": Column(float, "upper end of it"),
        "p": Column(float, "two-sided p of the exact sign test that both are lower as often, ties aside"),
        "adjusted_p": Column(float, "p adjusted for all pairs of the problem, or of all problems together (Holm)"),
        "verdict": Column(
            str,
            "of the first: lower or higher, where adjusted_p is at most 5 %; not distinguishable, where it is "
            "above; or too few seeds, where even seeds that all agree could not bring it there",
        ),
    },
)
