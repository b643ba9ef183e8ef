"""How optimizers rank over all problems: their ranks, whether these differ, and how far each is from the best cells."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.statistics import intervals
from thalweg.analysis.tables import comparisons
from thalweg.experiment.schema import Experiment

_ENTROPY = 20_250_102


class Friedman(NamedTuple):
    """Whether mean ranks differ (`p` is that of `f`), and by how much two of them must."""

    chi_square: float
    f: float
    p: float
    critical_difference: float


RATIO = ["ratio", "lower", "upper"]
TEST = [*Friedman._fields, "permutation_p", "caution"]
COLUMNS = [*CELL, *TRIAL, "measure", "problems", "n", "value", "rank", *RATIO, *TEST]


def table(experiment: Experiment, by_cell: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and optimizer, and one an optimizer over all problems (there `problem` is null).

    Each optimizer stands there with its best cell, ranked by the interquartile mean of what `comparisons` compares that
    cell by; losses below histories.RESOLUTION tie, as infinite ones do, and ties share their ranks. `ratio` is the
    geometric interquartile mean, over seeds and over problems, of the ratio to the problem's best cell at the same
    seed; null where a value is not positive. All problems are those on which every optimizer has evaluation runs; on
    another one nobody has a rank.
    """
    by_seed = comparisons.by_seed(experiment, evaluation)
    best = comparisons.best_cells(by_cell, ["problem", "optimizer"])
    reference = {key[0]: key for key in best.drop_duplicates("problem")[CELL].itertuples(index=False, name=None)}
    found = histories.in_grid_order(best, experiment, ["problem", "optimizer"])
    keys = list(found[CELL].itertuples(index=False, name=None))
    both = [comparisons.paired(by_seed.get(key), by_seed.get(reference[key[0]])) for key in keys]
    ratios = [comparisons.ratios(one) for one in both]
    found["measure"] = found["problem"].map(comparisons.measures(experiment))
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


def friedman(ranks: NDArray[np.float64]) -> Friedman:
    """Friedman's χ², Iman and Davenport's F with its p, and Nemenyi's critical difference of mean ranks at 5 %.

    `ranks` is problems × optimizers, each row the ranks of one problem. As Demšar 2006 has them (Statistical
    comparisons of classifiers over multiple data sets, section 3.2.2), without correction for ties, which makes all of
    them cautious. Where all problems agree on all ranks F is infinite, and its p is zero however few they are.
    """
    problems, optimizers = ranks.shape
    found = float(chi_square(ranks))
    with np.errstate(divide="ignore"):
        f = np.float64((problems - 1) * found) / (problems * (optimizers - 1) - found)
    p = float(stats.f.sf(f, optimizers - 1, (optimizers - 1) * (problems - 1)))
    studentized = float(stats.studentized_range.ppf(intervals.LEVEL, optimizers, np.inf)) / np.sqrt(2)
    return Friedman(found, float(f), p, float(studentized * np.sqrt(optimizers * (optimizers + 1) / (6 * problems))))


def chi_square(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Friedman's χ² of ranks (… × problems × optimizers), not corrected for ties."""
    problems, optimizers = ranks.shape[-2:]
    # Twice a sum of ranks is a whole number, so that equal statistics are equal to the bit.
    squares = (2 * ranks.sum(axis=-2) - problems * (optimizers + 1)) ** 2
    found: NDArray[np.float64] = 3 * squares.sum(axis=-1) / (problems * optimizers * (optimizers + 1))
    return found


def permutation_p(ranks: NDArray[np.float64]) -> float:
    """The p of Friedman's χ² where each problem's ranks could as well stand in any order: right for few problems too.

    From our own fixed draws of orders, the one found being one more of them (Phipson & Smyth 2010, Permutation
    p-values should never be zero).
    """
    alike = np.broadcast_to(ranks, (intervals.RESAMPLES, *ranks.shape))
    drawn = np.random.default_rng([_ENTROPY, *ranks.shape]).permuted(alike, axis=-1)
    return float((1 + (chi_square(drawn) >= chi_square(ranks)).sum()) / (1 + intervals.RESAMPLES))


def caution(problems: int, optimizers: int) -> str | None:
    """Why there is no test, or why F, its p and the critical difference are rough; None where they are not.

    They are approximations for more than 10 problems and more than 5 optimizers (Demšar 2006, section 3.2.2).
    """
    if problems < 2 or optimizers < 3:
        return "no test: fewer than 2 problems or 3 optimizers"
    few = [what for what, are_few in (("problems", problems <= 10), ("optimizers", optimizers <= 5)) if are_few]
    return f"rough: few {' and '.join(few)}" if few else None


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
        ends = (np.nan, np.nan) if mixed else intervals.stratified(logs)
        ratio, lower, upper = np.exp([intervals.interquartile_mean(together), *ends])
    return float(ratio), float(lower), float(upper)
