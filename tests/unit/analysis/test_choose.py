import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from thalweg.analysis.choose import as_json, choose, rates
from thalweg.experiment.schema import Optimizer

CELL = {"problem": "linear", "optimizer": "sgd", "schedule": "constant", "batch_size": 1}


def tuned(losses: dict[float, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **CELL,
            "learning_rate": rate,
            "hyperparameters": "{}",
            "outcome": "finished" if np.isfinite(loss) else "diverged",
            "ended_at": 5,
        }
        | {"final_validation_loss": loss}
        for rate, of_rate in losses.items()
        for loss in of_rate
    )


def chosen_rate(experiment, losses):
    (only,) = as_json(choose(experiment, rates(tuned(losses))))
    return only


def test_the_lowest_median_wins_and_not_the_lowest_run(experiment):
    only = chosen_rate(experiment, {0.01: [5, 5, 5], 0.1: [1, 2, 9], 0.3: [0, 6, 6]})
    assert only == {
        "schedule": "constant",
        "batch_size": 1,
        "learning_rate": 0.1,
        "hyperparameters": {},
        "validation_loss": 2.0,
        "runs": 3,
        "diverged": 0,
        "out_of_time": 0,
        "edge": None,
    }


def test_a_diverged_run_counts_as_infinite_and_is_not_dropped(experiment):
    only = chosen_rate(experiment, {0.01: [3, 3, 3], 0.1: [1, np.inf, np.inf]})
    assert (only["learning_rate"], only["diverged"]) == (0.01, 0)
    only = chosen_rate(experiment, {0.01: [3, 3, 3], 0.1: [1, 2, np.inf]})
    assert (only["learning_rate"], only["validation_loss"], only["diverged"]) == (0.1, 2.0, 1)


def test_where_runs_end_at_their_target_the_fewest_steps_to_it_win(experiment):
    runs = tuned({0.01: [0.1, 0.1, 0.1], 0.1: [0.3, 0.3, 0.3], 0.3: [0.2, 0.2, 0.2]})
    runs["outcome"] = ["reached target"] * 6 + ["reached target", "finished", "finished"]
    runs["ended_at"] = [90, 90, 10, 50, 20, 60, 1, 100, 100]
    by_rate = rates(runs).set_index("learning_rate")
    assert by_rate["steps_to_target"].to_dict() == {0.01: 90, 0.1: 50, 0.3: np.inf}
    (only,) = as_json(choose(experiment, by_rate.reset_index()))
    assert only["learning_rate"] == 0.1


def test_ties_go_to_the_smaller_rate(experiment):
    assert chosen_rate(experiment, {0.3: [1, 1, 1], 0.1: [1, 1, 1], 0.03: [2, 2, 2]})["learning_rate"] == 0.1


def test_losses_below_what_single_precision_tells_tie_and_are_recorded_as_measured(experiment):
    only = chosen_rate(experiment, {0.1: [3e-15] * 3, 0.3: [1e-16] * 3, 0.03: [2e-14] * 3})
    assert (only["learning_rate"], only["validation_loss"]) == (0.1, 3e-15)


def test_a_loss_that_is_negative_by_its_nature_is_not_made_a_tie(experiment):
    assert chosen_rate(experiment, {0.1: [-0.5] * 3, 0.3: [-0.9] * 3})["learning_rate"] == 0.3


@pytest.mark.parametrize(("rate", "edge"), [(0.01, "lowest"), (0.1, None), (1.0, "highest")])
def test_a_choice_at_an_end_of_the_range_is_flagged(experiment, rate, edge):
    assert chosen_rate(experiment, {rate: [1, 1, 1]})["edge"] == edge


def test_where_all_diverged_the_smallest_rate_is_taken_and_its_loss_is_null(experiment):
    only = chosen_rate(experiment, {0.1: [np.inf] * 3, 0.01: [np.inf] * 3})
    assert (only["learning_rate"], only["validation_loss"], only["diverged"]) == (0.01, None, 3)


def of_trials(losses):
    """Tuning runs of trials given as (rate, JSON of what else is searched)."""
    return pd.concat(
        [
            tuned({rate: of_trial}).assign(optimizer="searched", hyperparameters=hyperparameters)
            for (rate, hyperparameters), of_trial in losses.items()
        ],
        ignore_index=True,
    )


@pytest.fixture
def searching(experiment):
    search = {"trials": 3, "learning_rate": [0.1, 0.3], "beta_1": [0.5, 0.9]}
    searched = Optimizer.model_validate({"class": "Adam", "search": search})
    return experiment.model_copy(update={"optimizers": {**experiment.optimizers, "searched": searched}})


def test_trials_at_one_rate_are_told_apart_by_what_else_was_drawn(searching):
    runs = of_trials({(0.1, '{"beta_1": 0.5}'): [1, 5, 5], (0.1, '{"beta_1": 0.9}'): [2, 2, 2]})
    by_trial = rates(runs)
    assert by_trial["n"].tolist() == [3, 3]
    (only,) = as_json(choose(searching, by_trial))
    assert (only["learning_rate"], only["hyperparameters"], only["edge"]) == (0.1, {"beta_1": 0.9}, None)


def test_equal_trials_go_to_the_smaller_rate_and_then_to_one_that_does_not_depend_on_their_order(searching):
    losses = {(0.3, '{"beta_1": 0.1}'): [1], (0.1, '{"beta_1": 0.9}'): [1], (0.1, '{"beta_1": 0.5}'): [1]}
    for these in (losses, dict(reversed(losses.items()))):
        (only,) = as_json(choose(searching, rates(of_trials(these))))
        assert (only["learning_rate"], only["hyperparameters"]) == (0.1, {"beta_1": 0.5})


def test_the_command_writes_the_same_json_twice_in_grid_order(small, tmp_path):
    file, results = small
    shards = results / "runs" / "tuning" / "linear" / "sgd"
    written = []
    for name in ("a.json", "b.json"):
        command = [sys.executable, "-m", "thalweg.analysis.choose", "--experiment", file]
        command += ["--runs", shards / "runs.parquet", "--histories", shards / "histories.parquet"]
        subprocess.run([*command, "--output", tmp_path / name], check=True)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    cells = [(row["batch_size"], row["schedule"]) for row in json.loads(written[0])]
    assert cells == [(1, "constant"), (1, "cosine"), (6, "constant"), (6, "cosine")]
