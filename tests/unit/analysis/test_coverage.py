"""How often the interval of the interquartile mean holds the truth, where the truth is known, and what else was tried.

`python test_coverage.py` prints the shares of all methods.
"""

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from thalweg.analysis.statistics import intervals

SIMULATIONS = 5_000
SIZES = (10, 20)
LAWS = {"normal": lambda spread: stats.norm(0, spread), "lognormal": stats.lognorm}


def sample(distribution, size):
    """Simulated values, simulations × size, sorted along the second axis; and the true interquartile mean."""
    normal = np.sort(np.random.default_rng([size, len(distribution)]).normal(size=(SIMULATIONS, size)), axis=1)
    if distribution == "normal":
        return normal, 0.0
    # The mean of a lognormal between two of its quantiles: E[X; a < X < b] = e^½ (Φ(log b − 1) − Φ(log a − 1)).
    quartile = special.ndtri(0.75)
    return np.exp(normal), np.exp(0.5) * (special.ndtr(quartile - 1) - special.ndtr(-quartile - 1)) / 0.5


def ours(values):
    return np.array([intervals.interquartile_mean_interval(row) for row in values]).T


def resampled(values):
    """For each simulation the sorted interquartile means of its resamples: the same draws for all of them."""
    draws = intervals._draws(values.shape[1])
    weights = np.zeros((values.shape[1], len(draws)))
    np.add.at(weights, (draws, np.arange(len(draws))[:, None]), 1 / draws.shape[1])
    return (np.sort(part @ weights, axis=1) for part in np.array_split(values, 10))


def trimmed_means(values):
    cut = values.shape[-1] // 4
    return values[..., cut : values.shape[-1] - cut].mean(axis=-1)


def percentile(values):
    tail = int(intervals.RESAMPLES * 0.025)
    return np.concatenate([means[:, [tail, -1 - tail]] for means in resampled(values)]).T


def bias_corrected_and_accelerated(values):
    """BCa: Efron & Tibshirani 1993, section 14.3."""
    size = values.shape[1]
    without = np.stack([trimmed_means(np.delete(values, left_out, axis=1)) for left_out in range(size)], axis=1)
    pull = without.mean(axis=1, keepdims=True) - without
    skew = np.array_split((pull**3).sum(axis=1) / (6 * (pull**2).sum(axis=1) ** 1.5), 10)
    estimates = np.array_split(trimmed_means(values)[:, None], 10)
    ends = []
    for means, a, estimate in zip(resampled(values), skew, estimates, strict=True):
        bias = special.ndtri(((means < estimate).mean(axis=1) + (means <= estimate).mean(axis=1)) / 2)
        shifted = bias[:, None] + special.ndtri([0.025, 0.975])
        places = intervals.RESAMPLES * special.ndtr(bias[:, None] + shifted / (1 - a[:, None] * shifted))
        ends.append(np.take_along_axis(means, np.clip(places.astype(int), 0, intervals.RESAMPLES - 1), 1))
    return np.concatenate(ends).T


def trimmed_t(values):
    """Student's t with the winsorised variance (Tukey & McLaughlin 1963; Yuen 1974 for two samples)."""
    size = values.shape[1]
    cut = size // 4
    winsorised = np.clip(values, values[:, [cut]], values[:, [size - cut - 1]])
    error = winsorised.std(axis=1, ddof=1) / ((1 - 2 * cut / size) * np.sqrt(size))
    half = stats.t.ppf(0.975, size - 2 * cut - 1) * error
    return trimmed_means(values) - half, trimmed_means(values) + half


def coverage(method, distribution, size):
    values, truth = sample(distribution, size)
    lower, upper = method(values)
    return float(np.mean((lower <= truth) & (truth <= upper)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("distribution", ["normal", "lognormal"])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(distribution, size):
    share = coverage(ours, distribution, size)
    # Of 5,000 simulations a share of 95 % has a standard error of 0.3 %.
    assert share == pytest.approx(0.95, abs=0.01)
    assert share >= 0.925


@pytest.mark.parametrize("other", [percentile, bias_corrected_and_accelerated, trimmed_t])
def test_it_comes_nearer_to_95_percent_than_what_else_was_tried_where_seeds_are_few(other):
    def error(method):
        return max(abs(coverage(method, distribution, 10) - 0.95) for distribution in ("normal", "lognormal"))

    assert error(ours) < error(other)


def test_the_true_interquartile_mean_of_a_lognormal_is_that_of_its_middle_half():
    middle = stats.lognorm(1).ppf(np.linspace(0.25, 0.75, 100_001))
    assert sample("lognormal", 10)[1] == pytest.approx(middle.mean(), rel=1e-4)


def stratified_coverage(distribution, size):
    """The same of three strata that differ in spread, in 2,000 simulations."""
    laws = [LAWS[distribution](spread) for spread in (0.5, 1, 2)]
    draws = [
        law.rvs((2_000, size), random_state=np.random.default_rng([size, place])) for place, law in enumerate(laws)
    ]
    found = np.array([intervals.stratified_interval(strata) for strata in zip(*draws, strict=True)])
    truth = of_mixture(laws)
    return float(np.mean((found[:, 0] <= truth) & (truth <= found[:, 1])))


def of_mixture(laws):
    """The true interquartile mean of values of which equally many are of each law."""
    lower, upper = (
        optimize.brentq(lambda x, share=share: np.mean([law.cdf(x) for law in laws]) - share, -20, 20)
        for share in (0.25, 0.75)
    )
    return integrate.quad(lambda x: x * np.mean([law.pdf(x) for law in laws]), lower, upper)[0] / 0.5


@pytest.mark.parametrize("size", [6, 10])
@pytest.mark.parametrize("distribution", LAWS)
def test_the_interval_of_several_strata_does_too(distribution, size):
    share = stratified_coverage(distribution, size)
    # Of 2,000 simulations a share of 95 % has a standard error of 0.5 %.
    assert share == pytest.approx(0.95, abs=0.015)
    assert share >= 0.925


if __name__ == "__main__":
    for method in (ours, percentile, bias_corrected_and_accelerated, trimmed_t):
        for distribution in ("normal", "lognormal"):
            print(method.__name__, distribution, [coverage(method, distribution, size) for size in SIZES])
    for distribution in LAWS:
        print("stratified", distribution, [stratified_coverage(distribution, size) for size in (6, 10, 20)])
