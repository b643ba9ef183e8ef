"""One compiled program for a whole run.

Initial weights, the order of the data, the learning rate of each step and searched hyperparameters enter as arguments,
so that one compilation serves every schedule, learning rate, seed and trial of a problem, optimizer and batch size.

With `lanes`, so many runs go through the program side by side, stacked along a first axis of everything that differs
between them. That is to fill a GPU; on a processor it gains nothing.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from thalweg.experiment.target import Target
from thalweg.horizon import Horizon
from thalweg.training.engine import records, steps
from thalweg.training.engine.loop import Carried, loop_of
from thalweg.training.engine.records import GOING
from thalweg.training.engine.steps import Instance, State, Tensors
from thalweg.training.problem import Problem

SLICE_SECONDS = 1.0
"""How long a call of the program may take, about; between calls the time limit is heeded and progress is told."""


class Program(Protocol):
    """Train a run: from its initial state, on the data in this order, (examples used,) int32, at the learning rate of
    each step, (steps,) float32, with the values of the searched hyperparameters, (hyperparameters,) float64.

    With lanes, everything has one axis more, the first, and a trajectory is returned for each lane. `deadline` is a
    reading of time.monotonic() after which no further slice is begun; `tell` is told the share of the run that is done.
    """

    def __call__(
        self,
        state: State,
        order: Any,
        rates: np.ndarray,
        hyperparameters: np.ndarray | None = ...,
        deadline: float = ...,
        tell: Callable[[float], None] = ...,
    ) -> Any: ...


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
    """Compile training for one problem, optimizer and batch size. `target` ends a run early; `record` is
    what of records.ON_REQUEST is recorded at each evaluation point."""
    plan = records.segments(horizon.steps_per_epoch, horizon.steps, horizon.remainder > 0, evaluation_steps)
    start = hopeless(instance, horizon)
    if lanes > 1:
        start = stack([start] * lanes)
    beginning = at_the_beginning(steps.packed(instance, start[0], lanes), [] if lanes == 1 else [lanes])
    arguments = (beginning, *start[1:], tf.constant(0), tf.constant(0))
    loop = loop_of(problem, instance, horizon, plan, target, record, lanes)

    @tf.function(jit_compile=xla, autograph=False)  # type: ignore[untyped-decorator]
    def train(*flat: tf.Tensor) -> Any:
        return loop(*tf.nest.pack_sequence_as(arguments, flat))

    # Traced once and called with tensors only: finding the right trace at each call would cost more than the call.
    traced = train.get_concrete_function(*map(tf.TensorSpec.from_tensor, tensors(arguments)))
    evaluated, slices = plan[:, 2] > 0, Slices(len(plan))

    def run(
        state: State,
        order: np.ndarray,
        rates: np.ndarray,
        hyperparameters: np.ndarray | None = None,
        deadline: float = np.inf,
        tell: Callable[[float], None] = lambda share: None,
    ) -> Any:
        carried: Any = beginning._replace(state=steps.packed(instance, state, lanes))
        given = tensors((order, rates, start[-1] if hyperparameters is None else hyperparameters))
        rows = np.zeros([len(plan), *beginning.loss.shape, len(records.columns(problem, record)) + 1], np.float32)
        for first, last in slices.of_a_run():
            carried, part = traced(*tensors(carried), *given, tf.constant(first), tf.constant(last))
            carried = tf.nest.map_structure(lambda tensor: tensor.numpy(), carried)
            rows[first:last] = part[first:last]
            if last == len(plan) or not (carried.outcome == GOING).any() or time.monotonic() > deadline:
                break
            tell(last / len(plan))
        points = plan[:, :2].sum(1).cumsum()[evaluated]
        found = [
            records.ended(points, of_lane[evaluated], horizon.steps, int(carried.step), outcome, ended_at, final)
            for of_lane, outcome, ended_at, left in lanes_of(rows, carried)
            for final in [steps.opened(instance, left)]
        ]
        return found if lanes > 1 else found[0]

    run(*start)  # compiles everything
    return run


def hopeless(instance: Instance, horizon: Horizon) -> tuple[Any, ...]:
    """What a run begins with that trains nothing: weights that are no numbers end it at its first evaluation."""
    weights = [np.full_like(value, np.nan) for value in instance.state.trainable]
    return (
        instance.state._replace(trainable=weights),
        np.zeros(horizon.epochs * horizon.examples_per_epoch, np.int32),
        np.zeros(horizon.steps, np.float32),
        np.array(list(instance.searched.values()), np.float64),
    )


def at_the_beginning(state: State, shape: list[int]) -> Carried:
    """What is carried before the first step; `shape` is that of the lanes, if there are any."""
    return Carried(
        state=state,
        step=tf.constant(0),
        used=tf.constant(0),
        loss=tf.fill(shape, np.float32(np.nan)),
        gradients=[tf.zeros(value.shape, value.dtype) for value in state.trainable],
        outcome=tf.fill(shape, GOING),
        ended_at=tf.fill(shape, 0),
    )


def tensors(structure: Any) -> Tensors:
    return [tf.constant(value) for value in tf.nest.flatten(structure)]


def stack(starts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """What several runs begin with, one lane each, as one."""
    stacked: tuple[Any, ...] = tf.nest.map_structure(lambda *arrays: np.stack(arrays), *starts)
    return stacked


def lanes_of(rows: np.ndarray, carried: Carried) -> Iterator[tuple[np.ndarray, int, int, State]]:
    """For each lane: its rows, its outcome, the step at which it came to that, and its final state."""
    if carried.outcome.ndim == 0:
        yield rows, int(carried.outcome), int(carried.ended_at), carried.state
        return
    for lane, (outcome, ended_at) in enumerate(zip(carried.outcome, carried.ended_at, strict=True)):
        state = State(*([array[lane] for array in group] for group in carried.state))
        yield rows[:, lane], int(outcome), int(ended_at), state


class Slices:
    """Cuts a run's segments into calls of about SLICE_SECONDS. It learns from each how long a segment takes."""

    def __init__(self, segments: int) -> None:
        self.segments, self.length = segments, min(16, segments)

    def of_a_run(self) -> Iterator[tuple[int, int]]:
        """The segments of each call: the first, and the one to stop before."""
        first = 0
        while first < self.segments:
            began, last = time.perf_counter(), min(self.segments, first + self.length)
            yield first, last
            fitting = int(SLICE_SECONDS * (last - first) / (time.perf_counter() - began))
            self.length = max(1, min(fitting, 8 * self.length, self.segments))
            first = last
