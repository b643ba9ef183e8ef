import numpy as np
import pandas as pd
import pytest

from thalweg.analysis import histories

RUNS = pd.DataFrame({"run": ["a", "b", "a"], "problem": "p", "outcome": ["finished", "diverged", "finished"]})
HISTORIES = pd.DataFrame(
    {
        "run": ["a", "a", "a", "b", "b"],
        "step": [0, 1, 2, 0, 1],
        "validation_loss": [9.0, 1.0, 2.0, 9.0, 0.5],
        "test_loss": [8.0, 3.0, 0.1, 8.0, 0.4],
        "test_accuracy": [0.1, 0.7, 0.9, 0.1, 0.8],
        "probe_0": [0.0, 5.0, 6.0, 0.0, 7.0],
    }
)


def test_final_is_at_the_horizon_and_best_where_validation_was_lowest():
    run = histories.with_outcomes(RUNS, HISTORIES).iloc[0]
    assert (run["final_test_loss"], run["final_test_accuracy"], run["final_probe_0"]) == (0.1, 0.9, 6.0)
    assert (run["best_step"], run["best_test_loss"], run["best_test_accuracy"]) == (1, 3.0, 0.7)


def test_a_run_of_two_stages_keeps_a_row_in_each():
    assert list(histories.with_outcomes(RUNS, HISTORIES)["run"]) == ["a", "b", "a"]


def test_a_diverged_run_has_no_final_value_and_counts_as_the_worst():
    outcomes = histories.with_outcomes(RUNS, HISTORIES)
    assert outcomes.loc[1, ["final_test_loss", "best_step", "best_test_loss"]].isna().all()
    counted = histories.impute_failed(outcomes).loc[1]
    assert (counted["final_test_loss"], counted["final_test_accuracy"]) == (np.inf, -np.inf)
    assert (counted["best_test_loss"], counted["best_test_accuracy"]) == (np.inf, -np.inf)
    assert np.isnan(counted["final_probe_0"])


def test_a_run_that_reached_its_target_has_its_final_metrics_where_it_ended():
    reached = histories.with_outcomes(RUNS.assign(outcome="reached target"), HISTORIES)
    assert reached.loc[1, ["final_test_loss", "final_probe_0", "best_step"]].tolist() == [0.4, 7.0, 1]


def test_a_finished_run_without_a_history_is_left_out_and_a_diverged_one_is_not():
    runs = pd.concat([RUNS, pd.DataFrame({"run": ["c"], "problem": "p", "outcome": "finished"})])
    assert list(histories.with_outcomes(runs, HISTORIES)["run"]) == ["a", "b", "a"]
    outcomes = histories.with_outcomes(runs, HISTORIES[HISTORIES["run"] == "b"])
    assert outcomes.to_dict("list")["run"] == ["b"]
    assert histories.count_failed(outcomes) == {"diverged": 1, "out_of_time": 0}
    reached = RUNS.assign(outcome="reached target")
    assert list(histories.with_outcomes(reached, HISTORIES[HISTORIES["run"] == "a"])["run"]) == ["a", "a"]


def test_a_run_out_of_time_has_no_final_value_counts_as_the_worst_and_is_counted_apart():
    outcomes = histories.with_outcomes(RUNS.replace("diverged", "out of time"), HISTORIES)
    assert outcomes.loc[1, ["final_test_loss", "best_step", "best_test_loss"]].isna().all()
    assert histories.impute_failed(outcomes).loc[1, "final_test_loss"] == np.inf
    assert histories.count_failed(outcomes) == {"diverged": 0, "out_of_time": 1}


def test_a_metric_that_a_problem_does_not_have_stays_null():
    other = pd.DataFrame({"run": ["c"], "problem": "q", "outcome": "diverged"})
    counted = histories.impute_failed(histories.with_outcomes(pd.concat([RUNS, other]), HISTORIES))
    assert np.isnan(counted.iloc[-1]["final_test_accuracy"])
    assert counted.iloc[-1]["final_test_loss"] == np.inf


def test_metrics_are_listed_loss_first_and_train_first():
    columns = ["step", "test_accuracy", "test_loss", "train_loss", "validation_loss", "probe_0", "train_accuracy"]
    assert [metric.column for metric in histories.metrics(columns)] == [
        "train_loss",
        "validation_loss",
        "test_loss",
        "train_accuracy",
        "test_accuracy",
    ]


def test_nothing_trained_is_an_error_that_says_so(experiment, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing of this experiment was trained"):
        histories.read(experiment, tmp_path, "runs")


def test_runs_as_categories_have_the_outcomes_and_bits_of_runs_as_texts():
    runs, recorded = (frame.astype({"run": pd.CategoricalDtype(["b", "c", "a"])}) for frame in (RUNS, HISTORIES))
    found = histories.with_outcomes(runs, recorded).assign(ended_at=2)
    plain = histories.with_outcomes(RUNS, HISTORIES).assign(ended_at=2)
    pd.testing.assert_frame_equal(found.astype({"run": "str"}), plain)
    assert histories.bits(found, recorded).tolist() == histories.bits(plain, HISTORIES).tolist()
