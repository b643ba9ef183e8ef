"""What a smaller budget of tuning would have brought: the best of k trials, from the one sweep that is stored."""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.statistics import intervals

_EXACTLY = 1e-12
"""What sums of probabilities may be short of the number that they are."""


def trials(tuning: pd.DataFrame, by_rate: pd.DataFrame) -> pd.DataFrame:
    """A row a cell and trial, in the order in which tuning prefers the trials of a problem, with `test_loss`.

    `test_loss` is the median over the trial's tuning runs of the final test loss; one that did not finish is infinite.
    `tuning` holds the tuning runs as histories.counting_lost gives them, `by_rate` is choose.rates of them.
    """
    tested = tuning.groupby([*CELL, *TRIAL])["final_test_loss"].median().rename("test_loss")
    ranked = by_rate.assign(resolved=histories.resolved(by_rate["median"])).join(tested, on=[*CELL, *TRIAL])
    return ranked.sort_values(["problem", "steps_to_target", "resolved", *TRIAL], kind="stable", ignore_index=True)


def table(tuning: pd.DataFrame, by_rate: pd.DataFrame) -> pd.DataFrame:
    """A row a pool of trials and budget k: the test loss of the trial that tuning would choose of k of them.

    The k are drawn without replacement, each set of k being as likely as any other. A pool is a cell's trials, or
    those of an optimizer and batch size over all schedules (there `schedule` is null), where there is more than one.
    `expected` is exact, the average over all sets of k, and infinite where one of them leads to a trial whose median
    test loss is; `lost` is the share of sets that do, and the quartiles are defined with them.
    """
    ranked = trials(tuning, by_rate)
    across = ranked[ranked.groupby(["problem", "optimizer", "batch_size"])["schedule"].transform("nunique") > 1]
    pools = pd.concat([ranked, across.assign(schedule=None)], ignore_index=True)
    sizes = pools.groupby(CELL, dropna=False)["test_loss"].transform("size")
    return pd.concat([_of_size(rows) for _, rows in pools.groupby(sizes)], ignore_index=True)


@cache
def chances(trials: int) -> NDArray[np.float64]:
    """The probability that of k of the trials, k = 1 … trials, the i-th is the best: an array (k, i), best first.

    C(m − 1 − i, k − 1) / C(m, k) for i = 0 …, since the others are then among those behind it; without replacement,
    as in Dodge et al. 2021 (Expected validation performance and estimation of a random variable's maximum), there for
    the expected maximum itself. By its recurrence in i, in which nothing grows beyond one.
    """
    k, i = np.arange(1, trials + 1)[:, None], np.arange(1, trials)
    steps = np.maximum(trials - i - k + 1, 0) / (trials - i)
    return np.cumprod(np.append(k / trials, steps, axis=1), axis=1)


def best_of(losses: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Expected value, median, quartiles and infinite share of the loss of the best of k, each (pools, k).

    `losses` (pools, trials) are those that are reported, in the order of the trials, the one preferred first. The
    quantiles are the smallest value that is not exceeded with at least that probability.
    """
    chance = chances(losses.shape[1])
    infinite = np.isinf(losses)
    lost = intervals.summed(infinite.astype(float), chance.T)
    expected = intervals.summed(np.where(infinite, 0.0, losses), chance.T)
    order = np.argsort(losses, axis=1, kind="stable")
    ordered = np.take_along_axis(losses, order, 1)
    reached = np.cumsum(chance.T[order], axis=1)
    at = {"lower": 0.25, "median": 0.5, "upper": 0.75}
    places = {name: (reached >= share - _EXACTLY).argmax(axis=1) for name, share in at.items()}
    quantiles = {name: np.take_along_axis(ordered, place, 1) for name, place in places.items()}
    return {"expected": np.where(lost > 0, np.inf, expected), **quantiles, "lost": lost}


def _of_size(pools: pd.DataFrame) -> pd.DataFrame:
    """best_of for pools that have equally many trials, all at once."""
    ordered = pools.sort_values(CELL, kind="stable")
    size = len(ordered) // len(ordered.drop_duplicates(CELL))
    losses = ordered["test_loss"].to_numpy(float).reshape(-1, size)
    budgets = pd.DataFrame({"trials": size, "k": np.tile(np.arange(1, size + 1), len(losses))})
    # A pool has as many budgets as trials, so that the budgets take the places of its trials.
    found = {name: values.ravel() for name, values in best_of(losses).items()}
    return pd.concat([ordered[CELL].reset_index(drop=True), budgets.assign(**found)], axis=1)
