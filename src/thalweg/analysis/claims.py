"""Claims, tested: what each comes to on the runs that there are, its interval, and the verdict that follows from it.

Nothing is trained for a claim. A seed is the unit: all runs that a claim compares or measures at a seed give one
number, and the interval is that of its median over seeds. Problems may contradict each other, so that a claim about
several is judged on each by itself.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.histories import FINISHED
from thalweg.analysis.statistics import intervals
from thalweg.analysis.tables import factors
from thalweg.experiment.claims import TUNED, Claim, Comparison, Level, Measure, Of, Range
from thalweg.experiment.schema import Experiment, unknown_metrics
from thalweg.grid import Cell, cells, trials
from thalweg.results.store import check_file

Targets = Mapping[str, list[tuple[list[float], float]]]
"""For each problem with probe points: the points and the true values, in the order of the columns."""

COLUMNS = {
    "claim": str,
    "problem": object,
    "verdict": str,
    "reason": str,
    "effect": float,
    "lower": float,
    "upper": float,
    "at_least": float,
    "at_most": float,
    "unit": str,
    "n": int,
    "cells": int,
    "declared": int,
    "runs": str,
}


class Results(NamedTuple):
    """What claims are tested on: all runs, the evaluation runs at the chosen rates among them, both with lost ones
    counted as the worst; their histories; and the true values at the probe points."""

    runs: pd.DataFrame
    evaluation: pd.DataFrame
    recorded: pd.DataFrame
    targets: Targets


class Finding(NamedTuple):
    """What a claim comes to: the effect, its 95 % interval, how many seeds and pairs of cells it is from, which runs,
    and how many pairs of cells the experiment declares; `lacks` is what is wanting for a verdict, if anything is."""

    effect: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    n: int = 0
    cells: int = 0
    runs: tuple[str, ...] = ()
    lacks: str = ""
    declared: int = 0


class Region(NamedTuple):
    """The effects for which a claim is true. Those of a comparison are beyond the smallest effect, so that the ends are
    not among them; `none` is no effect."""

    low: float
    high: float
    ends_included: bool
    none: float = math.nan


def mistakes(experiment: Experiment, results: Path) -> list[str]:
    """The metrics of claims that no problem records: an experiment is checked for them before it is trained, but claims
    may be changed ever after."""
    files = {name: check_file(results, name) for name in experiment.problems}
    checks = {name: json.loads(file.read_bytes()) for name, file in files.items() if file.is_file()}
    recorded = {name: check["metrics"] for name, check in checks.items() if "metrics" in check}
    return list(unknown_metrics(experiment, recorded))


def table(experiment: Experiment, results: Results) -> pd.DataFrame:
    """The rows of all claims that no clock has a say in, in the order of the experiment file."""
    asked = {name: claim for name, claim in experiment.claims.items() if not claim.measure.is_in_seconds}
    return rows(experiment, asked, lambda claim: finding(experiment, claim, results))


def rows(experiment: Experiment, asked: Mapping[str, Claim], find: Callable[[Claim], Finding]) -> pd.DataFrame:
    """A row a claim, whose `problem` is null. One that speaks of several problems has no effect as a whole; beneath it
    is a row for each of them. `find` says what a claim comes to."""
    made = []
    for name, claim in asked.items():
        region = region_of(claim)
        found = {problem: find(one) for problem, one in by_problem(experiment, claim).items()}
        verdicts = {problem: judge(one, region) for problem, one in found.items()}
        if None not in found:
            made.append(_row(name, claim, None, together(found.values()), over_problems(verdicts.values())))
        made += [_row(name, claim, problem, one, verdicts[problem]) for problem, one in found.items()]
    return pd.DataFrame(made, columns=list(COLUMNS)).astype(COLUMNS)


def _row(name: str, claim: Claim, problem: str | None, found: Finding, judged: tuple[str, str]) -> dict[str, Any]:
    region, (verdict, reason) = region_of(claim), judged
    return {
        "claim": name,
        "problem": problem,
        "verdict": verdict,
        "reason": reason,
        "effect": found.effect,
        "lower": found.lower,
        "upper": found.upper,
        "at_least": region.low if math.isfinite(region.low) else math.nan,
        "at_most": region.high if math.isfinite(region.high) else math.nan,
        "unit": unit(claim),
        "n": found.n,
        "cells": found.cells,
        "declared": found.declared,
        "runs": " ".join(found.runs),
    }


def by_problem(experiment: Experiment, claim: Claim) -> dict[str | None, Claim]:
    """The claim about each problem that it speaks of; under None the claim itself, where that is one at most."""
    if claim.compare is not None and "problem" not in dict(claim.compare.fixed):
        of = {
            name: claim.compare._replace(fixed=(("problem", name), *claim.compare.fixed))
            for name in experiment.problems
        }
        change: dict[str, dict[str, Any]] = {
            name: {"compare": compare} for name, compare in of.items() if declared_pairs(experiment, compare)
        }
    elif claim.of is not None and claim.of.factor is not None and claim.of.problem is None:
        change = {name: {"of": claim.of.model_copy(update={"problem": name})} for name in experiment.problems}
    else:
        change = {}
    return {name: claim.model_copy(update=one) for name, one in change.items()} if len(change) > 1 else {None: claim}


def together(found: Iterable[Finding]) -> Finding:
    """What several problems have in common: the fewest seeds, all pairs of cells and all runs, and no effect."""
    every = list(found)
    return Finding(
        n=min(one.n for one in every),
        cells=sum(one.cells for one in every),
        runs=tuple(run for one in every for run in one.runs),
        declared=sum(one.declared for one in every),
    )


def over_problems(judged: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The verdict on a claim about several problems, and why, from those on each.

    It `holds` if it holds on every problem, and `fails` if it fails on every one. A false verdict then needs one on
    the problem where it is least likely, so that it is as rare as on a single problem, or rarer, without a correction
    for their number (Berger 1982, Multiparameter hypothesis testing and acceptance sampling).
    """
    every = list(judged)
    verdicts = {verdict for verdict, _ in every}
    if len(verdicts) == 1 and "undecided" not in verdicts:
        return verdicts.pop(), "on every problem"
    if {"holds", "fails"} <= verdicts:
        return "undecided", "differs between problems"
    return next(one for one in every if one[0] == "undecided")


