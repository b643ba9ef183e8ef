"""Robust averages of few values, and how far they can be trusted.

Every function takes one value a seed, and an infinite value is a value like any other: it is how a diverged run counts.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

FEWEST = 6
"""With fewer values no 95 % interval of the median exists: all five lie on one side of it in 2 of 2⁵ samples, 6 %."""

LEVEL = 0.95
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
    return float(np.sort(values)[cut : len(values) - cut].mean())


def interquartile_mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """A 95 % percentile bootstrap interval of the interquartile mean, whole seeds resampled; NaN for too few seeds.

    The indices are drawn from our own fixed seed, the same for every sample of a size. Its ends are order statistics
    of the resampled means, so that an infinite end stays infinite.
    """
    if len(values) < FEWEST:
        return np.nan, np.nan
    means = np.sort(np.sort(values)[_draws(len(values))].mean(axis=1))
    tail = int(RESAMPLES * (1 - LEVEL) / 2)
    return float(means[tail]), float(means[-1 - tail])


def median_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The narrowest pair of order statistics that holds the median with at least 95 %; NaN for too few values.

    Exact for any distribution: the number of values below the median is binomial (Conover 1999, section 3.2).
    """
    if len(values) < FEWEST:
        return np.nan, np.nan
    below = special.bdtr(np.arange(len(values)), len(values), 0.5)
    outer = int(np.searchsorted(below, (1 - LEVEL) / 2))
    ordered = np.sort(values)
    return float(ordered[outer - 1]), float(ordered[-outer])


@cache
def _draws(size: int) -> NDArray[np.int64]:
    """For each resample the ranks of its middle half: resampling ranks of ordered values keeps them ordered."""
    ranks = np.sort(np.random.default_rng([_ENTROPY, size]).integers(0, size, (RESAMPLES, size)), axis=1)
    cut = size // 4
    return ranks[:, cut : size - cut]
