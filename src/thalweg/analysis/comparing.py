"""What cells are compared by, which cell is the best, and the values of two cells paired by seed."""

from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, by_preference, steps_to_target
from thalweg.experiment.schema import Experiment

GRID_AXES = ("optimizer", "schedule", "batch_size")
"""The axes of the grid whose levels are compared."""

LOSS, EXAMPLES = "final test loss", "examples to target"

MEASURE_COLUMNS = {LOSS: "final_test_loss", EXAMPLES: "examples_to_target"}
"""Where the tables of cells and runs have what is compared."""


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


def measures(experiment: Experiment) -> dict[str, str]:
    """What runs are compared by on each problem. Where they end at a target their final loss is not theirs to lower: it
    tells only how far each was beyond the target when it stopped."""
    return {name: EXAMPLES if grid.end_at_target else LOSS for name, grid in experiment.problems.items()}


def by_seed(experiment: Experiment, evaluation: pd.DataFrame) -> dict[Hashable, pd.Series]:
    """For each cell what its evaluation runs are compared by, by seed: lower is better, infinite is the worst.

    That is the final test loss, none nearer to zero than histories.LOSS_RESOLUTION, or the examples to the target,
    batch size × steps, infinite for a run that did not reach it.
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
