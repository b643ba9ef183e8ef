"""The grid's expansion, against counts and lengths worked out by hand."""

from pathlib import Path

import pytest

from thalweg.grid import runs
from thalweg.grid.experiment import Schedule, load

ARTICLE = load(Path(__file__).parents[3] / "experiments/article.yaml")


def test_an_epoch_ends_with_its_partial_batch():
    """The article's third snippet: 100 points in batches of 32 are 4 steps an epoch, and 2,000 in 500 epochs."""
    horizon = runs.Horizon(examples=100, batch_size=32, epochs=500)
    assert horizon.steps_per_epoch == 4
    assert horizon.steps == 2000


def test_lengths_become_steps():
    horizon = runs.Horizon(examples=100, batch_size=32, epochs=500)
    staircase = ARTICLE.schedules["staircase"]
    assert runs.schedule_arguments(staircase, horizon)["decay_steps"] == 100, "as the third snippet has it"
    mixed = Schedule.model_validate({"class": "CosineDecay", "warmup_steps": "10 %", "decay_steps": "1800 steps"})
    assert runs.schedule_arguments(mixed, horizon) == {"warmup_steps": 200, "decay_steps": 1800}


def test_every_cell_is_tuned_and_evaluated_on_other_seeds():
    tuned = runs.tuning_runs(ARTICLE, "sine", "adam")
    rates = ARTICLE.optimizers["adam"].learning_rates
    assert len(tuned) == len(set(tuned)) == 3 * 4 * len(rates) * 3
    chosen = {(cell.schedule, cell.batch_size): 0.01 for cell in runs.cells(ARTICLE, "sine", "adam")}
    evaluated = runs.evaluation_runs(ARTICLE, "sine", "adam", chosen)
    assert len(evaluated) == len(set(evaluated)) == 3 * 4 * 10
    assert {run.cell for run in tuned} == {run.cell for run in evaluated}
    assert not {run.seed for run in tuned} & {run.seed for run in evaluated}


def test_declared_counts_every_run():
    asked = dict.fromkeys(runs.declared(ARTICLE), 0)
    for problem in ARTICLE.problems:
        for optimizer in ARTICLE.optimizers:
            chosen = {(cell.schedule, cell.batch_size): 0.01 for cell in runs.cells(ARTICLE, problem, optimizer)}
            reproduced = runs.reproduction_runs(ARTICLE, problem, optimizer).values()
            asked[problem, "tuning"] += len(runs.tuning_runs(ARTICLE, problem, optimizer))
            asked[problem, "evaluation"] += len(runs.evaluation_runs(ARTICLE, problem, optimizer, chosen))
            asked[problem, "reproduction"] += sum(len(some) for some in reproduced)
    assert runs.declared(ARTICLE) == asked


@pytest.mark.parametrize("steps", [1, 2, 50, 2000, 10**6])
def test_evaluation_points_run_from_start_to_end(steps):
    points = runs.evaluation_steps(steps, 40)
    assert points[0] == 0
    assert points[-1] == steps
    assert points == sorted(set(points))
    assert len(points) <= 40
    if steps >= 2000:
        assert len(points) >= 34
