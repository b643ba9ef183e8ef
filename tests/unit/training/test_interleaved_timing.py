"""Timing in turn: what a stretch is, and in which order stretches are timed."""

import keras
import numpy as np
import pytest

from thalweg.experiment.loading import load
from thalweg.grid import Run
from thalweg.horizon import Horizon
from thalweg.training.jobs import interleaved_timing, timing, trainer
from thalweg.training.problem import Problem, Split

EXPERIMENT = """\
title: An experiment
problems:
  points: {batch_sizes: [4, 5], epochs: 3, timing: true}
optimizers:
  sgd: {class: SGD, learning_rates: [0.1]}
  searched: {class: Adam, search: {trials: 2, learning_rate: [0.1], beta_1: [0.5, 0.9]}}
schedules:
  cosine: {class: CosineDecay, decay_steps: 100 %}
  constant: {}
seeds: {tuning: 1, evaluation: 2}
"""
X = np.linspace(-1, 1, 10, dtype=np.float32)[:, None]


def points(y=3 * X):
    split = Split(X, y)
    return Problem(
        model=lambda: keras.Sequential([keras.Input((1,)), keras.layers.Dense(3), keras.layers.Dense(1)]),
        loss="mse",
        train=split,
        validation=split,
        test=split,
    )


@pytest.fixture
def write(tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "points.py").write_text("")

    def written(text):
        (tmp_path / "one.yaml").write_text(text)
        return load(tmp_path / "one.yaml")

    return written


@pytest.fixture
def experiment(write):
    return write(EXPERIMENT)


def run(optimizer="sgd", batch_size=4):
    drawn = (("beta_1", 0.5),) if optimizer == "searched" else ()
    return Run("points", optimizer, "cosine", batch_size, interleaved_timing.LEARNING_RATE, 1001, drawn)


def pretended(taken):
    """In place of `compile_stretch`: a stretch of one step an epoch, each of so many seconds. Notes every turn."""
    noted = []

    def compiled(experiment, problem, run, epochs):
        def train():
            noted.append((run.optimizer, run.batch_size, epochs))
            return epochs, epochs * taken[run.optimizer]

        return interleaved_timing.Stretch(run, train)

    return compiled, noted


def test_every_stretch_has_one_turn_a_round_in_an_order_that_changes():
    compiled, noted = pretended({"sgd": 1e-3, "searched": 2e-3})
    runs = [run(optimizer, batch_size) for batch_size in (4, 5) for optimizer in ("sgd", "searched")]
    stretches = [compiled(None, None, one, 10) for one in runs]
    rows = list(interleaved_timing.time_in_turns(stretches, rounds=9))
    rounds = [
        [(row["optimizer"], row["batch_size"]) for row in rows if row["round"] == number] for number in range(1, 10)
    ]
    assert [row["round"] for row in rows] == sorted(row["round"] for row in rows)
    assert all(sorted(one) == sorted((r.optimizer, r.batch_size) for r in runs) for one in rounds)
    assert len({tuple(one) for one in rounds}) > 3
    assert len(noted) == 4 * 10, "a round that nobody sees comes first"
    assert [turn[:2] for turn in noted[4:]] == [(row["optimizer"], row["batch_size"]) for row in rows]
    assert {(row["optimizer"], row["steps"], round(row["microseconds"])) for row in rows} == {
        ("sgd", 10, 1000),
        ("searched", 10, 2000),
    }
    assert list(interleaved_timing.time_in_turns(stretches, rounds=9)) == rows


def test_a_stretch_is_as_long_as_the_clock_needs_and_for_all_optimizers_as_many_steps(experiment, monkeypatch):
    compiled, noted = pretended({"sgd": 1e-3, "searched": 3e-3})
    monkeypatch.setattr(interleaved_timing, "compile_stretch", compiled)
    told = []
    runs = [run(), run("searched"), run(batch_size=5)]
    made = list(interleaved_timing.stretches(experiment, points(), runs, told.append))
    assert noted == [("sgd", 4, 1), ("sgd", 4, 100), ("sgd", 5, 16), ("sgd", 5, 16 * 7)]
    assert [stretch.train()[0] for stretch in made] == [100, 100, 112]
    assert told == ["batch size 4: 100 steps a turn, 100 ms", "batch size 5: 112 steps a turn, 112 ms"]


@pytest.mark.parametrize(("batch_size", "epochs", "steps"), [(4, 1, 3), (4, 5, 15), (5, 16, 16)])
def test_a_stretch_trains_at_the_initial_weights_and_evaluates_nothing(
    experiment, monkeypatch, batch_size, epochs, steps
):
    """10 examples: with batches of 4 whole epochs of three steps, the last on a partial batch; with batches of 5 as
    many of the 32 steps as lie before the last cut."""
    found, train_pack = [], trainer.train_lanes

    def noted(program, pack, states, *others):
        (trajectory,) = train_pack(program, pack, states, *others)
        found.append((states[0], trajectory))
        return [trajectory]

    monkeypatch.setattr(trainer, "train_lanes", noted)
    assert epochs >= interleaved_timing.min_epochs(Horizon(10, batch_size, 1))
    taken, seconds = interleaved_timing.compile_stretch(
        experiment, points(), run("searched", batch_size), epochs
    ).train()
    state, trajectory = found[-1]
    assert (taken, seconds > 0, len(trajectory.steps)) == (steps, True, 0)
    for before, after in zip(state.trainable, trajectory.state.trainable, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)


def test_side_by_side_a_step_takes_its_share(write, monkeypatch):
    clock = iter([0.0, 1.0, 0.0, 1.0])
    monkeypatch.setattr(interleaved_timing.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(trainer, "train_lanes", lambda program, pack, *_: [Ended()] * len(pack))
    monkeypatch.setattr(trainer, "compile_program", lambda *_: None)
    experiment = write(EXPERIMENT.replace("epochs: 3", "epochs: 3, lanes: 4"))
    assert interleaved_timing.compile_stretch(experiment, points(), run(), 2).train() == (6, 0.25)


class Ended:
    outcome, ended_at = "finished", 6


def test_four_lanes_are_timed_as_they_train(write):
    experiment = write(EXPERIMENT.replace("epochs: 3", "epochs: 3, lanes: 4"))
    assert interleaved_timing.compile_stretch(experiment, points(), run(), 2).train()[0] == 6


def test_a_loss_that_is_not_finite_is_told(experiment):
    with pytest.raises(SystemExit, match=r"points\.timing: with sgd the loss is not finite from the beginning"):
        interleaved_timing.compile_stretch(experiment, points(y=np.full_like(X, np.nan)), run(), 1)


def test_what_is_timed_is_what_tuning_chose_under_the_first_schedule(experiment):
    def cell(schedule, batch_size, **drawn):
        return {"schedule": schedule, "batch_size": batch_size, "learning_rate": 0.1, "hyperparameters": drawn}

    grid = [(schedule, size) for size in (4, 5) for schedule in ("constant", "cosine")]
    chosen = {
        "sgd": [cell(*one) for one in grid],
        "searched": [cell(*one, beta_1=0.5 if one == ("cosine", 4) else 0.9) for one in grid],
    }
    runs = timing.runs_of(experiment, "points", chosen, 1e-8)
    assert [(one.optimizer, one.batch_size, dict(one.hyperparameters)) for one in runs] == [
        ("sgd", 4, {}),
        ("searched", 4, {"beta_1": 0.5}),
        ("sgd", 5, {}),
        ("searched", 5, {"beta_1": 0.9}),
    ]
    assert {(one.schedule, one.learning_rate, one.seed) for one in runs} == {("cosine", 1e-8, 1001)}
