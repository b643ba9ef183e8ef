"""Comparisons of pairs of values: one pair a seed, ratios, the sign test and its correction for many comparisons."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from thalweg.analysis.statistics import intervals


def paired_ratios(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio of each pair, ours / theirs, for shapes that broadcast: one where both are equal, also where both are
    infinite or zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients: NDArray[np.float64] = np.where(ours == theirs, 1.0, ours / theirs)
    return quotients


def signs(both: NDArray[np.float64]) -> NDArray[np.float64]:
    """At each seed −1 where ours is lower, 1 where it is higher, 0 where both are equal, of `paired` values."""
    ours, theirs = both.T
    signs: NDArray[np.float64] = (ours > theirs).astype(float) - (ours < theirs)
    return signs


def ratios(both: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Ours over theirs at each seed, one where both are infinite. None where a value is not positive: a ratio of losses
    that may be negative says nothing, and one of zero examples neither."""
    if not (both > 0).all():
        return None
    return paired_ratios(*both.T)


def decide(signs: Mapping[Any, NDArray[np.float64]]) -> dict[Any, dict[str, Any]]:
    """For each of a family of comparisons, given its signs seed by seed: p, adjusted_p and verdict.

    Lower or higher, as most seeds that do not tie are, where p adjusted for the whole family is at most 5 %, so that
    with 95 % no verdict of a family is wrong; else not distinguishable. Too few seeds where even with all seeds of all
    comparisons on one side, p = 2^(1 − n), none of them adjusted would be that low: a comparison by itself needs 6
    seeds, one of two or three 7, of up to six 8, of up to twelve 9, of up to 25 10, of up to 51 11.
    """
    sizes = np.array([len(seeds) for seeds in signs.values()], float)
    p = np.array([sign_test(seeds) for seeds in signs.values()])
    adjusted = holm(p)
    enough = holm(np.minimum(1, 2 ** (1 - sizes))) <= 1 - intervals.CONFIDENCE
    return {
        key: {
            "p": float(p[i]),
            "adjusted_p": float(adjusted[i]),
            "verdict": verdict(seeds, adjusted[i], bool(enough[i])),
        }
        for i, (key, seeds) in enumerate(signs.items())
    }


def sign_test(signs: NDArray[np.float64]) -> float:
    """The two-sided p of the exact sign test that higher is as likely as lower; 1 where no seed says anything.

    Ties count for nothing (Conover 1999, section 3.4). Without ties p is at most 5 % where the interval of the median
    ratio between order statistics does not hold one: each is the other, inverted.
    """
    above, below = int((signs > 0).sum()), int((signs < 0).sum())
    return float(stats.binomtest(above, above + below).pvalue) if above + below else 1.0


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p adjusted for their number, whatever their dependence (Holm 1979, A simple sequentially rejective test)."""
    # By hand, since statsmodels' multipletests takes a tenth of a second and more a call.
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def verdict(signs: NDArray[np.float64], adjusted_p: float, enough: bool) -> str:
    """What the signs against the reference say, where there are `enough` of them to say anything."""
    if not enough:
        return "too few seeds"
    if adjusted_p > 1 - intervals.CONFIDENCE:
        return "not distinguishable"
    return "higher" if signs.sum() > 0 else "lower"


def improvement(signs: Sequence[NDArray[np.float64]]) -> tuple[float, float, float]:
    """The probability of being lower, a tie counting half, with its 95 % interval; NaN where there is none.

    `signs` are those of each problem, and the probability is the mean of theirs, each problem weighing the same. The
    interval is the exact one of a share of so many seeds, which is cautious here: half a point for a tie spreads a mean
    less than the toss of a coin would, and problems that differ spread it less than problems that are alike (Hoeffding
    1956, On the distribution of the number of successes in independent trials). Where problems have unequally many
    seeds, each counts as if it had as few as the smallest. A bootstrap over the seeds of each problem would shrink to
    one point where one optimizer always wins: with three problems of 10 seeds and a probability of 0.95 that is so, and
    the truth missed, in 0.95³⁰ = 21 % of samples.
    """
    if not signs:
        return np.nan, np.nan, np.nan
    probability = float(np.mean([(1 - np.mean(one)) / 2 for one in signs]))
    seeds = len(signs) * min(map(len, signs))
    return probability, *intervals.clopper_pearson(probability * seeds, seeds)
