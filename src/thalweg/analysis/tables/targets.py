"""How long each cell's runs take to its problem's targets: median time and expected running time."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.statistics.survival import ert_intervals, median_times
from thalweg.analysis.table import Table
from thalweg.analysis.targets import examples_seen
from thalweg.experiment.schema import Experiment


def table(target_times: pd.DataFrame, experiment: Experiment, examples: Mapping[str, float]) -> pd.DataFrame:
    """A row a cell and target: how many runs reached it, the median time to it and the ERT, both with intervals.

    The median is that of the Kaplan–Meier estimate. The expected running time, ERT, is what all runs took, to the
    target or to their end, over how many reached it: what restarting with new seeds until one reaches it takes on
    average (Hansen et al. 2021, COCO; Auger & Hansen 2005). Infinite where none did. A cell without evaluation runs
    has no row. `target_times` is what targets.times gives.
    """
    # Resampling then depends on the times alone, not on the order of seeds.
    target_times = target_times.sort_values(["taken", "reached"], kind="stable")
    groups = target_times.groupby([*CELL, *TRIAL, "place"], sort=True)
    summary = groups.agg(
        target=("target", "first"),
        share=("share", "first"),
        column=("column", "first"),
        value=("value", "first"),
        n=("run", "size"),
        reached=("reached", "sum"),
        steps_per_epoch=("steps_per_epoch", "first"),
        steps=("steps", "first"),
    )
    taken = groups[["taken", "epochs_taken", "examples_taken"]].sum(min_count=1)
    summary[["ert", "ert_epochs", "ert_examples"]] = taken.div(summary["reached"].clip(lower=1), axis=0)
    summary = summary.reset_index()
    summary.loc[summary["reached"] == 0, ["ert", "ert_epochs", "ert_examples"]] = np.inf
    summary[["lower", "median", "upper"]] = median_times(*_by_group(target_times, groups.ngroup(), "watched"))
    horizons = summary["steps"].to_numpy(float)
    summary[["ert_lower", "ert_upper"]] = ert_intervals(*_by_group(target_times, groups.ngroup(), "taken"), horizons)
    # Where all runs take the same, the failure that is imagined puts both ends above what was seen.
    summary["ert_lower"] = np.minimum(summary["ert_lower"], summary["ert"])
    summary["median_epochs"] = summary["median"] / summary["steps_per_epoch"]
    summary["median_examples"] = examples_seen(summary["median"], summary, experiment, examples)
    summary["interval"] = _why(summary)
    order = [*CELL, *TRIAL, "target", "share", "column", "value", "n", "reached", "median", "lower", "upper"]
    order += ["interval", "median_epochs", "median_examples", "ert", "ert_lower", "ert_upper"]
    return summary[[*order, "ert_epochs", "ert_examples"]]


def _by_group(
    target_times: pd.DataFrame, group: pd.Series, column: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """The times in `column` and whether the target was reached as arrays (groups × runs), and each group's size."""
    places = target_times.groupby(group).cumcount().to_numpy()
    rows = group.to_numpy()
    sizes = np.bincount(rows) if len(rows) else np.zeros(0, int)
    times = np.full((len(sizes), sizes.max(initial=1)), np.inf)
    reached = np.zeros(times.shape, bool)
    times[rows, places], reached[rows, places] = target_times[column], target_times["reached"]
    return times, reached, sizes


def _why(rows: pd.DataFrame) -> NDArray[np.str_]:
    """How the median's interval was found, or why there is none, or only one end of it."""
    few, never, half = rows["n"] < intervals.MIN_VALUES, rows["median"].isna(), rows["upper"].isna()
    reasons = ["too few seeds", "fewer than half reached it", "no upper end within what was seen"]
    return np.select([few, never, half], reasons, default="Kaplan–Meier, log(−log)")


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.target_times, inputs.experiment, inputs.examples)


TABLE = Table(
    build=build,
    keys=(*CELL, *TRIAL),
    columns={
        "target": Column(
            str,
            "what a run is to reach: the experiment file's target, or generated ones where it gives none; it is "
            "there at the first evaluation point at which that holds",
        ),
        "share": Column(
            float,
            "the share of the problem's evaluation runs with a finite loss, all cells together, that end at the "
            "generated target; null for one that the experiment file gives",
        ),
        "column": Column(str, "the metric that the target is about, and the split on which it is taken"),
        "value": Column(float, "the metric's value at the target"),
        "n": Column(
            int, "evaluation runs at the chosen rate, diverged ones and those out of time included", unit="runs"
        ),
        "reached": Column(int, "how many of them reached the target", unit="runs"),
        "median": Column(
            float,
            "median time to the target (Kaplan–Meier); a run that diverged is one that did not reach it in the "
            "horizon, one out of time is lost from sight there; null where fewer than half reached it",
            unit="steps",
        ),
        "lower": Column(float, "lower end of the median's 95 % interval", unit="steps"),
        "upper": Column(float, "upper end of it; null where it lies beyond what was seen", unit="steps"),
        "interval": Column(str, "how that interval was found, or why there is none"),
        "median_epochs": Column(float, "the median in epochs", unit="epochs"),
        "median_examples": Column(float, "the median in examples seen, an example counting each time", unit="examples"),
        "ert": Column(
            float,
            "expected running time with restarts: steps that all runs took, to the target or to their end / "
            "reached; infinite where none reached it",
            unit="steps",
        ),
        "ert_lower": Column(
            float,
            "lower end of its 95 % interval (bootstrap, with half a seed more that fails), at most the ert itself;"
            " null with fewer than 6 seeds or where none reached it",
            unit="steps",
        ),
        "ert_upper": Column(float, "upper end of it; infinite where none reached it", unit="steps"),
        "ert_epochs": Column(float, "the same in epochs", unit="epochs"),
        "ert_examples": Column(float, "the same in examples seen", unit="examples"),
    },
)
