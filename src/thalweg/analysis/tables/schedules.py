"""The learning rate as applied, relative to its peak, at each step of each schedule."""

import pandas as pd

from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table


def table(runs: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """A row a problem, batch size, schedule and step: the learning rate as applied, relative to its peak."""
    keys = ["problem", "schedule", "batch_size", "step"]
    columns = ["run", "problem", "schedule", "batch_size", "learning_rate", "steps_per_epoch"]
    peaks = runs[columns].drop_duplicates("run").rename(columns={"learning_rate": "peak"})
    applied = recorded.loc[recorded["learning_rate"].notna(), ["run", "step", "learning_rate"]].merge(peaks, on="run")
    applied["relative"] = applied["learning_rate"] / applied["peak"]
    applied["epoch"] = applied["step"] / applied["steps_per_epoch"]
    # A rate is applied in single precision, so that peaks differ in the relative rate's seventh digit.
    return applied.groupby(keys, as_index=False)[["epoch", "relative"]].median().round({"relative": 6})


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.runs, inputs.recorded)


TABLE = Table(
    build=build,
    keys=("problem", "schedule", "batch_size", "step"),
    columns={
        "relative": Column(float, "the learning rate as the latest step applied it / the peak learning rate"),
    },
)
