"""Where runs went that recorded their two weights, and the loss surface that they went over."""

from pathlib import Path

import pandas as pd

from thalweg.analysis.choose import CELL
from thalweg.experiment.schema import Experiment
from thalweg.results.store import surface_file

WEIGHTS = ["weight_0", "weight_1"]


def table(evaluation: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """A row a step at which an evaluation run at the chosen rate recorded its weights."""
    there = recorded.reindex(columns=["run", "step", *WEIGHTS]).dropna().drop_duplicates(["run", "step"])
    return evaluation[["run", *CELL, "seed"]].merge(there.astype(dict.fromkeys(WEIGHTS, "float32")), on="run")


def surfaces(experiment: Experiment, results: Path) -> pd.DataFrame:
    """A row a point of the loss surface of each problem that records its weights."""
    files = {
        name: surface_file(results, name) for name, grid in experiment.problems.items() if "weights" in grid.record
    }
    columns = [*WEIGHTS, "train_loss"]
    found = [pd.read_parquet(file).assign(problem=name) for name, file in files.items() if file.is_file()]
    none = pd.DataFrame(columns=["problem", *columns]).astype({"problem": "str", **dict.fromkeys(columns, "float32")})
    return pd.concat([none, *found], ignore_index=True)
