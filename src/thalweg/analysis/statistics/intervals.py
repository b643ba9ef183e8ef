"""Robust averages of few values, and how far they can be trusted.

Values are one a seed, and an infinite value is a value like any other: it is how a diverged run counts.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

MIN_VALUES = 6
"""With fewer values no 95 % interval of the median exists: all five lie on one side of it in 2 of 2⁵ samples, 6 %."""

CONFIDENCE = 0.95
RESAMPLES = 4_000
_ENTROPY = 20_250_101


def quantile(ordered: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """The quantile of values ordered along the first axis, interpolated linearly between order statistics.

    NumPy's default definition (Hyndman and Fan's type 7), except that infinite neighbours give an infinite value and
    not the NaN of their difference.
    """
    position = share * (len(ordered) - 1)
    below = int(position)
    weight = position - below
    lower: NDArray[np.float64] = ordered[below]
    return lower if weight == 0 else (1 - weight) * lower + weight * ordered[below + 1]


def quantile_by_group(values: NDArray[np.float64], groups: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """The quantile, as above, of the values of each of the groups 0, 1 …, none of which is empty."""
    ordered, sizes = values[np.lexsort((values, groups))], np.bincount(groups)
    position = share * (sizes - 1)
    below = position.astype(int)
    weight, place = position - below, np.cumsum(sizes) - sizes + below
    lower, upper = ordered[place], ordered[place + (weight > 0)]
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = np.where(weight == 0, lower, (1 - weight) * lower + weight * upper)
    return found


def quartiles(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """First quartile, median and third quartile; NaN where there is no value."""
    if not len(values):
        return np.nan, np.nan, np.nan
    ordered = np.sort(values)
    return float(quantile(ordered, 0.25)), float(quantile(ordered, 0.5)), float(quantile(ordered, 0.75))


def interquartile_mean(values: NDArray[np.float64]) -> float:
    """The mean of what is left when a quarter of the values, rounded down, is cut from either end.

    It moves less with one lucky seed than the mean, and uses more of the seeds than the median (Agarwal et al. 2021,
    Deep reinforcement learning at the edge of the statistical precipice). NaN where there is no value.
    """
    if not len(values):
        return np.nan
    cut = len(values) // 4
    # Sorted, and not partitioned as by scipy.stats.trim_mean: the last bits of the sum depend on the order of values.
    return float(np.sort(values)[cut : len(values) - cut].mean())


def interquartile_mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """A 95 % bootstrap interval of the interquartile mean, whole seeds resampled; NaN for too few seeds.

    The indices are drawn from our own fixed seed, the same for every sample of a size. The ends are percentiles, order
    statistics of the resampled means, so that an infinite end stays infinite. Resampling n values spreads their mean
    by √((n − 1) / n) of what it is spread by, so plain percentiles are too narrow for few seeds (Hesterberg 2015, What
    teachers should know about the bootstrap); ours lie √(n / (n − 1)) farther out on the normal scale. With 10 normal
    or lognormal values the interval held the true value in 94.8 and 94.5 % of 5,000 simulations, with 20 in 95.1 and
    95.3 % (with 10, plain percentiles: 93.7 and 93.3 %; BCa: 93.3 and 93.6 %; Tukey and McLaughlin's t: 93.5 and
    91.8 %).
    """
    size = len(values)
    if size < MIN_VALUES or np.isnan(values).all():
        return np.nan, np.nan
    draws, resample = _distinct_draws(size)
    lower, upper = bootstrap_ends(np.sort(values).take(draws).mean(axis=1)[resample], size / (size - 1))
    return float(lower), float(upper)


def stratified_interval(strata: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """A 95 % bootstrap interval of the interquartile mean of all values together, seeds resampled within each stratum.

    A stratum is a problem, of which every resample has as many seeds as there are (Agarwal et al. 2021). As above,
    with our own draws, and percentiles farther out, here by √(N / (N − S)) for N values in S strata. NaN where there is
    no stratum, or one with too few seeds. With three strata of 10 normal or lognormal values, spread by ½, 1 and 2, the
    interval held the true value in 95.3 and 95.1 % of 2,000 simulations, with strata of 6 in 94.3 and 94.3 %.
    """
    if not strata or min(map(len, strata)) < MIN_VALUES:
        return np.nan, np.nan
    parts = [np.sort(values)[_indices(len(values), place)] for place, values in enumerate(strata)]
    resampled = np.sort(np.concatenate(parts, axis=1), axis=1)
    size = resampled.shape[1]
    cut = size // 4
    lower, upper = bootstrap_ends(resampled[:, cut : size - cut].mean(axis=1), size / (size - len(strata)))
    return float(lower), float(upper)


def bootstrap_ends(resampled: NDArray[np.float64], inflation: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of a 95 % interval from what RESAMPLES samples gave (last axis): order statistics, farther out than
    percentiles by √inflation on the normal scale, which is n / (n − 1) for samples of n seeds."""
    tail = int(RESAMPLES * special.ndtr(special.ndtri((1 - CONFIDENCE) / 2) * np.sqrt(inflation)))
    ordered = np.partition(resampled, [tail, RESAMPLES - 1 - tail])
    return ordered[..., tail], ordered[..., -1 - tail]


