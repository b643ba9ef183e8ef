"""How often each optimizer is among the quickest to a target, over all problems: performance profiles and their score.

A workload is a problem with one of its targets. An optimizer is represented on a problem by the one cell, schedule and
batch size, that tuning prefers; so no evaluation run is both judge and party, and nobody picks the quickest batch size
after the fact. The cells of two optimizers may differ in batch size, and their steps then are of different cost: so
times are counted in examples too.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from thalweg.analysis import histories
from thalweg.analysis.choose import TRIAL
from thalweg.analysis.statistics import intervals
from thalweg.analysis.tables import targets
from thalweg.analysis.tables.comparisons import holm
from thalweg.experiment.schema import Experiment

TAU_MAX = 4
"""An optimizer that takes this many times as long as the quickest is as one that never comes there (AlgoPerf's)."""

MEASURES = {"steps": "taken", "examples": "examples_taken"}
"""What time is counted in, and the column of targets.times that has it."""

Array = NDArray[np.float64]


def ratios(times: Array) -> Array:
    """Times to target as ratios to the shortest on the same workload; `times` is (…, optimizers, workloads).

    An infinite time is an infinite ratio, also where every other is infinite (Dolan & Moré 2002, Benchmarking
    optimization software with performance profiles). The shortest is one, also where it is zero.
    """
    shortest = times.min(axis=-2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients = np.where(times == shortest, 1.0, times / shortest)
    return np.where(np.isinf(times), np.inf, quotients)


def score(times: Array) -> Array:
    """The integral of each optimizer's profile from τ = 1 to TAU_MAX, as a share of the most that it can be: an array
    (…, optimizers), for `times` as those of `ratios`.

    The AlgoPerf score (Dahl et al. 2023, Benchmarking neural network training algorithms, arXiv:2306.07179). The
    profile at τ is the share of workloads with a ratio of at most τ, so that each workload is under it from its ratio
    on: TAU_MAX less the ratio. NaN without workloads.
    """
    integrals: Array = np.clip(TAU_MAX - ratios(times), 0, None).sum(axis=-1)
    return integrals / (times.shape[-1] or np.nan) / (TAU_MAX - 1)


def tables(
    found: pd.DataFrame, evaluation: pd.DataFrame, best: pd.DataFrame, experiment: Experiment
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `profiles` and `scores`, from targets.times, the runs of `evaluation` that these are of, and the CELL
    of each problem's and optimizer's best cell.

    Workloads are those of the problems that are `complete`: a time that was not measured is no infinite one. The other
    problems are `left_out`, for all optimizers.

    `profiles` has a row a measure, optimizer and workload, the one with the lowest ratio τ first. `share` is the
    profile at this τ. A workload that fewer than half of the runs reach has an infinite τ and stays in the number that
    shares are of.

    `scores` has a row a measure and optimizer, with a 95 % interval of the score. Whole seeds are resampled, the same
    for all optimizers and so for the shortest times. Targets and best cells stay as they are. Of 300 simulations with
    known scores it held them in 97 to 99 %, with 10 seeds and with 20. An optimizer that is the quickest by far on some
    workloads and too late by far on all others has a score that no resample raises, and an interval that ends there.

    Each score is compared with the highest one of the measure, `reference` (of equals the first in grid order), by
    their difference in the same resamples: two intervals can overlap although the difference is never zero.
    """
    whole = complete(evaluation.merge(best), experiment)
    found = found[found["problem"].isin(whole)].merge(best)
    left_out = len(experiment.problems) - len(whole)
    profiles, scores = [], []
    for measure, column in MEASURES.items():
        workloads, times = of_workloads(found, experiment, column)
        profiles.append(_profile(workloads, times[0], best, experiment).assign(measure=measure))
        scores.append(_scores(times, found["seed"].nunique(), left_out, experiment).assign(measure=measure))
    order = ["measure", "optimizer", "problem", "schedule", "batch_size", *TRIAL, "target", "time", "tau", "share"]
    by_optimizer = pd.concat(scores, ignore_index=True)
    by_optimizer.insert(0, "measure", by_optimizer.pop("measure"))
    return pd.concat(profiles, ignore_index=True)[order], by_optimizer


def complete(runs: pd.DataFrame, experiment: Experiment) -> list[str]:
    """The problems on which every optimizer has a run of every seed that any has. `runs` are those of best cells.

    Seeds are resampled as a whole, so that times of other seeds would not be paired.
    """
    counted = runs.drop_duplicates(["problem", "optimizer", "seed"]).groupby("problem").size()
    return list(counted.index[counted == len(experiment.optimizers) * runs["seed"].nunique()])


def of_workloads(found: pd.DataFrame, experiment: Experiment, column: str) -> tuple[pd.DataFrame, Array]:
    """The workloads, and each optimizer's median time to them as an array (1 + resamples, optimizers, workloads)."""
    # Where a problem's examples are not known, none of its times is.
    known = found[found[column].notna()]
    workloads = known[["place", "problem", "target"]].drop_duplicates("place").sort_values("place", ignore_index=True)
    optimizer = pd.Index(experiment.optimizers).get_indexer(known["optimizer"])
    group = optimizer * len(workloads) + np.searchsorted(workloads["place"], known["place"])
    medians = targets.resampled_medians(known, group, len(experiment.optimizers) * len(workloads), column)
    return workloads, medians.T.reshape(medians.shape[1], len(experiment.optimizers), len(workloads))


def _profile(workloads: pd.DataFrame, times: Array, best: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    made = pd.DataFrame({"optimizer": list(experiment.optimizers)}).merge(workloads, how="cross")
    made["time"], made["tau"] = times.ravel(), ratios(times).ravel()
    reached = made["tau"].where(np.isfinite(made["tau"])).groupby(made["optimizer"])
    made["share"] = reached.rank(method="max").fillna(reached.transform("count")) / len(workloads)
    made = made.merge(best, on=["problem", "optimizer"], how="left")
    return histories.in_grid_order(made, experiment, ["optimizer", "tau", "place"])


def against_the_best(drawn: Array, seeds: int) -> pd.DataFrame:
    """A row an optimizer: its score less the highest one, with a 95 % interval, p, p adjusted (Holm) and the verdict.

    `drawn` are scores (samples, optimizers), as they are first, then those of intervals.RESAMPLES samples of the seeds.
    p is the interval inverted: two-sided, and 5 % where the interval's end is at zero. All of that is NaN for too few
    seeds.
    """
    best = int(np.argmax(np.nan_to_num(drawn[0])))
    apart = drawn - drawn[:, [best]]
    made = pd.DataFrame({"difference": apart[0], "difference_lower": np.nan, "difference_upper": np.nan, "p": np.nan})
    made["adjusted_p"], made["verdict"] = np.nan, "too few seeds"
    if seeds >= intervals.FEWEST:
        inflation = seeds / (seeds - 1)
        made["difference_lower"], made["difference_upper"] = intervals.ends(apart[1:].T, inflation)
        tails = np.stack([apart[1:] <= 0, apart[1:] >= 0]).sum(axis=1).min(axis=0)
        share = (tails + 1) / (len(apart[1:]) + 1)
        made["p"] = np.minimum(1, 2 * special.ndtr(special.ndtri(share) / np.sqrt(inflation)))
        others = made.index != best
        made.loc[others, "adjusted_p"] = holm(made.loc[others, "p"].to_numpy())
        lower = (made["adjusted_p"] <= 1 - intervals.LEVEL) & (made["difference"] < 0)
        made["verdict"] = np.where(lower, "lower", "not distinguishable")
    # Of itself there is nothing to test.
    made.loc[best, "p"] = np.nan
    made.loc[best, "verdict"] = "reference"
    return made


def _scores(times: Array, seeds: int, left_out: int, experiment: Experiment) -> pd.DataFrame:
    drawn, enough = score(times), seeds >= intervals.FEWEST
    lower, upper = intervals.ends(drawn[1:].T, seeds / (seeds - 1)) if enough else np.full((2, len(drawn.T)), np.nan)
    return pd.DataFrame(
        {
            "optimizer": list(experiment.optimizers),
            "tau_max": TAU_MAX,
            "workloads": times.shape[-1],
            "left_out": left_out,
            "reached": np.isfinite(times[0]).sum(axis=1),
            "n": seeds,
            "score": drawn[0],
            "lower": lower,
            "upper": upper,
            "interval": "bootstrap" if enough else "too few seeds",
            **against_the_best(drawn, seeds),
        }
    )
