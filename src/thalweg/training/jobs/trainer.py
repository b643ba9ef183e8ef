"""Train runs of one problem and one optimizer, each program compiled once and used for all the runs that it serves."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import keras
import numpy as np

from thalweg.experiment.schema import Experiment, ProblemGrid
from thalweg.grid import Hyperparameters, Run
from thalweg.horizon import Horizon
from thalweg.identity import quantity_digests
from thalweg.results import provenance, store
from thalweg.results.progress import TerminalReporter
from thalweg.training import problem as problems
from thalweg.training import schedules
from thalweg.training.engine import optimizers, records, steps, streamed, whole_run
from thalweg.training.engine.runs import Program, RunInputs
from thalweg.training.problem import Problem

Identity = dict[str, Any]


MakeInstance = Callable[[Hyperparameters, int], steps.Instance]
"""(what a search drew, seed) -> the model and the optimizer built with them"""


class Compiled(NamedTuple):
    """A program, with the hyperparameters and the optimizer that it was traced with."""

    program: Program
    hyperparameters: Hyperparameters
    optimizer: keras.Optimizer

    def serves(self, run: Run) -> bool:
        """Return whether the program is right for the hyperparameters of another run too."""
        return optimizers.serves(self.optimizer, dict(run.hyperparameters))


def train(
    experiment: Experiment, missing: dict[Run, Identity], reporter: TerminalReporter
) -> Iterator[tuple[Run, store.Record]]:
    """Train runs of one problem and optimizer.

    Args:
        experiment: The experiment.
        missing: The runs, with their identities.
        reporter: Is told how far training is.

    Yields:
        Each run with its record for the store.
    """
    first_run, first_identity = next(iter(missing.items()))
    grid, optimizer = experiment.problems[first_run.problem], experiment.optimizers[first_run.optimizer]
    with reporter.count_cpu("starting"):
        problem, _ = problems.load(experiment.directory, first_run.problem)
        if problem.in_memory and problems.data_digest(problem) != first_identity["data"]:
            sys.exit(
                f"problems.{first_run.problem}: its data are not those that were checked; if they were changed, run "
                f"snakemake --forcerun check_problem, and if they are drawn at random, give them a seed"
            )
        captured = provenance.capture(experiment.directory)

    @cache
    def make_instance(hyperparameters: Hyperparameters, seed: int) -> steps.Instance:
        return steps.instantiate(problem, optimizer.class_name, optimizer.arguments, seed, dict(hyperparameters))

    for batch_size in sorted({run.batch_size for run in missing}):
        group = [run for run in missing if run.batch_size == batch_size]
        horizon = grid.horizon(problem.train.examples, batch_size)
        evaluation_steps = missing[group[0]]["evaluation_steps"]
        with reporter.count_cpu("compiling"):
            programs = compile_programs(problem, grid, horizon, group, evaluation_steps, make_instance)
            scheduled = {run.schedule: missing[run]["schedule"] for run in group}
            shares = {name: schedule_table(schedule, horizon) for name, schedule in scheduled.items()}
        for compiled, served in programs:
            for lanes in (served[first : first + grid.lanes] for first in range(0, len(served), grid.lanes)):
                began = time.perf_counter()
                with reporter.count_cpu("training"):
                    rates = [schedules.applied(shares[run.schedule], run.learning_rate) for run in lanes]
                    states = [make_instance(compiled.hyperparameters, run.seed).state for run in lanes]
                    trajectories = train_lanes(
                        compiled.program, lanes, states, rates, problem, grid, horizon, reporter.show_share
                    )
                seconds = (time.perf_counter() - began) / len(lanes)
                for run, applied, trajectory in zip(lanes, rates, trajectories, strict=True):
                    run_identity = missing[run]
                    yield (
                        run,
                        {
                            "identity": run_identity,
                            "quantities": quantity_digests(grid.record),
                            "history": records.history(problem, grid.record, trajectory, applied),
                            "outcome": trajectory.outcome,
                            "ended_at": trajectory.ended_at,
                            "time_limit": grid.time_limit,
                            "steps": horizon.steps,
                            "steps_per_epoch": horizon.steps_per_epoch,
                            "measured": {"seconds": seconds, "device": run_identity["device"], **captured},
                        },
                    )


def schedule_table(schedule: dict[str, Any], horizon: Horizon) -> np.ndarray:
    """Return a schedule's share of the peak at each step, float32, (steps,); identities describe `schedule` so."""
    return schedules.table(schedule["class"], schedule["arguments"], horizon.steps, schedule.get("warmup", 0))


def compile_programs(
    problem: Problem,
    grid: ProblemGrid,
    horizon: Horizon,
    runs: Iterable[Run],
    evaluation_steps: Sequence[int],
    make_instance: MakeInstance,
) -> list[tuple[Compiled, list[Run]]]:
    """Compile the programs that runs of one batch size need, and return each with the runs that it serves.

    One program serves all, unless a searched hyperparameter shapes the program itself.
    """
    programs: list[tuple[Compiled, list[Run]]] = []
    for run in runs:
        served = next((served for compiled, served in programs if compiled.serves(run)), None)
        if served is None:
            served, instance = [], make_instance(run.hyperparameters, run.seed)
            program = compile_program(problem, grid, horizon, evaluation_steps, instance)
            programs.append((Compiled(program, run.hyperparameters, instance.optimizer), served))
        served.append(run)
    for compiled, served in programs:
        for run in served:
            make_instance(compiled.hyperparameters, run.seed)
    return programs


def way_of_training(problem: Problem) -> ModuleType:
    """Return the engine's module that trains a problem: on data in memory as a whole, or step by step on a source."""
    return whole_run if problem.in_memory else streamed


def compile_program(
    problem: Problem, grid: ProblemGrid, horizon: Horizon, evaluation_steps: Sequence[int], instance: steps.Instance
) -> Program:
    """Compile the program that trains an instance as the experiment says."""
    target = grid.target if grid.end_at_target else None
    program: Program = way_of_training(problem).compile_program(
        problem, instance, horizon, evaluation_steps, grid.xla, target=target, record=grid.record, lanes=grid.lanes
    )
    return program


def train_lanes(
    program: Program,
    runs: Sequence[Run],
    states: Sequence[steps.State],
    learning_rates: Sequence[np.ndarray],
    problem: Problem,
    grid: ProblemGrid,
    horizon: Horizon,
    report: Callable[[float], None] = lambda share: None,
) -> list[records.Trajectory]:
    """Train at most as many runs as there are lanes, side by side.

    Args:
        program: The compiled program.
        runs: The runs.
        states: The initial state of each.
        learning_rates: The learning rate of each step of each, (steps,).
        problem: The problem that they train.
        grid: What the experiment says about it.
        horizon: How long they are.
        report: Is told the share that is done, from 0 to 1.
    """
    inputs = [
        RunInputs(run.seed, state, rates, np.array([value for _, value in run.hyperparameters], np.float64))
        for run, state, rates in zip(runs, states, learning_rates, strict=True)
    ]
    trajectories: list[records.Trajectory] = way_of_training(problem).train_runs(
        program,
        inputs,
        problem,
        horizon,
        fixed_order=grid.data_order == "fixed",
        lanes=grid.lanes,
        deadline=time.monotonic() + grid.time_limit if grid.time_limit else np.inf,
        report=report,
    )
    return trajectories
