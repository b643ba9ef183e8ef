"""The shipped experiment that uses the keys which the others do without."""

from pathlib import Path

import pandas as pd
import pytest

from thalweg.experiment.loading import load
from thalweg.experiment.schema import ProblemGrid

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_every_key_of_a_problem_stands_in_a_shipped_experiment():
    shipped = [load(file) for file in EXPERIMENTS.glob("*.yaml")]
    written = {key for experiment in shipped for grid in experiment.problems.values() for key in grid.model_fields_set}
    assert ProblemGrid.model_fields.keys() - written == {"lanes", "jobs_per_gpu"}, "only GPUs have a use for these two"
    assert any(optimizer.search for experiment in shipped for optimizer in experiment.optimizers.values())


@pytest.fixture(scope="module")
def results(make_workspace):
    workspace = make_workspace()
    workspace.run(experiment="every_key")
    return workspace.results / "every_key"


def test_it_runs_to_a_report(results):
    runs = pd.read_parquet(results / "tables/runs.parquet")
    streamed = runs[runs["problem"] == "rings_streamed"]
    assert (results / "report/index.html").is_file()
    assert set(streamed["outcome"]) == {"finished"}
    assert (runs.loc[runs["problem"] == "rings", "outcome"] == "reached target").any()
    tuning = runs[(runs["stage"] == "tuning") & (runs["optimizer"] == "adam")]
    assert tuning["hyperparameters"].nunique() == 3
