"""What one step and one evaluation compute, as functions of a run's state that change nothing themselves."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.src.losses.losses import LossFunctionWrapper

from thalweg.training import optimizers, seeds
from thalweg.training.problem import Problem, Source, Split, pieces

Tensors = list[tf.Tensor]


class State(NamedTuple):
    """What training changes: arrays or tensors, in the order of the model's and the optimizer's variables."""

    trainable: list[Any]
    non_trainable: list[Any]
    optimizer: list[Any]


class Instance(NamedTuple):
    """A model and its optimizer as a seed draws them, and the searched hyperparameters that the optimizer was built
    with."""

    model: keras.Model
    optimizer: keras.Optimizer
    state: State
    searched: dict[str, float]


class Step(NamedTuple):
    """What a step gives: the new state, the loss before it and the gradient that it followed, as a tensor a weight."""

    state: State
    loss: tf.Tensor
    gradients: Tensors


Update = Callable[[State, Split, tf.Tensor, Tensors], Step]
"""(state, batch, learning rate, searched hyperparameters) -> Step"""


def instantiate(
    problem: Problem,
    optimizer: str,
    arguments: dict[str, Any],
    seed: int,
    searched: dict[str, float] | None = None,
) -> Instance:
    """Build the model with the initial weights that `seed` draws, and an optimizer of that class for it."""
    keras.utils.set_random_seed(seeds.derive(seed, "initial weights"))
    model = problem.model()
    if not model.built:
        model(first_examples(problem.train).x)
    built = optimizers.build(optimizer, arguments, model.trainable_variables, searched or {})
    variables = State(model.trainable_variables, model.non_trainable_variables, optimizers.state(built))
    return Instance(model, built, State(*([v.numpy() for v in group] for group in variables)), searched or {})


def first_examples(split: Split | Source) -> Split:
    return next(pieces(split, 2))


def loss_of(problem: Problem) -> keras.losses.Loss:
    """The loss as Keras's own training applies it: a function becomes a mean over the batch."""
    loss = keras.losses.get(problem.loss)
    return loss if isinstance(loss, keras.losses.Loss) else LossFunctionWrapper(loss)


def forward(
    model: keras.Model, loss: keras.losses.Loss, state: State, batch: Split, training: bool
) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
    """Loss with penalties, predictions, and the non-trainable state afterwards."""
    predictions, non_trainable, penalties = model.stateless_call(
        state.trainable, state.non_trainable, batch.x, return_losses=True, **_mode(model, training)
    )
    value = loss(batch.y, predictions, batch.weights)
    penalties = [tf.cast(tf.reduce_sum(penalty), value.dtype) for penalty in penalties]  # a layer may add several
    return tf.add_n([value, *penalties]), predictions, non_trainable


def predict(model: keras.Model, state: State, x: Any) -> tf.Tensor:
    return model.stateless_call(state.trainable, state.non_trainable, x, **_mode(model, False))[0]


def _mode(model: keras.Model, training: bool) -> dict[str, bool]:
    """A subclassed model may have no training argument, as one that behaves the same in both."""
    return {"training": training} if model._call_has_training_arg else {}


def gradient_of(problem: Problem, instance: Instance) -> Callable[[State, Split], tuple[tf.Tensor, Tensors, Tensors]]:
    """(state, batch) -> loss, gradients (None where a weight has no part in the loss), non-trainable state."""
    model, optimizer, loss_function = instance.model, instance.optimizer, loss_of(problem)

    def gradient(state: State, batch: Split) -> tuple[tf.Tensor, Tensors, Tensors]:
        with tf.GradientTape() as tape:
            tape.watch(state.trainable)
            loss, _, non_trainable = forward(model, loss_function, state, batch, training=True)
            scaled = optimizer.scale_loss(loss)
        # An embedding's gradient comes as the rows that were looked up, which XLA cannot gather into one.
        found = tape.gradient(scaled, state.trainable)
        return loss, [one if one is None else tf.convert_to_tensor(one) for one in found], non_trainable

    return gradient


def update_of(problem: Problem, instance: Instance) -> Update:
    """The step of training: forward, gradient, and the optimizer's own update."""
    model, optimizer, gradient = instance.model, instance.optimizer, gradient_of(problem, instance)

    def update(state: State, batch: Split, rate: tf.Tensor, hyperparameters: Tensors) -> Step:
        loss, gradients, non_trainable = gradient(state, batch)
        trainable, slots = optimizers.step(
            optimizer, gradients, rate, model.trainable_variables, state.trainable, state.optimizer, hyperparameters
        )
        return Step(
            State(trainable, non_trainable, slots), tf.cast(loss, tf.float32), filled(gradients, state.trainable)
        )

    return update


def filled(gradients: Sequence[tf.Tensor | None], weights: Tensors) -> Tensors:
    """The gradients, zero for a weight that has no part in the loss."""
    return [tf.zeros_like(w) if g is None else g for g, w in zip(gradients, weights, strict=True)]


def norm(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """The Euclidean norm of all values together, in single precision."""
    squares = [tf.reduce_sum(tf.square(tf.cast(value, tf.float32))) for value in values]
    return tf.sqrt(tf.add_n(squares))
