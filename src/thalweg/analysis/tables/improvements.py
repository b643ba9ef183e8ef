"""How often one optimizer does better than another at the same seed: the probability of improvement."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis.choose import CELL
from thalweg.analysis.statistics import intervals
from thalweg.analysis.tables import comparisons
from thalweg.experiment.schema import Experiment

COLUMNS = ["problem", "first", "second", "measure", "problems", "n", "probability", "lower", "upper"]
COLUMNS += ["p", "adjusted_p", "verdict"]


def table(experiment: Experiment, by_cell: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and pair of optimizers, and one a pair over all problems (there `problem` is null).

    Each optimizer stands there with its best cell, compared by what `comparisons` compares a problem's cells by. The
    verdict says how the first compares with the second, and is corrected for all pairs of the problem. Over all
    problems the sign test takes the seeds of all of them.
    """
    values, measures = comparisons.by_seed(experiment, evaluation), comparisons.measures(experiment)
    best = comparisons.best_cells(by_cell, ["problem", "optimizer"])
    ends = {key[:2]: values.get(key) for key in best[CELL].itertuples(index=False, name=None)}
    pairs = list(combinations(experiment.optimizers, 2))
    signs = {
        (problem, *pair): comparisons.signs(comparisons.paired(*(ends.get((problem, one)) for one in pair)))
        for problem in experiment.problems
        for pair in pairs
    }
    rows = []
    for problem, among in [*((one, [one]) for one in experiment.problems), (None, list(experiment.problems))]:
        of_pairs = {pair: [signs[one, *pair] for one in among if len(signs[one, *pair])] for pair in pairs}
        decided = comparisons.decided({pair: np.concatenate([*found, []]) for pair, found in of_pairs.items()})
        for (first, second), found in of_pairs.items():
            row: dict[str, Any] = {"problem": problem, "first": first, "second": second}
            row |= {
                "measure": " or ".join(dict.fromkeys(measures[one] for one in among)),
                "problems": len(found),
                "n": sum(map(len, found)),
            }
            row |= dict(zip(("probability", "lower", "upper"), improvement(found), strict=True))
            rows.append({**row, **decided[first, second]})
    return pd.DataFrame(rows, columns=COLUMNS)


def improvement(signs: Sequence[NDArray[np.float64]]) -> tuple[float, float, float]:
    """The probability of being lower, a tie counting half, with its 95 % interval; NaN where there is none.

    `signs` are those of each problem, and the probability is the mean of theirs, each problem weighing the same. The
    interval is the exact one of a share of so many seeds, which is cautious here: half a point for a tie spreads a mean
    less than the toss of a coin would, and problems that differ spread it less than problems that are alike (Hoeffding
    1956, On the distribution of the number of successes in independent trials). Where problems have unequally many
    seeds, each counts as if it had as few as the smallest. A bootstrap over the seeds of each problem would shrink to
    one point where one optimizer always wins: with three problems of 10 seeds and a probability of 0.95 that is so, and
    the truth missed, in 0.95³⁰ = 21 % of samples.
    """
    if not signs:
        return np.nan, np.nan, np.nan
    probability = float(np.mean([(1 - np.mean(one)) / 2 for one in signs]))
    seeds = len(signs) * min(map(len, signs))
    return probability, *intervals.exact(probability * seeds, seeds)
