"""All runs with their outcomes, and final and best metrics: a row a run."""

import pandas as pd

from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table


def build(inputs: Inputs) -> pd.DataFrame:
    return inputs.runs


TABLE = Table(
    build=build,
    keys=("problem", "stage", "reproduction", *CELL[1:], *TRIAL, "seed"),
    metric_suffix="",
)
