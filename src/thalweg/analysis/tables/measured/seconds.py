"""What the runs that finished cost."""

import pandas as pd

from thalweg.analysis.columns import Column
from thalweg.analysis.histories import FINISHED
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.table import Table


def table(runs: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """A row a problem, optimizer, batch size, device and processor: what the runs that finished cost.

    A run whose initial weights are at its target takes no step, and tells nothing of what one costs.
    """
    keys = ["problem", "optimizer", "batch_size", "device", "cpu_model"]
    finished = runs[runs["outcome"].isin(FINISHED) & (runs["ended_at"] > 0)].drop_duplicates("run")
    cost = finished[["run", "problem", "optimizer", "batch_size", "ended_at"]].merge(measurements, on="run")
    cost["microseconds"] = 1e6 * cost["seconds"] / cost["ended_at"]
    rows = []
    for key, group in cost.groupby(keys, sort=True, dropna=False):
        lower, median, upper = intervals.quartiles(group["microseconds"].to_numpy())
        steps = int(group["ended_at"].sum())
        rows.append((*key, len(group), steps, float(group["seconds"].sum()), median, lower, upper))
    return pd.DataFrame(rows, columns=[*keys, "n", "steps", "seconds", "median", "lower", "upper"])


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.runs, inputs.measurements)


TABLE = Table(
    build=build,
    keys=("problem", "optimizer", "batch_size"),
    columns={
        "device": Column(str, "the device that computed"),
        "cpu_model": Column(str, "the processor"),
        "n": Column(
            int, "how many runs the row speaks of: those that finished and took a step, each once", unit="runs"
        ),
        "steps": Column(int, "steps that all these runs took", unit="steps"),
        "seconds": Column(float, "seconds of training of all these runs", unit="s"),
        "median": Column(float, "median over runs of the time a step took", unit="µs"),
        "lower": Column(float, "first quartile of the same", unit="µs"),
        "upper": Column(float, "third quartile of the same", unit="µs"),
    },
)
