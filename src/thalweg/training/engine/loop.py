"""The loop over a run's steps, with evaluation inside, as one function that TensorFlow compiles.

A run is cut into segments, so that batches have a static shape and a step pays for nothing but itself: each segment
is some full batches, then perhaps the partial batch that ends an epoch, then perhaps an evaluation.
"""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from thalweg.experiment.target import Target
from thalweg.horizon import Horizon
from thalweg.training.engine import records, steps
from thalweg.training.engine.evaluation import evaluate_of
from thalweg.training.engine.records import DIVERGED, GOING, REACHED
from thalweg.training.engine.steps import Instance, State, Tensors
from thalweg.training.problem import Problem, Split


class Carried(NamedTuple):
    """What goes from step to step: `used` counts examples, `gradients` and `loss` are those of the latest step."""

    state: State
    step: tf.Tensor
    used: tf.Tensor
    loss: tf.Tensor
    gradients: Tensors
    outcome: tf.Tensor
    ended_at: tf.Tensor


Loop = Callable[[Carried, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tuple[Carried, tf.Tensor]]
"""(carried, order, rates, searched hyperparameters, first segment, the one to stop before) -> carried, a row for each
segment of the plan: the record, if there was an evaluation, and the loss of the latest batch."""


def loop_of(
    problem: Problem,
    instance: Instance,
    horizon: Horizon,
    plan: np.ndarray,
    target: Target | None,
    record: Collection[str],
    lanes: int,
) -> Loop:
    """The loop over the segments of a `plan`, (segments, 3), as records.segments gives it."""
    remainder = horizon.remainder
    plan_tensor = tf.constant(plan)
    # What a tf.function finds outside itself enters it as an argument, not as a constant.
    splits = {name: split.each(tf.constant) for name, split in problem.splits.items() if isinstance(split, Split)}
    examples = splits["train"]
    probes = [] if problem.probe is None else [tf.nest.map_structure(tf.constant, problem.probe.x)]
    names = records.columns(problem, record)
    measured = len(records.measured_columns(problem))
    update = each_lane(steps.update_of(problem, instance), lanes)
    measure = evaluate_of(problem, instance, horizon, record)
    shape = [] if lanes == 1 else [lanes]

    def finite(values: tf.Tensor, axis: int | None = None) -> tf.Tensor:
        return tf.reduce_all(tf.math.is_finite(values), axis=axis)

    def train(
        carried: Carried,
        order: tf.Tensor,
        rates: tf.Tensor,
        hyperparameters: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
    ) -> tuple[Carried, tf.Tensor]:
        searched = tf.unstack(hyperparameters, axis=-1)
        opening = order[..., : horizon.examples // horizon.batch_size * horizon.batch_size]
        evaluate = each_lane(
            lambda state, before, gradients, opening: measure(
                state, before, gradients, examples, opening, splits, probes
            ),
            lanes,
        )

        def going(carried: Carried) -> tf.Tensor:
            return tf.reduce_any(tf.equal(carried.outcome, GOING))

        def now(carried: Carried, happened: tf.Tensor, what: int) -> Carried:
            """Runs that were going and to which this `happened` have ended so, here."""
            mine = happened & tf.equal(carried.outcome, GOING)
            return carried._replace(
                outcome=tf.where(mine, what, carried.outcome),
                ended_at=tf.where(mine, carried.step, carried.ended_at),
            )

        def held(carried: Carried, state: State) -> State:
            """The new state, but in lanes that have ended the one before."""
            if lanes == 1:
                return state
            mine = tf.equal(carried.outcome, GOING)
            kept: State = tf.nest.map_structure(
                lambda new, old: tf.where(tf.reshape(mine, [lanes, *(1 for _ in new.shape[1:])]), new, old),
                state,
                carried.state,
            )
            return kept

        def advance(size: int, carried: Carried) -> Carried:
            """Train on the next `size` examples."""
            begin = [*(0 for _ in shape), carried.used]
            rows = tf.slice(order, begin, [*shape, size])
            batch = examples.each(lambda array: tf.gather(array, rows))
            step = update(carried.state, batch, rates[..., carried.step], searched)
            state = held(carried, step.state)
            taken = Carried(state, carried.step + 1, carried.used + size, step.loss, step.gradients, *carried[5:])
            return now(taken, ~tf.math.is_finite(step.loss), DIVERGED)

        def segment(index: tf.Tensor, carried: Carried, rows: tf.TensorArray) -> Any:
            """One row of the plan. A run that is no longer going takes no further step."""
            full, partial, evaluated = tf.unstack(plan_tensor[index])
            before, until = carried.state.trainable, carried.step + full
            carried = Carried(
                *tf.while_loop(
                    lambda *carried: (carried[1] < until) & going(Carried(*carried)),
                    lambda *carried: advance(horizon.batch_size, Carried(*carried)),
                    carried,
                )
            )
            if remainder:
                carried = tf.cond((partial > 0) & going(carried), lambda: advance(remainder, carried), lambda: carried)
            values = tf.cond(
                (evaluated > 0) & going(carried),
                lambda: evaluate(carried.state, before, carried.gradients, opening),
                lambda: tf.zeros([*shape, len(names)]),
            )
            carried = now(carried, ~finite(values[..., :measured], axis=-1), DIVERGED)
            if target:
                there = records.met(target, values[..., names.index(target.column)])
                carried = now(carried, (evaluated > 0) & there, REACHED)
            return index + 1, carried, rows.write(index, tf.concat([values, carried.loss[..., None]], -1))

        rows = tf.TensorArray(tf.float32, len(plan), element_shape=[*shape, len(names) + 1])
        _, carried, rows = tf.while_loop(
            lambda index, carried, _: (index < last) & going(carried), segment, (first, carried, rows)
        )
        return carried, rows.stack()

    return train


def each_lane(function: Callable[..., Any], lanes: int) -> Callable[..., Any]:
    """`function` on each lane of its arguments, all at once."""
    if lanes == 1:
        return function

    def on_lanes(*arguments: Any) -> Any:
        leaves = tf.nest.flatten(arguments)

        def on_one(stacked: Tensors) -> Any:
            of_lane = iter(stacked)
            return function(*tf.nest.pack_sequence_as(arguments, [x if x is None else next(of_lane) for x in leaves]))

        return tf.vectorized_map(on_one, [leaf for leaf in leaves if leaf is not None])

    return on_lanes
