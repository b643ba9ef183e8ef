"""The share of the runs of each optimizer's best cell that have reached a target, step by step."""

import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment


def table(target_times: pd.DataFrame, best: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """A row a problem, optimizer, target and step at which a run arrives or is lost from sight: the share that arrived.

    That is 1 − S, S being the Kaplan–Meier estimate; where no run was out of time, the plain share of the runs. `best`
    holds the CELL of each problem and optimizer that represents it; `target_times` is what targets.times gives.
    """
    series = [*CELL, *TRIAL, "place"]
    out_of_time = ~target_times["reached"] & (target_times["outcome"] == "out of time")
    steps = target_times.assign(out_of_time=out_of_time).merge(best).groupby([*series, "watched"], sort=True)
    arrivals = steps.agg(
        target=("target", "first"),
        arriving=("reached", "sum"),
        out_of_time=("out_of_time", "sum"),
        leaving=("run", "size"),
    )
    arrivals = arrivals.reset_index().rename(columns={"watched": "step"})
    curves = arrivals.groupby(series)
    arrivals["n"], arrivals["reached"] = curves["leaving"].transform("sum"), curves["arriving"].transform("sum")
    arrivals["at_risk"] = arrivals["n"] - curves["leaving"].cumsum() + arrivals["leaving"]
    staying = 1 - arrivals["arriving"] / arrivals["at_risk"]
    arrivals["step"] = arrivals["step"].astype(int)
    arrivals["arrived"] = 1 - staying.groupby([arrivals[name] for name in series]).cumprod()
    order = [*CELL, *TRIAL, "target", "n", "reached", "step", "at_risk", "arriving", "out_of_time", "arrived"]
    return histories.in_grid_order(arrivals, experiment, ["problem", "place", "optimizer", "step"])[order]


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.target_times, inputs.preferred, inputs.experiment)


TABLE = Table(
    build=build,
    columns={
        "schedule": Column(str, "that of the optimizer's best cell on the problem, by tuning_validation_loss"),
        "target": Column(str, "what a run is to reach, as in the table targets"),
        "n": Column(int, "evaluation runs of this cell, diverged ones and those out of time included", unit="runs"),
        "reached": Column(int, "how many of them reached the target", unit="runs"),
        "step": Column(
            int, "where runs reach the target, or are lost from sight: the horizon for one that diverged", unit="steps"
        ),
        "at_risk": Column(
            int, "how many were in sight until this step and had not reached the target before", unit="runs"
        ),
        "arriving": Column(int, "how many of them reach it at this step", unit="runs"),
        "out_of_time": Column(int, "how many of them are stopped at this step, and do not reach it", unit="runs"),
        "arrived": Column(float, "share of the runs that reached the target by this step: 1 − S (Kaplan–Meier)"),
    },
)
