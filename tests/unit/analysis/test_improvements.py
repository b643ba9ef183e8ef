"""The probability of improvement: counted again from the runs, and its interval's coverage, enumerated."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from thalweg.analysis import TABLES
from thalweg.analysis.statistics import paired
from thalweg.analysis.tables import improvements


@pytest.fixture(scope="module")
def built(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


def outcomes(size):
    """Every way for `size` seeds to be lower, tied and higher, and what paired.improvement makes of each."""
    ways = [(lower, ties, size - lower - ties) for lower in range(size + 1) for ties in range(size + 1 - lower)]
    signs = [np.repeat([-1.0, 0.0, 1.0], way) for way in ways]
    return np.array(ways), np.array([paired.improvement([one]) for one in signs])


def test_the_probability_is_the_mean_over_problems_and_a_tie_counts_half():
    signs = [np.array([-1.0, -1.0, 0.0, 1.0]), np.array([-1.0, -1.0])]
    assert paired.improvement(signs)[0] == ((2 + 0.5) / 4 + 1) / 2
    assert np.isnan(paired.improvement([])).all()


def test_without_ties_the_interval_is_scipys_exact_one():
    for lower in range(11):
        signs = np.repeat([-1.0, 1.0], [lower, 10 - lower])
        theirs = stats.binomtest(lower, 10).proportion_ci(0.95, method="exact")
        assert paired.improvement([signs]) == pytest.approx((lower / 10, theirs.low, theirs.high))


@pytest.mark.parametrize("size", [1, 3, 6, 10])
def test_with_any_share_of_ties_the_interval_holds_the_truth_with_95_percent(size):
    ways, found = outcomes(size)
    shares = np.linspace(0, 1, 41)
    for lower, ties in product(shares, shares):
        if lower + ties <= 1 + 1e-9:
            chance = stats.multinomial.pmf(ways, size, [lower, ties, max(0, 1 - lower - ties)])
            truth = lower + ties / 2
            holds = (found[:, 1] <= truth + 1e-12) & (truth <= found[:, 2] + 1e-12)
            assert chance[holds].sum() >= 0.95, (lower, ties)


def test_with_problems_that_differ_the_interval_over_them_holds_the_truth_with_95_percent():
    size = 6
    signs = [np.repeat([-1.0, 1.0], [k, 3 * size - k]) for k in range(3 * size + 1)]
    ends = np.array([paired.improvement([one]) for one in signs])
    for chances in product(np.linspace(0, 1, 11), repeat=3):
        total = np.ones(1)
        for chance in chances:
            total = np.convolve(total, stats.binom.pmf(np.arange(size + 1), size, chance))
        truth = np.mean(chances)
        holds = (ends[:, 1] <= truth + 1e-12) & (truth <= ends[:, 2] + 1e-12)
        assert total[holds].sum() >= 0.95, chances


def test_problems_with_unequally_many_seeds_count_as_the_smallest():
    few, many = np.array([-1.0] * 6), np.array([1.0] * 10)
    assert paired.improvement([few, many]) == paired.improvement([few, many[:6]])


def test_every_pair_stands_once_in_grid_order_for_each_problem_and_for_all_together(experiment, built):
    table = built["improvements"]
    optimizers = [("sgd", "adam"), ("sgd", "doomed"), ("adam", "doomed")]
    assert list(table[["first", "second"]].itertuples(index=False, name=None)) == optimizers * 3
    assert list(table["problem"].fillna("all")) == [name for name in ("linear", "digits_cnn", "all") for _ in range(3)]
    assert list(table["problems"]) == [1] * 6 + [2] * 3
    assert list(table["n"]) == [7] * 6 + [14] * 3


def test_a_row_is_counted_from_the_runs_of_the_best_cells(built):
    cells = built["comparisons"][built["comparisons"]["factor"] == "optimizer"]
    evaluation = built["runs"][built["runs"]["stage"] == "evaluation"]
    runs = cells[["problem", "optimizer", "schedule", "batch_size"]].merge(evaluation)
    losses = runs.pivot(index=["problem", "seed"], columns="optimizer", values="final_test_loss").fillna(np.inf)
    wins = (losses["sgd"] < losses["adam"]).groupby("problem").sum()
    rows = built["improvements"].query("first == 'sgd' and second == 'adam'")
    for row in rows[rows["problem"].notna()].itertuples():
        assert row.probability == wins[row.problem] / 7
        assert row.p == pytest.approx(stats.binomtest(wins[row.problem], 7).pvalue)
    together = rows[rows["problem"].isna()].iloc[0]
    assert together["probability"] == pytest.approx(wins.sum() / 14)
    assert together["p"] == pytest.approx(stats.binomtest(wins.sum(), 14).pvalue)


def test_p_is_adjusted_over_all_pairs_of_a_problem(built):
    for _, family in built["improvements"].groupby("problem", dropna=False):
        assert family["adjusted_p"].to_numpy() == pytest.approx(multipletests(family["p"], method="holm")[1])


def test_whoever_always_diverges_is_higher_and_two_of_them_tie(experiment, built):
    doomed = built["improvements"].query("second == 'doomed'")
    assert (doomed["probability"] == 1).all()
    assert (doomed["verdict"] == "lower").all()
    lost = built["runs"][built["runs"]["stage"] == "evaluation"].assign(final_test_loss=np.inf)
    table = improvements.table(experiment, built["cells"], lost)
    assert (table["probability"] == 0.5).all()
    assert (table["verdict"] == "not distinguishable").all()


def test_a_pair_that_was_not_evaluated_has_a_row_without_a_probability(experiment, built):
    evaluation = built["runs"][(built["runs"]["stage"] == "evaluation") & (built["runs"]["problem"] == "linear")]
    rows = improvements.table(experiment, built["cells"], evaluation.query("optimizer != 'adam'"))
    rows = rows.set_index(["problem", "first", "second"])
    assert np.isnan(rows.loc[("digits_cnn", "sgd", "doomed"), "probability"])
    assert rows.loc[("linear", "sgd", "adam"), ["n", "p", "verdict"]].tolist() == [0, 1.0, "too few seeds"]
    assert rows.loc[("linear", "sgd", "doomed"), "n"] == 7
    assert list(rows.loc[rows["problems"] == 1, "n"]) == [7, 7]
