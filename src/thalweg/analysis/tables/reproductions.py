"""What reproductions of a source came to: final train loss and predictions."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.claims.runs import Targets
from thalweg.analysis.columns import Column
from thalweg.analysis.histories import FAILURES, FINISHED
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment


def table(experiment: Experiment, counted: pd.DataFrame, targets: Targets) -> pd.DataFrame:
    """A row a reproduction and quantity: the final train loss, and the prediction at each probe point.

    A run that diverged or was out of time counts as infinite, in a prediction too, as it does in claims.
    """
    rows = []
    for name, one in experiment.reproductions.items():
        runs = counted[(counted["stage"] == "reproduction") & (counted["reproduction"] == name)]
        setting = {"reproduction": name, **one.model_dump(include={*CELL, "learning_rate"})}
        setting |= histories.count_failed(runs)
        rows.append({**setting, "quantity": "train_loss", **_spread(runs["final_train_loss"].to_numpy())})
        for k, (point, truth) in enumerate(targets.get(one.problem, [])):
            predicted = runs[f"final_probe_{k}"].where(runs["outcome"].isin(FINISHED), np.inf).to_numpy(dtype=float)
            at = ", ".join(f"{coordinate:g}" for coordinate in point)
            rows.append({**setting, "quantity": f"probe_{k}", "input": at, "target": truth, **_spread(predicted)})
    order = ["reproduction", *CELL, "learning_rate", "quantity", "input", "target", "n", *FAILURES]
    return pd.DataFrame(rows, columns=[*order, "median", "lower", "upper", "minimum", "maximum"])


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    lower, upper = intervals.median_interval(values)
    ends = (float(values.min()), float(values.max())) if len(values) else (np.nan, np.nan)
    names = ("n", "median", "lower", "upper", "minimum", "maximum")
    return dict(zip(names, (len(values), intervals.quartiles(values)[1], lower, upper, *ends), strict=True))


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, inputs.counted, inputs.truths)


TABLE = Table(
    build=build,
    columns={
        "quantity": Column(str, "train_loss, the final one, or probe_k, the prediction at the k-th probe point"),
        "input": Column(str, "the probe point"),
        "target": Column(float, "the true value there"),
        "n": Column(
            int, "how many runs the row speaks of; one that diverged or was out of time counts as infinite", unit="runs"
        ),
        "median": Column(float, "median over the runs"),
        "lower": Column(float, "lower end of the median's 95 % interval (order statistics)"),
        "upper": Column(float, "upper end of it"),
        "minimum": Column(float, "the lowest"),
        "maximum": Column(float, "the highest"),
    },
)
