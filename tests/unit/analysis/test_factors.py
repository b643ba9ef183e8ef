"""Shares of variance: against sums of squares of statsmodels, and intervals against a known truth."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from thalweg.analysis import designs, histories
from thalweg.analysis.statistics import variance
from thalweg.analysis.tables import factors

GROUPS = np.repeat([0, 1, 2], [2, 3, 4])


def design(seeds=3, noise=0.4, seed=0):
    rng, trials = np.random.default_rng(seed), len(GROUPS)
    fixed = np.random.default_rng(1)
    effects = fixed.normal(size=(trials, 1, 1, 1)) + 0.7 * fixed.normal(size=(1, 4, 1, 1))
    effects = effects + 0.5 * fixed.normal(size=(1, 1, 3, 1)) + 0.3 * fixed.normal(size=(trials, 4, 1, 1))
    return effects + noise * rng.normal(size=(trials, 4, 3, seeds))


def test_sums_of_squares_and_degrees_of_freedom_are_those_of_statsmodels():
    """Of type I, which in a balanced design every other type equals. Trials within their optimizer are columns of 0 and
    1, one for each but the first: as a factor their levels would differ from optimizer to optimizer."""
    ranks, later = design(), np.flatnonzero(np.diff(GROUPS, prepend=-1) == 0)
    trial, schedule, batch_size, _ = np.indices(ranks.shape).reshape(4, -1)
    data = pd.DataFrame({"schedule": schedule, "batch_size": batch_size, "optimizer": GROUPS[trial], "trial": trial})

    def learning_rate(trial):
        return (np.asarray(trial)[:, None] == later).astype(float)

    formula = "rank ~ (C(optimizer) + learning_rate(trial)) * C(schedule) * C(batch_size)"
    theirs = anova_lm(ols(formula, data.assign(rank=ranks.ravel())).fit(), typ=1)
    terms = {
        frozenset(re.findall("|".join(variance.FACTORS), name) or ["seed"]): row for name, row in theirs.iterrows()
    }
    squares, freedom = variance.sums_of_squares(ranks, GROUPS), variance.degrees_of_freedom(ranks, GROUPS)
    assert {frozenset(term.split(":")) for term in squares} == terms.keys()
    for term, square in squares.items():
        assert square == pytest.approx(terms[frozenset(term.split(":"))]["sum_sq"], rel=1e-9), term
        assert freedom[term] == terms[frozenset(term.split(":"))]["df"], term
    assert sum(squares.values()) == pytest.approx(((ranks - ranks.mean()) ** 2).sum())


def test_degrees_of_freedom_add_up():
    ranks = design()
    found = variance.degrees_of_freedom(ranks, GROUPS)
    assert found["optimizer"] == 2
    assert found["learning_rate"] == 6
    assert found["learning_rate:schedule:batch_size"] == 6 * 3 * 2
    assert sum(found.values()) == ranks.size - 1
    assert "schedule" not in variance.degrees_of_freedom(ranks[:, :1], GROUPS)


def test_a_total_is_the_share_with_every_interaction():
    main, total = (variance.shares(design(), GROUPS, one) for one in (False, True))
    assert sum(main.values()) == pytest.approx(1)
    own = sum(share for term, share in main.items() if "schedule" in term.split(":"))
    assert total["schedule"] == pytest.approx(own)


def test_where_nothing_varies_nothing_is_due_to_anything():
    assert set(variance.shares(np.ones((9, 4, 3, 3)), GROUPS, False).values()) == {0}


@pytest.mark.parametrize("seeds", [3, 10])
def test_intervals_hold_the_true_share(seeds):
    many = 400
    truth = pd.DataFrame(
        variance.shares(design(seeds, seed=k), GROUPS, False) for k in range(2_000, 2_000 + many)
    ).mean()
    hits = pd.DataFrame(
        {
            term: lower <= truth[term] <= upper
            for term, found in variance.estimates([(design(seeds, seed=k), GROUPS)], False).items()
            for lower, upper in [variance.jackknife_interval(found)]
        }
        for k in range(many)
    )
    assert (hits.mean() >= 0.915).all(), hits.mean()


def test_two_seeds_have_no_interval():
    for seeds in (1, 2):
        found = variance.estimates([(design(seeds), GROUPS)], False)["schedule"]
        assert len(found) == (1 if seeds == 1 else 3)
        assert np.isnan(variance.jackknife_interval(found)).all()


def runs():
    cells = itertools.product([("a", 0.1), ("a", 0.3), ("b", 1.0)], ["constant", "cosine"], [1, 6], [1, 2, 3])
    rows = [
        {"problem": "p", "optimizer": name, "learning_rate": rate, "hyperparameters": "{}", "schedule": schedule}
        | {"batch_size": size, "seed": seed, "final_validation_loss": rate + (schedule == "cosine") + size / 100}
        | {"outcome": "finished", "ended_at": 60}
        for (name, rate), schedule, size, seed in cells
    ]
    return pd.DataFrame(rows)


def test_a_design_is_ranks_by_trial_schedule_batch_size_and_seed():
    tuning = runs()
    ranks, groups = designs.design_of(tuning.sample(frac=1, random_state=0))
    assert ranks.shape == (3, 2, 2, 3)
    assert list(groups) == [0, 0, 1]
    # The lowest losses are at rate 0.1, constant, batch size 1, the same for three seeds.
    assert list(ranks[0, 0, 0]) == [2, 2, 2]


def test_diverged_runs_share_the_worst_rank():
    tuning = runs()
    tuning.loc[:1, "final_validation_loss"] = np.inf
    ranks, _ = designs.design_of(tuning)
    assert np.sort(ranks.ravel())[-2:].tolist() == [35.5, 35.5]


def test_runs_that_end_at_a_target_are_ranked_by_the_examples_to_it_and_the_others_by_their_loss():
    """By hand: batch size 1 is there after 60 examples, 6 after 360, whatever the losses; the dearest rate never is."""
    tuning = runs()
    tuning["outcome"] = np.where(tuning["optimizer"] == "a", "reached target", "finished")
    ranks, _ = designs.design_of(tuning)
    assert set(ranks[:2, :, 0].ravel()) == {2.0, 5.0, 8.0, 11.0}
    assert set(ranks[:2, :, 1].ravel()) == {14.0, 17.0, 20.0, 23.0}
    assert ranks[2, :, :, 0].tolist() == [[26.0, 29.0], [32.0, 35.0]]


def test_an_incomplete_design_has_no_shares():
    assert designs.design_of(runs().iloc[1:]) is None
    assert designs.design_of(runs().iloc[:0]) is None


@pytest.mark.parametrize(("column", "one"), [("optimizer", "adam"), ("schedule", "cosine"), ("seed", 2)])
def test_a_design_without_a_whole_level_is_not_the_one_that_is_declared(small, experiment, column, one):
    runs = pd.read_parquet(small[1] / "tables" / "runs.parquet")
    tuning = histories.impute_failed(runs[runs["stage"] == "tuning"])
    assert set(factors.table(experiment, tuning)["problem"]) == {"linear", "digits_cnn"}
    less = tuning[(tuning["problem"] != "linear") | (tuning[column] != one)]
    assert len(less) < len(tuning)
    assert designs.design_of(less[less["problem"] == "linear"]) is not None, "complete by itself"
    assert designs.complete_design(experiment, "linear", less) is None
    assert set(factors.table(experiment, less)["problem"]) == {"digits_cnn"}


def test_the_table_has_every_term_of_every_problem_with_its_range(small, experiment):
    table = pd.read_parquet(small[1] / "tables" / "factors.parquet")
    assert set(table["problem"]) == {"linear", "digits_cnn"}
    assert table.groupby("problem")["share"].sum().to_numpy() == pytest.approx(1)
    assert '"sgd": [0.01, 1.0]' in table.loc[table["term"] == "learning_rate", "levels"].iloc[0]
    assert (table.loc[table["term"] == "seed", "levels"] == "null").all()
