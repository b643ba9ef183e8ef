"""The loop over a run's steps, with evaluation inside, as one function that TensorFlow compiles.

A run is cut into segments, so that batches have a static shape and a step pays for nothing but itself: each segment
is some full batches, then perhaps the partial batch that ends an epoch, then perhaps an evaluation.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from thalweg.experiment.target import Target
from thalweg.horizon import Horizon
from thalweg.training.engine import records, steps
from thalweg.training.engine.evaluation import make_evaluation, make_split_evaluation
from thalweg.training.engine.records import ACTIVE, DIVERGED, REACHED
from thalweg.training.engine.steps import Instance, State, Tensors
from thalweg.training.problem import EVALUATION_BATCH, Problem, Split

MIN_SEGMENTS, MIN_SEGMENT_STEPS = 64, 16
"""Into how many segments a run is cut at least, so that a call of the program need not last long; but none is cut to
fewer steps than this."""


def plan_segments(steps_per_epoch: int, steps: int, partial: bool, evaluation_steps: Sequence[int]) -> np.ndarray:
    """Cut a run into segments.

    An evaluation has a segment for the one step before it, so that the weights at the segment's beginning are those
    before this step.

    Args:
        steps_per_epoch: The steps of an epoch, with its partial batch.
        steps: The steps of the run.
        partial: Whether every epoch ends with a partial batch. It is then the last of a segment.
        evaluation_steps: The steps after which the run is evaluated.

    Returns:
        For each segment its number of full batches, of partial batches and of evaluations: int32, (segments, 3).
    """
    epoch_ends = set(range(steps_per_epoch, steps + 1, steps_per_epoch)) if partial else set()
    every = max(MIN_SEGMENT_STEPS, -(-steps // MIN_SEGMENTS))
    cuts = range(every, steps, every)
    rows, start = [], 0
    for end in sorted({*evaluation_steps, *(step - 1 for step in evaluation_steps if step > 1), *epoch_ends, *cuts}):
        ends_partial = end in epoch_ends
        rows.append((end - start - ends_partial, ends_partial, end in evaluation_steps))
        start = end
    return np.array(rows, np.int32)


class LoopState(NamedTuple):
    """What goes from step to step. With lanes, everything but `step` and `used` has a first axis for them.

    Attributes:
        state: All that training changes.
        step: The number of steps taken.
        used: The number of examples used.
        loss: The loss on the batch of the latest step.
        gradients: The gradients of that step.
        outcome: ACTIVE, DIVERGED or REACHED.
        ended_at: The step at which the run ended so.
    """

    state: State
    step: tf.Tensor
    used: tf.Tensor
    loss: tf.Tensor
    gradients: Tensors
    outcome: tf.Tensor
    ended_at: tf.Tensor


Loop = Callable[[LoopState, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tuple[LoopState, tf.Tensor]]
"""(loop state, order of the data, learning rates, searched hyperparameters, first segment, the one to stop before) ->
the loop state, and a row for each segment of the plan: the record, if there was an evaluation, and the loss of the
latest batch."""


def build_loop(
    problem: Problem,
    instance: Instance,
    horizon: Horizon,
    plan: np.ndarray,
    target: Target | None,
    record: Collection[str],
    lanes: int,
) -> Loop:
    """Build the loop over the segments of a `plan`, (segments, 3), as plan_segments returns it."""
    remainder = horizon.remainder
    plan_tensor = tf.constant(plan)
    # What a tf.function finds outside itself enters it as an argument, not as a constant.
    splits = {name: split.each(tf.constant) for name, split in problem.splits.items() if isinstance(split, Split)}
    examples = splits["train"]
    probes = [] if problem.probe is None else [tf.nest.map_structure(tf.constant, problem.probe.x)]
    names = records.columns(problem, record)
    metric_count = len(records.metric_columns(problem))
    update = vectorize_lanes(steps.make_update(problem, instance), lanes)
    make_record = make_evaluation(problem, instance, horizon, record, make_evaluate_in_pieces(problem, instance))
    shape = [] if lanes == 1 else [lanes]

    def finite(values: tf.Tensor, axis: int | None = None) -> tf.Tensor:
        return tf.reduce_all(tf.math.is_finite(values), axis=axis)

    def train(
        loop_state: LoopState,
        order: tf.Tensor,
        rates: tf.Tensor,
        hyperparameters: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
    ) -> tuple[LoopState, tf.Tensor]:
        searched = tf.unstack(hyperparameters, axis=-1)
        first_epoch = order[..., : horizon.examples // horizon.batch_size * horizon.batch_size]
        evaluate = vectorize_lanes(
            lambda state, previous_weights, gradients, first_epoch: make_record(
                state, previous_weights, gradients, splits, probes, examples, first_epoch
            ),
            lanes,
        )

        def active(loop_state: LoopState) -> tf.Tensor:
            """Whether any run goes on."""
            return tf.reduce_any(tf.equal(loop_state.outcome, ACTIVE))

        def mark_ended(loop_state: LoopState, condition: tf.Tensor, outcome: int) -> LoopState:
            """Give active runs that meet the condition this outcome, at the latest step."""
            ended = condition & tf.equal(loop_state.outcome, ACTIVE)
            return loop_state._replace(
                outcome=tf.where(ended, outcome, loop_state.outcome),
                ended_at=tf.where(ended, loop_state.step, loop_state.ended_at),
            )

        def freeze_ended(loop_state: LoopState, state: State) -> State:
            """Return the new state, but in lanes that have ended the one before."""
            if lanes == 1:
                return state
            going_on = tf.equal(loop_state.outcome, ACTIVE)
            frozen: State = tf.nest.map_structure(
                lambda new, old: tf.where(tf.reshape(going_on, [lanes, *(1 for _ in new.shape[1:])]), new, old),
                state,
                loop_state.state,
            )
            return frozen

        def advance(size: int, loop_state: LoopState) -> LoopState:
            """Train on the next `size` examples."""
            begin = [*(0 for _ in shape), loop_state.used]
            rows = tf.slice(order, begin, [*shape, size])
            batch = examples.each(lambda array: tf.gather(array, rows))
            step = update(loop_state.state, batch, rates[..., loop_state.step], searched)
            state = freeze_ended(loop_state, step.state)
            advanced = LoopState(
                state, loop_state.step + 1, loop_state.used + size, step.loss, step.gradients, *loop_state[5:]
            )
            return mark_ended(advanced, ~tf.math.is_finite(step.loss), DIVERGED)

        def segment(index: tf.Tensor, loop_state: LoopState, rows: tf.TensorArray) -> Any:
            """Train one segment of the plan. A run that is not active takes no further step."""
            full, partial, evaluated = tf.unstack(plan_tensor[index])
            previous_weights, until = loop_state.state.trainable, loop_state.step + full
            loop_state = LoopState(
                *tf.while_loop(
                    lambda *values: (values[1] < until) & active(LoopState(*values)),
                    lambda *values: advance(horizon.batch_size, LoopState(*values)),
                    loop_state,
                )
            )
            if remainder:
                loop_state = tf.cond(
                    (partial > 0) & active(loop_state), lambda: advance(remainder, loop_state), lambda: loop_state
                )
            values = tf.cond(
                (evaluated > 0) & active(loop_state),
                lambda: evaluate(loop_state.state, previous_weights, loop_state.gradients, first_epoch),
                lambda: tf.zeros([*shape, len(names)]),
            )
            loop_state = mark_ended(loop_state, ~finite(values[..., :metric_count], axis=-1), DIVERGED)
            if target:
                reached = target.is_reached_by(values[..., names.index(target.column)])
                loop_state = mark_ended(loop_state, (evaluated > 0) & reached, REACHED)
            return index + 1, loop_state, rows.write(index, tf.concat([values, loop_state.loss[..., None]], -1))

        rows = tf.TensorArray(tf.float32, len(plan), element_shape=[*shape, len(names) + 1])
        _, loop_state, rows = tf.while_loop(
            lambda index, loop_state, _: (index < last) & active(loop_state), segment, (first, loop_state, rows)
        )
        return loop_state, rows.stack()

    return train


def make_evaluate_in_pieces(problem: Problem, instance: Instance) -> Callable[[State, Split], tf.Tensor]:
    """Make the evaluation of a split that lies in memory, in pieces of EVALUATION_BATCH examples where it is larger."""
    evaluation = make_split_evaluation(problem, instance)

    def evaluate_split(state: State, split: Split) -> tf.Tensor:
        examples, totals = int(split.y.shape[0]), evaluation.zeros()
        whole = examples // EVALUATION_BATCH

        def piece(start: Any, size: int) -> Split:
            """Slice the split. XLA takes only slices of a known size."""
            return split.each(
                lambda array: tf.slice(array, [start, *(0 for _ in array.shape[1:])], [size, *array.shape[1:]])
            )

        if whole > 1:
            _, totals = tf.while_loop(
                lambda k, _: k < whole,
                lambda k, totals: (
                    k + 1,
                    evaluation.add(state, totals, piece(k * EVALUATION_BATCH, EVALUATION_BATCH)),
                ),
                (tf.constant(0), totals),
            )
        elif whole:
            totals = evaluation.add(state, totals, piece(0, EVALUATION_BATCH))
        if examples % EVALUATION_BATCH:
            totals = evaluation.add(state, totals, piece(whole * EVALUATION_BATCH, examples % EVALUATION_BATCH))
        return evaluation.results(totals)

    return evaluate_split


def vectorize_lanes(function: Callable[..., Any], lanes: int) -> Callable[..., Any]:
    """Return `function` applied to each lane of its arguments, all at once."""
    if lanes == 1:
        return function

    def on_lanes(*arguments: Any) -> Any:
        leaves = tf.nest.flatten(arguments)

        def on_lane(stacked: Tensors) -> Any:
            of_lane = iter(stacked)
            return function(*tf.nest.pack_sequence_as(arguments, [x if x is None else next(of_lane) for x in leaves]))

        return tf.vectorized_map(on_lane, [leaf for leaf in leaves if leaf is not None])

    return on_lanes
