"""Stretches of training that take turns in one process, so that what a step takes can be compared.

A stretch is some whole epochs of an optimizer at a batch size, by the program, on the threads and the device of
training. Nothing is evaluated in it. Its learning rate is so small that the weights stay where they are, which changes
nothing of what a step computes: so no stretch diverges and ends early.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from thalweg.experiment.schema import Experiment
from thalweg.grid import Run
from thalweg.horizon import Horizon
from thalweg.training.engine import steps
from thalweg.training.engine.loop import MIN_SEGMENT_STEPS
from thalweg.training.jobs import trainer
from thalweg.training.problem import Problem

ROUNDS = 11
"""Turns of each stretch. Of so many, the interval of the median leaves out the lowest and the highest."""

MIN_STRETCH_SECONDS = 0.05
"""How long a stretch takes at least, about: what surrounds its steps is then a hundredth of it."""

LEARNING_RATE = 1e-8
"""Large enough that no update is a denormal number, with which a processor would compute more slowly."""


class Stretch(NamedTuple):
    """A stretch of a run.

    Attributes:
        run: The run.
        train: Trains the stretch once more, and returns the number of steps and the seconds that they took.
    """

    run: Run
    train: Callable[[], tuple[int, float]]


def stretches(
    experiment: Experiment, problem: Problem, runs: Sequence[Run], tell: Callable[[str], None]
) -> Iterator[Stretch]:
    """Yield a stretch of each run, compiled and warm.

    All stretches of a batch size have as many epochs as the first of them needs.

    Args:
        experiment: The experiment.
        problem: The problem that the runs train.
        runs: The runs.
        tell: Prints a line.
    """
    grid = experiment.problems[runs[0].problem]
    for batch_size in dict.fromkeys(run.batch_size for run in runs):
        first, *others = (run for run in runs if run.batch_size == batch_size)
        epochs = min_epochs(grid.horizon(problem.train.examples, batch_size))
        stretch = compile_stretch(experiment, problem, first, epochs)
        taken, seconds = stretch.train()
        while seconds < MIN_STRETCH_SECONDS:
            epochs *= math.ceil(2 * MIN_STRETCH_SECONDS / seconds)
            stretch = compile_stretch(experiment, problem, first, epochs)
            taken, seconds = stretch.train()
        yield stretch
        yield from (compile_stretch(experiment, problem, run, epochs) for run in others)
        tell(f"batch size {batch_size}: {taken:,} steps a turn, {1000 * seconds:.0f} ms")


def min_epochs(epoch: Horizon) -> int:
    """Return how many epochs a stretch has at least, given the horizon of one epoch.

    Without partial batches and evaluations, a run ends at the last cut that plan_segments makes. So it must be long
    enough to have one.
    """
    return 1 if epoch.remainder else math.ceil(2 * MIN_SEGMENT_STEPS / epoch.steps_per_epoch)


def compile_stretch(experiment: Experiment, problem: Problem, run: Run, epochs: int) -> Stretch:
    """So many epochs of a run, compiled and trained once."""
    grid, optimizer = experiment.problems[run.problem], experiment.optimizers[run.optimizer]
    horizon = replace(grid.horizon(problem.train.examples, run.batch_size), epochs=epochs)
    drawn = dict(run.hyperparameters)
    instance = steps.instantiate(problem, optimizer.class_name, optimizer.arguments, run.seed, drawn)
    program = trainer.compile_program(problem, grid, horizon, [], instance)
    rates = np.full(horizon.steps, run.learning_rate, np.float32)
    pack, states = [run] * grid.lanes, [instance.state] * grid.lanes

    def train() -> tuple[int, float]:
        began = time.perf_counter()
        first, *_ = trainer.train_lanes(program, pack, states, [rates] * grid.lanes, problem, grid, horizon)
        seconds = (time.perf_counter() - began) / grid.lanes
        if first.outcome == "diverged":
            sys.exit(f"problems.{run.problem}.timing: with {run.optimizer} the loss is not finite from the beginning")
        return first.ended_at, seconds

    train()
    return Stretch(run, train)


def time_in_turns(stretches: Sequence[Stretch], rounds: int = ROUNDS) -> Iterator[dict[str, Any]]:
    """Each stretch once a round, in an order drawn for each round from a fixed seed: what each turn took, a row each,
    in the order in which they were taken.

    A round that nobody sees comes first: whatever is compiled lets TensorFlow forget what it had prepared of all else.
    """
    for _, train in stretches:
        train()
    for number in range(1, rounds + 1):
        for place in np.random.default_rng(number).permutation(len(stretches)):
            run, train = stretches[place]
            taken, seconds = train()
            yield {
                "problem": run.problem,
                "batch_size": run.batch_size,
                "optimizer": run.optimizer,
                "round": number,
                "microseconds": 1e6 * seconds / taken,
                "steps": taken,
            }
