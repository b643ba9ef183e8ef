"""What a smaller budget of tuning would have brought: the best of k trials, from the one sweep that is stored."""

import numpy as np
import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics.best_of_k import best_of
from thalweg.analysis.table import Table


def trials(tuning: pd.DataFrame, by_rate: pd.DataFrame) -> pd.DataFrame:
    """A row a cell and trial, in the order in which tuning prefers the trials of a problem, with `test_loss`.

    `test_loss` is the median over the trial's tuning runs of the final test loss; one that did not finish is infinite.
    `tuning` holds the tuning runs as histories.impute_failed gives them, `by_rate` is choose.rates of them.
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


def _of_size(pools: pd.DataFrame) -> pd.DataFrame:
    """best_of for pools that have equally many trials, all at once."""
    ordered = pools.sort_values(CELL, kind="stable")
    size = len(ordered) // len(ordered.drop_duplicates(CELL))
    losses = ordered["test_loss"].to_numpy(float).reshape(-1, size)
    budgets = pd.DataFrame({"trials": size, "k": np.tile(np.arange(1, size + 1), len(losses))})
    # A pool has as many budgets as trials, so that the budgets take the places of its trials.
    found = {name: values.ravel() for name, values in best_of(losses).items()}
    return pd.concat([ordered[CELL].reset_index(drop=True), budgets.assign(**found)], axis=1)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.tuning, inputs.by_rate)


TABLE = Table(
    build=build,
    keys=(*CELL,),
    columns={
        "schedule": Column(str, "the schedule's name; null where the trials are those of all schedules together"),
        "trials": Column(int, "how many trials there are to draw from", unit="trials"),
        "k": Column(
            int, "the budget: how many of them, drawn without replacement, tuning chooses among", unit="trials"
        ),
        "expected": Column(
            float,
            "expected test loss (median over the tuning seeds of the final one) of the trial that tuning prefers "
            "among k, for its validation loss or, where runs end at their target, for its steps to it, over all "
            "sets of k trials; infinite where it can be",
        ),
        "median": Column(float, "median of that test loss over all sets of k trials"),
        "lower": Column(float, "first quartile of the same"),
        "upper": Column(float, "third quartile of the same"),
        "lost": Column(float, "share of the sets of k trials for which that test loss is infinite"),
    },
)
