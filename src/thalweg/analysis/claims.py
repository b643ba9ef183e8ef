"""Claims, tested: what each comes to on the runs that there are, its interval, and the verdict that follows from it.

Nothing is trained for a claim. A seed is the unit: all runs that a claim compares or measures at a seed give one
number, and the interval is that of its median over seeds.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import factors, histories, intervals
from thalweg.analysis.choose import CELL
from thalweg.analysis.histories import FINISHED
from thalweg.grid.claims import TUNED, Claim, Comparison, Level, Measure, Range
from thalweg.grid.experiment import Experiment

Targets = Mapping[str, list[tuple[list[float], float]]]
"""For each problem with probe points: the points and the true values, in the order of the columns."""

COLUMNS = {
    "claim": str,
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
    """What a claim comes to: the effect, its 95 % interval, how many seeds and pairs of cells it is from, and which
    runs; `lacks` is why there is nothing, where there is nothing."""

    effect: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    n: int = 0
    cells: int = 0
    runs: tuple[str, ...] = ()
    lacks: str = ""


class Region(NamedTuple):
    """The effects for which a claim is true. Those of a comparison are beyond the smallest effect, so that the ends are
    not among them; `none` is no effect."""

    low: float
    high: float
    ends_included: bool
    none: float = math.nan


def table(experiment: Experiment, results: Results) -> pd.DataFrame:
    """A row a claim that no clock has a say in, in the order of the experiment file."""
    asked = {name: claim for name, claim in experiment.claims.items() if not claim.measure.is_in_seconds}
    return rows((name, claim, finding(experiment, claim, results)) for name, claim in asked.items())


def rows(found_of: Iterable[tuple[str, Claim, Finding]]) -> pd.DataFrame:
    """A row for each claim, given with its name and what it comes to."""
    made = []
    for name, claim, found in found_of:
        region = region_of(claim)
        verdict, reason = judge(found, region)
        made.append(
            {
                "claim": name,
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
                "runs": " ".join(found.runs),
            }
        )
    return pd.DataFrame(made, columns=list(COLUMNS)).astype(COLUMNS)


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
    """What the runs say about the claim."""
    if claim.compare is not None:
        return compared(experiment, claim.compare, claim.measure, results)
    of = claim.of
    if of is not None and of.factor is not None:
        return share_of_variance(claim.problems(experiment.problems), of.factor, claim.measure, results.runs)
    runs = results.runs[results.runs["reproduction"] == (of and of.reproduction)]
    if claim.measure.kind == "share of epochs":
        return falling(runs, results.recorded)
    return measured(experiment, runs, claim.measure, results)


def compared(experiment: Experiment, compare: Comparison, measure: Measure, results: Results) -> Finding:
    """Both sides paired by seed, and by all that a comparison leaves open: the ratio, or the difference of shares.

    Where several pairs of cells are compared, a seed's effect is the median over them, of those seeds that have all.
    """
    pairs, lacks = paired(experiment, compare, measure, results)
    return Finding(lacks=lacks) if lacks else over_pairs(pairs)


def paired(experiment: Experiment, compare: Comparison, measure: Measure, results: Results) -> tuple[pd.DataFrame, str]:
    """A row a seed and pair of cells: what both have in common, the `effect`, and the runs; or why there is none."""
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
    return pairs, ""


def over_pairs(pairs: pd.DataFrame, level: float = intervals.LEVEL) -> Finding:
    """The median over seeds of the median over the pairs of cells, of those seeds that have all pairs."""
    complete = pairs.groupby("seed")["effect"].transform("size")
    pairs = pairs[complete == complete.max()]
    by_seed = pairs.groupby("seed")["effect"].apply(lambda one: intervals.quartiles(one.to_numpy())[1]).to_numpy()
    return _over_seeds(by_seed, int(complete.max()), [*pairs["run"], *pairs["run_other"]], level)


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


def measured(experiment: Experiment, runs: pd.DataFrame, measure: Measure, results: Results) -> Finding:
    """The measure of some runs, its median over seeds. A run that was lost has no prediction: it counts as infinite."""
    if runs.empty:
        return Finding(lacks="no runs")
    found = values(experiment, runs, measure, results)
    if found.isna().all():
        return Finding(lacks="not measured")
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
        found[of_problem] = runs.loc[of_problem, "run"].map(steps).fillna(math.inf)
    return found


def share_of_variance(problems: list[str], factor: str, measure: Measure, runs: pd.DataFrame) -> Finding:
    """The share of the variance between tuning runs that is due to a factor, its mean over the problems."""
    tuning = runs[(runs["stage"] == "tuning") & runs["problem"].isin(problems)]
    designs = [factors.design_of(tuning[tuning["problem"] == problem]) for problem in problems]
    complete = [one for one in designs if one is not None]
    if len(complete) < len(problems):
        return Finding(lacks="missing runs")
    found = factors.estimates(complete, measure.kind.endswith("interactions"))[factor]
    lower, upper = factors.jackknife_interval(found)
    return Finding(float(found[0]), lower, upper, len(found) - 1, len(problems), tuple(dict.fromkeys(tuning["run"])))


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
