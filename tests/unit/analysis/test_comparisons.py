"""Comparisons with the best cell: ratios, the sign test, its correction, against SciPy, statsmodels, enumeration."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from thalweg.analysis import TABLES, comparisons, intervals

TIE = 1.0


@pytest.fixture(scope="module")
def built(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


def at(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame


def of_signs(higher, lower, ties=0):
    return np.array([2.0] * higher + [0.5] * lower + [TIE] * ties)


@pytest.mark.parametrize(
    ("losses", "reference", "ratios"),
    [
        ([2.0, 9.0], [1.0, 3.0], [2.0, 3.0]),
        ([0.0, np.inf], [0.0, np.inf], [1.0, 1.0]),
        ([np.inf, 1.0], [1.0, np.inf], [np.inf, 0.0]),
        ([1e-15, 1.0], [0.0, 0.0], [1.0, 2.0**46]),
    ],
)
def test_ratios_are_paired_and_defined_for_infinite_losses_and_for_those_below_what_single_precision_tells(
    losses, reference, ratios
):
    found = comparisons.paired_ratios(pd.Series(losses, index=[7, 8]), pd.Series(reference[::-1], index=[8, 7]))
    assert list(found) == ratios


@pytest.mark.parametrize("size", [1, 5, 6, 7, 10])
def test_the_sign_tests_p_is_the_share_of_all_signs_that_are_as_uneven(size):
    uneven = [abs(sum(signs)) for signs in product([-1, 1], repeat=size)]
    for higher in range(size + 1):
        expected = np.mean([one >= abs(2 * higher - size) for one in uneven])
        assert comparisons.sign_test(of_signs(higher, size - higher)) == pytest.approx(expected)


def test_ties_count_for_nothing_and_nothing_else_says_nothing():
    assert comparisons.sign_test(of_signs(8, 1, 3)) == comparisons.sign_test(of_signs(8, 1))
    assert comparisons.sign_test(of_signs(0, 0, 10)) == comparisons.sign_test(np.empty(0)) == 1
    assert comparisons.sign_test(np.array([np.inf] * 6)) == comparisons.sign_test(np.zeros(6)) == 2 * 0.5**6


@pytest.mark.parametrize("size", [6, 9, 10, 15, 20])
def test_the_sign_test_is_the_medians_interval_inverted(size):
    for higher in range(size + 1):
        ratios = of_signs(higher, size - higher)
        lower, upper = intervals.median_interval(ratios)
        assert (comparisons.sign_test(ratios) <= 0.05) == (not lower <= 1 <= upper)


@pytest.mark.parametrize("size", [0, 1, 2, 5, 15])
def test_holms_adjustment_is_that_of_statsmodels(size):
    for seed in range(20 if size else 0):
        p = np.round(np.random.default_rng(seed).uniform(size=size) ** 3, 2)
        assert comparisons.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert len(comparisons.holm(np.ones(size))) == size


@pytest.mark.parametrize(
    ("ratios", "adjusted_p", "enough", "verdict"),
    [
        (of_signs(9, 1), 0.04, True, "higher"),
        (of_signs(1, 9), 0.04, True, "lower"),
        (of_signs(9, 0, 11), 0.004, True, "higher"),
        (of_signs(9, 1), 0.06, True, "not distinguishable"),
        (of_signs(5, 0), 0.0625, False, "too few seeds"),
    ],
)
def test_verdicts_follow_from_the_adjusted_p(ratios, adjusted_p, enough, verdict):
    assert comparisons.verdict(ratios, adjusted_p, enough) == verdict


@pytest.mark.parametrize(("comparable", "seeds"), [(1, 6), (2, 7), (3, 7), (6, 8), (12, 9), (25, 10), (51, 11)])
def test_a_family_can_be_decided_from_as_many_seeds_as_are_said_and_no_fewer(comparable, seeds):
    def verdicts(size, number):
        found = comparisons.decided({name: of_signs(size, 0) for name in range(number)})
        return {one["verdict"] for one in found.values()}

    assert verdicts(seeds, comparable) == {"higher"}
    assert verdicts(seeds - 1, comparable) == {"too few seeds"}


def test_a_comparison_with_fewer_seeds_is_decided_where_the_others_could_be_before_it():
    found = comparisons.decided({"many": of_signs(10, 0), "few": of_signs(0, 6), "none": np.empty(0)})
    assert [one["verdict"] for one in found.values()] == ["higher", "too few seeds", "too few seeds"]
    found = comparisons.decided({"many": of_signs(10, 0), "few": of_signs(0, 6)})
    assert [one["verdict"] for one in found.values()] == ["higher", "lower"]
    assert found["few"]["adjusted_p"] == pytest.approx(stats.binomtest(0, 6).pvalue)


def test_of_families_of_true_nulls_at_most_5_percent_have_a_verdict():
    """2,000 families of 5 levels that are as good as the reference, which all share, as the table has it."""
    losses = np.random.default_rng(3).lognormal(size=(2_000, 6, 10))
    wrong = 0
    for reference, *levels in losses:
        found = comparisons.decided({place: level / reference for place, level in enumerate(levels)})
        wrong += any(one["verdict"] != "not distinguishable" for one in found.values())
    assert 0 < wrong <= 0.05 * len(losses)


def test_the_table_is_corrected_within_each_problem_and_factor(built):
    for _, family in built["comparisons"].groupby(["problem", "factor"]):
        others = family[family["verdict"] != "reference"]
        assert len(others) == len(family) - 1
        assert others["p"].notna().all()
        if len(others):
            assert others["adjusted_p"].to_numpy() == pytest.approx(multipletests(others["p"], method="holm")[1])
    reference = at(built["comparisons"], verdict="reference")
    assert reference[["p", "adjusted_p"]].isna().all(axis=None)


def test_a_p_is_scipys_for_the_losses_of_the_runs(built):
    rows = at(built["comparisons"], problem="linear", factor="optimizer").set_index("level")
    runs = at(built["runs"], stage="evaluation", problem="linear")

    def losses(row):
        own = at(runs, **{name: row[name] for name in ("optimizer", "schedule", "batch_size")})
        return own.set_index("seed")["final_test_loss"].fillna(np.inf)

    reference = losses(rows[rows["verdict"] == "reference"].iloc[0])
    for _, row in rows[rows["verdict"] != "reference"].iterrows():
        higher = int((losses(row) > reference).sum())
        assert row["n"] == len(reference) == 7
        assert row["p"] == pytest.approx(stats.binomtest(higher, 7).pvalue)


def test_the_reference_of_a_problem_is_its_best_cell_on_tuning_runs(built):
    cells = at(built["cells"], problem="linear")
    best = cells.loc[cells["tuning_validation_loss"].idxmin()]
    reference = at(built["comparisons"], problem="linear", verdict="reference")
    assert list(reference["factor"]) == ["optimizer", "schedule", "batch_size"]
    for name in ("optimizer", "schedule", "batch_size", "learning_rate"):
        assert (reference[name] == best[name]).all()
    assert at(built["comparisons"], problem="linear", level="doomed")["verdict"].item() == "higher"


def test_cells_that_cannot_be_told_apart_are_taken_in_grid_order(experiment, built):
    evaluation = at(built["runs"], stage="evaluation")
    losses = np.geomspace(1e-14, 1e-15, len(built["cells"]))
    tied = comparisons.table(experiment, built["cells"].assign(tuning_validation_loss=losses), evaluation)
    reference = at(tied, problem="linear", verdict="reference").iloc[0]
    first = at(built["cells"], problem="linear").iloc[0]
    for name in ("optimizer", "schedule", "batch_size"):
        assert reference[name] == first[name]
