"""The grid's expansion, against counts and lengths worked out by hand."""

from pathlib import Path

import pytest

from thalweg import grid
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Optimizer, Schedule
from thalweg.horizon import Horizon

ARTICLE = load(Path(__file__).parents[2] / "experiments/article.yaml")


def test_an_epoch_ends_with_its_partial_batch():
    """The article's third snippet: 100 points in batches of 32 are 4 steps an epoch, and 2,000 in 500 epochs."""
    horizon = Horizon(examples=100, batch_size=32, epochs=500)
    assert horizon.steps_per_epoch == 4
    assert horizon.steps == 2000


def test_lengths_become_steps():
    horizon = Horizon(examples=100, batch_size=32, epochs=500)
    staircase = ARTICLE.schedules["staircase"]
    assert grid.schedule_arguments(staircase, horizon)["decay_steps"] == 100, "as the third snippet has it"
    mixed = Schedule.model_validate({"class": "CosineDecay", "warmup_steps": "10 %", "decay_steps": "1800 steps"})
    assert grid.schedule_arguments(mixed, horizon) == {"warmup_steps": 200, "decay_steps": 1800}


@pytest.mark.parametrize(
    ("written", "arguments", "warmup"),
    [
        (
            {"boundaries": ["10 %", "20 epochs", 9], "values": [1, 0.5]},
            {"boundaries": [200, 80, 9], "values": [1, 0.5]},
            0,
        ),
        ({"decay_steps": "90 %", "warmup": "10 %"}, {"decay_steps": 1800}, 200),
        ({"decay_steps": "0 steps", "warmup": 3}, {"decay_steps": 1}, 3),
        ({"warmup": "0.01 %", "decay_rate": 0.5}, {"decay_rate": 0.5}, 1),
    ],
)
def test_lengths_in_lists_and_of_a_warmup_become_steps_of_the_whole_horizon(written, arguments, warmup):
    horizon = Horizon(examples=100, batch_size=32, epochs=500)
    schedule = Schedule.model_validate(
        {"class": "PiecewiseConstantDecay" if "boundaries" in written else "ExponentialDecay", **written}
    )
    assert grid.schedule_arguments(schedule, horizon) == arguments
    assert grid.warmup_steps(schedule, horizon) == warmup


def test_a_user_s_own_schedule_may_take_texts():
    horizon = Horizon(examples=100, batch_size=32, epochs=500)
    mine = Schedule.model_validate({"class": "mine:Mine", "shape": "cosine", "cycles": ["2 epochs", "rest"]})
    assert grid.schedule_arguments(mine, horizon) == {"shape": "cosine", "cycles": [8, "rest"]}


def test_every_cell_is_tuned_and_evaluated_on_other_seeds():
    tuned = grid.tuning_runs(ARTICLE, "sine", "adam")
    rates = ARTICLE.optimizers["adam"].learning_rates
    assert len(tuned) == len(set(tuned)) == 3 * 4 * len(rates) * 3
    chosen = {(cell.schedule, cell.batch_size): grid.Trial(0.01) for cell in grid.cells(ARTICLE, "sine", "adam")}
    evaluated = grid.evaluation_runs(ARTICLE, "sine", "adam", chosen)
    assert len(evaluated) == len(set(evaluated)) == 3 * 4 * 10
    assert {run.cell for run in tuned} == {run.cell for run in evaluated}
    assert not {run.seed for run in tuned} & {run.seed for run in evaluated}


def test_declared_counts_every_run():
    asked = dict.fromkeys(grid.declared(ARTICLE), 0)
    for problem in ARTICLE.problems:
        for optimizer in ARTICLE.optimizers:
            chosen = {
                (cell.schedule, cell.batch_size): grid.Trial(0.01) for cell in grid.cells(ARTICLE, problem, optimizer)
            }
            reproduced = grid.reproduction_runs(ARTICLE, problem, optimizer).values()
            asked[problem, "tuning"] += len(grid.tuning_runs(ARTICLE, problem, optimizer))
            asked[problem, "evaluation"] += len(grid.evaluation_runs(ARTICLE, problem, optimizer, chosen))
            asked[problem, "reproduction"] += sum(len(some) for some in reproduced)
    assert grid.declared(ARTICLE) == asked


