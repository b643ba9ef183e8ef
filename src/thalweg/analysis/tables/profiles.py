"""How often each optimizer is among the quickest to a target, over all problems: performance profiles and their score.

A workload is a problem with one of its targets. An optimizer is represented on a problem by the one cell, schedule and
batch size, that tuning prefers; so no evaluation run is both judge and party, and nobody picks the quickest batch size
after the fact. The cells of two optimizers may differ in batch size, and their steps then are of different cost: so
times are counted in examples too."""

from functools import cache

import numpy as np
import pandas as pd

from thalweg.analysis import histories, targets
from thalweg.analysis.choose import TRIAL
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.statistics.performance_profiles import TAU_MAX, Array, against_the_best, ratios, score
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment

MEASURES = {"steps": "taken", "examples": "examples_taken"}
"""What time is counted in, and the column of targets.times that has it."""


def tables(
    target_times: pd.DataFrame, evaluation: pd.DataFrame, best: pd.DataFrame, experiment: Experiment
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
    target_times = target_times[target_times["problem"].isin(whole)].merge(best)
    left_out = len(experiment.problems) - len(whole)
    profiles, scores = [], []
    for measure, column in MEASURES.items():
        workloads, times = of_workloads(target_times, experiment, column)
        profiles.append(_profile(workloads, times[0], best, experiment).assign(measure=measure))
        scores.append(_scores(times, target_times["seed"].nunique(), left_out, experiment).assign(measure=measure))
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


def of_workloads(target_times: pd.DataFrame, experiment: Experiment, column: str) -> tuple[pd.DataFrame, Array]:
    """The workloads, and each optimizer's median time to them as an array (1 + resamples, optimizers, workloads)."""
    # Where a problem's examples are not known, none of its times is.
    known_times = target_times[target_times[column].notna()]
    workloads = (
        known_times[["place", "problem", "target"]].drop_duplicates("place").sort_values("place", ignore_index=True)
    )
    optimizer = pd.Index(experiment.optimizers).get_indexer(known_times["optimizer"])
    group = optimizer * len(workloads) + np.searchsorted(workloads["place"], known_times["place"])
    medians = targets.resampled_medians(known_times, group, len(experiment.optimizers) * len(workloads), column)
    return workloads, medians.T.reshape(medians.shape[1], len(experiment.optimizers), len(workloads))


def _profile(workloads: pd.DataFrame, times: Array, best: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    profile = pd.DataFrame({"optimizer": list(experiment.optimizers)}).merge(workloads, how="cross")
    profile["time"], profile["tau"] = times.ravel(), ratios(times).ravel()
    reached = profile["tau"].where(np.isfinite(profile["tau"])).groupby(profile["optimizer"])
    profile["share"] = reached.rank(method="max").fillna(reached.transform("count")) / len(workloads)
    profile = profile.merge(best, on=["problem", "optimizer"], how="left")
    return histories.in_grid_order(profile, experiment, ["optimizer", "tau", "place"])


def _scores(times: Array, seeds: int, left_out: int, experiment: Experiment) -> pd.DataFrame:
    drawn, enough = score(times), seeds >= intervals.MIN_VALUES
    lower, upper = (
        intervals.bootstrap_ends(drawn[1:].T, seeds / (seeds - 1)) if enough else np.full((2, len(drawn.T)), np.nan)
    )
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


@cache
def build_both(inputs: Inputs) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of profiles and of scores, which rest on the same resamples."""
    return tables(inputs.target_times, inputs.evaluation, inputs.preferred, inputs.experiment)


def build(inputs: Inputs) -> pd.DataFrame:
    return build_both(inputs)[0]


TABLE = Table(
    build=build,
    columns={
        "measure": Column(str, "what times are counted in: steps, or examples, an example counting each time"),
        "schedule": Column(str, "that of the optimizer's best cell on the problem, by tuning_validation_loss"),
        "target": Column(str, "with the problem a workload: what a run is to reach, as in the table targets"),
        "time": Column(
            float, "median over evaluation runs of the time to the target; infinite where fewer than half reach it"
        ),
        "tau": Column(float, "τ: that time / the shortest of all optimizers; infinite where the time is"),
        "share": Column(
            float, "the profile at this τ: the share of all workloads on which the optimizer's τ is not higher"
        ),
    },
)
