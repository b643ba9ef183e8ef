"""The complete design of a problem's tuning runs, whose variance is shared out among the factors of the grid."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis.choose import TRIAL, by_preference, steps_to_target
from thalweg.analysis.statistics.variance import Array
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared

AXES = ("trial", "schedule", "batch_size", "seed")


def complete_design(
    experiment: Experiment, problem: str, tuning: pd.DataFrame
) -> tuple[Array, NDArray[np.int64]] | None:
    """The `design_of` a problem's tuning runs; None where a run is missing that the experiment declares.

    The runs of a whole optimizer, schedule, batch size or seed can be missing and leave a smaller design that is
    complete by itself, but not the one whose `levels` are told.
    """
    mine = tuning[tuning["problem"] == problem]
    design = design_of(mine)
    return design if design and design[0].size == declared(experiment)[problem, "tuning"] else None


def design_of(tuning: pd.DataFrame) -> tuple[Array, NDArray[np.int64]] | None:
    """The ranks of one problem's tuning runs, shape (trials, schedules, batch sizes, seeds), and each trial's optimizer
    as a number; None where a combination of the levels that are there is missing."""
    trial = tuning.groupby(["optimizer", *TRIAL], sort=True).ngroup()
    preferred = by_preference(tuning["final_validation_loss"], steps_to_target(tuning), tuning["batch_size"])
    ranks = preferred.groupby(list(preferred)).ngroup().rank()
    placed = ranks.groupby([trial.rename("trial"), *(tuning[axis] for axis in AXES[1:])]).mean()
    shape = tuple(len(level) for level in placed.index.levels)
    if not len(placed) or len(placed) != math.prod(shape):
        return None
    optimizers = tuning.groupby(trial)["optimizer"].first()
    return placed.sort_index().to_numpy(dtype=float).reshape(shape), pd.factorize(optimizers)[0]