@pytest.mark.parametrize("steps", [1, 2, 50, 2000, 10**6])
def test_evaluation_points_run_from_start_to_end(steps):
    points = grid.evaluation_steps(steps, 40)
    assert points[0] == 0
    assert points[-1] == steps
    assert points == sorted(set(points))
    assert len(points) <= 40
    if steps >= 2000:
        assert len(points) >= 34


def searched(**search):
    search = {"trials": 5, "learning_rate": "1e-4 .. 1e-1", **search}
    return Optimizer.model_validate({"class": "Adam", "amsgrad": True, "search": search})


def test_a_grid_s_trials_are_its_rates():
    momentum = Optimizer.model_validate({"class": "SGD", "learning_rates": [0.1, 0.01]})
    assert grid.trials(momentum) == [grid.Trial(0.01), grid.Trial(0.1)]


def test_more_trials_and_another_hyperparameter_move_no_draws():
    few, many = grid.trials(searched()), grid.trials(searched(trials=8))
    assert (len(few), len(many)) == (5, 8)
    assert many[:5] == few
    wider = grid.trials(searched(beta_1="1 - (1e-2 .. 3e-1)"))
    widest = grid.trials(searched(epsilon=[1e-8, 1], beta_1="1 - (1e-2 .. 3e-1)"))
    assert [trial.learning_rate for trial in wider] == [trial.learning_rate for trial in few]
    assert [dict(trial.hyperparameters)["beta_1"] for trial in widest] == [
        dict(trial.hyperparameters)["beta_1"] for trial in wider
    ]
    assert [name for name, _ in widest[0].hyperparameters] == ["beta_1", "epsilon"], "sorted by name"


def test_a_learning_rate_is_no_whole_number():
    (only,) = grid.trials(searched(trials=1, learning_rate=[1]))
    assert isinstance(only.learning_rate, float), "else it would have another identity than the same rate of a grid"


def test_equal_draws_are_one_trial():
    drawn = grid.trials(searched(trials=50, learning_rate=[0.1, 0.01]))
    assert sorted(drawn) == [grid.Trial(0.01), grid.Trial(0.1)]


@pytest.fixture
def search(tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems/linear.py").touch()
    file = tmp_path / "search.yaml"
    file.write_text("""\
title: A search
problems: {linear: {batch_sizes: [1, 6], epochs: 5}}
optimizers:
  sgd: {class: SGD, learning_rates: [0.1, 1]}
  adam: {class: Adam, amsgrad: true, search: {trials: 4, learning_rate: 1e-4 .. 1e-1, beta_1: 1 - (1e-2 .. 3e-1)}}
schedules: {constant: {}}
seeds: {tuning: 3, evaluation: 2}
""")
    return load(file)


def test_a_search_is_tuned_over_its_trials_and_evaluated_at_the_chosen_one(search):
    tuned = grid.tuning_runs(search, "linear", "adam")
    assert len(tuned) == len(set(tuned)) == 2 * 4 * 3
    trial = grid.trials(search.optimizers["adam"])[2]
    evaluated = grid.evaluation_runs(search, "linear", "adam", {("constant", 1): trial, ("constant", 6): trial})
    assert {(run.learning_rate, run.hyperparameters) for run in evaluated} == {trial}
    assert grid.optimizer_arguments(search.optimizers["adam"], evaluated[0]) == {
        "amsgrad": True,
        "beta_1": dict(trial.hyperparameters)["beta_1"],
    }
    assert grid.declared(search) == {
        ("linear", "tuning"): 2 * (4 + 2) * 3,
        ("linear", "evaluation"): 2 * 2 * 2,
        ("linear", "reproduction"): 0,
    }


def test_a_run_is_a_row_with_its_hyperparameters_as_json():
    run = grid.Run("linear", "adam", "constant", 6, 0.1, 1, (("beta_1", 0.9), ("epsilon", 1e-8)))
    assert run.row()["hyperparameters"] == '{"beta_1": 0.9, "epsilon": 1e-08}'
    assert run._replace(hyperparameters=()).row()["hyperparameters"] == "{}"
    assert run.cell == grid.Cell("linear", "adam", "constant", 6)
