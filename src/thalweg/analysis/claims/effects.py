"""The effect that a claim is about, with its 95 % interval and the runs that it was found from."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis.claims.finding import Finding
from thalweg.analysis.claims.pairing import count_declared_pairs, pair_runs
from thalweg.analysis.claims.runs import Results, gather_run_data
from thalweg.analysis.claims.verdicts import find_region
from thalweg.analysis.designs import complete_design
from thalweg.analysis.histories import FINISHED
from thalweg.analysis.statistics import intervals, variance
from thalweg.experiment.claims import Claim, Comparison
from thalweg.experiment.measures.base import BoundedMeasure, FactorMeasure, RunMeasure
from thalweg.experiment.schema import Experiment


def find_effect(experiment: Experiment, claim: Claim, results: Results) -> Finding:
    """Find what the runs say about a claim on one problem."""
    measure = claim.measure
    if claim.compare is not None and isinstance(measure, RunMeasure):
        return compare_sides(experiment, claim.compare, measure, results)
    if isinstance(measure, FactorMeasure):
        return find_share_of_variance(experiment, claim, measure, results.runs)
    runs = results.runs[results.runs["reproduction"] == (claim.of and claim.of.reproduction)]
    if isinstance(measure, BoundedMeasure):
        return find_bounds(experiment, runs, measure, results)
    return measure_runs(experiment, runs, claim, results)


def compare_sides(experiment: Experiment, compare: Comparison, measure: RunMeasure, results: Results) -> Finding:
    """Find the ratio, or the difference of shares, of two sets of cells.

    Both are paired by seed, and by all that the comparison leaves open. Where several pairs of cells are compared, a
    seed's effect is the median over them.
    """
    pairs, lacks = pair_runs(experiment, compare, measure, results)
    declared = count_declared_pairs(experiment, compare)
    return Finding(lacks=lacks, declared=declared) if lacks else summarize_pairs(pairs, declared)


def summarize_pairs(pairs: pd.DataFrame, declared: int, level: float = intervals.CONFIDENCE) -> Finding:
    """Find the median over seeds of the median over the pairs of cells, of those seeds that have all pairs.

    An effect that is not known may be anything: the lower end is that with zero in its place, the upper end that with
    infinity, and the median is known where it is the same with both.

    Args:
        pairs: A row a seed and pair of cells, with the columns `seed`, `effect`, `run` and `run_other`.
        declared: The number of pairs of cells that a seed should have; with fewer the finding lacks runs.
        level: The level of the interval.
    """
    pairs_of_seed = pairs.groupby("seed")["effect"].transform("size")
    pairs, cells = pairs[pairs_of_seed == pairs_of_seed.max()], int(pairs_of_seed.max())
    seeds, runs = pairs["seed"], [*pairs["run"], *pairs["run_other"]]

    def replace_unknown(value: float) -> Finding:
        effects = pairs["effect"].fillna(value).groupby(seeds)
        by_seed = effects.apply(lambda effects_of_seed: intervals.quartiles(effects_of_seed.to_numpy())[1])
        return _summarize_seeds(by_seed.to_numpy(), cells, runs, level)

    lowest, highest = replace_unknown(0.0), replace_unknown(math.inf)
    is_known = lowest.effect == highest.effect
    lacks = "missing runs" if cells < declared else "" if is_known else "not reached"
    effect = lowest.effect if is_known else math.nan
    return lowest._replace(effect=effect, upper=highest.upper, declared=declared, lacks=lacks)


def measure_runs(experiment: Experiment, runs: pd.DataFrame, claim: Claim, results: Results) -> Finding:
    """Find the median over seeds of the claim's measure of a reproduction's runs.

    A lost run has no value that could be in the range claimed. It counts as infinite, on the side on which the range
    has an end.
    """
    if runs.empty:
        return Finding(lacks="no runs")
    if not isinstance(claim.measure, RunMeasure):
        raise TypeError(f"{claim.measure.text} has no value of each run")
    values = claim.measure.values(gather_run_data(experiment, runs, results))
    if values.isna().all():
        return Finding(lacks="not measured")
    outside = -math.inf if find_region(claim).high == math.inf else math.inf
    values = values.mask(np.isinf(values) & ~runs["outcome"].isin(FINISHED), outside)
    return _summarize_seeds(values.dropna().to_numpy(dtype=float), 1, list(runs.loc[values.notna(), "run"]))


def find_bounds(experiment: Experiment, runs: pd.DataFrame, measure: BoundedMeasure, results: Results) -> Finding:
    """Find the value of a reproduction's run, or the bounds between which it lies, as ends of the interval."""
    if runs.empty:
        return Finding(lacks="no runs")
    bounds = measure.bounds(gather_run_data(experiment, runs, results))
    if bounds is None:
        return Finding(lacks="not measured")
    value = math.nan if bounds.lower < bounds.upper else bounds.lower
    return Finding(value, bounds.lower, bounds.upper, 1, 1, (bounds.run,))


def find_share_of_variance(experiment: Experiment, claim: Claim, measure: FactorMeasure, runs: pd.DataFrame) -> Finding:
    """Find the share of the variance between a problem's tuning runs that is due to the claim's factor."""
    (problem,) = claim.problems(experiment.problems)
    tuning = runs[(runs["stage"] == "tuning") & (runs["problem"] == problem)]
    design = complete_design(experiment, problem, tuning)
    if design is None:
        return Finding(lacks="missing runs")
    shares = variance.estimates([design], measure.with_interactions)[str(claim.of and claim.of.factor)]
    lower, upper = variance.jackknife_interval(shares)
    return Finding(float(shares[0]), lower, upper, design[0].shape[-1], 1, tuple(dict.fromkeys(tuning["run"])))


def _summarize_seeds(
    by_seed: NDArray[np.float64], cells: int, runs: Sequence[str], level: float = intervals.CONFIDENCE
) -> Finding:
    """The median of one number a seed, shape (seeds,), with its interval."""
    lower, upper = intervals.median_interval(by_seed, level)
    return Finding(intervals.quartiles(by_seed)[1], lower, upper, len(by_seed), cells, tuple(dict.fromkeys(runs)))
