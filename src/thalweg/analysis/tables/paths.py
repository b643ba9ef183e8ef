"""The weights that evaluation runs recorded on their way."""

import pandas as pd

from thalweg.analysis.choose import CELL
from thalweg.analysis.columns import WEIGHTS
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table


def table(evaluation: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """A row a step at which an evaluation run at the chosen rate recorded its weights."""
    weights = recorded.reindex(columns=["run", "step", *WEIGHTS]).dropna().drop_duplicates(["run", "step"])
    return evaluation[["run", *CELL, "seed"]].merge(weights.astype(dict.fromkeys(WEIGHTS, "float32")), on="run")


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.evaluation, inputs.recorded)


TABLE = Table(
    build=build,
    keys=(*CELL, "seed", "step"),
    columns=WEIGHTS,
)
