"""Our side of every comparison: all that `bench` calls of the library to train. The library is imported late, for the
processes of PyTorch and JAX read this module too and have none."""

from pathlib import Path
from typing import Any, NamedTuple

import shared
from turns import Run

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "article.yaml"
SEED = 1


class Setting(NamedTuple):
    """What is trained, by the names of the article's experiment."""

    problem: str
    optimizer: str
    schedule: str
    learning_rate: float
    batch_size: int
    epochs: int


def prepare(setting: Setting, evaluation_points: int | None = None, leave: str | None = None) -> Run:
    """A run as a job does it: it draws the order, trains, and records as often as the experiment says.

    With `evaluation_points` given it records that often, and order and rates are made beforehand, since its rivals do
    no more. `leave` names the workload whose data, order, rates and initial weights are left for PyTorch and JAX.
    """
    start()
    problem = load(setting.problem)
    instance = instantiate(setting, problem)
    train = compiled(setting, problem, instance, evaluation_points)
    prepared = train.given() if evaluation_points else None
    if leave:
        given = train.given()
        shared.write(leave, shared.Shared(problem.train.x, problem.train.y, *given, instance.state.trainable))

    def run():
        trajectory = train.run(*(prepared or train.given()))
        return lambda: float(trajectory.records[-1, train.columns.index("train_loss")])

    return run


class Compiled(NamedTuple):
    """`given()` makes the order of the data and the learning rates, `run` trains on them."""

    given: Any
    run: Any
    columns: list[str]


def start() -> None:
    from thalweg.training.engine import settings

    settings.start_tensorflow()


def load(name: str) -> Any:
    from thalweg.training import problem

    return problem.load(EXPERIMENT.parent, name)[0]


def digest(problem: Any) -> str:
    from thalweg.training.problem import data_digest

    return data_digest(problem)


def instantiate(setting: Setting, problem: Any) -> Any:
    from thalweg.experiment.loading import load
    from thalweg.training.engine import steps

    optimizer = load(EXPERIMENT).optimizers[setting.optimizer]
    return steps.instantiate(problem, optimizer.class_name, optimizer.arguments, SEED)


def compiled(setting: Setting, problem: Any, instance: Any, evaluation_points: int | None = None) -> Compiled:
    from thalweg.experiment.loading import load
    from thalweg.grid import evaluation_steps, schedule_arguments
    from thalweg.horizon import Horizon
    from thalweg.training import schedules
    from thalweg.training.engine import records, seeds, whole_run

    experiment = load(EXPERIMENT)
    grid, schedule = experiment.problems[setting.problem], experiment.schedules[setting.schedule]
    horizon = Horizon(problem.train.examples, setting.batch_size, setting.epochs)
    points = evaluation_steps(horizon.steps, evaluation_points or grid.evaluation_points)
    train = whole_run.compile_program(problem, instance, horizon, points, grid.xla)
    shares = schedules.table(schedule.class_name, schedule_arguments(schedule, horizon), horizon.steps)

    def given():
        order = seeds.data_order(SEED, horizon.examples, horizon.epochs)
        return order, schedules.applied(shares, setting.learning_rate)

    return Compiled(given, lambda order, rates: train(instance.state, order, rates), records.columns(problem))
