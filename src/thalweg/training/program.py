"""One compiled program for a whole run.

The program is a loop over all of a run's steps, with evaluation inside. Initial weights, the order of the data and the
learning rate of each step enter as arguments, so that one compilation serves every schedule, learning rate and seed
of a problem, optimizer and batch size.

A run is cut into segments, so that batches have a static shape and a step pays for nothing but itself: each segment
is some full batches, then perhaps the partial batch that ends an epoch, then perhaps an evaluation.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.src.losses.losses import LossFunctionWrapper

from thalweg.grid.runs import Horizon
from thalweg.training import optimizers, seeds
from thalweg.training.problem import Problem, Split

Tensors = list[tf.Tensor]


class State(NamedTuple):
    """What training changes: arrays or tensors, in the order of the model's and the optimizer's variables."""

    trainable: list[Any]
    non_trainable: list[Any]
    optimizer: list[Any]


class Instance(NamedTuple):
    """A model and its optimizer as a seed draws them."""

    model: keras.Model
    optimizer: keras.Optimizer
    state: State


class Trajectory(NamedTuple):
    """What a run leaves.

    `steps` (points,) are the evaluation points that were reached, `records` (points, columns) the values there and
    `batch_losses` (points,) the loss on the batch of the latest step, NaN before the first. `diverged_at` is the step
    at which a loss, or anything recorded, was no longer finite, if it was. `state` is where the run ended.
    """

    steps: np.ndarray
    records: np.ndarray
    batch_losses: np.ndarray
    diverged_at: int | None
    state: State


Program = Callable[[State, np.ndarray, np.ndarray], Trajectory]


def instantiate(problem: Problem, optimizer: str, arguments: dict[str, Any], seed: int) -> Instance:
    """Build the model with the initial weights that `seed` draws, and an optimizer of that class for it."""
    keras.utils.set_random_seed(seeds.derive(seed, "initial weights"))
    model = problem.model()
    built = optimizers.build(optimizer, arguments, model.trainable_variables)
    variables = State(model.trainable_variables, model.non_trainable_variables, optimizers.state(built))
    return Instance(model, built, State(*([v.numpy() for v in group] for group in variables)))


def segments(horizon: Horizon, evaluation_steps: Sequence[int]) -> np.ndarray:
    """The run as rows (full batches, partial batches, evaluations): int32, shape (segments, 3)."""
    partial = horizon.examples % horizon.batch_size > 0
    epoch_ends = range(horizon.steps_per_epoch, horizon.steps + 1, horizon.steps_per_epoch) if partial else ()
    rows, start = [], 0
    for end in sorted({*evaluation_steps, *epoch_ends}):
        ends_partial = end in epoch_ends
        rows.append((end - start - ends_partial, ends_partial, end in evaluation_steps))
        start = end
    return np.array(rows, np.int32)


def columns(problem: Problem) -> list[str]:
    """The names of a record's columns."""
    names = [f"{split}_{metric}" for split in problem.splits for metric in ("loss", *problem.metrics)]
    probes = 0 if problem.probe is None else problem.probe.y.size
    return [*names, *(f"probe_{k}" for k in range(probes))]


