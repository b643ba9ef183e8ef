import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from thalweg.analysis.statistics import intervals

SAMPLE = np.array([3.1, 0.2, 5.7, 1.1, 2.9, 8.4, 0.9, 4.2, 2.2, 6.0])


@pytest.mark.parametrize("size", [1, 2, 3, 6, 10])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_quantile_is_numpys_for_finite_values(size, share):
    assert intervals.quantile(np.sort(SAMPLE[:size]), share) == pytest.approx(np.quantile(SAMPLE[:size], share))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_quantiles_of_groups_of_any_sizes_are_those_of_each_alone(share):
    rng = np.random.default_rng(1)
    groups = rng.permutation(np.repeat(np.arange(7), [1, 2, 3, 4, 8, 9, 30]))
    values = np.where(rng.random(len(groups)) < 0.2, np.inf, rng.normal(size=len(groups)))
    alone = [intervals.quantile(np.sort(values[groups == group]), share) for group in range(7)]
    np.testing.assert_array_equal(intervals.quantile_by_group(values, groups, share), alone)


def test_quantile_next_to_an_infinite_value_is_infinite_and_not_nan():
    ordered = np.array([1.0, 2.0, np.inf, np.inf])
    assert intervals.quantile(ordered, 0.5) == np.inf
    assert intervals.quantile(ordered, 1.0) == np.inf
    assert intervals.quantile(ordered, 1 / 3) == 2.0
    assert intervals.quantile(-ordered[::-1], 0.5) == -np.inf


@pytest.mark.parametrize("size", [1, 3, 4, 7, 8, 10])
def test_interquartile_mean_is_scipys_trimmed_mean(size):
    assert intervals.interquartile_mean(SAMPLE[:size]) == pytest.approx(stats.trim_mean(SAMPLE[:size], 0.25))


@pytest.mark.parametrize("size", [6, 10, 23])
def test_equal_resamples_are_averaged_once_and_each_counts(size):
    values = np.random.default_rng(size).lognormal(size=size)
    every = np.sort(values)[intervals._draws(size)].mean(axis=1)
    assert len(every) == intervals.RESAMPLES > len(intervals._distinct_draws(size)[0])
    assert intervals.interquartile_mean_interval(values) == intervals.bootstrap_ends(every, size / (size - 1))


def test_two_diverged_runs_of_ten_are_cut_and_a_third_makes_the_mean_infinite():
    two, three = SAMPLE.copy(), SAMPLE.copy()
    two[:2], three[:3] = np.inf, np.inf
    assert np.isfinite(intervals.interquartile_mean(two))
    assert intervals.interquartile_mean(three) == np.inf


def test_bootstrap_interval_agrees_with_scipys_percentile_bootstrap_at_a_level_that_makes_up_for_few_seeds():
    ours = intervals.interquartile_mean_interval(SAMPLE)
    theirs = stats.bootstrap(
        (SAMPLE,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        n_resamples=50_000,
        method="percentile",
        confidence_level=2 * stats.norm.cdf(1.959964 * np.sqrt(10 / 9)) - 1,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.1)


def test_bootstrap_interval_does_not_depend_on_the_order_of_seeds():
    assert intervals.interquartile_mean_interval(SAMPLE) == intervals.interquartile_mean_interval(SAMPLE[::-1])


def test_bootstrap_interval_reaches_infinity_when_many_runs_diverge():
    lower, upper = intervals.interquartile_mean_interval(np.array([1, 2, 3, 4, 5, 6, np.inf, np.inf]))
    assert np.isfinite(lower)
    assert upper == np.inf


@pytest.mark.parametrize(
    ("size", "ends"),
    # Of Binomial(size, 1/2) at most 2.5 % lies below the lower rank, and more below the next one.
    [(6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (10, (2, 9)), (12, (3, 10)), (20, (6, 15))],
)
def test_median_interval_ends_at_the_ranks_of_the_sign_test(size, ends):
    assert intervals.median_interval(np.arange(size, 0, -1.0)) == ends


def test_the_fewest_seeds_are_those_whose_extremes_hold_the_median_with_95_percent():
    def coverage(n):
        return 1 - 2 * 0.5**n

    assert coverage(intervals.MIN_VALUES - 1) < 0.95 <= coverage(intervals.MIN_VALUES)


@pytest.mark.parametrize("interval", [intervals.median_interval, intervals.interquartile_mean_interval])
def test_five_seeds_have_no_interval(interval):
    assert np.isnan(interval(SAMPLE[:5])).all()
    assert not np.isnan(interval(SAMPLE[:6])).any()


@pytest.mark.parametrize("trials", [1, 2, 7, 10, 200])
def test_wilsons_interval_is_that_of_statsmodels(trials):
    successes = np.arange(trials + 1)
    theirs = proportion_confint(successes, trials, alpha=0.05, method="wilson")
    np.testing.assert_allclose(intervals.wilson(successes, trials), theirs, rtol=0, atol=1e-12)


def test_wilsons_interval_of_nothing_is_undefined():
    assert np.isnan(intervals.wilson(0, 0)).all()


def test_the_exact_interval_is_scipys():
    for n in (1, 6, 10, 200):
        for k in range(n + 1):
            theirs = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
            assert intervals.clopper_pearson(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert np.isnan(intervals.clopper_pearson(0, 0)).all()


def test_one_stratum_has_the_interval_of_its_values():
    alone, plain = intervals.stratified_interval([SAMPLE]), intervals.interquartile_mean_interval(SAMPLE)
    assert alone == pytest.approx(plain, abs=0.2)
    assert alone == intervals.stratified_interval([SAMPLE[::-1]])


def test_seeds_are_resampled_within_each_stratum():
    # Far apart, strata of one value each leave nothing to chance; resampled together they would.
    assert intervals.stratified_interval([np.zeros(6), np.ones(6), np.full(6, 2.0)]) == (1, 1)
    # Of an eighth, and of the other, all are cut; what is left are resamples of the one in the middle.
    strata = [np.full(6, -1e9), SAMPLE, SAMPLE[:8], np.full(6, np.inf)]
    lower, upper = intervals.stratified_interval(strata)
    assert SAMPLE.min() < lower < upper < SAMPLE.max()


def test_a_stratum_with_too_few_seeds_leaves_no_interval():
    assert np.isnan(intervals.stratified_interval([SAMPLE, SAMPLE[:5]])).all()
    assert np.isnan(intervals.stratified_interval([])).all()


def test_strata_in_which_runs_diverge_reach_infinity():
    lower, upper = intervals.stratified_interval([SAMPLE, np.array([*SAMPLE[:5], *[np.inf] * 5])])
    assert np.isfinite(lower)
    assert upper == np.inf
