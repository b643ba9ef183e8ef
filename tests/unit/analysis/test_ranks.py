"""Ranks over problems, against Demšar's published example, SciPy and enumeration."""

import warnings
from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from thalweg.analysis import TABLES
from thalweg.analysis.statistics import friedman
from thalweg.analysis.tables import ranks

# The ranks of Demšar 2006, Table 6: fourteen data sets, four variants of C4.5.
DEMSAR = np.array(
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)


@pytest.fixture(scope="module")
def built(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


def ranked(problems, optimizers, seed=1):
    return stats.rankdata(np.random.default_rng(seed).normal(size=(problems, optimizers)), axis=1)


def test_demsars_example_comes_out_to_the_digits_given():
    assert DEMSAR.mean(axis=0).round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    found = friedman.friedman(DEMSAR)
    assert round(found.chi_square, 2) == 9.28
    assert round(found.f, 2) == 3.69
    assert round(found.critical_difference, 2) == 1.25
    # He gives 2.85 as the critical value of F(3, 39) at 5 %, so that F is beyond it.
    assert found.p < 0.05


@pytest.mark.parametrize(
    ("optimizers", "q"),
    [(3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_the_critical_difference_is_that_of_demsars_table_5(optimizers, q):
    found = friedman.friedman(ranked(12, optimizers)).critical_difference
    assert found / np.sqrt(optimizers * (optimizers + 1) / (6 * 12)) == pytest.approx(q, abs=0.0011)


@pytest.mark.parametrize(("problems", "optimizers"), [(2, 3), (3, 6), (12, 5), (40, 3)])
def test_without_ties_chi_square_is_scipys(problems, optimizers):
    table = ranked(problems, optimizers)
    assert friedman.friedman(table).chi_square == pytest.approx(stats.friedmanchisquare(*table.T).statistic)


def test_with_ties_chi_square_is_scipys_without_its_correction_and_so_never_larger():
    ties = sum(
        (np.unique(row, return_counts=True)[1] ** 3 - np.unique(row, return_counts=True)[1]).sum() for row in DEMSAR
    )
    corrected = stats.friedmanchisquare(*DEMSAR.T).statistic
    assert friedman.friedman(DEMSAR).chi_square == pytest.approx(corrected * (1 - ties / (14 * (4**3 - 4))))
    assert friedman.friedman(DEMSAR).chi_square < corrected


@pytest.mark.parametrize(("problems", "optimizers"), [(3, 6), (12, 5)])
def test_f_is_that_of_a_two_way_analysis_of_variance_of_the_ranks(problems, optimizers):
    table = ranked(problems, optimizers)
    between = problems * ((table.mean(axis=0) - table.mean()) ** 2).sum()
    within = ((table - table.mean()) ** 2).sum() - between
    f = (between / (optimizers - 1)) / (within / ((optimizers - 1) * (problems - 1)))
    found = friedman.friedman(table)
    assert found.f == pytest.approx(f)
    assert found.p == pytest.approx(stats.f.sf(f, optimizers - 1, (optimizers - 1) * (problems - 1)))


@pytest.mark.parametrize("table", [ranked(2, 3), ranked(3, 3), np.array([[1, 2, 3], [1, 2, 3]]), ranked(2, 4, seed=5)])
def test_the_permutation_p_is_that_of_all_orders(table):
    every = list(product(*(permutations(row) for row in table)))
    exact = np.mean(friedman.chi_square(np.array(every, float)) >= friedman.chi_square(table.astype(float)))
    # Of 4,000 draws a share has a standard error of at most 0.8 %.
    assert friedman.permutation_p(table) == pytest.approx(exact, abs=0.025)


def test_where_all_problems_agree_f_is_infinite_and_the_permutation_p_is_not_zero():
    table = np.array([[1.0, 2, 3]] * 2)
    assert friedman.friedman(table)[:3] == (4.0, np.inf, 0.0)
    assert friedman.permutation_p(table) > 0.1


def test_where_all_tie_nothing_differs():
    table = np.full((4, 3), 2.0)
    assert friedman.friedman(table)[:3] == (0, 0, 1)
    assert friedman.permutation_p(table) == 1


@pytest.mark.parametrize(
    ("problems", "optimizers", "caution"),
    [
        (1, 6, "no test: fewer than 2 problems or 3 optimizers"),
        (20, 2, "no test: fewer than 2 problems or 3 optimizers"),
        (3, 6, "rough: few problems"),
        (11, 5, "rough: few optimizers"),
        (10, 3, "rough: few problems and optimizers"),
        (11, 6, None),
    ],
)
def test_what_is_not_to_be_trusted_says_why(problems, optimizers, caution):
    assert friedman.caution(problems, optimizers) == caution


def test_ranks_are_those_of_the_best_cells_and_over_problems_their_mean(built):
    best = built["comparisons"].query("factor == 'optimizer'")[["problem", "optimizer", "schedule", "batch_size"]]
    losses = best.merge(built["cells"]).pivot(index="problem", columns="optimizer", values="final_test_loss")
    expected = pd.DataFrame(stats.rankdata(losses, axis=1), losses.index, losses.columns)
    table = built["ranks"].set_index(built["ranks"]["problem"].fillna("all"))
    for problem in ("linear", "digits_cnn"):
        found = table.loc[problem].set_index("optimizer")
        assert found["rank"].to_dict() == expected.loc[problem].to_dict()
        assert found["value"].to_dict() == losses.loc[problem].to_dict()
    together = table.loc["all"].set_index("optimizer")
    assert together["rank"].to_dict() == expected.mean().to_dict()
    assert together["chi_square"].unique() == pytest.approx(stats.friedmanchisquare(*expected.to_numpy().T).statistic)
    assert set(together["caution"]) == {"rough: few problems and optimizers"}
    assert list(table["optimizer"]) == ["sgd", "adam", "doomed"] * 3


def test_the_aggregate_is_the_geometric_trimmed_mean_of_all_paired_ratios_and_infinite_for_whoever_diverges(built):
    evaluation = built["runs"][built["runs"]["stage"] == "evaluation"]
    best = built["comparisons"].query("factor == 'optimizer'")
    runs = best[["problem", "optimizer", "schedule", "batch_size"]].merge(evaluation)
    losses = runs.pivot(index=["problem", "seed"], columns="optimizer", values="final_test_loss")
    first = best[best["verdict"] == "reference"].set_index("problem")["optimizer"]
    reference = pd.concat([losses.loc[[problem], optimizer] for problem, optimizer in first.items()])
    together = built["ranks"][built["ranks"]["problem"].isna()].set_index("optimizer")
    for optimizer in ("sgd", "adam"):
        row = together.loc[optimizer]
        ratios = losses[optimizer].div(reference.reindex(losses.index))
        assert row["n"] == len(ratios) == 14
        assert row["ratio"] == pytest.approx(np.exp(stats.trim_mean(np.log(ratios), 0.25)))
        assert row["lower"] <= row["ratio"] <= row["upper"]
    assert together.loc["sgd", "lower"] < together.loc["sgd", "upper"] < np.inf
    assert together.loc["doomed", ["ratio", "lower", "upper"]].tolist() == [np.inf] * 3


def tied(experiment, built, loss):
    evaluation = built["runs"][built["runs"]["stage"] == "evaluation"]
    return ranks.table(experiment, built["cells"], evaluation.assign(final_test_loss=loss))


def test_a_seed_at_which_only_the_reference_diverged_has_a_ratio_of_zero_and_gives_no_warning():
    """By hand: of 8 ratios the two lowest and the two highest are cut, and all that is left is 2."""
    with warnings.catch_warnings(action="error"):
        ratio, lower, upper = ranks._aggregate([np.array([0.0, 1, 2, 2, 2, 2, 8, 8])])
        assert ratio == pytest.approx(2)
        assert lower < 2 < upper
        ratio, *ends = ranks._aggregate([np.array([0.0, 1, 2, 2, 2, 2, 8, np.inf])])
        assert ratio == pytest.approx(2)
        assert np.isnan(ends).all()
        assert np.isnan(ranks._aggregate([np.array([0.0] * 4 + [np.inf] * 4)])).all()


def test_without_ratios_on_one_problem_there_is_no_ratio_over_all():
    assert np.isnan(ranks._aggregate([np.full(7, 2.0), None])).all()


def test_negative_losses_have_ranks_and_no_ratios(experiment, built):
    evaluation = built["runs"][built["runs"]["stage"] == "evaluation"]
    losses = evaluation["optimizer"].map({"sgd": -3.0, "adam": -1.0, "doomed": np.inf})
    table = ranks.table(experiment, built["cells"], evaluation.assign(final_test_loss=losses))
    assert table["rank"].tolist() == [1, 2, 3] * 3
    assert table[["ratio", "lower", "upper"]].isna().all(axis=None)


@pytest.mark.parametrize("loss", [np.inf, 0.0, 1e-15])
def test_infinite_losses_tie_and_those_below_what_single_precision_tells(experiment, built, loss):
    table = tied(experiment, built, loss)
    assert (table["rank"] == 2).all()
    assert (table.loc[table["problem"].isna(), "p"] == 1).all()


def test_a_problem_on_which_an_optimizer_was_not_evaluated_ranks_nobody(experiment, built):
    gone = (built["cells"]["problem"] == "digits_cnn") & (built["cells"]["optimizer"] == "adam")
    cells = built["cells"].assign(n=built["cells"]["n"].mask(gone, 0))
    evaluation = built["runs"][built["runs"]["stage"] == "evaluation"].fillna({"final_test_loss": np.inf})
    table = ranks.table(experiment, cells, evaluation)
    assert table.loc[table["problem"] == "digits_cnn", "rank"].isna().all()
    together = table[table["problem"].isna()]
    assert set(together["problems"]) == {1}
    assert together[["chi_square", "f", "p", "critical_difference", "permutation_p"]].isna().all(axis=None)
    assert set(together["caution"]) == {"no test: fewer than 2 problems or 3 optimizers"}
    assert sorted(together["rank"]) == [1, 2, 3]


def test_without_a_problem_that_all_have_there_is_nothing_over_problems(experiment, built):
    evaluation = built["runs"][built["runs"]["stage"] == "evaluation"]
    table = ranks.table(experiment, built["cells"].assign(n=0), evaluation.iloc[:0])
    assert table["problem"].notna().all()
    assert table[["rank", "ratio", "lower"]].isna().all(axis=None)
