"""How long runs take: to a target, where the answer may be only that it took longer, and on the way as a whole.

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
from scipy import special

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.statistics import intervals
from thalweg.experiment.schema import Experiment
from thalweg.experiment.target import Target
from thalweg.results import layout

SHARES = (0.75, 0.5, 0.25)
"""The shares of a problem's evaluation runs that come to each of its generated targets: an easy one first."""

_DIGITS = Context(prec=3, rounding=ROUND_CEILING)
_HALF = 0.5 + 1e-12
"""Products of shares such as 9/10 · 8/9 end this near to the half that they are."""

_AT_ONCE = 1_000
"""Samples that are resampled together: a few ten megabytes."""


def of_problems(experiment: Experiment, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and target: target (as the experiment file writes it), share, column, at_least, value.

    A problem whose experiment file gives a target has that one. Any other has one for each of SHARES: the final
    validation loss at or below which this share of its evaluation runs ends, all cells together. So each cell weighs
    by its seeds alone, and no optimizer is the one by whose result the others are measured; a target set by the best
    cell, say, would be out of reach for all but it. Runs without a finite loss are left out, so that an optimizer that
    always diverges moves no target. The value is rounded up to three digits: small changes leave it as it was, what
    stands in the table is all of it, and copied to the experiment file it stays as it is when the grid or the horizon
    changes. `evaluation` holds the evaluation runs as histories.counting_lost gives them.
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
    made = pd.DataFrame(rows, columns=["problem", "share", "column", "at_least", "value"])
    texts = [f"{row.column} {'>=' if row.at_least else '<='} {row.value}" for row in made.itertuples()]
    made.insert(1, "target", pd.Series(texts, dtype="str"))
    return made


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
    found = evaluation[columns].merge(targets.assign(place=np.arange(len(targets))), on="problem")
    found["first"] = np.inf
    for place, row in enumerate(targets.itertuples(index=False)):
        target = Target(row.column, bool(row.at_least), float(row.value))
        rows = (found["place"] == place).to_numpy()
        found.loc[rows, "first"] = _first_at(target, found.loc[rows, "run"], recorded)
    found["reached"] = np.isfinite(found["first"])
    found["taken"] = found["first"].where(found["reached"], found["ended_at"].astype(float))
    not_reached = found["ended_at"].where(found["outcome"] != "diverged", found["steps"]).astype(float)
    found["watched"] = found["first"].where(found["reached"], not_reached)
    found["epochs_taken"] = found["taken"] / found["steps_per_epoch"]
    found["examples_taken"] = examples_seen(found["taken"], found, experiment, examples)
    return found


def table(found: pd.DataFrame, experiment: Experiment, examples: Mapping[str, float]) -> pd.DataFrame:
    """A row a cell and target: how many runs reached it, the median time to it and the ERT, both with intervals.

    The median is that of the Kaplan–Meier estimate. The expected running time, ERT, is what all runs took, to the
    target or to their end, over how many reached it: what restarting with new seeds until one reaches it takes on
    average (Hansen et al. 2021, COCO; Auger & Hansen 2005). Infinite where none did. A cell without evaluation runs
    has no row. `found` is what `times` gives.
    """
    # Resampling then depends on the times alone, not on the order of seeds.
    found = found.sort_values(["taken", "reached"], kind="stable")
    groups = found.groupby([*CELL, *TRIAL, "place"], sort=True)
    made = groups.agg(
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
    made[["ert", "ert_epochs", "ert_examples"]] = taken.div(made["reached"].clip(lower=1), axis=0)
    made = made.reset_index()
    made.loc[made["reached"] == 0, ["ert", "ert_epochs", "ert_examples"]] = np.inf
    made[["lower", "median", "upper"]] = median_times(*_by_group(found, groups.ngroup(), "watched"))
    horizons = made["steps"].to_numpy(float)
    made[["ert_lower", "ert_upper"]] = ert_intervals(*_by_group(found, groups.ngroup(), "taken"), horizons)
    # Where all runs take the same, the failure that is imagined puts both ends above what was seen.
    made["ert_lower"] = np.minimum(made["ert_lower"], made["ert"])
    made["median_epochs"] = made["median"] / made["steps_per_epoch"]
    made["median_examples"] = examples_seen(made["median"], made, experiment, examples)
    made["interval"] = _why(made)
    order = [*CELL, *TRIAL, "target", "share", "column", "value", "n", "reached", "median", "lower", "upper"]
    order += ["interval", "median_epochs", "median_examples", "ert", "ert_lower", "ert_upper"]
    return made[[*order, "ert_epochs", "ert_examples"]]


def arrivals(found: pd.DataFrame, best: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """A row a problem, optimizer, target and step at which a run arrives or is lost from sight: the share that arrived.

    That is 1 − S, S being the Kaplan–Meier estimate; where no run was out of time, the plain share of the runs. `best`
    holds the CELL of each problem and optimizer that represents it; `found` is what `times` gives.
    """
    series = [*CELL, *TRIAL, "place"]
    out_of_time = ~found["reached"] & (found["outcome"] == "out of time")
    steps = found.assign(out_of_time=out_of_time).merge(best).groupby([*series, "watched"], sort=True)
    made = steps.agg(
        target=("target", "first"),
        arriving=("reached", "sum"),
        out_of_time=("out_of_time", "sum"),
        leaving=("run", "size"),
    )
    made = made.reset_index().rename(columns={"watched": "step"})
    curves = made.groupby(series)
    made["n"], made["reached"] = curves["leaving"].transform("sum"), curves["arriving"].transform("sum")
    made["at_risk"] = made["n"] - curves["leaving"].cumsum() + made["leaving"]
    staying = 1 - made["arriving"] / made["at_risk"]
    made["step"] = made["step"].astype(int)
    made["arrived"] = 1 - staying.groupby([made[name] for name in series]).cumprod()
    order = [*CELL, *TRIAL, "target", "n", "reached", "step", "at_risk", "arriving", "out_of_time", "arrived"]
    return histories.in_grid_order(made, experiment, ["problem", "place", "optimizer", "step"])[order]


def median_times(
    times: NDArray[np.float64], reached: NDArray[np.bool_], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """For each row of `times` (samples × runs) the lower end, the median and the upper end of the time to an event.

    The median is the first time at which the Kaplan–Meier estimate S is at most one half; the ends of its 95 %
    interval are those at which the lower and the upper end of S's own interval are (Brookmeyer & Crowley 1982), which
    is Greenwood's on the scale log(−log S) (Kalbfleisch & Prentice 2002, section 1.4). That scale has no place for S =
    0. Where it is 0 because the event came to every run both ends are 0 too: from intervals.FEWEST runs on, the exact
    upper end of a share of which none were seen is below one half (Clopper & Pearson 1934). NaN is what never comes
    that low; both ends are NaN for fewer runs than intervals.FEWEST. Of each row the first `sizes` are runs; where
    `reached` is false the event had not come by that time.
    """
    places = np.arange(times.shape[1])
    there = places < sizes[:, None]
    times, reached = np.where(there, times, np.inf), reached & there
    # At equal times events come before runs that are lost from sight, which therefore still were at risk.
    order = np.lexsort((~reached, times), axis=-1)
    times, reached = np.take_along_axis(times, order, 1), np.take_along_axis(reached, order, 1)
    at_risk = np.maximum(sizes[:, None] - places, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # One event after another gives the same product and the same sum as several at once.
        survival = np.cumprod(np.where(reached, 1 - 1 / at_risk, 1), axis=1)
        greenwood = np.cumsum(np.where(reached, 1 / (at_risk * (at_risk - 1)), 0), axis=1)
        width = special.ndtri((1 + intervals.LEVEL) / 2) * np.sqrt(greenwood) / np.abs(np.log(survival))
        defined = (survival ** np.exp(width), survival, survival ** np.exp(-width))
    all_came = (survival == 0) & (reached.sum(axis=1) == sizes)[:, None]
    bands = [np.where(all_came, 0, band) for band in defined]
    # Any other S of 1 or 0 has no interval on that scale, and none is given: NaN compares as false.
    last_of_equals = np.append(times[:, 1:] > times[:, :-1], np.full((len(times), 1), True), axis=1)
    ends = np.stack([_first(times, last_of_equals & (band <= _HALF)) for band in bands], axis=1)
    ends[sizes < intervals.FEWEST, 0] = ends[sizes < intervals.FEWEST, 2] = np.nan
    return ends


def ert_intervals(
    taken: NDArray[np.float64], reached: NDArray[np.bool_], sizes: NDArray[np.int64], horizons: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each row (samples × runs, of which the first `sizes` are runs) the ends of a 95 % interval of the ERT.

    Bootstrap over seeds with one more seed that failed, of half a run's weight: from 10 seeds that all reach the target
    it does not follow that every seed does, which resampling them alone would take for certain. So the share of
    successes has Jeffreys's distribution but for the half success, which would be of unknown length. That failure takes
    as long as those that were seen, or the horizon. In 3,000 simulations with 10 seeds and shares of 50 to 95 % the
    interval held the true value in 93 to 98 %, where all seeds succeed in 90 to 94 % (without it: in 43 to 94 %).
    Without a success the upper end is infinite, and there is no lower one. NaN for fewer runs than intervals.FEWEST.
    """
    found = np.full((len(sizes), 2), np.nan)
    failures = np.where(np.isfinite(taken) & ~reached, taken, 0)
    failed = sizes - reached.sum(axis=1)
    unseen = np.where(failed > 0, failures.sum(axis=1) / np.maximum(failed, 1), horizons)
    for size in np.unique(sizes[sizes >= intervals.FEWEST]):
        weights = intervals.weights_drawn(int(size))
        rows = np.flatnonzero((sizes == size) & (failed < size))
        for part in np.array_split(rows, 1 + len(rows) // _AT_ONCE):
            total = intervals.summed(np.column_stack([taken[part, :size], unseen[part]]), weights)
            expected = total / intervals.summed(reached[part, :size].astype(float), weights[:-1])
            found[part] = np.stack(intervals.ends(expected, size / (size - 1)), axis=1)
    found[(sizes >= intervals.FEWEST) & (failed == sizes), 1] = np.inf
    return found


def resampled_medians(found: pd.DataFrame, group: NDArray[np.int64], groups: int, column: str) -> NDArray[np.float64]:
    """Median times as those of `median_times`, as they are and as they would be with other seeds: an array
    (groups, 1 + intervals.RESAMPLES), the runs as they are first.

    Whole seeds are resampled, the same in all groups, so that they stay paired. `group` tells of which group each row
    of `found` (as `times` gives them) is, and `column` what the time is given in: taken, or examples_taken. Infinite
    is what fewer than half reach, or a group without runs does.
    """
    seeds, seed = np.unique(found["seed"], return_inverse=True)
    watched, times = np.full((2, groups, len(seeds)), np.nan)
    reached = np.zeros((groups, len(seeds)), bool)
    watched[group, seed], times[group, seed], reached[group, seed] = found["watched"], found[column], found["reached"]
    drawn = np.hstack([np.ones((len(seeds), 1)), intervals.times_drawn(len(seeds))])
    medians = np.empty((groups, drawn.shape[1]))
    for row in range(groups):
        # A run drawn several times is several events at once.
        order = np.lexsort((~reached[row], watched[row]))[: np.isfinite(watched[row]).sum()]
        there = drawn[order]
        at_risk = there[::-1].cumsum(axis=0)[::-1]
        survival = np.cumprod(1 - reached[row, order, None] * there / np.maximum(at_risk, 1), axis=0)
        first = (survival > _HALF).sum(axis=0)
        medians[row] = np.append(times[row, order], np.inf)[first]
    return medians


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
    there = recorded.loc[target.is_reached_by(recorded[target.column]), ["run", "step"]]
    codes = pd.Index(runs).get_indexer(there["run"])
    first = np.full(len(runs), np.inf)
    np.minimum.at(first, codes[codes >= 0], there["step"].to_numpy(float)[codes >= 0])
    return first


def _by_group(
    found: pd.DataFrame, group: pd.Series, column: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """The times in `column` and whether the target was reached as arrays (groups × runs), and each group's size."""
    places = found.groupby(group).cumcount().to_numpy()
    rows = group.to_numpy()
    sizes = np.bincount(rows) if len(rows) else np.zeros(0, int)
    times = np.full((len(sizes), sizes.max(initial=1)), np.inf)
    reached = np.zeros(times.shape, bool)
    times[rows, places], reached[rows, places] = found[column], found["reached"]
    return times, reached, sizes


def _first(times: NDArray[np.float64], low: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each row the first time that is `low`; NaN where none is."""
    first = times[np.arange(len(times)), low.argmax(axis=1)]
    found: NDArray[np.float64] = np.where(low.any(axis=1), first, np.nan)
    return found


def _why(rows: pd.DataFrame) -> NDArray[np.str_]:
    """How the median's interval was found, or why there is none, or only one end of it."""
    few, never, half = rows["n"] < intervals.FEWEST, rows["median"].isna(), rows["upper"].isna()
    reasons = ["too few seeds", "fewer than half reached it", "no upper end within what was seen"]
    return np.select([few, never, half], reasons, default="Kaplan–Meier, log(−log)")
