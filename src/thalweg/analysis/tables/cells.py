"""Each cell's evaluation runs at the chosen trial: test metrics with intervals over seeds."""

from functools import cache

import numpy as np
import pandas as pd

from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.columns import Column
from thalweg.analysis.histories import FAILURES
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.table import Table

_NONE = np.array([], int)
"""The places of a cell's runs where there is none."""


def table(chosen: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a cell: the chosen trial, then the test metrics of its evaluation runs with 95 % intervals over seeds.

    The interval is that of the interquartile mean; the median of final metrics is given beside it.
    """
    places = evaluation.groupby(CELL, sort=False).indices
    runs_of_cells = [places.get(key, _NONE) for key in chosen[CELL].itertuples(index=False, name=None)]
    summary = pd.DataFrame({"n": [len(runs) for runs in runs_of_cells]})
    for column, outcome in FAILURES.items():
        lost = (evaluation["outcome"] == outcome).to_numpy()
        summary[column] = [lost[runs].sum() for runs in runs_of_cells]
    summary["diverged_share"] = summary["diverged"] / summary["n"]
    summary["diverged_share_lower"], summary["diverged_share_upper"] = intervals.wilson(
        summary["diverged"], summary["n"]
    )
    summary["interval"] = np.where(summary["n"] >= intervals.MIN_VALUES, "bootstrap", "too few seeds")
    names = [name for name in evaluation if name.startswith(("final_test_", "best_test_"))]
    for name in [*names, "log_test_loss_area", "examples_to_target"]:
        values = [evaluation[name].to_numpy()[runs] for runs in runs_of_cells]
        summary[name] = [intervals.interquartile_mean(sample) for sample in values]
        summary[[f"{name}_lower", f"{name}_upper"]] = [
            intervals.interquartile_mean_interval(sample) for sample in values
        ]
        if name.startswith("final_"):
            summary[f"{name}_median"] = [intervals.quartiles(sample)[1] for sample in values]
    tuning_names = {name: f"tuning_{name}" for name in ("runs", *FAILURES, "validation_loss", "steps_to_target")}
    order = [*CELL, *TRIAL, "edge", *tuning_names.values()]
    return pd.concat([chosen.rename(columns=tuning_names)[order], summary], axis=1)


@cache
def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.chosen, inputs.evaluation)


TABLE = Table(
    build=build,
    metric_suffix=": interquartile mean over evaluation seeds, a run that did not finish counting as the worst",
    columns={
        "learning_rate": Column(
            float,
            "the chosen peak rate: lowest median final validation loss, those below 1.4e-14 tie, ties to the smaller",
        ),
        "edge": Column(
            str,
            "lowest or highest where the chosen rate is that of the optimizer's range; null where it is within, "
            "and for a search",
        ),
        "tuning_runs": Column(int, "tuning runs at the chosen rate", unit="runs"),
        "tuning_diverged": Column(int, "how many of them diverged", unit="runs"),
        "tuning_out_of_time": Column(int, "how many of them were out of time", unit="runs"),
        "tuning_validation_loss": Column(
            float, "median over them of the final validation loss; a run that diverged or was out of time is infinite"
        ),
        "tuning_steps_to_target": Column(
            float,
            "median over them of the steps to a target at which runs end; infinite where they do not",
            unit="steps",
        ),
        "n": Column(
            int, "evaluation runs at the chosen rate, diverged ones and those out of time included", unit="runs"
        ),
        "diverged_share": Column(float, "diverged / n"),
        "diverged_share_lower": Column(float, "lower end of its 95 % interval (Wilson)"),
        "diverged_share_upper": Column(float, "upper end of it"),
        "interval": Column(str, "how intervals of metrics were found; with fewer than 6 seeds there are none"),
        "log_test_loss_area": Column(
            float,
            "area under the base-10 logarithm of the test loss over the steps / the horizon: interquartile mean "
            "over evaluation seeds, a run that did not finish counting as the worst",
        ),
        "log_test_loss_area_lower": Column(float, "lower end of its 95 % bootstrap interval"),
        "log_test_loss_area_upper": Column(float, "upper end of it"),
        "examples_to_target": Column(
            float,
            "where runs end at their target, the examples until there (batch size × steps): interquartile mean "
            "over evaluation seeds, a run that did not reach it being infinite; null where runs do not end so",
            unit="examples",
        ),
        "examples_to_target_lower": Column(float, "lower end of its 95 % bootstrap interval", unit="examples"),
        "examples_to_target_upper": Column(float, "upper end of it", unit="examples"),
    },
)