def unit(claim: Claim) -> str:
    """What the effect is: a ratio, a difference of shares, a share, or a value in the measure's own unit."""
    if claim.compare is not None:
        return "difference" if claim.measure.is_share else "ratio"
    return "share" if claim.measure.is_share else "value"


def region_of(claim: Claim) -> Region:
    """The effects for which the claim is true. A ratio that is higher by 25 % is 1.25 at least, one lower by 25 % is
    0.75 at most."""
    if isinstance(claim.expect, Range):
        low, high = claim.expect.low, claim.expect.high
        return Region(-math.inf if low is None else low, math.inf if high is None else high, True)
    none = 0.0 if claim.measure.is_share else 1.0
    amount = claim.smallest_effect.amount if claim.smallest_effect else 0.0
    ends = {
        "lower": (-math.inf, none - amount),
        "higher": (none + amount, math.inf),
        "same": (none - amount, none + amount),
    }
    return Region(*ends[claim.expect], False, none)


def judge(found: Finding, region: Region) -> tuple[str, str]:
    """The verdict, and why.

    `holds` where the interval lies wholly in the region, `fails` where wholly outside, else `undecided`. A comparison
    that fails does so because the effect is less than the smallest of interest either way (`equivalent`; `smaller`
    where its direction is sure), is the other way round (`opposite`), or is at most too small (`short`).
    """
    lower, upper = found.lower, found.upper
    if found.lacks:
        return "undecided", found.lacks
    if math.isnan(lower) or math.isnan(upper):
        return "undecided", "too few seeds"
    if _wholly_in(lower, upper, region):
        return "holds", "beyond" if not math.isnan(region.none) else "in range"
    if _wholly_out(lower, upper, region):
        return "fails", "out of range" if math.isnan(region.none) else _how_it_fails(lower, upper, region)
    return "undecided", "interval too wide"


def _wholly_in(lower: float, upper: float, region: Region) -> bool:
    if region.ends_included:
        return region.low <= lower and upper <= region.high
    # An infinite end is none: -inf is below every bound, and still lower.
    return (math.isinf(region.low) or region.low < lower) and (math.isinf(region.high) or upper < region.high)


def _wholly_out(lower: float, upper: float, region: Region) -> bool:
    if region.ends_included:
        return upper < region.low or lower > region.high
    return upper <= region.low or lower >= region.high


def _how_it_fails(lower: float, upper: float, region: Region) -> str:
    if math.isfinite(region.low) and math.isfinite(region.high):
        return "different"
    wants_lower, none = math.isfinite(region.high), region.none
    amount = abs((region.high if wants_lower else region.low) - none)
    claimed_way = upper < none if wants_lower else lower > none
    other_way = lower > none if wants_lower else upper < none
    if claimed_way:
        return "smaller"
    if none - amount <= lower and upper <= none + amount:
        return "equivalent"
    return "opposite" if other_way else "short"


