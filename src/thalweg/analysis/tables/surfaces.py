"""The loss surface of each problem whose runs record their two weights."""

from pathlib import Path

import pandas as pd

from thalweg.analysis.columns import WEIGHTS, Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment
from thalweg.results.layout import surface_file


def table(experiment: Experiment, results: Path) -> pd.DataFrame:
    """A row a point of the loss surface of each problem that records its weights."""
    files = {
        name: surface_file(results, name) for name, grid in experiment.problems.items() if "weights" in grid.record
    }
    columns = [*WEIGHTS, "train_loss"]
    surfaces = [pd.read_parquet(file).assign(problem=name) for name, file in files.items() if file.is_file()]
    empty = pd.DataFrame(columns=["problem", *columns]).astype({"problem": "str", **dict.fromkeys(columns, "float32")})
    return pd.concat([empty, *surfaces], ignore_index=True)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, inputs.results)


TABLE = Table(
    build=build,
    keys=("problem",),
    columns=WEIGHTS
    | {
        "train_loss": Column(
            float, "the loss over the whole training split at these weights, as the runs' histories have it"
        ),
    },
)
