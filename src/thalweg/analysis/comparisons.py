"""Which levels of a factor do worse than the best: the best cells of all levels, compared seed by seed and corrected.

What compares cells elsewhere takes its best cells, its ratios and its verdicts from here.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from thalweg.analysis import histories, intervals
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.grid.experiment import Experiment

FACTORS = ("optimizer", "schedule", "batch_size")
REFERENCE = {"p": np.nan, "adjusted_p": np.nan, "verdict": "reference"}


def table(experiment: Experiment, by_cell: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """For each problem and factor, each level's best cell against the problem's best cell, seed by seed.

    The effect is the median over seeds of the ratio of final test losses, which no monotone scale of the loss changes
    and which runs that diverged or were out of time leave defined: against a run that finished the ratio is infinite,
    against another such run it is one. Its interval is for each ratio by itself; the verdicts are corrected for all
    comparisons of a problem and factor (`decided`).
    """
    losses = by_seed(evaluation)
    rows = []
    for _, of_problem in by_cell.groupby("problem", sort=False):
        (best,) = best_cells(of_problem, ["problem"])[CELL].itertuples(index=False, name=None)
        for factor in FACTORS:
            levels = histories.in_grid_order(best_cells(of_problem, [factor]), experiment, [factor])
            keys = list(levels[CELL].itertuples(index=False, name=None))
            ratios = {key: paired_ratios(losses.get(key), losses.get(best)) for key in keys}
            verdicts = decided({key: ratios[key] for key in keys if key != best})
            for key, level in zip(keys, levels.to_dict("records"), strict=True):
                lower, upper = intervals.median_interval(ratios[key])
                row = {name: level[name] for name in (*CELL, *TRIAL)} | {"factor": factor, "level": str(level[factor])}
                row |= {"n": len(ratios[key]), "ratio": intervals.quartiles(ratios[key])[1]}
                rows.append({**row, "lower": lower, "upper": upper, **verdicts.get(key, REFERENCE)})
    order = ["problem", "factor", "level", *CELL[1:], *TRIAL, "n", "ratio", "lower", "upper", *REFERENCE]
    return pd.DataFrame(rows)[order]


def best_cells(by_cell: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The rows of the best cell for each value of the columns `by`, the best first.

    Which cells are best is decided on tuning runs alone, so that no evaluation run is both judge and party: the lowest
    `tuning_validation_loss`, those below histories.RESOLUTION being equal, and of equals the first in grid order.
    """
    ranked = by_cell.sort_values("tuning_validation_loss", key=histories.resolved, kind="stable")
    return ranked.drop_duplicates(by)


def by_seed(evaluation: pd.DataFrame) -> dict[Hashable, pd.Series]:
    """For each cell the final test loss of its evaluation runs, by seed."""
    return {
        key: group.drop_duplicates("seed").set_index("seed")["final_test_loss"]
        for key, group in evaluation.groupby(CELL, sort=False)
    }


def paired_ratios(losses: pd.Series | None, reference: pd.Series | None) -> NDArray[np.float64]:
    """The ratio of losses at each seed that both have; one where both are infinite or below the RESOLUTION."""
    if losses is None or reference is None:
        return np.empty(0)
    both = pd.concat([losses, reference], axis=1, join="inner").astype(float)
    ours, theirs = both.apply(histories.resolved).to_numpy().T
    with np.errstate(invalid="ignore"):
        ratios: NDArray[np.float64] = np.where(ours == theirs, 1.0, ours / theirs)
    return ratios


def decided(ratios: Mapping[Any, NDArray[np.float64]]) -> dict[Any, dict[str, Any]]:
    """For each of a family of comparisons, given its ratios seed by seed: p, adjusted_p and verdict.

    Lower or higher, as most seeds that do not tie are, where p adjusted for the whole family is at most 5 %, so that
    with 95 % no verdict of a family is wrong; else not distinguishable. Too few seeds where even with all seeds of all
    comparisons on one side, p = 2^(1 − n), none of them adjusted would be that low: a comparison by itself needs 6
    seeds, one of two or three 7, of up to six 8, of up to twelve 9, of up to 25 10, of up to 51 11.
    """
    found = list(ratios.values())
    sizes = np.array([len(one) for one in found], float)
    p = np.array([sign_test(one) for one in found])
    adjusted = holm(p)
    enough = holm(np.minimum(1, 2 ** (1 - sizes))) <= 1 - intervals.LEVEL
    return {
        key: {"p": float(p[i]), "adjusted_p": float(adjusted[i]), "verdict": verdict(one, adjusted[i], bool(enough[i]))}
        for i, (key, one) in enumerate(ratios.items())
    }


def sign_test(ratios: NDArray[np.float64]) -> float:
    """The two-sided p of the exact sign test that the median ratio is one; 1 where no seed says anything.

    Ties count for nothing (Conover 1999, section 3.4). Without ties p is at most 5 % where the median's interval
    between order statistics does not hold one: each is the other, inverted.
    """
    above, below = int((ratios > 1).sum()), int((ratios < 1).sum())
    return float(stats.binomtest(above, above + below).pvalue) if above + below else 1.0


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p adjusted for their number, whatever their dependence (Holm 1979, A simple sequentially rejective test)."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def verdict(ratios: NDArray[np.float64], adjusted_p: float, enough: bool) -> str:
    """What the ratios to the reference say, where there are `enough` of them to say anything."""
    if not enough:
        return "too few seeds"
    if adjusted_p > 1 - intervals.LEVEL:
        return "not distinguishable"
    return "higher" if (ratios > 1).sum() > (ratios < 1).sum() else "lower"
