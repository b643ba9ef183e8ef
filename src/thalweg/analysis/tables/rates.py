"""How each trial of each cell did in tuning."""

import pandas as pd

from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.columns import Column
from thalweg.analysis.histories import FAILURES
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.table import Table


def table(by_rate: pd.DataFrame) -> pd.DataFrame:
    """What `choose.rates` gives, with the share of runs that diverged or were out of time and its 95 % interval."""
    lost = by_rate[list(FAILURES)].sum(axis=1)
    lower, upper = intervals.wilson(lost, by_rate["n"])
    return by_rate.assign(lost_share=lost / by_rate["n"], lost_share_lower=lower, lost_share_upper=upper)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.by_rate)


TABLE = Table(
    build=build,
    keys=(*CELL, *TRIAL),
    columns={
        "median": Column(
            float, "median over tuning seeds of the final validation loss; a run that did not finish is infinite"
        ),
        "lower": Column(float, "first quartile of the same"),
        "upper": Column(float, "third quartile of the same"),
        "steps_to_target": Column(
            float, "median of the steps to a target at which runs end; infinite where they do not", unit="steps"
        ),
        "lost_share": Column(float, "(diverged + out_of_time) / n"),
        "lost_share_lower": Column(float, "lower end of its 95 % interval (Wilson)"),
        "lost_share_upper": Column(float, "upper end of it"),
    },
)
