"""Performance profiles over workloads, and the score that is their integral."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from thalweg.analysis.statistics import intervals
from thalweg.analysis.statistics.paired import holm, paired_ratios

Array = NDArray[np.float64]

TAU_MAX = 4
"""An optimizer that takes this many times as long as the quickest is as one that never comes there (AlgoPerf's)."""


def ratios(times: Array) -> Array:
    """Times to target as ratios to the shortest on the same workload; `times` is (…, optimizers, workloads).

    An infinite time is an infinite ratio, also where every other is infinite (Dolan & Moré 2002, Benchmarking
    optimization software with performance profiles). The shortest is one, also where it is zero.
    """
    shortest = times.min(axis=-2, keepdims=True)
    return np.where(np.isinf(times), np.inf, paired_ratios(times, shortest))


def score(times: Array) -> Array:
    """The integral of each optimizer's profile from τ = 1 to TAU_MAX, as a share of the most that it can be: an array
    (…, optimizers), for `times` as those of `ratios`.

    The AlgoPerf score (Dahl et al. 2023, Benchmarking neural network training algorithms, arXiv:2306.07179). The
    profile at τ is the share of workloads with a ratio of at most τ, so that each workload is under it from its ratio
    on: TAU_MAX less the ratio. NaN without workloads.
    """
    integrals: Array = np.clip(TAU_MAX - ratios(times), 0, None).sum(axis=-1)
    return integrals / (times.shape[-1] or np.nan) / (TAU_MAX - 1)


def against_the_best(drawn: Array, seeds: int) -> pd.DataFrame:
    """A row an optimizer: its score less the highest one, with a 95 % interval, p, p adjusted (Holm) and the verdict.

    `drawn` are scores (samples, optimizers), as they are first, then those of intervals.RESAMPLES samples of the seeds.
    p is the interval inverted: two-sided, and 5 % where the interval's end is at zero. All of that is NaN for too few
    seeds.
    """
    best = int(np.argmax(np.nan_to_num(drawn[0])))
    apart = drawn - drawn[:, [best]]
    comparison = pd.DataFrame(
        {"difference": apart[0], "difference_lower": np.nan, "difference_upper": np.nan, "p": np.nan}
    )
    comparison["adjusted_p"], comparison["verdict"] = np.nan, "too few seeds"
    if seeds >= intervals.MIN_VALUES:
        inflation = seeds / (seeds - 1)
        comparison["difference_lower"], comparison["difference_upper"] = intervals.bootstrap_ends(
            apart[1:].T, inflation
        )
        tails = np.stack([apart[1:] <= 0, apart[1:] >= 0]).sum(axis=1).min(axis=0)
        share = (tails + 1) / (len(apart[1:]) + 1)
        comparison["p"] = np.minimum(1, 2 * special.ndtr(special.ndtri(share) / np.sqrt(inflation)))
        others = comparison.index != best
        comparison.loc[others, "adjusted_p"] = holm(comparison.loc[others, "p"].to_numpy())
        lower = (comparison["adjusted_p"] <= 1 - intervals.CONFIDENCE) & (comparison["difference"] < 0)
        comparison["verdict"] = np.where(lower, "lower", "not distinguishable")
    # Of itself there is nothing to test.
    comparison.loc[best, "p"] = np.nan
    comparison.loc[best, "verdict"] = "reference"
    return comparison
