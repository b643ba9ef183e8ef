"""Which levels of a factor do worse than the best: the best cells of all levels, compared seed by seed and corrected.

What compares cells elsewhere takes its best cells, what they are compared by, its ratios and verdicts from here.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL, by_preference, steps_to_target
from thalweg.analysis.statistics import intervals
from thalweg.experiment.schema import Experiment

FACTORS = ("optimizer", "schedule", "batch_size")
LOSS, EXAMPLES = "final test loss", "examples to target"
COLUMNS = {LOSS: "final_test_loss", EXAMPLES: "examples_to_target"}
"""Where the tables of cells and runs have what is compared."""

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
            for factor in FACTORS
        }
        both = {
            key: paired(values.get(key), values.get(best)) for levels in of_factors.values() for key in _keys(levels)
        }
        verdicts = decided({key: signs(pairs) for key, pairs in both.items() if key != best})
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


def best_cells(by_cell: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The rows of the best cell for each value of the columns `by`, the best first.

    Which cells are best is decided on tuning runs alone, so that no evaluation run is both judge and party
    (choose.by_preference); of equals the first in grid order.
    """
    return by_cell.loc[preference(by_cell).index].drop_duplicates(by)


def preference(by_cell: pd.DataFrame) -> pd.DataFrame:
    """What tuning prefers the rows of the table of cells by, the best first (choose.by_preference)."""
    columns = ("tuning_validation_loss", "tuning_steps_to_target", "batch_size")
    return by_preference(*(by_cell[name] for name in columns))


def _keys(cells: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(cells[CELL].itertuples(index=False, name=None))


def measures(experiment: Experiment) -> dict[str, str]:
    """What runs are compared by on each problem. Where they end at a target their final loss is not theirs to lower: it
    tells only how far each was beyond the target when it stopped."""
    return {name: EXAMPLES if grid.end_at_target else LOSS for name, grid in experiment.problems.items()}


def by_seed(experiment: Experiment, evaluation: pd.DataFrame) -> dict[Hashable, pd.Series]:
    """For each cell what its evaluation runs are compared by, by seed: lower is better, infinite is the worst.

    That is the final test loss, none nearer to zero than the RESOLUTION, or the examples to the target, batch size ×
    steps, infinite for a run that did not reach it.
    """
    losses = histories.resolved(evaluation["final_test_loss"].astype(float))
    values = examples_to_target(experiment, evaluation).fillna(losses)
    values = evaluation.assign(value=values).drop_duplicates([*CELL, "seed"])
    return dict(iter(values.set_index("seed").groupby(CELL, sort=False)["value"]))


def examples_to_target(experiment: Experiment, runs: pd.DataFrame) -> pd.Series:
    """The examples that each run saw until the target at which it ended, batch size × steps: infinite for one that did
    not reach it, null on problems whose runs do not end at a target."""
    at_target = runs["problem"].map(measures(experiment)) == EXAMPLES
    return (steps_to_target(runs) * runs["batch_size"]).where(at_target)


def paired(ours: pd.Series | None, theirs: pd.Series | None) -> NDArray[np.float64]:
    """An array (seeds, 2) of the values at each seed that both have."""
    if ours is None or theirs is None:
        return np.empty((0, 2))
    both: NDArray[np.float64] = pd.concat([ours, theirs], axis=1, join="inner").to_numpy(float)
    return both


def signs(both: NDArray[np.float64]) -> NDArray[np.float64]:
    """At each seed −1 where ours is lower, 1 where it is higher, 0 where both are equal, of `paired` values."""
    ours, theirs = both.T
    found: NDArray[np.float64] = (ours > theirs).astype(float) - (ours < theirs)
    return found


def ratios(both: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Ours over theirs at each seed, one where both are infinite. None where a value is not positive: a ratio of losses
    that may be negative says nothing, and one of zero examples neither."""
    if not (both > 0).all():
        return None
    ours, theirs = both.T
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = np.where(ours == theirs, 1.0, ours / theirs)
    return found


def decided(signs: Mapping[Any, NDArray[np.float64]]) -> dict[Any, dict[str, Any]]:
    """For each of a family of comparisons, given its signs seed by seed: p, adjusted_p and verdict.

    Lower or higher, as most seeds that do not tie are, where p adjusted for the whole family is at most 5 %, so that
    with 95 % no verdict of a family is wrong; else not distinguishable. Too few seeds where even with all seeds of all
    comparisons on one side, p = 2^(1 − n), none of them adjusted would be that low: a comparison by itself needs 6
    seeds, one of two or three 7, of up to six 8, of up to twelve 9, of up to 25 10, of up to 51 11.
    """
    found = list(signs.values())
    sizes = np.array([len(one) for one in found], float)
    p = np.array([sign_test(one) for one in found])
    adjusted = holm(p)
    enough = holm(np.minimum(1, 2 ** (1 - sizes))) <= 1 - intervals.LEVEL
    return {
        key: {"p": float(p[i]), "adjusted_p": float(adjusted[i]), "verdict": verdict(one, adjusted[i], bool(enough[i]))}
        for i, (key, one) in enumerate(signs.items())
    }


def sign_test(signs: NDArray[np.float64]) -> float:
    """The two-sided p of the exact sign test that higher is as likely as lower; 1 where no seed says anything.

    Ties count for nothing (Conover 1999, section 3.4). Without ties p is at most 5 % where the interval of the median
    ratio between order statistics does not hold one: each is the other, inverted.
    """
    above, below = int((signs > 0).sum()), int((signs < 0).sum())
    return float(stats.binomtest(above, above + below).pvalue) if above + below else 1.0


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p adjusted for their number, whatever their dependence (Holm 1979, A simple sequentially rejective test)."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def verdict(signs: NDArray[np.float64], adjusted_p: float, enough: bool) -> str:
    """What the signs against the reference say, where there are `enough` of them to say anything."""
    if not enough:
        return "too few seeds"
    if adjusted_p > 1 - intervals.LEVEL:
        return "not distinguishable"
    return "higher" if signs.sum() > 0 else "lower"
