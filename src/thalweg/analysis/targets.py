"""The targets of problems, and when each run reaches them.

A run comes to a target at the first evaluation point at which it is there. One that never comes there is no missing
value: all that it took is known to have been too little (censored).
"""

import json
from collections.abc import Mapping
from decimal import ROUND_CEILING, Context
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.statistics import intervals, survival
from thalweg.experiment.schema import Experiment
from thalweg.experiment.target import Target
from thalweg.results import layout

SHARES = (0.75, 0.5, 0.25)
"""The shares of a problem's evaluation runs that come to each of its generated targets: an easy one first."""

_DIGITS = Context(prec=3, rounding=ROUND_CEILING)


def of_problems(experiment: Experiment, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and target: target (as the experiment file writes it), share, column, at_least, value.

    A problem whose experiment file gives a target has that one. Any other has one for each of SHARES: the final
    validation loss at or below which this share of its evaluation runs ends, all cells together. So each cell weighs
    by its seeds alone, and no optimizer is the one by whose result the others are measured; a target set by the best
    cell, say, would be out of reach for all but it. Runs without a finite loss are left out, so that an optimizer that
    always diverges moves no target. The value is rounded up to three digits: small changes leave it as it was, what
    stands in the table is all of it, and copied to the experiment file it stays as it is when the grid or the horizon
    changes. `evaluation` holds the evaluation runs as histories.impute_failed gives them.
    """
    rows = []
    for problem, grid in experiment.problems.items():
        if grid.target:
            rows.append((problem, np.nan, *grid.target))
            continue
        losses = histories.resolved(evaluation.loc[evaluation["problem"] == problem, "final_validation_loss"])
        ordered = np.sort(losses[np.isfinite(losses)].to_numpy())
        by_value = {_rounded_up(float(intervals.quantile(ordered, share))): share for share in SHARES if len(ordered)}
        rows += [(problem, share, "validation_loss", False, value) for value, share in by_value.items()]
    targets = pd.DataFrame(rows, columns=["problem", "share", "column", "at_least", "value"])
    texts = [f"{row.column} {'>=' if row.at_least else '<='} {row.value}" for row in targets.itertuples()]
    targets.insert(1, "target", pd.Series(texts, dtype="str"))
    return targets


def examples_of(experiment: Experiment, results: Path) -> dict[str, int]:
    """For each problem that was checked, how many examples its training split has."""
    counted = {}
    for problem in experiment.problems:
        file = layout.check_file(results, problem)
        if file.is_file():
            counted[problem] = json.loads(file.read_text(encoding="utf-8"))["splits"]["train"]["examples"]
    return counted


def examples_seen(
    taken: pd.Series, rows: pd.DataFrame, experiment: Experiment, examples: Mapping[str, float]
) -> pd.Series:
    """How many examples were seen in so many steps; only an epoch's last batch may be partial.

    `rows` say of which problem, batch_size and steps_per_epoch. NaN for a problem with partial batches of which
    `examples` (those of the training split, by problem) says nothing.
    """
    epochs, beyond = np.divmod(taken, rows["steps_per_epoch"])
    # Of a category each name is looked up once, and of a column of texts every row.
    problems = rows["problem"].astype("category")
    dropped = problems.map({problem: grid.drop_remainder for problem, grid in experiment.problems.items()}).astype(bool)
    in_batches = rows["steps_per_epoch"] * rows["batch_size"]
    in_epoch = problems.map(dict(examples)).astype(float).where(~dropped, in_batches)
    return epochs * in_epoch + np.minimum(beyond * rows["batch_size"], in_epoch)


def times(
    evaluation: pd.DataFrame,
    recorded: pd.DataFrame,
    targets: pd.DataFrame,
    experiment: Experiment,
    examples: Mapping[str, float],
) -> pd.DataFrame:
    """A row a run and target: `reached`, and the `taken`, `epochs_taken` and `examples_taken` until there or the end.

    `watched` is the step until which one knows that the run had not reached the target: for one that diverged, the
    horizon, because it would not have come there. (Taking it out of the runs at risk where it diverged would let those
    that are left stand for it: the median of a cell where most runs diverge would be that of its lucky ones.) One that
    was out of time is watched until it was stopped. `examples_taken` is NaN for a problem of which `examples` (those
    of the training split, by problem) says nothing.
    """
    columns = ["run", *CELL, *TRIAL, "seed", "steps_per_epoch", "steps", "outcome", "ended_at"]
    runs = evaluation[columns].merge(targets.assign(place=np.arange(len(targets))), on="problem")
    runs["first"] = np.inf
    for place, row in enumerate(targets.itertuples(index=False)):
        target = Target(row.column, bool(row.at_least), float(row.value))
        rows = (runs["place"] == place).to_numpy()
        runs.loc[rows, "first"] = _first_at(target, runs.loc[rows, "run"], recorded)
    runs["reached"] = np.isfinite(runs["first"])
    runs["taken"] = runs["first"].where(runs["reached"], runs["ended_at"].astype(float))
    not_reached = runs["ended_at"].where(runs["outcome"] != "diverged", runs["steps"]).astype(float)
    runs["watched"] = runs["first"].where(runs["reached"], not_reached)
    runs["epochs_taken"] = runs["taken"] / runs["steps_per_epoch"]
    runs["examples_taken"] = examples_seen(runs["taken"], runs, experiment, examples)
    return runs


def resampled_medians(times: pd.DataFrame, group: NDArray[np.int64], groups: int, column: str) -> NDArray[np.float64]:
    """The survival.resampled_medians of groups of runs, an array (groups, 1 + intervals.RESAMPLES).

    Args:
        times: A row a run and target, as `times` gives them.
        group: The group of each row.
        groups: How many groups there are.
        column: What the time is given in: taken, or examples_taken.
    """
    seeds, seed = np.unique(times["seed"], return_inverse=True)
    watched, counted = np.full((2, groups, len(seeds)), np.nan)
    reached = np.zeros((groups, len(seeds)), bool)
    watched[group, seed], counted[group, seed], reached[group, seed] = times["watched"], times[column], times["reached"]
    return survival.resampled_medians(watched, counted, reached)


def areas(runs: pd.DataFrame, recorded: pd.DataFrame) -> NDArray[np.float64]:
    """For each run the area under the logarithm (base 10) of its test loss over the steps, divided by the horizon.

    That is the average over the run of the loss on a logarithmic scale: 1 lower is a tenth of the loss. Between
    evaluation points the logarithm is taken to go straight (trapezoids); a run that ended at its target stays at its
    last loss until the horizon. Infinite for a run that diverged or was out of time; NaN for a loss below zero.
    """
    distinct = runs.drop_duplicates("run")
    codes = pd.Index(distinct["run"]).get_indexer(recorded["run"])
    order = np.lexsort((recorded["step"].to_numpy(), codes))
    order = order[codes[order] >= 0]
    codes, steps = codes[order], recorded["step"].to_numpy(float)[order]
    losses = histories.resolved(recorded["test_loss"].astype(float)).to_numpy()[order]
    with np.errstate(invalid="ignore"):
        logs = np.log10(losses)
    same = codes[1:] == codes[:-1]
    pieces = ((logs[1:] + logs[:-1]) / 2 * (steps[1:] - steps[:-1]))[same]
    area = np.bincount(codes[1:][same], pieces, minlength=len(distinct))
    last = np.full(len(distinct), -1)
    last[codes] = np.arange(len(codes))
    horizons = distinct["steps"].to_numpy(float)
    ended_well = distinct["outcome"].isin(histories.FINISHED).to_numpy() & (last >= 0)
    area[ended_well] += (logs[last] * (horizons - steps[last]))[ended_well] if len(codes) else 0
    by_run = pd.Series(np.where(ended_well, area / horizons, np.inf), index=distinct["run"])
    normalised: NDArray[np.float64] = by_run.loc[runs["run"]].to_numpy()
    return normalised


def _rounded_up(value: float) -> float:
    return float(_DIGITS.create_decimal(repr(value)))


def _first_at(target: Target, runs: pd.Series, recorded: pd.DataFrame) -> NDArray[np.float64]:
    """The first step at which each of `runs` (its identities, each once) is at the target; infinite for never."""
    # Compared with a Python number, in the precision of what was recorded: as the run itself compares.
    reaching = recorded.loc[target.is_reached_by(recorded[target.column]), ["run", "step"]]
    codes = pd.Index(runs).get_indexer(reaching["run"])
    first = np.full(len(runs), np.inf)
    np.minimum.at(first, codes[codes >= 0], reaching["step"].to_numpy(float)[codes >= 0])
    return first
