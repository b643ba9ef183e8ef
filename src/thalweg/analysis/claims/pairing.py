"""The runs of two sets of cells, paired by seed and by what the cells have in common, and the effect of each pair."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.claims.runs import Results, gather_run_data, select_runs
from thalweg.experiment.claims import TUNED, Comparison, Level
from thalweg.experiment.measures.base import RunMeasure
from thalweg.experiment.schema import Experiment
from thalweg.grid import Cell, cells, trials


def count_declared_pairs(experiment: Experiment, compare: Comparison) -> int:
    """Count the pairs of cells that a seed has if no run is missing.

    At a rate that is written out, tuning seeds have the pairs of the grid, and evaluation seeds those of reproductions:
    the larger number counts.
    """
    sides = [_declare_cells(experiment, side) for side in compare.sides()]
    shared_axes = [axis for axis in CELL if axis != compare.axis]
    keys = [
        [{tuple(getattr(cell, axis) for axis in shared_axes) for cell in declared} for declared in side]
        for side in sides
    ]
    return max(len(first & second) for first, second in zip(*keys, strict=True))


def _declare_cells(experiment: Experiment, side: Mapping[str, Level]) -> list[list[Cell]]:
    """The cells of one side: those of the grid, and those of reproductions."""
    rate = side.get("learning_rate", TUNED)
    of_grid = [
        cell
        for problem in experiment.problems
        for name, optimizer in experiment.optimizers.items()
        if rate == TUNED or any(trial == (rate, ()) for trial in trials(optimizer))
        for cell in cells(experiment, problem, name)
    ]
    of_reproductions = [
        Cell(reproduction.problem, reproduction.optimizer, reproduction.schedule, reproduction.batch_size)
        for reproduction in experiment.reproductions.values()
        if reproduction.learning_rate == rate
    ]
    levels = {axis: level for axis, level in side.items() if axis != "learning_rate"}.items()
    return [[cell for cell in declared if levels <= cell._asdict().items()] for declared in (of_grid, of_reproductions)]


def pair_runs(
    experiment: Experiment, compare: Comparison, measure: RunMeasure, results: Results
) -> tuple[pd.DataFrame, str]:
    """Pair the runs of both sides.

    Returns:
        A row a seed and pair of cells: what both have in common, the `effect`, and the runs, `run` and `run_other`. The
        effect is NaN where neither run reached a target, because the ratio of their times is not known. Beside it why
        there are no rows, "" where there are some.
    """
    first_side, second_side = (select_runs(side, results) for side in compare.sides())
    if first_side.empty or second_side.empty:
        return pd.DataFrame(), "no runs"
    keys = [*(axis for axis in CELL if axis != compare.axis), "seed"]
    sides = [
        runs.assign(value=measure.values(gather_run_data(experiment, runs, results)))[[*keys, "value", "run"]].dropna(
            subset=["value"]
        )
        for runs in (first_side, second_side)
    ]
    pairs = sides[0].merge(sides[1], on=keys, suffixes=("", "_other"))
    if pairs.empty:
        return pairs, "not measured" if any(side.empty for side in sides) else "no pairs"
    first, second = pairs["value"].to_numpy(dtype=float), pairs["value_other"].to_numpy(dtype=float)
    pairs["effect"] = {"ratio": ratios, "difference": differences}[measure.effect](first, second)
    if measure.is_time_to_target:
        pairs["effect"] = pairs["effect"].mask(np.isinf(first) & np.isinf(second))
    return pairs, ""


def ratios(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio of each pair; one where both values are infinite, or both below histories.LOSS_RESOLUTION."""
    first, second = (histories.resolved(pd.Series(values)).to_numpy(dtype=float) for values in (first, second))
    with np.errstate(invalid="ignore"):
        quotients: NDArray[np.float64] = np.where(first == second, 1.0, first / second)
    return quotients


def differences(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The difference of each pair; zero where both values are the same infinity, as those of two lost runs are."""
    with np.errstate(invalid="ignore"):
        gaps: NDArray[np.float64] = np.where(first == second, 0.0, first - second)
    return gaps
