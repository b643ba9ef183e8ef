"""Train runs of one problem and one optimizer, each program compiled once and used for all the runs that it serves."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from thalweg import provenance, store
from thalweg.grid.experiment import Experiment, ProblemGrid
from thalweg.grid.runs import Horizon, Run
from thalweg.progress import Reporter
from thalweg.training import optimizers, program, records, schedules, seeds, steps, streamed
from thalweg.training import problem as problems
from thalweg.training.problem import Problem

Identity = dict[str, Any]


class Compiled(NamedTuple):
    """A program, and by seed what it begins with."""

    program: program.Program
    instances: dict[int, steps.Instance]

    def serves(self, run: Run) -> bool:
        """Whether the program, traced with the first instance, is right for what was drawn for a run."""
        traced = next(iter(self.instances.values()))
        return optimizers.serves(traced.optimizer, dict(run.hyperparameters))


def train(
    experiment: Experiment, missing: dict[Run, Identity], reporter: Reporter
) -> Iterator[tuple[Run, store.Record]]:
    """Train runs of one problem and optimizer, given with their identities."""
    one, its = next(iter(missing.items()))
    grid = experiment.problems[one.problem]
    with reporter.spending("starting"):
        problem, _ = problems.load(experiment.directory, one.problem)
        if problem.in_memory and problems.data_digest(problem) != its["data"]:
            sys.exit(
                f"problems.{one.problem}: its data are not those that were checked; if they were changed, run "
                f"snakemake --forcerun check_problem, and if they are drawn at random, give them a seed"
            )
        captured = provenance.capture(experiment.directory)
    for batch_size in sorted({run.batch_size for run in missing}):
        group = [run for run in missing if run.batch_size == batch_size]
        horizon = horizon_of(grid, problem, batch_size)
        with reporter.spending("compiling"):
            programs = compile_programs(experiment, problem, horizon, group, missing)
            shares = {run.schedule: table_of(missing[run], horizon) for run in group}
        for compiled, served in programs:
            for pack in (served[first : first + grid.lanes] for first in range(0, len(served), grid.lanes)):
                began = time.perf_counter()
                with reporter.spending("training"):
                    rates = [schedules.applied(shares[run.schedule], run.learning_rate) for run in pack]
                    found = train_pack(compiled, pack, rates, problem, grid, horizon, reporter)
                seconds = (time.perf_counter() - began) / len(pack)
                for run, applied, trajectory in zip(pack, rates, found, strict=True):
                    what = missing[run]
                    yield (
                        run,
                        {
                            "identity": what,
                            "history": history(records.columns(problem, measures_noise(grid)), trajectory, applied),
                            "outcome": trajectory.outcome,
                            "ended_at": trajectory.ended_at,
                            "time_limit": grid.time_limit,
                            "steps": horizon.steps,
                            "steps_per_epoch": horizon.steps_per_epoch,
                            "measured": {"seconds": seconds, "device": what["device"], **captured},
                        },
                    )


def horizon_of(grid: ProblemGrid, problem: Problem, batch_size: int) -> Horizon:
    return Horizon(problem.train.examples, batch_size, grid.epochs, grid.drop_remainder)


def table_of(what: Identity, horizon: Horizon) -> np.ndarray:
    schedule = what["schedule"]
    return schedules.table(schedule["class"], schedule["arguments"], horizon.steps, schedule.get("warmup", 0))


def measures_noise(grid: ProblemGrid) -> bool:
    return "gradient_noise" in grid.record


def compile_programs(
    experiment: Experiment, problem: Problem, horizon: Horizon, runs: Iterable[Run], identities: dict[Run, Identity]
) -> list[tuple[Compiled, list[Run]]]:
    """The programs that runs of one batch size need, each with those that it serves: one, but where what is searched
    shapes the program itself."""
    programs: list[tuple[Compiled, list[Run]]] = []
    for run in runs:
        served = next((served for compiled, served in programs if compiled.serves(run)), None)
        if served is None:
            served = []
            programs.append((compile_one(experiment, problem, horizon, run, identities[run]), served))
        served.append(run)
    for compiled, served in programs:
        for seed in sorted({run.seed for run in served} - compiled.instances.keys()):
            compiled.instances[seed] = instantiate(experiment, problem, served[0], seed)
    return programs


def instantiate(experiment: Experiment, problem: Problem, run: Run, seed: int) -> steps.Instance:
    optimizer = experiment.optimizers[run.optimizer]
    return steps.instantiate(problem, optimizer.class_name, optimizer.arguments, seed, dict(run.hyperparameters))


def compile_one(experiment: Experiment, problem: Problem, horizon: Horizon, run: Run, what: Identity) -> Compiled:
    grid, instance = experiment.problems[run.problem], instantiate(experiment, problem, run, run.seed)
    target = grid.target if grid.end_at_target else None
    common = (problem, instance, horizon, what["evaluation_steps"], grid.xla)
    if problem.in_memory:
        noise = measures_noise(grid)
        compiled = program.compile_program(*common, target=target, noise=noise, lanes=grid.lanes)
    else:
        compiled = streamed.compile_streamed(*common, target=target)
    return Compiled(compiled, {run.seed: instance})


def train_pack(
    compiled: Compiled,
    pack: Sequence[Run],
    rates: Sequence[np.ndarray],
    problem: Problem,
    grid: ProblemGrid,
    horizon: Horizon,
    reporter: Reporter,
) -> list[records.Trajectory]:
    """Train as many runs as there are lanes, or fewer: what is missing of a pack is its last run again."""
    starts: list[Any] = []
    for run, rate in zip(pack, rates, strict=True):
        fixed = grid.data_order == "fixed"
        order: Any = (
            seeds.data_order(run.seed, horizon.examples, horizon.epochs, horizon.examples_per_epoch, fixed)
            if problem.in_memory
            else streamed.batches(problem, horizon, run.seed, fixed)
        )
        values = np.array([value for _, value in run.hyperparameters], np.float64)
        starts.append((compiled.instances[run.seed].state, order, rate, values))
    deadline = time.monotonic() + grid.time_limit if grid.time_limit else np.inf
    if grid.lanes > 1:
        starts += starts[-1:] * (grid.lanes - len(starts))
    state, order, rate, values = program.stack(starts) if grid.lanes > 1 else starts[0]
    found = compiled.program(state, order, rate, values, deadline, reporter.within)
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
