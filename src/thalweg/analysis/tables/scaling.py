"""How many steps a larger batch saves: median steps to a target at each batch size, and the curve fitted to them."""

import numpy as np
import pandas as pd

from thalweg.analysis import histories, targets
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics.batch_scaling import FITTED, fit, of_series
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment
from thalweg.grid import evaluation_steps

SERIES = ["problem", "optimizer", "place"]


def table(target_times: pd.DataFrame, best: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """A row a problem, optimizer, target and batch size: the median steps, those fitted, and the fit of all sizes.

    `best` holds the CELL of each problem and optimizer that tuning prefers. Its schedule is that of the whole series: a
    saving would else be one of the schedule too. So no evaluation run is both judge and party. `target_times` is what
    targets.times gives. A batch size at which fewer than half of the runs reach the target is left out of the fit. In
    300 simulations with known truth, 3 and 5 batch sizes, 10 and 20 seeds the intervals held it in 95 to 99 %.
    """
    keys = [*SERIES, "batch_size"]
    target_times = target_times.merge(best[CELL[:3]])
    groups = target_times.groupby(keys, sort=True)
    first = dict.fromkeys(["target", "schedule", *TRIAL, "steps"], "first")
    summary = groups.agg({**first, "run": "size", "reached": "sum"}).rename(columns={"run": "n"}).reset_index()
    steps = targets.resampled_medians(target_times, groups.ngroup().to_numpy(), len(summary), "taken")
    summary["median"] = np.where(np.isinf(steps[:, 0]), np.nan, steps[:, 0])
    seeds = target_times["seed"].nunique()
    alike: dict[tuple[int, ...], list[pd.DataFrame]] = {}
    for _, rows in summary.groupby(SERIES):
        alike.setdefault(tuple(rows["batch_size"]), []).append(rows)
    parts = []
    for batch_sizes, series in alike.items():
        sizes, samples = np.array(batch_sizes, float), [steps[rows.index].T for rows in series]
        fits = np.split(fit(sizes, np.concatenate(samples)), len(series))
        for rows, of_rows, fitted in zip(series, samples, fits, strict=True):
            columns = of_series(sizes, of_rows, fitted, seeds, _coarseness(rows, experiment))
            parts.append(pd.DataFrame(columns, index=rows.index))
    summary = summary.join(pd.concat(parts)) if parts else summary
    ends = [f"{name}_{end}" for name in FITTED for end in ("lower", "upper")]
    named = [*CELL, *TRIAL, "target", "n", "reached", "median", "fitted", "perfect", "fit", *FITTED, *ends]
    ordered = histories.in_grid_order(summary, experiment, keys).reindex(columns=[*named, "extrapolated", "regime"])
    return ordered.astype(dict.fromkeys(["fit", "extrapolated", "regime"], "str"))


def _coarseness(rows: pd.DataFrame, experiment: Experiment) -> float:
    """How much earlier, on a logarithmic scale, a median can have been at its target than at the evaluation point at
    which it was seen there: the most of a series."""
    most = 0.0
    for row in rows[rows["median"] > 0].itertuples():
        points = evaluation_steps(int(row.steps), experiment.problems[row.problem].evaluation_points)
        before = max((point for point in points if point < row.median), default=0)
        most = max(most, float(np.log(row.median / (before + 1))))
    return most


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.target_times, inputs.preferred, inputs.experiment)


TABLE = Table(
    build=build,
    columns={
        "schedule": Column(str, "that of the optimizer's best cell on the problem, by tuning_validation_loss"),
        "target": Column(str, "what a run is to reach, as in the table targets"),
        "reached": Column(int, "how many of them reached the target", unit="runs"),
        "median": Column(
            float,
            "median time to the target, as in the table targets; null where fewer than half reach it",
            unit="steps",
        ),
        "fitted": Column(float, "min_steps + min_examples / batch_size", unit="steps"),
        "perfect": Column(
            float,
            "what it would be if each batch were worth its size: from the smallest one on, slope −1",
            unit="steps",
        ),
        "fit": Column(
            str,
            "fitted to the batch sizes with a median, or why not; not of this shape: by a 95 % interval, and by "
            "more than evaluation points are apart or 1 %, steps fall by more than batches grow, rise, or are off "
            "the fit",
        ),
        "min_steps": Column(float, "S_min: the fewest steps, with the largest batches", unit="steps"),
        "min_examples": Column(
            float, "E_min: the fewest examples, with the smallest batches; steps × batch_size", unit="examples"
        ),
        "critical_batch_size": Column(
            float,
            "min_examples / min_steps; zero where larger batches save no step, infinite where they save in proportion",
            unit="examples",
        ),
        "min_steps_lower": Column(
            float, "lower end of its 95 % bootstrap interval, whole seeds resampled", unit="steps"
        ),
        "min_steps_upper": Column(float, "upper end of it", unit="steps"),
        "min_examples_lower": Column(float, "lower end of the same of min_examples", unit="examples"),
        "min_examples_upper": Column(float, "upper end of it", unit="examples"),
        "critical_batch_size_lower": Column(float, "lower end of the same of critical_batch_size", unit="examples"),
        "critical_batch_size_upper": Column(float, "upper end of it", unit="examples"),
        "extrapolated": Column(
            str, "below or above: where critical_batch_size lies outside the batch sizes of the fit"
        ),
        "regime": Column(
            str,
            "in proportion: critical_batch_size_lower is at least twice the largest batch size of the fit; little:"
            " critical_batch_size_upper at most half the smallest; turning: both lie between them; else undecided;"
            " null without a fit, or for too few seeds",
        ),
    },
)
