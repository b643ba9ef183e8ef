"""What training left: an experiment's runs, their histories and what was measured, as data frames."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from thalweg.experiment.schema import Experiment
from thalweg.results.layout import runs_folder, shard_file, shard_folder
from thalweg.results.shards import read_shards

SPLITS = ("train", "validation", "test")
STAGES = ("tuning", "evaluation")
"""The folders of runs. Reproductions are trained with the evaluation runs and lie in their files."""

LOSS_RESOLUTION = float(np.finfo(np.float32).eps) ** 2
"""Losses nearer to zero than this count as it: a squared error in single precision tells no smaller ones apart."""

FINISHED = ("finished", "reached target")
"""The outcomes of runs that have final metrics."""

FAILURES = {"diverged": "diverged", "out_of_time": "out of time"}
"""The other outcomes, which count as the worst, each with the column of the tables that counts them."""

HIGHER_IS_BETTER = ("accuracy", "auc", "precision", "recall", "score", "iou", "cosine_similarity")
"""A metric whose name holds one of these is better when higher; every other one is better when lower."""


class Metric(NamedTuple):
    """One measured number: a metric on a split, and the column of the histories that holds it."""

    split: str
    name: str

    @property
    def column(self) -> str:
        return f"{self.split}_{self.name}"

    @property
    def worst(self) -> float:
        """What a run counts as that diverged or was out of time."""
        return float("-inf") if higher_is_better(self.name) else float("inf")


def resolved(losses: pd.Series) -> pd.Series:
    """Losses as they are compared and ranked: none nearer to zero than the LOSS_RESOLUTION."""
    return losses.mask(unresolved(losses), LOSS_RESOLUTION)


def unresolved(losses: pd.Series) -> pd.Series:
    """Which of some losses are nearer to zero than the LOSS_RESOLUTION."""
    found: pd.Series = losses.abs() < LOSS_RESOLUTION
    return found


def higher_is_better(metric: str) -> bool:
    return any(word in metric for word in HIGHER_IS_BETTER)


def read(experiment: Experiment, results: Path, name: str) -> pd.DataFrame:
    """All shards called `name` (runs, histories or measured) below `results`, in one frame, in grid order.

    `run` is categorical, since a million digests are slow to read and to compare. A job that has not run yet leaves no
    shard; what it should have trained is counted as missing elsewhere. Raises FileNotFoundError where not one shard is
    there.
    """
    folders = [
        shard_folder(results, stage, problem, optimizer)
        for stage in STAGES
        for problem in experiment.problems
        for optimizer in experiment.optimizers
    ]
    there = [folder for folder in folders if shard_file(folder, name).is_file()]
    if not there:
        raise FileNotFoundError(f"no {name}.parquet in {runs_folder(results)}: nothing of this experiment was trained")
    frame: pd.DataFrame = read_shards(there, name, categories=["run"]).to_pandas()
    return frame


def trained(experiment: Experiment, results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All runs with their outcomes and `bits`, and their histories; `run` has the same categories in both, sorted."""
    recorded, runs = (read(experiment, results, name) for name in ("histories", "runs"))
    known = sorted(runs["run"].cat.categories)
    recorded, runs = (frame.assign(run=frame["run"].cat.set_categories(known)) for frame in (recorded, runs))
    runs = with_outcomes(runs, recorded)
    return runs.assign(bits=bits(runs, recorded)), recorded


def metrics(columns: Iterable[str]) -> list[Metric]:
    """The metrics that some columns hold, the loss before the others, train before validation before test."""
    found = [Metric(split, column[len(split) + 1 :]) for column in columns for split in SPLITS if _is_of(column, split)]
    return sorted(set(found), key=lambda metric: (metric.name != "loss", metric.name, SPLITS.index(metric.split)))


def probes(columns: Iterable[str]) -> list[str]:
    """The columns with the model's predictions at the problem's probe points, in the order of the points."""
    return sorted((column for column in columns if column.startswith("probe_")), key=lambda name: int(name[6:]))