def compile_program(
    problem: Problem, instance: Instance, horizon: Horizon, evaluation_steps: Sequence[int], xla: bool
) -> Program:
    """Compile training for one problem, optimizer and batch size.

    The program takes an initial state, the data order, (epochs × examples,) int32, and the learning rate of each
    step, (steps,) float32.
    """
    model, optimizer = instance.model, instance.optimizer
    loss_function = loss_of(problem)
    plan = segments(horizon, evaluation_steps)
    probes = [] if problem.probe is None else [problem.probe.x]
    data = tf.nest.map_structure(tf.constant, (problem.train, problem.splits, probes))
    width = len(columns(problem))

    def forward(state: State, split: Split, training: bool) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
        """Loss, predictions and the non-trainable state afterwards."""
        predictions, non_trainable, penalties = model.stateless_call(
            state.trainable, state.non_trainable, split.x, training=training, return_losses=True
        )
        return tf.add_n([loss_function(split.y, predictions), *penalties]), predictions, non_trainable

    def update(state: State, batch: Split, rate: tf.Tensor) -> tuple[State, tf.Tensor]:
        """One step: the new state, and the loss before it."""
        with tf.GradientTape() as tape:
            tape.watch(state.trainable)
            loss, _, non_trainable = forward(state, batch, training=True)
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, state.trainable)
        trainable, slots = optimizers.step(
            optimizer, gradients, rate, model.trainable_variables, state.trainable, state.optimizer
        )
        return State(trainable, non_trainable, slots), loss

    def evaluate(state: State, splits: dict[str, Split], probes: Tensors) -> tf.Tensor:
        values: Tensors = []
        for split in splits.values():
            loss, predictions, _ = forward(state, split, training=False)
            values += [loss, *(tf.reduce_mean(metric(split.y, predictions)) for metric in problem.metrics.values())]
        record = tf.stack([tf.cast(value, tf.float32) for value in values])
        predictions = [model.stateless_call(state.trainable, state.non_trainable, x)[0] for x in probes]
        return tf.concat([record, *(tf.cast(tf.reshape(one, [-1]), tf.float32) for one in predictions)], 0)

    @tf.function(jit_compile=xla, autograph=False)  # type: ignore[untyped-decorator]
    def train(state: State, order: tf.Tensor, rates: tf.Tensor, plan: tf.Tensor, data: Any) -> Any:
        examples, splits, probes = data

        def advance(size: int, carried: Any) -> Any:
            """Train on the next `size` examples. Carried: state, steps, examples used, latest loss, all finite."""
            state, step, used, _, _ = carried
            rows = tf.slice(order, [used], [size])
            state, loss = update(state, Split(*(tf.gather(array, rows) for array in examples)), rates[step])
            return state, step + 1, used + size, loss, tf.math.is_finite(loss)

        def segment(index: tf.Tensor, carried: Any, records: tf.TensorArray) -> Any:
            """One row of the plan. A run that is no longer finite takes no further step."""
            full, partial, evaluated = tf.unstack(plan[index])
            last = carried[1] + full
            carried = tf.while_loop(
                lambda _, step, __, ___, finite: (step < last) & finite,
                lambda *carried: advance(horizon.batch_size, carried),
                carried,
            )
            if horizon.examples % horizon.batch_size:
                carried = tf.cond(
                    (partial > 0) & carried[-1],
                    lambda: advance(horizon.examples % horizon.batch_size, carried),
                    lambda: carried,
                )
            state, step, used, loss, finite = carried
            record = tf.cond(
                (evaluated > 0) & finite, lambda: evaluate(state, splits, probes), lambda: tf.zeros([width])
            )
            finite &= tf.reduce_all(tf.math.is_finite(record))
            records = records.write(index, tf.concat([record, [tf.cast(loss, tf.float32)]], 0))
            return index + 1, (state, step, used, loss, finite), records

        zero = tf.constant(0)
        beginning = (state, zero, zero, tf.constant(np.nan, rates.dtype), tf.constant(True))
        records = tf.TensorArray(tf.float32, plan.shape[0], element_shape=[width + 1])
        reached, (state, step, _, _, finite), records = tf.while_loop(
            lambda index, carried, _: (index < plan.shape[0]) & carried[-1], segment, (zero, beginning, records)
        )
        return state, step, finite, reached, records.stack()

    def run(state: State, order: np.ndarray, rates: np.ndarray) -> Trajectory:
        final, step, finite, reached, records = tf.nest.map_structure(
            lambda tensor: tensor.numpy(), train(state, order, rates, plan, data)
        )
        evaluated = (plan[:, 2] > 0) & (np.arange(len(plan)) < reached - (not finite))
        return Trajectory(
            steps=plan[:, :2].sum(1).cumsum()[evaluated],
            records=records[evaluated, :-1],
            batch_losses=records[evaluated, -1],
            diverged_at=None if finite else int(step),
            state=final,
        )

    # Weights that are no numbers end a run at its first evaluation: this compiles everything and trains nothing.
    hopeless = instance.state._replace(trainable=[np.full_like(value, np.nan) for value in instance.state.trainable])
    run(hopeless, np.zeros(horizon.epochs * horizon.examples, np.int32), np.zeros(horizon.steps, np.float32))
    return run


def loss_of(problem: Problem) -> keras.losses.Loss:
    """The loss as Keras's own training applies it: a function becomes a mean over the batch."""
    loss = keras.losses.get(problem.loss)
    return loss if isinstance(loss, keras.losses.Loss) else LossFunctionWrapper(loss)
