"""Train runs of one problem and one optimizer, each program compiled once and used for all the runs that it serves."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np

from thalweg.experiment.schema import Experiment, ProblemGrid
from thalweg.grid import Hyperparameters, Run
from thalweg.horizon import Horizon
from thalweg.results import provenance, store
from thalweg.results.progress import Teller
from thalweg.training import problem as problems
from thalweg.training import schedules
from thalweg.training.engine import optimizers, program, records, seeds, steps, streamed
from thalweg.training.problem import Problem

Identity = dict[str, Any]


InstanceOf = Callable[[Hyperparameters, int], steps.Instance]
"""(what a search drew, seed) -> the model and optimizer that they make"""


class Compiled(NamedTuple):
    """A program, with what was drawn for the run that it was traced for."""

    program: program.Program
    drawn: Hyperparameters
    optimizer: keras.Optimizer

    def serves(self, run: Run) -> bool:
        """Whether it is right for what was drawn for another run too."""
        return optimizers.serves(self.optimizer, dict(run.hyperparameters))


def train(experiment: Experiment, missing: dict[Run, Identity], reporter: Teller) -> Iterator[tuple[Run, store.Record]]:
    """Train runs of one problem and optimizer, given with their identities."""
    one, its = next(iter(missing.items()))
    grid, optimizer = experiment.problems[one.problem], experiment.optimizers[one.optimizer]
    with reporter.spending("starting"):
        problem, _ = problems.load(experiment.directory, one.problem)
        if problem.in_memory and problems.data_digest(problem) != its["data"]:
            sys.exit(
                f"problems.{one.problem}: its data are not those that were checked; if they were changed, run "
                f"snakemake --forcerun check_problem, and if they are drawn at random, give them a seed"
            )
        captured = provenance.capture(experiment.directory)

    @cache
    def instance_of(drawn: Hyperparameters, seed: int) -> steps.Instance:
        return steps.instantiate(problem, optimizer.class_name, optimizer.arguments, seed, dict(drawn))

    for batch_size in sorted({run.batch_size for run in missing}):
        group = [run for run in missing if run.batch_size == batch_size]
        horizon = Horizon(problem.train.examples, batch_size, grid.epochs, grid.drop_remainder)
        evaluation_steps = missing[group[0]]["evaluation_steps"]
        with reporter.spending("compiling"):
            programs = compile_programs(problem, grid, horizon, group, evaluation_steps, instance_of)
            scheduled = {run.schedule: missing[run]["schedule"] for run in group}
            shares = {name: table_of(schedule, horizon) for name, schedule in scheduled.items()}
        for compiled, served in programs:
            for pack in (served[first : first + grid.lanes] for first in range(0, len(served), grid.lanes)):
                began = time.perf_counter()
                with reporter.spending("training"):
                    rates = [schedules.applied(shares[run.schedule], run.learning_rate) for run in pack]
                    states = [instance_of(compiled.drawn, run.seed).state for run in pack]
                    found = train_pack(compiled.program, pack, states, rates, problem, grid, horizon, reporter.within)
                seconds = (time.perf_counter() - began) / len(pack)
                for run, applied, trajectory in zip(pack, rates, found, strict=True):
                    what = missing[run]
                    yield (
                        run,
                        {
                            "identity": what,
                            "history": history(records.columns(problem, grid.record), trajectory, applied),
                            "outcome": trajectory.outcome,
                            "ended_at": trajectory.ended_at,
                            "time_limit": grid.time_limit,
                            "steps": horizon.steps,
                            "steps_per_epoch": horizon.steps_per_epoch,
                            "measured": {"seconds": seconds, "device": what["device"], **captured},
                        },
                    )


def table_of(schedule: dict[str, Any], horizon: Horizon) -> np.ndarray:
    return schedules.table(schedule["class"], schedule["arguments"], horizon.steps, schedule.get("warmup", 0))


def compile_programs(
    problem: Problem,
    grid: ProblemGrid,
    horizon: Horizon,
    runs: Iterable[Run],
    evaluation_steps: Sequence[int],
    instance_of: InstanceOf,
) -> list[tuple[Compiled, list[Run]]]:
    """The programs that runs of one batch size need, each with those that it serves: one, but where what is searched
    shapes the program itself."""
    programs: list[tuple[Compiled, list[Run]]] = []
    for run in runs:
        served = next((served for compiled, served in programs if compiled.serves(run)), None)
        if served is None:
            served, instance = [], instance_of(run.hyperparameters, run.seed)
            made = compile_one(problem, grid, horizon, evaluation_steps, instance)
            programs.append((Compiled(made, run.hyperparameters, instance.optimizer), served))
        served.append(run)
    for compiled, served in programs:
        for run in served:
            instance_of(compiled.drawn, run.seed)
    return programs


def compile_one(
    problem: Problem, grid: ProblemGrid, horizon: Horizon, evaluation_steps: Sequence[int], instance: steps.Instance
) -> program.Program:
    target = grid.target if grid.end_at_target else None
    common = (problem, instance, horizon, evaluation_steps, grid.xla)
    if not problem.in_memory:
        return streamed.compile_streamed(*common, target=target, record=grid.record)
    return program.compile_program(*common, target=target, record=grid.record, lanes=grid.lanes)


def train_pack(
    compiled: program.Program,
    pack: Sequence[Run],
    states: Sequence[steps.State],
    rates: Sequence[np.ndarray],
    problem: Problem,
    grid: ProblemGrid,
    horizon: Horizon,
    tell: Callable[[float], None] = lambda share: None,
) -> list[records.Trajectory]:
    """Train as many runs as there are lanes, or fewer: what is missing of a pack is its last run again."""
    starts: list[Any] = []
    for run, state, rate in zip(pack, states, rates, strict=True):
        fixed = grid.data_order == "fixed"
        order: Any = (
            seeds.data_order(run.seed, horizon.examples, horizon.epochs, horizon.examples_per_epoch, fixed)
            if problem.in_memory
            else streamed.batches(problem, horizon, run.seed, fixed)
        )
        starts.append((state, order, rate, np.array([value for _, value in run.hyperparameters], np.float64)))
    deadline = time.monotonic() + grid.time_limit if grid.time_limit else np.inf
    if grid.lanes > 1:
        starts += starts[-1:] * (grid.lanes - len(starts))
    state, order, rate, values = program.stack(starts) if grid.lanes > 1 else starts[0]
    found = compiled(state, order, rate, values, deadline, tell)
    return found[: len(pack)] if grid.lanes > 1 else [found]


def history(columns: list[str], trajectory: records.Trajectory, rates: np.ndarray) -> dict[str, list[Any]]:
    """A trajectory as named columns, one value an evaluation point; null where there is none: before the first step no
    rate has been applied and no gradient followed."""
    before = {"learning_rate", *records.DIAGNOSTICS}
    values = {
        "learning_rate": [float(rates[step - 1]) for step in trajectory.steps],
        **{name: trajectory.records[:, k].tolist() for k, name in enumerate(columns)},
    }
    return {
        "step": trajectory.steps.tolist(),
        **{
            name: [
                value if np.isfinite(value) and (step or name not in before) else None
                for step, value in zip(trajectory.steps, column, strict=True)
            ]
            for name, column in values.items()
        },
    }
