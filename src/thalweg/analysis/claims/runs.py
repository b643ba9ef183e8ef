"""The runs that claims are judged on, and the values that a measure takes from them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from thalweg.analysis.histories import FINISHED
from thalweg.experiment.claims import TUNED, Level
from thalweg.experiment.cross_checks import unknown_metrics
from thalweg.experiment.measures.base import RunData
from thalweg.experiment.schema import Experiment
from thalweg.results.layout import check_file

Targets = Mapping[str, list[tuple[list[float], float]]]
"""For each problem with probe points, in the order of the columns: the point and the true value."""


class Results(NamedTuple):
    """What claims are judged on.

    Attributes:
        runs: All runs, lost ones counted as the worst.
        evaluation: Those evaluation runs among them that are at the chosen learning rates.
        recorded: The histories of all runs.
        targets: The true values at the probe points.
    """

    runs: pd.DataFrame
    evaluation: pd.DataFrame
    recorded: pd.DataFrame
    targets: Targets


def find_unknown_metrics(experiment: Experiment, results: Path) -> list[str]:
    """Tell of the metrics of claims that no problem records.

    An experiment's claims are checked for them before anything is trained, but may be changed at any time after.
    """
    files = {name: check_file(results, name) for name in experiment.problems}
    checks = {name: json.loads(file.read_bytes()) for name, file in files.items() if file.is_file()}
    metrics = {name: check["metrics"] for name, check in checks.items() if "metrics" in check}
    return list(unknown_metrics(experiment, metrics))


def select_runs(side: Mapping[str, Level], results: Results) -> pd.DataFrame:
    """Select the runs of one side of a comparison, each once.

    At a rate that is written out they are all runs at that rate, whatever they were trained for; at the tuned rate they
    are the evaluation runs.
    """
    rate = side.get("learning_rate", TUNED)
    if rate == TUNED:
        runs = results.evaluation
    else:
        runs = results.runs[(results.runs["learning_rate"] == rate) & (results.runs["hyperparameters"] == "{}")]
    for axis, level in side.items():
        if axis != "learning_rate":
            runs = runs[runs[axis] == level]
    return runs.drop_duplicates("run")


def gather_run_data(experiment: Experiment, runs: pd.DataFrame, results: Results) -> RunData:
    """Gather what a measure may take from some runs."""
    return RunData(
        runs=runs,
        histories=results.recorded,
        finished_outcomes=FINISHED,
        unknown=pd.Series(np.nan, runs.index),
        own_targets={name: problem.target for name, problem in experiment.problems.items()},
        probes=results.targets,
    )
