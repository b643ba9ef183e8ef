"""Train on data in memory: one compiled program takes all steps of a run.

Initial weights, the order of the data, the learning rate of each step and searched hyperparameters enter as arguments,
so that one compilation serves every schedule, learning rate, seed and trial of a problem, optimizer and batch size.

With `lanes`, so many runs go through the program side by side, stacked along a first axis of everything that differs
between them. That is to fill a GPU; on a processor it gains nothing.

This module imports all that computes such a run.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

import thalweg.training.engine.settings
import thalweg.training.schedules  # noqa: F401 (the settings and the learning rates that such a run is computed with)
from thalweg.experiment.target import Target
from thalweg.horizon import Horizon
from thalweg.training.engine import records, seeds, steps
from thalweg.training.engine.loop import LoopState, build_loop, plan_segments
from thalweg.training.engine.records import ACTIVE, Trajectory
from thalweg.training.engine.runs import Program, RunInputs
from thalweg.training.engine.steps import Instance, State, Tensors
from thalweg.training.problem import Problem

CALL_SECONDS = 1.0
"""How long a call of the compiled function takes, about. Between calls a time limit is heeded and progress reported."""

FIRST_CALL_SEGMENTS = 16
"""How many segments the first call of a program trains."""


def compile_program(
    problem: Problem,
    instance: Instance,
    horizon: Horizon,
    evaluation_steps: Sequence[int],
    xla: bool,
    *,
    target: Target | None = None,
    record: Collection[str] = (),
    lanes: int = 1,
) -> Program:
    """Compile training for one problem, optimizer and batch size.

    Args:
        problem: A problem whose splits lie in memory.
        instance: Its model and the optimizer.
        horizon: How long a run is.
        evaluation_steps: The steps after which a run is evaluated.
        xla: Whether XLA compiles the program.
        target: What ends a run early when an evaluation reaches it.
        record: The names of quantities that are recorded on request.
        lanes: How many runs are trained side by side.
    """
    plan = plan_segments(horizon.steps_per_epoch, horizon.steps, horizon.remainder > 0, evaluation_steps)
    inputs = nan_inputs(instance, horizon)
    if lanes > 1:
        inputs = stack_lanes([inputs] * lanes)
    initial = initial_loop_state(steps.flatten_state(instance, inputs[0], lanes), [] if lanes == 1 else [lanes])
    arguments = (initial, *inputs[1:], tf.constant(0), tf.constant(0))
    loop = build_loop(problem, instance, horizon, plan, target, record, lanes)

    @tf.function(jit_compile=xla, autograph=False)  # type: ignore[untyped-decorator]
    def train(*flat: tf.Tensor) -> Any:
        return loop(*tf.nest.pack_sequence_as(arguments, flat))

    # Traced once and called with tensors only: finding the right trace at each call would cost more than the call.
    traced = train.get_concrete_function(*map(tf.TensorSpec.from_tensor, to_tensors(arguments)))
    evaluated, slices = plan[:, 2] > 0, Slices(len(plan))

    def run(
        state: State,
        data: np.ndarray,
        learning_rates: np.ndarray,
        hyperparameters: np.ndarray | None = None,
        deadline: float = np.inf,
        report: Callable[[float], None] = lambda share: None,
    ) -> Any:
        loop_state: Any = initial._replace(state=steps.flatten_state(instance, state, lanes))
        values = inputs[-1] if hyperparameters is None else hyperparameters
        constants = to_tensors((data, learning_rates, values))
        rows = np.zeros([len(plan), *initial.loss.shape, len(records.columns(problem, record)) + 1], np.float32)
        for first, last in slices.of_run():
            loop_state, new_rows = traced(*to_tensors(loop_state), *constants, tf.constant(first), tf.constant(last))
            loop_state = tf.nest.map_structure(lambda tensor: tensor.numpy(), loop_state)
            rows[first:last] = new_rows[first:last]
            if last == len(plan) or not (loop_state.outcome == ACTIVE).any() or time.monotonic() > deadline:
                break
            report(last / len(plan))
        points = plan[:, :2].sum(1).cumsum()[evaluated]
        trajectories = [
            records.make_trajectory(
                points, lane_rows[evaluated], horizon.steps, int(loop_state.step), outcome, ended_at, final
            )
            for lane_rows, outcome, ended_at, lane_state in split_lanes(rows, loop_state)
            for final in [steps.unflatten_state(instance, lane_state)]
        ]
        return trajectories if lanes > 1 else trajectories[0]

    run(*inputs)  # compiles everything
    return run


def train_runs(
    program: Program,
    runs: Sequence[RunInputs],
    problem: Problem,
    horizon: Horizon,
    *,
    fixed_order: bool = False,
    lanes: int = 1,
    deadline: float = np.inf,
    report: Callable[[float], None] = lambda share: None,
) -> list[Trajectory]:
    """Train as many runs as the program has lanes, or fewer; missing ones are filled up with the last run again.

    Args:
        program: What compile_program returned for the problem, horizon and lanes.
        runs: What each run is trained with.
        problem: The problem. It is not used, since its data are compiled into the program.
        horizon: How long a run is.
        fixed_order: Whether the data have the same order in every epoch.
        lanes: How many runs the program trains side by side.
        deadline: A reading of time.monotonic(), in seconds, after which training stops soon.
        report: Is told the share of the runs that is done, from 0 to 1.
    """
    inputs = []
    for run in runs:
        order = seeds.data_order(
            run.seed, horizon.examples, horizon.epochs, horizon.examples_per_epoch, fixed=fixed_order
        )
        inputs.append((run.state, order, run.learning_rates, run.hyperparameters))
    if lanes == 1:
        return [program(*inputs[0], deadline, report)]
    inputs += inputs[-1:] * (lanes - len(inputs))
    state, order, learning_rates, hyperparameters = stack_lanes(inputs)
    trajectories: list[Trajectory] = program(state, order, learning_rates, hyperparameters, deadline, report)
    return trajectories[: len(runs)]


def nan_inputs(instance: Instance, horizon: Horizon) -> tuple[Any, ...]:
    """Return the arguments of a run that trains nothing: weights that are NaN end it at its first evaluation."""
    weights = [np.full_like(value, np.nan) for value in instance.state.trainable]
    return (
        instance.state._replace(trainable=weights),
        np.zeros(horizon.epochs * horizon.examples_per_epoch, np.int32),
        np.zeros(horizon.steps, np.float32),
        np.array(list(instance.searched.values()), np.float64),
    )


def initial_loop_state(state: State, shape: list[int]) -> LoopState:
    """Return the loop's state before the first step; `shape` is that of the lanes, if there are any."""
    return LoopState(
        state=state,
        step=tf.constant(0),
        used=tf.constant(0),
        loss=tf.fill(shape, np.float32(np.nan)),
        gradients=[tf.zeros(value.shape, value.dtype) for value in state.trainable],
        outcome=tf.fill(shape, ACTIVE),
        ended_at=tf.fill(shape, 0),
    )


