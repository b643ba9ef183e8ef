"""What holds of the statistics whatever the values, tried on values that hypothesis makes up."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.analysis.statistics import intervals, paired

always = settings(derandomize=True, deadline=None, max_examples=60)
losses = st.one_of(st.floats(1e-6, 1e6), st.just(np.inf))
samples = st.lists(losses, min_size=1, max_size=12).map(np.array)
finite = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12).map(np.array)
shares = st.floats(0, 1)


def statistics(values):
    """Every estimate and end of an interval of one sample."""
    return [
        *intervals.quartiles(values),
        intervals.interquartile_mean(values),
        *intervals.interquartile_mean_interval(values),
        *intervals.median_interval(values),
        *intervals.stratified_interval([values]),
    ]


@always
@given(samples, st.randoms(use_true_random=False))
def test_the_order_of_seeds_does_not_matter(values, rng):
    shuffled = np.array(rng.sample(list(values), len(values)))
    np.testing.assert_array_equal(statistics(shuffled), statistics(values))


@always
@given(samples, st.integers(-20, 20))
def test_another_unit_scales_everything(values, power):
    """By a power of two, which rounds nothing."""
    np.testing.assert_array_equal(statistics(values * 2.0**power), np.array(statistics(values)) * 2.0**power)


@always
@given(samples)
def test_estimates_and_ends_lie_between_the_extremes_and_in_order(values):
    first, median, third = intervals.quartiles(values)
    near = 1e-12 * np.abs(values[np.isfinite(values)]).max(initial=0)
    assert values.min() <= first <= median <= third <= values.max()
    assert values.min() - near <= intervals.interquartile_mean(values) <= values.max() + near
    for lower, upper in (
        intervals.interquartile_mean_interval(values),
        intervals.median_interval(values),
        intervals.stratified_interval([values]),
    ):
        assert np.isnan(lower) == np.isnan(upper) == (len(values) < intervals.MIN_VALUES)
        if len(values) >= intervals.MIN_VALUES:
            assert values.min() - near <= lower <= upper <= values.max() + near


@always
@given(samples, st.integers(0, 11), st.floats(1, 1e3))
def test_a_worse_seed_makes_no_estimate_better(values, place, factor):
    worse = values.copy()
    worse[place % len(values)] *= factor
    before, after = np.array(statistics(values)), np.array(statistics(worse))
    rounding = 1e-12 * np.where(np.isfinite(before), np.abs(before), 0)
    assert ((after >= before - rounding) | np.isnan(before)).all()


@always
@given(finite, shares)
def test_a_quantile_is_numpys(values, share):
    found, wanted = intervals.quantile(np.sort(values), share), np.quantile(values, share)
    assert abs(found - wanted) <= 1e-9 * np.abs(values).max() + 1e-300


@always
@given(st.integers(0, 200), st.integers(0, 200))
def test_intervals_of_proportions_hold_the_proportion_within_0_and_1(successes, failures):
    trials = successes + failures
    if not trials:
        return
    for interval in (intervals.wilson, intervals.clopper_pearson):
        lower, upper = map(float, interval(successes, trials))
        assert 0 <= lower <= successes / trials <= upper <= 1
        mirrored_lower, mirrored_upper = map(float, interval(failures, trials))
        np.testing.assert_allclose([mirrored_lower, mirrored_upper], [1 - upper, 1 - lower], atol=1e-12)
        twice_lower, twice_upper = map(float, interval(2 * successes, 2 * trials))
        assert twice_upper - twice_lower < upper - lower, "more trials say more"


@always
@given(st.lists(shares, min_size=1, max_size=12).map(np.array), st.randoms(use_true_random=False))
def test_holms_adjustment_is_monotone_and_lies_between_none_and_bonferronis(p, rng):
    adjusted = paired.holm(p)
    assert (p <= adjusted).all()
    assert (adjusted <= np.minimum(1, len(p) * p)).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    order = np.array(rng.sample(range(len(p)), len(p)))
    np.testing.assert_array_equal(paired.holm(p[order]), adjusted[order])
    assert (paired.holm(np.append(p, 1.0))[:-1] >= adjusted).all(), "another comparison makes none surer"


@always
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=14).map(np.array))
def test_the_sign_test_is_a_probability_that_is_the_same_the_other_way_round(signs):
    p = paired.sign_test(signs)
    assert 0 < p <= 1
    if len(signs):
        assert paired.sign_test(-signs) == p
    assert paired.sign_test(np.append(signs, 0.0)) == p, "a tie says nothing"


@always
@given(st.lists(samples, min_size=1, max_size=3).filter(lambda strata: min(map(len, strata)) >= intervals.MIN_VALUES))
def test_strata_lie_between_the_extremes_of_all(strata):
    lower, upper = intervals.stratified_interval(strata)
    together = np.concatenate(strata)
    near = 1e-12 * np.abs(together[np.isfinite(together)]).max(initial=0)
    assert together.min() - near <= lower <= upper <= together.max() + near
