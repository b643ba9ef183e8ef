"""What a step takes by optimizers that were timed in turn, and claims in seconds, which rest on it.

All of it is measured, so that it may come out otherwise on another machine or another day.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis.claims import effects, pairing
from thalweg.analysis.claims.finding import Finding
from thalweg.analysis.claims.runs import Results
from thalweg.analysis.statistics import intervals
from thalweg.experiment.claims import Comparison
from thalweg.experiment.measures.base import RunMeasure
from thalweg.experiment.schema import Experiment
from thalweg.results.layout import timings_file

PROGRAM = ["problem", "batch_size", "optimizer"]
"""What a program is compiled for: what a step takes depends on it, and not on schedule, rate or seed."""

MEASURED_ON = ["device", "threads", "cpu_model"]

TURN = [*PROGRAM, "round", "microseconds", "steps", *MEASURED_ON]

HALF = 1 - (1 - intervals.CONFIDENCE) / 2
"""The level of each of two intervals that are joined into one of 95 %."""


def read(experiment: Experiment, results: Path) -> pd.DataFrame:
    """A row a turn of all problems that the experiment asks to be timed, and were."""
    files = [timings_file(results, name) for name, grid in experiment.problems.items() if grid.timing]
    found = [pd.read_parquet(file) for file in files if file.is_file()]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=TURN)


def compared(
    experiment: Experiment, compare: Comparison, measure: RunMeasure, results: Results, turns: pd.DataFrame
) -> Finding:
    """The ratio of seconds of two sets of cells: that of steps, seed by seed, times that of the time of a step.

    Steps vary with the seed; the time of a step is the same for all seeds, and known by some rounds. Each has half of
    the 5 % by which the interval may miss (Bonferroni), in intervals by order statistics: one of the median over seeds,
    where each pair of cells has the median of its ratios of times, and one of that median over rounds, for all distinct
    pairs at once. What the true ratios of times make of the first lies within the lowest and the highest share by which
    they may differ from their medians, for a seed's effect rises with each. So the ends are multiplied.
    """
    pairs, lacks = pairing.pair_runs(experiment, compare, measure, results)
    wanted = pairing.count_declared_pairs(experiment, compare)
    if lacks:
        return Finding(lacks=lacks, declared=wanted)
    by_round = ratios_by_round(turns, pairs, compare)
    if by_round.shape[1] == 0 or np.isnan(by_round).any():
        return Finding(lacks="not timed", declared=wanted)
    middle = np.median(by_round, axis=1)
    found = effects.summarize_pairs(pairs.assign(effect=pairs["effect"] * middle), wanted, HALF)
    shares = np.unique(by_round / middle[:, None], axis=0)
    of_each = 1 - (1 - HALF) / len(shares)
    lower, upper = np.array([intervals.median_interval(one, of_each) for one in shares]).T
    if np.isnan(lower).any():
        return found._replace(lower=math.nan, upper=math.nan, lacks="too few rounds")
    return found._replace(lower=float(found.lower * lower.min()), upper=float(found.upper * upper.max()))


def ratios_by_round(turns: pd.DataFrame, pairs: pd.DataFrame, compare: Comparison) -> NDArray[np.float64]:
    """For each pair (row) and round (column) the ratio of the times of a step; NaN where there is none."""
    times = turns.astype({"microseconds": float}).pivot(index=PROGRAM, columns="round", values="microseconds")
    ours, theirs = (
        times.reindex(pd.MultiIndex.from_frame(pairs.assign(**{compare.axis: level})[PROGRAM])).to_numpy()
        for level in (compare.level, compare.other)
    )
    ratios: NDArray[np.float64] = ours / theirs
    return ratios
