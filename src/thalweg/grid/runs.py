"""The grid: an experiment's cells and runs, and what their lengths come to in steps."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from thalweg.grid.experiment import Experiment, Schedule, parse_length


class Cell(NamedTuple):
    """What the grid is made of, by the names that the experiment file gives."""

    problem: str
    optimizer: str
    schedule: str
    batch_size: int


class Run(NamedTuple):
    """What is trained: a cell at a peak learning rate, with a seed."""

    problem: str
    optimizer: str
    schedule: str
    batch_size: int
    learning_rate: float
    seed: int

    @property
    def cell(self) -> Cell:
        return Cell(*self[:4])


@dataclass(frozen=True)
class Horizon:
    """How long a run is. `examples` is the size of the training split; the last batch of an epoch may be partial."""

    examples: int
    batch_size: int
    epochs: int

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.examples / self.batch_size)

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch


def cells(experiment: Experiment, problem: str, optimizer: str) -> Iterator[Cell]:
    for batch_size in experiment.problems[problem].batch_sizes:
        for schedule in experiment.schedules:
            yield Cell(problem, optimizer, schedule, batch_size)


def tuning_runs(experiment: Experiment, problem: str, optimizer: str) -> list[Run]:
    """The runs that choose the learning rates of a problem and optimizer."""
    rates, seeds = experiment.optimizers[optimizer].learning_rates, experiment.seeds.tuning
    return [
        Run(*cell, rate, seed) for cell in cells(experiment, problem, optimizer) for rate in rates for seed in seeds
    ]


def evaluation_runs(
    experiment: Experiment, problem: str, optimizer: str, chosen: dict[tuple[str, int], float]
) -> list[Run]:
    """The runs that the report speaks of, at the rates `chosen` for each (schedule, batch size)."""
    return [
        Run(*cell, chosen[cell.schedule, cell.batch_size], seed)
        for cell in cells(experiment, problem, optimizer)
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


def declared(experiment: Experiment) -> dict[tuple[str, str], int]:
    """How many runs the experiment asks for, by problem and stage; a run that is asked for twice counts twice."""
    seeds = {"tuning": len(experiment.seeds.tuning), "evaluation": len(experiment.seeds.evaluation)}
    rates = sum(len(optimizer.learning_rates) for optimizer in experiment.optimizers.values())
    counts = {}
    for problem, grid in experiment.problems.items():
        pairs = len(grid.batch_sizes) * len(experiment.schedules)
        reproduced = sum(one.problem == problem for one in experiment.reproductions.values())
        counts[problem, "tuning"] = pairs * rates * seeds["tuning"]
        counts[problem, "evaluation"] = pairs * len(experiment.optimizers) * seeds["evaluation"]
        counts[problem, "reproduction"] = reproduced * seeds["evaluation"]
    return counts


def evaluation_steps(steps: int, points: int) -> list[int]:
    """Steps after which a run is evaluated: the start, then some `points` spread evenly in the logarithm, the end."""
    spread = (round(math.exp(math.log(steps) * k / (points - 2))) for k in range(points - 1)) if points > 2 else ()
    return sorted({0, *spread, steps})


def schedule_arguments(schedule: Schedule, horizon: Horizon) -> dict[str, Any]:
    """The schedule's arguments with every length in steps (at least one)."""
    unit = {"step": 1.0, "epoch": float(horizon.steps_per_epoch), "%": horizon.steps / 100}

    def in_steps(name: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        amount, name_of_unit = parse_length(value, name)
        return max(1, round(amount * unit[name_of_unit]))

    return {name: in_steps(name, value) for name, value in schedule.arguments.items()}