def finding(experiment: Experiment, claim: Claim, results: Results) -> Finding:
    """What the runs say about a claim that by_problem gives."""
    if claim.compare is not None:
        return compared(experiment, claim.compare, claim.measure, results)
    of = claim.of
    if of is not None and of.factor is not None:
        (problem,) = claim.problems(experiment.problems)
        return share_of_variance(experiment, problem, of, claim.measure, results.runs)
    runs = results.runs[results.runs["reproduction"] == (of and of.reproduction)]
    if claim.measure.kind == "share of epochs":
        return falling(runs, results.recorded)
    return measured(experiment, runs, claim, results)


def compared(experiment: Experiment, compare: Comparison, measure: Measure, results: Results) -> Finding:
    """Both sides paired by seed, and by all that a comparison leaves open: the ratio, or the difference of shares.

    Where several pairs of cells are compared, a seed's effect is the median over them, of those seeds that have all.
    """
    pairs, lacks = paired(experiment, compare, measure, results)
    wanted = declared_pairs(experiment, compare)
    return Finding(lacks=lacks, declared=wanted) if lacks else over_pairs(pairs, wanted)


def declared_pairs(experiment: Experiment, compare: Comparison) -> int:
    """How many pairs of cells a seed has, if no run is missing.

    At a rate that is written out, tuning seeds have the pairs of the grid, and evaluation seeds those of reproductions.
    """
    sides = [_declared(experiment, side) for side in compare.sides()]
    others = [axis for axis in CELL if axis != compare.axis]
    common = [[{tuple(getattr(cell, axis) for axis in others) for cell in some} for some in side] for side in sides]
    return max(len(ours & theirs) for ours, theirs in zip(*common, strict=True))


def _declared(experiment: Experiment, side: Mapping[str, Level]) -> list[list[Cell]]:
    """The cells of one side: those of the grid, and those of reproductions."""
    rate = side.get("learning_rate", TUNED)
    grid = [
        cell
        for problem in experiment.problems
        for name, optimizer in experiment.optimizers.items()
        if rate == TUNED or any(trial == (rate, ()) for trial in trials(optimizer))
        for cell in cells(experiment, problem, name)
    ]
    reproduced = [
        Cell(one.problem, one.optimizer, one.schedule, one.batch_size)
        for one in experiment.reproductions.values()
        if one.learning_rate == rate
    ]
    wanted = {axis: level for axis, level in side.items() if axis != "learning_rate"}.items()
    return [[cell for cell in some if wanted <= cell._asdict().items()] for some in (grid, reproduced)]


def paired(experiment: Experiment, compare: Comparison, measure: Measure, results: Results) -> tuple[pd.DataFrame, str]:
    """A row a seed and pair of cells: what both have in common, the `effect`, and the runs; or why there is none.

    Of times to a target that neither run reached the ratio is not known, and the effect null.
    """
    ours, theirs = (_selected(side, results) for side in compare.sides())
    if ours.empty or theirs.empty:
        return pd.DataFrame(), "no runs"
    keys = [*(axis for axis in CELL if axis != compare.axis), "seed"]
    sides = [
        runs.assign(value=values(experiment, runs, measure, results))[[*keys, "value", "run"]].dropna(subset=["value"])
        for runs in (ours, theirs)
    ]
    pairs = sides[0].merge(sides[1], on=keys, suffixes=("", "_other"))
    if pairs.empty:
        return pairs, "not measured" if any(side.empty for side in sides) else "no pairs"
    first, second = pairs["value"].to_numpy(dtype=float), pairs["value_other"].to_numpy(dtype=float)
    pairs["effect"] = differences(first, second) if measure.is_share else ratios(first, second)
    if measure.is_time_to_target:
        pairs["effect"] = pairs["effect"].mask(np.isinf(first) & np.isinf(second))
    return pairs, ""


def over_pairs(pairs: pd.DataFrame, wanted: int, level: float = intervals.LEVEL) -> Finding:
    """The median over seeds of the median over the pairs of cells, of those seeds that have all pairs. It lacks runs
    where these are fewer than are `wanted`.

    A ratio that is not known may be anything: the lower end is that with zero in its place, the upper that with
    infinity, and the effect is known where it is the same with both.
    """
    complete = pairs.groupby("seed")["effect"].transform("size")
    pairs, there = pairs[complete == complete.max()], int(complete.max())
    seeds, runs = pairs["seed"], [*pairs["run"], *pairs["run_other"]]

    def with_unknown(value: float) -> Finding:
        by_seed = pairs["effect"].fillna(value).groupby(seeds).apply(lambda one: intervals.quartiles(one.to_numpy())[1])
        return _over_seeds(by_seed.to_numpy(), there, runs, level)

    least, most = with_unknown(0.0), with_unknown(math.inf)
    known = least.effect == most.effect
    lacks = "missing runs" if there < wanted else "" if known else "not reached"
    return least._replace(effect=least.effect if known else math.nan, upper=most.upper, declared=wanted, lacks=lacks)


