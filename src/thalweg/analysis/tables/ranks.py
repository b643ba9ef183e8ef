"""How optimizers rank over all problems: their ranks, whether these differ, and how far each is from the best cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import comparing, histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.columns import MEASURE, Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals, paired
from thalweg.analysis.statistics.friedman import Friedman, caution, friedman, permutation_p
from thalweg.analysis.table import Table
from thalweg.analysis.tables import cells
from thalweg.experiment.schema import Experiment

RATIO = ["ratio", "lower", "upper"]

TEST = [*Friedman._fields, "permutation_p", "caution"]

COLUMNS = [*CELL, *TRIAL, "measure", "problems", "n", "value", "rank", *RATIO, *TEST]


def table(experiment: Experiment, by_cell: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and optimizer, and one an optimizer over all problems (there `problem` is null).

    Each optimizer stands there with its best cell, ranked by the interquartile mean of what `comparisons` compares that
    cell by; losses below histories.LOSS_RESOLUTION tie, as infinite ones do, and ties share their ranks. `ratio` is the
    geometric interquartile mean, over seeds and over problems, of the ratio to the problem's best cell at the same
    seed; null where a value is not positive. All problems are those on which every optimizer has evaluation runs; on
    another one nobody has a rank.
    """
    by_seed = comparing.by_seed(experiment, evaluation)
    best = comparing.best_cells(by_cell, ["problem", "optimizer"])
    reference = {key[0]: key for key in best.drop_duplicates("problem")[CELL].itertuples(index=False, name=None)}
    found = histories.in_grid_order(best, experiment, ["problem", "optimizer"])
    keys = list(found[CELL].itertuples(index=False, name=None))
    both = [comparing.paired(by_seed.get(key), by_seed.get(reference[key[0]])) for key in keys]
    ratios = [paired.ratios(one) for one in both]
    found["measure"] = found["problem"].map(comparing.measures(experiment))
    found["value"] = [
        intervals.interquartile_mean(by_seed[key].to_numpy()) if key in by_seed else np.nan for key in keys
    ]
    present = found["optimizer"].where(found["n"] > 0).groupby(found["problem"]).transform("nunique")
    complete = present == found["optimizer"].nunique()
    ranking = found["value"].groupby(found["problem"]).rank()
    found = found.assign(problems=1, rank=ranking.where(complete), ratios=pd.Series(ratios, dtype=object))
    found[RATIO] = [_aggregate([one]) for one in ratios]
    rows = [*found.to_dict("records"), *_over_problems(found[complete])]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"batch_size": "Int64", "caution": "str"})


def _over_problems(found: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows over all problems, from those a problem and optimizer."""
    ranks = found.pivot(index="problem", columns="optimizer", values="rank").to_numpy(float)
    problems, optimizers = ranks.shape
    tested: dict[str, Any] = {"caution": caution(problems, optimizers)}
    if problems > 1 and optimizers > 2:
        tested |= {**friedman(ranks)._asdict(), "permutation_p": permutation_p(ranks)}
    rows = []
    for optimizer, own in found.groupby("optimizer", sort=False):
        row = {"optimizer": optimizer, "measure": " or ".join(own["measure"].unique()), "problems": problems}
        row |= {"n": own["n"].sum(), "rank": own["rank"].mean()}
        rows.append({**row, **dict(zip(RATIO, _aggregate(list(own["ratios"])), strict=True)), **tested})
    return rows


def _aggregate(ratios: Sequence[NDArray[np.float64] | None]) -> tuple[float, float, float]:
    """The ratio and its interval, averaged as logarithms: one problem with large ratios would outweigh the rest.

    NaN where a problem has no ratios. Where only the reference diverged a ratio is zero, and its logarithm infinite;
    there is no mean of that and of the logarithm of an infinite ratio, and so no interval where both are.
    """
    known = [one for one in ratios if one is not None]
    if len(known) < len(ratios):
        return np.nan, np.nan, np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(one) for one in known]
        together = np.concatenate(logs)
        mixed = np.isposinf(together).any() and np.isneginf(together).any()
        ends = (np.nan, np.nan) if mixed else intervals.stratified_interval(logs)
        ratio, lower, upper = np.exp([intervals.interquartile_mean(together), *ends])
    return float(ratio), float(lower), float(upper)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, cells.build(inputs), inputs.evaluation)


TABLE = Table(
    build=build,
    columns={
        "problem": Column(str, "the problem's name in the experiment file; null for all problems together"),
        "schedule": Column(str, "that of the cell of the optimizer that tuning prefers on the problem"),
        "batch_size": Column(int, "that of the same cell", unit="examples"),
        "learning_rate": Column(float, "the rate chosen for that cell"),
        "measure": MEASURE,
        "problems": Column(
            int, "how many the row speaks of: all together are those where every optimizer has a rank", unit="problems"
        ),
        "n": Column(int, "evaluation runs of those cells, diverged ones and those out of time included", unit="runs"),
        "value": Column(float, "interquartile mean of the measure over evaluation seeds; what ranks are of"),
        "rank": Column(
            float,
            "1 for the lowest value, ties sharing theirs, losses below 1.4e-14 being ties; over all problems the "
            "mean; null where not every optimizer was evaluated",
        ),
        "ratio": Column(
            float,
            "geometric interquartile mean, over seeds and over problems, of the measure / that of the problem's "
            "best cell at the same seed; null where one is not positive",
        ),
        "lower": Column(float, "lower end of its 95 % interval (bootstrap of the seeds of each problem)"),
        "upper": Column(float, "upper end of it"),
        "chi_square": Column(
            float, "Friedman's χ² of the ranks, not corrected for ties; this and what follows are of all rows"
        ),
        "f": Column(float, "Iman and Davenport's F made of it; infinite where all problems agree on all ranks"),
        "p": Column(float, "the p of F"),
        "critical_difference": Column(float, "by how much two mean ranks must differ at 5 % (Nemenyi)"),
        "permutation_p": Column(
            float, "the p of χ² by permutation of each problem's ranks, right for few problems too"
        ),
        "caution": Column(
            str,
            "why there is no test, or why F, its p and critical_difference are rough: they are approximations for "
            "more than 10 problems and more than 5 optimizers; null where they are not",
        ),
    },
)