def wilson(successes: ArrayLike, trials: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of the 95 % score interval of a proportion (Wilson 1927), elementwise; NaN where there is no trial.

    It is defined for few trials too, and for none or all of them successful.
    """
    # By hand, since statsmodels' proportion_confint gives other last bits for two proportions in three.
    n, z = np.asarray(trials, float), special.ndtri((1 + CONFIDENCE) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.asarray(successes, float) / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Where all or none succeed one end is theirs exactly, which rounding would miss.
    return np.where(share == 0, 0, centre - half), np.where(share == 1, 1, centre + half)


def clopper_pearson(successes: float, trials: int) -> tuple[float, float]:
    """The ends of the exact 95 % interval of a proportion (Clopper & Pearson 1934); NaN where there is no trial.

    It holds one half where the sign test's p is above 5 %: each is the other, inverted. `successes` may hold halves,
    for ties.
    """
    if not trials:
        return np.nan, np.nan
    # By hand for the same reason as above.
    tail, failures = (1 - CONFIDENCE) / 2, trials - successes
    lower = special.betaincinv(successes, failures + 1, tail) if successes else 0
    upper = special.betaincinv(successes + 1, failures, 1 - tail) if failures else 1
    return float(lower), float(upper)


def median_interval(values: NDArray[np.float64], level: float = CONFIDENCE) -> tuple[float, float]:
    """The narrowest pair of order statistics that holds the median at the level at least; NaN for too few values.

    Exact for any distribution: the number of values below the median is binomial (Conover 1999, section 3.2).
    """
    below = special.bdtr(np.arange(len(values)), len(values), 0.5)
    outer = int(np.searchsorted(below, (1 - level) / 2))
    if outer == 0:
        return np.nan, np.nan
    ordered = np.sort(values)
    return float(ordered[outer - 1]), float(ordered[-outer])


def weighted_sums(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's sum under the weights of each resample: (rows, seeds) and (seeds, resamples) to (rows, resamples).

    Without a library of linear algebra, whose last bits depend on its threads.
    """
    found: NDArray[np.float64] = np.einsum("ij,jk->ik", values, weights, optimize=False)
    return found


@cache
def resample_counts(size: int) -> NDArray[np.float64]:
    """How often each of `size` seeds is in each resample: an array (seeds, RESAMPLES)."""
    counts = np.zeros((size, RESAMPLES))
    np.add.at(counts, (_ranks(size), np.arange(RESAMPLES)[:, None]), 1)
    return counts


@cache
def resample_weights(size: int) -> NDArray[np.float64]:
    """Weights of `size` seeds, and last of one more that was not seen and counts half, in each resample: an array
    (seeds + 1, RESAMPLES). They are smooth, as in the Bayesian bootstrap (Rubin 1981), and do not add up to one."""
    generator = np.random.default_rng([_ENTROPY, size, 1])
    seen = generator.standard_exponential((size, RESAMPLES))
    return np.vstack([seen, generator.standard_gamma(0.5, RESAMPLES)])


@cache
def _draws(size: int) -> NDArray[np.int64]:
    """For each resample the ranks of its middle half: resampling ranks of ordered values keeps them ordered."""
    cut = size // 4
    return _ranks(size)[:, cut : size - cut]


@cache
def _distinct_draws(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct rows of these draws, and for each resample which of them is its: of 10 seeds, two in five are."""
    distinct, resample = np.unique(_draws(size), axis=0, return_inverse=True)
    return distinct, resample.ravel()


def _ranks(size: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng([_ENTROPY, size]).integers(0, size, (RESAMPLES, size)), axis=1)


@cache
def _indices(size: int, place: int) -> NDArray[np.int64]:
    """For each resample the ranks that are drawn of a stratum, others for each place among the strata."""
    return np.random.default_rng([_ENTROPY, size, place]).integers(0, size, (RESAMPLES, size))
