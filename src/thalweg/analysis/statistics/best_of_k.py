"""The best of k trials that are drawn without replacement: exact probabilities, expectation and quantiles."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from thalweg.analysis.statistics import intervals

_EXACTLY = 1e-12
"""What sums of probabilities may be short of the number that they are."""


@cache
def chances(trials: int) -> NDArray[np.float64]:
    """The probability that of k of the trials, k = 1 … trials, the i-th is the best: an array (k, i), best first.

    C(m − 1 − i, k − 1) / C(m, k) for i = 0 …, since the others are then among those behind it; without replacement,
    as in Dodge et al. 2021 (Expected validation performance and estimation of a random variable's maximum), there for
    the expected maximum itself. By its recurrence in i, in which nothing grows beyond one.
    """
    k, i = np.arange(1, trials + 1)[:, None], np.arange(1, trials)
    steps = np.maximum(trials - i - k + 1, 0) / (trials - i)
    return np.cumprod(np.append(k / trials, steps, axis=1), axis=1)


def best_of(losses: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Expected value, median, quartiles and infinite share of the loss of the best of k, each (pools, k).

    `losses` (pools, trials) are those that are reported, in the order of the trials, the one preferred first. The
    quantiles are the smallest value that is not exceeded with at least that probability.
    """
    chance = chances(losses.shape[1])
    infinite = np.isinf(losses)
    lost = intervals.weighted_sums(infinite.astype(float), chance.T)
    expected = intervals.weighted_sums(np.where(infinite, 0.0, losses), chance.T)
    order = np.argsort(losses, axis=1, kind="stable")
    ordered = np.take_along_axis(losses, order, 1)
    reached = np.cumsum(chance.T[order], axis=1)
    shares = {"lower": 0.25, "median": 0.5, "upper": 0.75}
    places = {name: (reached >= share - _EXACTLY).argmax(axis=1) for name, share in shares.items()}
    quantiles = {name: np.take_along_axis(ordered, place, 1) for name, place in places.items()}
    return {"expected": np.where(lost > 0, np.inf, expected), **quantiles, "lost": lost}
