"""How many runs were declared, how each of them ended, and how many are missing."""

import pandas as pd

from thalweg.analysis.columns import Column
from thalweg.analysis.histories import FAILURES, FINISHED
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared


def table(experiment: Experiment, runs: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and stage: how many runs were declared, how each of them ended, how many are missing and of
    which optimizers.

    Runs that reached their target are among those that finished.
    """
    by_outcome = runs.groupby(["problem", "stage", "outcome"]).size().to_dict()
    by_optimizer = runs.groupby(["problem", "stage", "optimizer"]).size().to_dict()
    rows = []
    for (problem, stage), number in declared(experiment).items():
        incomplete_optimizers = [
            name
            for name in experiment.optimizers
            if by_optimizer.get((problem, stage, name), 0) < declared(experiment, name)[problem, stage]
        ]
        ended = {outcome: by_outcome.get((problem, stage, outcome), 0) for outcome in (*FINISHED, *FAILURES.values())}
        rows.append(
            {
                "problem": problem,
                "stage": stage,
                "declared": number,
                "finished": sum(ended[outcome] for outcome in FINISHED),
                "reached_target": ended["reached target"],
                **{column: ended[outcome] for column, outcome in FAILURES.items()},
                "missing": number - sum(ended.values()),
                "missing_of": ", ".join(incomplete_optimizers),
            }
        )
    return pd.DataFrame(rows)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, inputs.runs)


TABLE = Table(
    build=build,
    columns={
        "declared": Column(int, "how many runs the experiment asks for", unit="runs"),
        "finished": Column(
            int, "how many came to their horizon, or ended where they reached their target", unit="runs"
        ),
        "reached_target": Column(int, "how many of those ended where they reached their target", unit="runs"),
        "missing": Column(int, "how many were never trained, or finished and left no history", unit="runs"),
        "missing_of": Column(str, "the optimizers of which runs are missing"),
    },
)
