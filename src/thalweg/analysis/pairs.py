"""How often one optimizer ends lower than another at the same seed: the probability of improvement."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import comparisons, intervals
from thalweg.analysis.choose import CELL
from thalweg.grid.experiment import Experiment

COLUMNS = ["problem", "first", "second", "problems", "n", "probability", "lower", "upper", "p", "adjusted_p", "verdict"]


def table(experiment: Experiment, by_cell: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and pair of optimizers, and one a pair over all problems (there `problem` is null).

    Each optimizer stands there with its best cell, as `comparisons` has it. The verdict says how the final test loss of
    the first compares with that of the second, and is corrected for all pairs of the problem. Over all problems the
    sign test takes the seeds of all of them.
    """
    losses = comparisons.by_seed(evaluation)
    best = comparisons.best_cells(by_cell, ["problem", "optimizer"])
    ends = {key[:2]: losses.get(key) for key in best[CELL].itertuples(index=False, name=None)}
    pairs = list(combinations(experiment.optimizers, 2))
    ratios = {
        (problem, first, second): comparisons.paired_ratios(ends.get((problem, first)), ends.get((problem, second)))
        for problem in experiment.problems
        for first, second in pairs
    }
    rows = []
    for problem, among in [*((one, [one]) for one in experiment.problems), (None, list(experiment.problems))]:
        of_pairs = {pair: [ratios[one, *pair] for one in among if len(ratios[one, *pair])] for pair in pairs}
        decided = comparisons.decided({pair: np.concatenate([*found, []]) for pair, found in of_pairs.items()})
        for (first, second), found in of_pairs.items():
            row: dict[str, Any] = {"problem": problem, "first": first, "second": second}
            row |= {"problems": len(found), "n": sum(map(len, found))}
            row |= dict(zip(("probability", "lower", "upper"), improvement(found), strict=True))
            rows.append({**row, **decided[first, second]})
    return pd.DataFrame(rows, columns=COLUMNS)


def improvement(ratios: Sequence[NDArray[np.float64]]) -> tuple[float, float, float]:
    """The probability that a ratio is below one, a tie counting half, with its 95 % interval; NaN where there is none.

    `ratios` are those of each problem, and the probability is the mean of theirs, each problem weighing the same. The
    interval is the exact one of a share of so many seeds, which is cautious here: half a point for a tie spreads a mean
    less than the toss of a coin would, and problems that differ spread it less than problems that are alike (Hoeffding
    1956, On the distribution of the number of successes in independent trials). Where problems have unequally many
    seeds, each counts as if it had as few as the smallest. A bootstrap over the seeds of each problem would shrink to
    one point where one optimizer always wins: with three problems of 10 seeds and a probability of 0.95 that is so, and
    the truth missed, in 0.95³⁰ = 21 % of samples.
    """
    if not ratios:
        return np.nan, np.nan, np.nan
    probability = float(np.mean([np.mean(one < 1) + np.mean(one == 1) / 2 for one in ratios]))
    seeds = len(ratios) * min(map(len, ratios))
    return probability, *intervals.exact(probability * seeds, seeds)