def _selected(side: Mapping[str, Level], results: Results) -> pd.DataFrame:
    """The runs of one side. At a rate that is written out they are all runs at that rate, whatever they were trained
    for, each once; at the tuned rate they are the evaluation runs."""
    rate = side.get("learning_rate", TUNED)
    if rate == TUNED:
        runs = results.evaluation
    else:
        runs = results.runs[(results.runs["learning_rate"] == rate) & (results.runs["hyperparameters"] == "{}")]
    for axis, level in side.items():
        if axis != "learning_rate":
            runs = runs[runs[axis] == level]
    return runs.drop_duplicates("run")


def measured(experiment: Experiment, runs: pd.DataFrame, claim: Claim, results: Results) -> Finding:
    """The measure of some runs, its median over seeds.

    A run that was lost has no value that could be in the range claimed: its infinite one is on the side where the range
    has an end.
    """
    if runs.empty:
        return Finding(lacks="no runs")
    found = values(experiment, runs, claim.measure, results)
    if found.isna().all():
        return Finding(lacks="not measured")
    outside = -math.inf if region_of(claim).high == math.inf else math.inf
    found = found.mask(np.isinf(found) & ~runs["outcome"].isin(FINISHED), outside)
    return _over_seeds(found.dropna().to_numpy(dtype=float), 1, list(runs.loc[found.notna(), "run"]))


def _over_seeds(by_seed: NDArray[np.float64], cells: int, runs: list[str], level: float = intervals.LEVEL) -> Finding:
    lower, upper = intervals.median_interval(by_seed, level)
    return Finding(intervals.quartiles(by_seed)[1], lower, upper, len(by_seed), cells, tuple(dict.fromkeys(runs)))