def in_grid_order(frame: pd.DataFrame, experiment: Experiment, by: list[str]) -> pd.DataFrame:
    """Sort by the columns `by`, names in the order of the experiment file and numbers upwards."""
    order = {
        "problem": list(experiment.problems),
        "optimizer": list(experiment.optimizers),
        "schedule": list(experiment.schedules),
        "reproduction": list(experiment.reproductions),
        "stage": [*STAGES, "reproduction"],
    }

    def rank(column: pd.Series) -> pd.Series:
        names = order.get(column.name)
        if names is None:
            return column
        # Of a category each name is looked up once, and of a column of texts every row.
        return column.astype("category").map({name: place for place, name in enumerate(names)}).astype(float)

    return frame.sort_values(by, key=rank, kind="stable", ignore_index=True)


def with_outcomes(runs: pd.DataFrame, histories: pd.DataFrame) -> pd.DataFrame:
    """`runs` with each run's final and best metrics, probes included; both are null where it did not finish.

    A run that finished and has no history is left out: nothing is known of how it ended, least of all that it is the
    worst. So it counts as missing.

    Final is where the run ended: at the horizon, or where it reached its target. Best is at the evaluation point with
    the lowest validation loss, the earliest if several are as low (`best_step`): what early stopping would have kept,
    never the lowest test loss along the way.
    """
    columns = [metric.column for metric in metrics(histories.columns)]
    steps, losses = histories["step"], histories["validation_loss"].fillna(np.inf)
    last = histories[steps == steps.groupby(histories["run"]).transform("max")].drop_duplicates("run", keep="last")
    lowest = histories[losses == losses.groupby(histories["run"]).transform("min")]
    lowest = lowest.sort_values("step", kind="stable").drop_duplicates("run")
    final = last[["run", *columns, *probes(histories.columns)]].set_index("run").add_prefix("final_")
    best = lowest[["run", "step", *columns]].set_index("run").add_prefix("best_")
    runs = runs[~runs["outcome"].isin(FINISHED) | runs["run"].isin(last["run"])].reset_index(drop=True)
    finished = runs.loc[runs["outcome"].isin(FINISHED), ["run"]].drop_duplicates().set_index("run")
    finished = finished.join(final).join(best)
    return runs.join(finished.astype({"best_step": "Int64"}), on="run")


def bits(runs: pd.DataFrame, histories: pd.DataFrame) -> pd.Series:
    """For each of `runs` eight hexadecimal digits of a SHA-256 digest of how it ended and of its whole history.

    Of a history it takes every column that holds a number, by its name, as 64-bit numbers in little-endian order: what
    other runs recorded beside it changes nothing.
    """
    known = pd.Index(histories["run"].unique())
    codes = known.get_indexer(histories["run"])
    order = np.lexsort((histories["step"], codes))
    starts = np.searchsorted(codes[order], np.arange(len(known) + 1)).tolist()
    ends = zip(runs["outcome"], runs["ended_at"], strict=True)
    digests = [hashlib.sha256(f"{outcome} {ended_at} ".encode()) for outcome, ended_at in ends]
    places = known.get_indexer(runs["run"]).tolist()
    recorded = [(digest, place) for digest, place in zip(digests, places, strict=True) if place >= 0]
    for name in sorted(histories.columns.drop("run")):
        values = histories[name].to_numpy("<f8")[order]
        absent = np.isnan(values)
        values[absent] = np.nan
        empty = np.logical_and.reduceat(absent, starts[:-1]).tolist()
        for digest, place in recorded:
            if not empty[place]:
                digest.update(name.encode() + values[starts[place] : starts[place + 1]].tobytes())
    return pd.Series([digest.hexdigest()[:8] for digest in digests], index=runs.index, dtype="str")


def count_failed(runs: pd.DataFrame) -> dict[str, int]:
    """How many of some runs have no final metrics, by the columns of FAILURES."""
    return {column: int((runs["outcome"] == outcome).sum()) for column, outcome in FAILURES.items()}


def impute_failed(runs: pd.DataFrame) -> pd.DataFrame:
    """`runs` (with outcomes) where every metric that a run lacks because it did not finish is the worst there is.

    Null stays only what no run of the problem measures, such as the accuracy of a regression.
    """
    counted = runs.copy()
    for when in ("final_", "best_"):
        names = [name for name in runs if name.startswith(when) and name != "best_step"]
        for metric in metrics(name[len(when) :] for name in names):
            name = when + metric.column
            measured = runs[name].notna().groupby(runs["problem"]).transform("any") | (metric.name == "loss")
            counted[name] = runs[name].astype(float).mask(runs[name].isna() & measured, metric.worst)
    return counted


def _is_of(column: str, split: str) -> bool:
    return column.startswith(f"{split}_")
