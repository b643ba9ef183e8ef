"""What a step takes, by optimizers that were timed in turn."""

import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.table import Table
from thalweg.analysis.timings import MEASURED_ON, PROGRAM
from thalweg.experiment.schema import Experiment

COLUMNS = [*PROGRAM, "rounds", "steps", "median", "reference", "ratio", "lower", "upper", *MEASURED_ON]


def table(experiment: Experiment, turns: pd.DataFrame) -> pd.DataFrame:
    """A row a problem, batch size and optimizer: the time of a step, and its ratio to the first optimizer's.

    A ratio is taken within a round, in which both had their turn within a moment; `ratio`, `lower` and `upper` are
    median and quartiles over the rounds.
    """
    first = next(iter(experiment.optimizers))
    of_first = turns.loc[turns["optimizer"] == first, [*PROGRAM[:2], "round", "microseconds"]]
    paired = turns.merge(of_first, on=[*PROGRAM[:2], "round"], suffixes=("", "_of_first"))
    rows = []
    for key, group in paired.groupby(PROGRAM, sort=False):
        ratios = (group["microseconds"] / group["microseconds_of_first"]).to_numpy(dtype=float)
        lower, ratio, upper = intervals.quartiles(ratios)
        median = intervals.quartiles(group["microseconds"].to_numpy(dtype=float))[1]
        measured_on = group[MEASURED_ON].iloc[0]
        rows.append((*key, len(group), group["steps"].iloc[0], median, first, ratio, lower, upper, *measured_on))
    return histories.in_grid_order(pd.DataFrame(rows, columns=COLUMNS), experiment, PROGRAM)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, inputs.turns)


TABLE = Table(
    build=build,
    columns={
        "rounds": Column(
            int, "how many rounds of turns: in each all optimizers were timed at all batch sizes", unit="rounds"
        ),
        "steps": Column(int, "steps of training in a turn; nothing is evaluated in it", unit="steps"),
        "median": Column(float, "median over the rounds of the time that a step took in a turn", unit="µs"),
        "reference": Column(str, "the first optimizer of the experiment file"),
        "ratio": Column(float, "median over the rounds of that time / the reference's in the same round"),
        "lower": Column(float, "first quartile of the same"),
        "upper": Column(float, "third quartile of the same"),
        "device": Column(str, "the device that computed"),
        "threads": Column(int, "of the processor, that computed", unit="threads"),
        "cpu_model": Column(str, "the processor"),
    },
)