def ratios(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio of each pair; one where both are infinite or below histories.RESOLUTION."""
    first, second = (histories.resolved(pd.Series(one)).to_numpy(dtype=float) for one in (ours, theirs))
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = np.where(first == second, 1.0, first / second)
    return found


def differences(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The difference of each pair; zero where both are lost."""
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = np.where(ours == theirs, 0.0, ours - theirs)
    return found


def values(experiment: Experiment, runs: pd.DataFrame, measure: Measure, results: Results) -> pd.Series:
    """The measure of each run, in the order of `runs`; null where it was not recorded, the worst where the run was
    lost."""
    if measure.kind in ("final", "best"):
        name = f"{measure.kind}_{measure.column}"
        return runs[name].astype(float) if name in runs else pd.Series(np.nan, runs.index)
    if measure.kind == "steps an epoch":
        return runs["steps_per_epoch"].astype(float)
    if measure.kind == "prediction":
        return _predictions(runs, measure.value, results.targets)
    recorded = results.recorded[results.recorded["run"].isin(runs["run"])].drop_duplicates(["run", "step"])
    recorded = recorded.sort_values(["run", "step"])
    if measure.kind == "rises":
        return _rises(runs, recorded, measure.column)
    if measure.kind == "gradient noise":
        return _gradient_noise(runs, recorded)
    steps = _steps_to(experiment, runs, recorded, measure)
    return steps / runs["steps_per_epoch"] if measure.kind == "epochs to" else steps


def _predictions(runs: pd.DataFrame, point: float, targets: Targets) -> pd.Series:
    found = pd.Series(np.nan, runs.index)
    for problem, of_problem in targets.items():
        for k, (inputs, _) in enumerate(of_problem):
            if inputs == [point]:
                there = runs["problem"] == problem
                predicted = runs.loc[there, f"final_probe_{k}"].astype(float)
                found[there] = predicted.where(runs["outcome"].isin(FINISHED), math.inf)
    return found


def _rises(runs: pd.DataFrame, recorded: pd.DataFrame, column: str) -> pd.Series:
    """The share of evaluation points at which the column is higher than at the one before; infinite for lost runs."""
    if column not in recorded:
        return pd.Series(np.nan, runs.index)
    steps = recorded.groupby("run")[column].diff().dropna()
    shares = (steps > 0).groupby(recorded.loc[steps.index, "run"]).mean()
    return runs["run"].map(shares).astype(float).where(runs["outcome"].isin(FINISHED), math.inf)


def _gradient_noise(runs: pd.DataFrame, recorded: pd.DataFrame) -> pd.Series:
    """The variance of a batch's gradient, tr(Σ) / batch size, median over a run's evaluation points (McCandlish et al.
    2018, arXiv:1812.06162, section 2.2)."""
    if "gradient_variance" not in recorded:
        return pd.Series(np.nan, runs.index)
    variance = runs["run"].map(recorded.groupby("run")["gradient_variance"].median()).astype(float)
    return variance / runs["batch_size"]


def _steps_to(experiment: Experiment, runs: pd.DataFrame, recorded: pd.DataFrame, measure: Measure) -> pd.Series:
    """The first evaluation point at which each run is there, in steps; infinite where it never is, null for a metric
    that its problem has not."""
    found = pd.Series(np.nan, runs.index)
    for problem in runs["problem"].unique():
        of_problem, target = runs["problem"] == problem, experiment.problems[problem].target
        own = target if not measure.column and target else (measure.column, measure.at_least, measure.value)
        column, at_least, value = own
        rows = recorded[recorded["run"].isin(runs.loc[of_problem, "run"])]
        if column not in rows or rows[column].isna().all():
            continue
        there = rows[rows[column] >= value] if at_least else rows[rows[column] <= value]
        steps = there.groupby("run")["step"].min().astype(float)
        found[of_problem] = runs.loc[of_problem, "run"].map(steps).astype(float).fillna(math.inf)
    return found


def share_of_variance(experiment: Experiment, problem: str, of: Of, measure: Measure, runs: pd.DataFrame) -> Finding:
    """The share of the variance between a problem's tuning runs that is due to a factor."""
    tuning = runs[(runs["stage"] == "tuning") & (runs["problem"] == problem)]
    design = factors.complete_design(experiment, problem, tuning)
    if design is None:
        return Finding(lacks="missing runs")
    found = factors.estimates([design], measure.kind.endswith("interactions"))[str(of.factor)]
    lower, upper = factors.jackknife_interval(found)
    return Finding(float(found[0]), lower, upper, design[0].shape[-1], 1, tuple(dict.fromkeys(tuning["run"])))


def falling(runs: pd.DataFrame, recorded: pd.DataFrame) -> Finding:
    """The share of epochs that begin at a lower learning rate than the one before, of the run with the longest history.

    Rates are recorded at evaluation points only, so that the share is known to lie between two bounds. They are certain
    if the rate goes one way between two neighbouring points.
    """
    rates = recorded[recorded["run"].isin(runs["run"]) & recorded["learning_rate"].notna()]
    if rates.empty:
        return Finding(lacks="no runs" if runs.empty else "not measured")
    run = rates.groupby("run").size().idxmax()
    one = runs[runs["run"] == run].iloc[0]
    rows = rates[rates["run"] == run].drop_duplicates("step").sort_values("step")
    # The rate recorded after so many steps is the one that the last of them applied.
    taken, applied = rows["step"].to_numpy() - 1, rows["learning_rate"].to_numpy(dtype=float)
    lower, upper = falls(taken, applied, int(one["steps_per_epoch"]), int(one["steps"] // one["steps_per_epoch"]))
    return Finding(math.nan if lower < upper else lower, lower, upper, 1, 1, (str(run),))


def falls(steps: NDArray[Any], rates: NDArray[np.float64], steps_per_epoch: int, epochs: int) -> tuple[float, float]:
    """Bounds of the share of the `epochs` - 1 changes of epoch at which the rate falls, from rates at some steps.

    `steps` count from 0, as do epochs. Epoch e begins at step e × `steps_per_epoch`. No change of epoch within a
    stretch of equal rates is a fall; between two points with a lower rate at the second there is one at least.
    """
    changes = max(1, epochs - 1)
    stays, fallen, covered, start = 0, 0, 0, 0
    for place in range(1, len(steps) + 1):
        if place < len(steps) and rates[place] == rates[start]:
            continue
        stays += max(0, int(steps[place - 1]) // steps_per_epoch - -(-int(steps[start]) // steps_per_epoch))
        if place < len(steps) and rates[place] < rates[place - 1]:
            before, after = int(steps[place - 1]) // steps_per_epoch, -(-int(steps[place]) // steps_per_epoch)
            if before >= covered and after < epochs:
                fallen, covered = fallen + 1, after
        start = place
    return fallen / changes, 1 - stays / changes
