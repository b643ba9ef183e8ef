from itertools import combinations
from statistics import mean, median

import numpy as np
import pandas as pd
import pytest

from thalweg.analysis import TABLES
from thalweg.analysis.choose import CELL, choose, rates
from thalweg.analysis.statistics import best_of_k
from thalweg.analysis.tables import budgets

LOSSES = np.array([[3.0, 1.0, 4.0, 1.5, 9.0, 2.6]])
"""Test losses of one pool, the trial that validation likes best first."""


@pytest.fixture(scope="module")
def small_tables(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


def at(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame


def tuned(schedule, pairs):
    """Two runs a trial: (learning rate, final validation loss, final test loss)."""
    rows = [
        {"learning_rate": rate, "final_validation_loss": validation, "final_test_loss": test, "seed": seed}
        for rate, validation, test in pairs
        for seed in (1, 2)
    ]
    cell = {"problem": "linear", "optimizer": "sgd", "schedule": schedule, "batch_size": 1, "hyperparameters": "{}"}
    return pd.DataFrame(rows).assign(**cell, outcome="finished", ended_at=5)


@pytest.mark.parametrize("k", range(1, 7))
def test_best_of_k_is_the_average_over_all_sets_of_k(k):
    found = best_of_k.best_of(LOSSES)
    outcomes = sorted(LOSSES[0][min(of_set)] for of_set in combinations(range(6), k))
    assert found["expected"][0, k - 1] == pytest.approx(mean(outcomes))
    for name, share in (("lower", 0.25), ("median", 0.5), ("upper", 0.75)):
        assert found[name][0, k - 1] == outcomes[int(np.ceil(share * len(outcomes))) - 1]


def test_the_chances_of_every_budget_are_those_of_the_binomials_and_sum_to_one():
    assert best_of_k.chances(4).tolist() == pytest.approx(
        np.array([[1, 1, 1, 1], [2, 4 / 3, 2 / 3, 0], [3, 1, 0, 0], [4, 0, 0, 0]]) / 4
    )
    assert best_of_k.chances(2000).sum(axis=1) == pytest.approx(np.ones(2000))


def test_a_trial_that_diverged_makes_the_expectation_infinite_only_where_it_can_be_chosen():
    found = best_of_k.best_of(np.array([[1.0, 2.0, np.inf], [np.inf, 1.0, 2.0]]))
    assert found["expected"].tolist() == [[np.inf, 5 / 4 + 1 / 12, 1], [np.inf] * 3]
    assert found["lost"] == pytest.approx(np.array([[1 / 3, 0, 0], [1 / 3, 2 / 3, 1]]))
    assert found["median"].tolist() == [[2, 1, 1], [2, np.inf, np.inf]]


def test_trials_are_chosen_on_validation_and_reported_on_test():
    runs = tuned("constant", [(0.01, 3.0, 0.1), (0.1, 1.0, 5.0), (1.0, 2.0, 7.0)])
    found = budgets.table(runs, rates(runs))
    assert found["k"].tolist() == [1, 2, 3]
    # Of two: {0.1, x} is decided for 0.1 twice, and 1.0 is preferred to 0.01.
    assert found["expected"].tolist() == pytest.approx([12.1 / 3, 17 / 3, 5])


def test_the_trials_of_all_schedules_are_a_pool_of_their_own():
    parts = [tuned("constant", [(0.01, 4, 40), (0.1, 2, 20)]), tuned("cosine", [(0.01, 3, 30), (0.1, 1, 10)])]
    found = budgets.table(pd.concat(parts), rates(pd.concat(parts)))
    assert found["trials"].tolist() == [2] * 4 + [4] * 4
    together = found[found["schedule"].isna()]
    expected = [mean(10 * min(of_set) for of_set in combinations([1, 2, 3, 4], k)) for k in (1, 2, 3, 4)]
    assert together["expected"].tolist() == pytest.approx(expected)


def test_with_all_trials_the_choice_is_the_one_that_tuning_makes(experiment):
    runs = tuned("constant", [(1.0, 1.0, 30.0), (0.1, 1.0, 20.0), (0.01, 2.0, 10.0)])
    assert choose(experiment, rates(runs))["learning_rate"].item() == 0.1
    assert budgets.table(runs, rates(runs))["expected"].iloc[-1] == 20


def test_a_built_cell_has_every_budget_up_to_its_trials(small_tables):
    of_cell = {"problem": "linear", "optimizer": "adam", "schedule": "cosine", "batch_size": 6}
    found = at(small_tables["budgets"], **of_cell)
    by_rate = at(small_tables["rates"], **of_cell)
    assert found["k"].tolist() == list(range(1, len(by_rate) + 1))
    chosen = by_rate.loc[by_rate["median"].idxmin(), "learning_rate"]
    runs = at(small_tables["runs"], stage="tuning", learning_rate=chosen, **of_cell)
    assert found["expected"].iloc[-1] == pytest.approx(median(runs["final_test_loss"]))
    schedules = small_tables["budgets"].drop_duplicates(CELL)["schedule"]
    assert schedules.isna().sum() == len(schedules) / 3
