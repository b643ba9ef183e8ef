"""The grid: an experiment's cells and runs, and what their lengths come to in steps."""

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from thalweg.experiment.schema import Experiment, Optimizer, Schedule
from thalweg.experiment.search_space import draw
from thalweg.experiment.values import parse_length
from thalweg.horizon import Horizon


class Cell(NamedTuple):
    """What the grid is made of, by the names that the experiment file gives."""

    problem: str
    optimizer: str
    schedule: str
    batch_size: int


Hyperparameters = tuple[tuple[str, float], ...]
"""The hyperparameters other than the learning rate that a search has drawn, by name, sorted."""


class Trial(NamedTuple):
    """What tuning chooses among: a peak learning rate, with what a search has drawn beside it."""

    learning_rate: float
    hyperparameters: Hyperparameters = ()


class Run(NamedTuple):
    """What is trained: a cell at a peak learning rate, with a seed, and with what a search has drawn."""

    problem: str
    optimizer: str
    schedule: str
    batch_size: int
    learning_rate: float
    seed: int
    hyperparameters: Hyperparameters = ()

    @property
    def cell(self) -> Cell:
        return Cell(*self[:4])

    def row(self) -> dict[str, Any]:
        """The run as a row of a table, its hyperparameters as JSON."""
        return {**self._asdict(), "hyperparameters": json.dumps(dict(self.hyperparameters))}


def cells(experiment: Experiment, problem: str, optimizer: str) -> Iterator[Cell]:
    for batch_size in experiment.problems[problem].batch_sizes:
        for schedule in experiment.schedules:
            yield Cell(problem, optimizer, schedule, batch_size)


def trials(optimizer: Optimizer) -> list[Trial]:
    """What tuning chooses among: the learning rates of the grid, or the draws of the search, equal ones once."""
    space = optimizer.search
    if space is None:
        return [Trial(rate) for rate in optimizer.learning_rates]
    drawn = [
        Trial(
            float(draw(space.learning_rate, "learning_rate", number)),
            tuple((name, draw(one, name, number)) for name, one in space.beside_the_rate.items()),
        )
        for number in range(space.trials)
    ]
    return list(dict.fromkeys(drawn))


def tuning_runs(experiment: Experiment, problem: str, optimizer: str) -> list[Run]:
    """The runs that choose the learning rates of a problem and optimizer, and what is searched beside them."""
    return [
        Run(*cell, trial.learning_rate, seed, trial.hyperparameters)
        for cell in cells(experiment, problem, optimizer)
        for trial in trials(experiment.optimizers[optimizer])
        for seed in experiment.seeds.tuning
    ]


def evaluation_runs(
    experiment: Experiment, problem: str, optimizer: str, chosen: dict[tuple[str, int], Trial]
) -> list[Run]:
    """The runs that the report speaks of, at the trial `chosen` for each (schedule, batch size)."""
    return [
        Run(*cell, trial.learning_rate, seed, trial.hyperparameters)
        for cell in cells(experiment, problem, optimizer)
        for trial in [chosen[cell.schedule, cell.batch_size]]
        for seed in experiment.seeds.evaluation
    ]


def reproduction_runs(experiment: Experiment, problem: str, optimizer: str) -> dict[str, list[Run]]:
    """By name, the runs of the reproductions that belong to a problem and optimizer."""
    return {
        name: [
            Run(problem, optimizer, one.schedule, one.batch_size, one.learning_rate, seed)
            for seed in experiment.seeds.evaluation
        ]
        for name, one in experiment.reproductions.items()
        if (one.problem, one.optimizer) == (problem, optimizer)
    }


def declared(experiment: Experiment, optimizer: str | None = None) -> dict[tuple[str, str], int]:
    """How many runs the experiment asks for, of all optimizers or of one, by problem and stage; a run that is asked for
    twice counts twice."""
    optimizers = [optimizer] if optimizer else list(experiment.optimizers)
    seeds = {"tuning": len(experiment.seeds.tuning), "evaluation": len(experiment.seeds.evaluation)}
    tried = sum(len(trials(experiment.optimizers[name])) for name in optimizers)
    counts = {}
    for problem, grid in experiment.problems.items():
        pairs = len(grid.batch_sizes) * len(experiment.schedules)
        reproduced = sum(
            one.problem == problem and one.optimizer in optimizers for one in experiment.reproductions.values()
        )
        counts[problem, "tuning"] = pairs * tried * seeds["tuning"]
        counts[problem, "evaluation"] = pairs * len(optimizers) * seeds["evaluation"]
        counts[problem, "reproduction"] = reproduced * seeds["evaluation"]
    return counts


def evaluation_steps(steps: int, points: int) -> list[int]:
    """Steps after which a run is evaluated: the start, then some `points` spread evenly in the logarithm, the end."""
    spread = (round(math.exp(math.log(steps) * k / (points - 2))) for k in range(points - 1)) if points > 2 else ()
    return sorted({0, *spread, steps})


def optimizer_arguments(optimizer: Optimizer, run: Run | Trial) -> dict[str, Any]:
    """The optimizer's arguments, the fixed ones and those that a search has drawn."""
    return {**optimizer.arguments, **dict(run.hyperparameters)}


def schedule_arguments(schedule: Schedule, horizon: Horizon) -> dict[str, Any]:
    """The schedule's arguments with every length in steps (at least one), in lists too."""

    def in_steps(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [in_steps(name, one) for one in value]
        return steps_of(value, horizon, name) if schedule.is_length(value) else value

    return {name: in_steps(name, value) for name, value in schedule.arguments.items()}


def warmup_steps(schedule: Schedule, horizon: Horizon) -> int:
    """How many steps of warmup go before the schedule."""
    return 0 if schedule.warmup is None else steps_of(schedule.warmup, horizon, "warmup")


def steps_of(length: str, horizon: Horizon, name: str) -> int:
    """A length such as `25 epochs` in steps, at least one; a share is one of the whole horizon."""
    unit = {"step": 1.0, "epoch": float(horizon.steps_per_epoch), "%": horizon.steps / 100}
    amount, name_of_unit = parse_length(length, name)
    return max(1, round(amount * unit[name_of_unit]))