def to_tensors(structure: Any) -> Tensors:
    """Flatten a structure of arrays or tensors to a list of tensors."""
    return [tf.constant(value) for value in tf.nest.flatten(structure)]


def stack_lanes(inputs: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Stack the arguments of several runs along a new first axis, one lane each."""
    stacked: tuple[Any, ...] = tf.nest.map_structure(lambda *arrays: np.stack(arrays), *inputs)
    return stacked


def split_lanes(rows: np.ndarray, loop_state: LoopState) -> Iterator[tuple[np.ndarray, int, int, State]]:
    """Yield each lane's rows, its outcome, the step at which it came to that, and its final state."""
    if loop_state.outcome.ndim == 0:
        yield rows, int(loop_state.outcome), int(loop_state.ended_at), loop_state.state
        return
    for lane, (outcome, ended_at) in enumerate(zip(loop_state.outcome, loop_state.ended_at, strict=True)):
        state = State(*([array[lane] for array in group] for group in loop_state.state))
        yield rows[:, lane], int(outcome), int(ended_at), state


class Slices:
    """Cuts a run's segments into calls of about CALL_SECONDS. It learns from each how long a segment takes."""

    def __init__(self, segments: int) -> None:
        self.segments, self.length = segments, min(FIRST_CALL_SEGMENTS, segments)

    def of_run(self) -> Iterator[tuple[int, int]]:
        """Yield the segments of each call: the first, and the one to stop before."""
        first = 0
        while first < self.segments:
            began, last = time.perf_counter(), min(self.segments, first + self.length)
            yield first, last
            fitting = int(CALL_SECONDS * (last - first) / (time.perf_counter() - began))
            self.length = max(1, min(fitting, 8 * self.length, self.segments))
            first = last
