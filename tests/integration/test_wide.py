"""The front door with all that widens a grid: a search, a warmup, a target that ends runs, the gradient's noise."""

import json

import pandas as pd
import pytest

WIDE = """\
title: A widened experiment
problems:
  points:
    batch_sizes: [4]
    epochs: 20
    evaluation_points: 12
    drop_remainder: true
    record: [gradient_noise, weights]
    target: validation_loss <= 1
    end_at_target: true
optimizers:
  sgd: {class: SGD, learning_rates: [0.1]}
  searched:
    class: SGD
    search: {trials: 2, learning_rate: 1e-2 .. 1, momentum: [0.0, 0.9]}
schedules:
  warm: {class: CosineDecay, decay_steps: 90 %, warmup: 10 %}
seeds: {tuning: 2, evaluation: 6}
"""
RUNS = (1 + 2) * 2 + 2 * 6
"""Rates and trials × tuning seeds, and optimizers × evaluation seeds."""


@pytest.fixture(scope="module")
def wide(make_workspace):
    """A workspace in which the experiment has been run, and what that printed."""
    workspace = make_workspace()
    experiments = workspace.root / "experiments"
    six = (experiments / "problems" / "linear.py").read_text()
    # A variance needs two whole batches.
    (experiments / "problems" / "points.py").write_text(six.replace("[4.0]]", "[4.0], [0.5], [1.5], [2.5], [3.5]]"))
    (experiments / "wide.yaml").write_text(WIDE)
    return workspace, workspace.run(experiment="wide")


@pytest.fixture(scope="module")
def runs(wide):
    return pd.read_parquet(wide[0].results / "wide" / "tables" / "runs.parquet")


@pytest.fixture(scope="module")
def recorded(wide):
    """The histories of all runs, without the points before the first step."""
    shards = (wide[0].results / "wide").glob("runs/*/*/*/histories.parquet")
    histories = pd.concat(pd.read_parquet(shard) for shard in shards)
    return histories[histories["step"] > 0]


def test_trials_that_need_programs_of_their_own_are_all_trained(wide, runs):
    assert f"wide: {RUNS} of {RUNS} runs done, 0 left" in wide[1]
    tuning = runs[(runs["optimizer"] == "searched") & (runs["stage"] == "tuning")]
    assert {json.loads(one)["momentum"] for one in tuning["hyperparameters"]} == {0.0, 0.9}
    assert tuning["learning_rate"].nunique() == 2
    cells = pd.read_parquet(wide[0].results / "wide" / "tables" / "cells.parquet").set_index("optimizer")
    evaluated = runs[(runs["optimizer"] == "searched") & (runs["stage"] == "evaluation")]
    assert set(evaluated["hyperparameters"]) == {cells.loc["searched", "hyperparameters"]}
    assert cells.loc["sgd", "hyperparameters"] == "{}"


def test_runs_end_at_their_target_and_leave_out_the_partial_batch(wide, runs):
    assert set(runs["steps"]) == {40}, "two steps an epoch, without the third"
    reached = runs[runs["outcome"] == "reached target"]
    assert reached["ended_at"].between(1, 39).any()
    assert (reached["final_validation_loss"] <= 1).all()
    counts = pd.read_parquet(wide[0].results / "wide" / "tables" / "counts.parquet")
    assert counts["reached_target"].sum() == len(reached) > 0
    assert (counts["missing"] == 0).all()


def test_the_surface_under_the_paths_has_its_lowest_point_at_the_line(wide, recorded):
    results = wide[0].results / "wide"
    surface = pd.read_parquet(results / "surfaces" / "points.parquet")
    lowest = surface.loc[surface["train_loss"].idxmin()]
    apart = (surface["weight_0"].max() - surface["weight_0"].min()) / 80
    assert abs(lowest["weight_0"] - 2) < apart
    ends = recorded.sort_values("step").drop_duplicates("run", keep="last")[["weight_0", "weight_1"]]
    assert ends.notna().all().all()
    assert (results / "report" / "figures" / "points" / "paths.svg").is_file()


def test_warmups_and_the_gradient_are_recorded(runs, recorded):
    noise = ["full_gradient_norm", "gradient_variance", "gradient_noise_scale"]
    assert (recorded[["gradient_norm", *noise]] > 0).all().all()
    peaks = runs.drop_duplicates("run").set_index("run")["learning_rate"]
    first = recorded[recorded["step"] == 1]
    assert (first["learning_rate"] < first["run"].map(peaks)).all()
    assert ((first["update_ratio"] > 0) == (first["learning_rate"] > 0)).all()


def test_the_report_says_how_the_grid_was_widened(wide):
    report = wide[0].results / "wide" / "report"
    methods = (report / "methods.html").read_text()
    assert "2 trials: learning rate from 0.01 to 1; momentum one of 0, 0.9" in methods
    assert "after a warmup of 10 %" in methods
    assert any("its validation loss is 1 or less" in page.read_text() for page in report.glob("problems/*.html"))


def test_a_trial_more_trains_its_own_runs_only(wide):
    workspace, _ = wide
    before = workspace.stored()
    (workspace.root / "experiments" / "wide.yaml").write_text(WIDE.replace("trials: 2", "trials: 3"))
    printed = workspace.run("--until", "tune", experiment="wide")
    after = workspace.stored()
    assert {run: after[run] for run in before} == before
    assert len(after) == len(before) + 2, "a trial on two seeds"
    assert "2 runs trained, " in printed
