"""What one step and one evaluation compute, as functions of a run's state that change nothing themselves."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.losses.losses import LossFunctionWrapper

from thalweg.training.engine import optimizers, packing, seeds
from thalweg.training.problem import Problem, Split, pieces

Tensors = list[tf.Tensor]


class State(NamedTuple):
    """What training changes: arrays or tensors, in the order of the model's and the optimizer's variables. While it
    trains, the trainable ones may be packed into one vector."""

    trainable: list[Any]
    non_trainable: list[Any]
    optimizer: list[Any]


class Instance(NamedTuple):
    """A model and its optimizer as a seed draws them; `variables` are those that the optimizer updates, the model's own
    or one that packs them all; `searched` are the hyperparameters that are searched, as the optimizer was built."""

    model: keras.Model
    optimizer: keras.Optimizer
    variables: list[keras.Variable]
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
    searched = searched or {}
    made = optimizers.find_class(optimizer, keras.optimizers)
    every_gradient = connected(problem)  # and whatever it asks a source for, before the seed is set
    keras.utils.set_random_seed(seeds.derive(seed, "initial weights"))
    model = built(problem)
    variables = model.trainable_variables
    if every_gradient and packing.suits(made, arguments.keys() | searched.keys(), variables):
        variables = [keras.Variable(packing.pack([variable.numpy() for variable in variables]))]
    constructed = optimizers.build(optimizer, arguments, variables, searched)
    held = State(model.trainable_variables, model.non_trainable_variables, optimizers.state(constructed))
    return Instance(model, constructed, variables, State(*([v.numpy() for v in group] for group in held)), searched)


def built(problem: Problem) -> keras.Model:
    """The model, its layers named as if it were the first of its process: an optimizer may be told to exclude some."""
    global_state.set_global_attribute("object_name_uids", defaultdict(int))
    model = problem.model()
    if not model.built:
        model(first_examples(problem).x)
    return model


@cache
def connected(problem: Problem) -> bool:
    """Whether every trainable weight has a part in the loss; Keras's optimizers leave alone those that have none."""
    model = built(problem)
    trainable, rest = ([v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables))
    values = State(trainable, rest, [])
    with tf.GradientTape() as tape:
        tape.watch(values.trainable)
        loss, _, _ = forward(model, loss_of(problem), values, first_examples(problem), training=True)
    return None not in tape.gradient(loss, values.trainable)


def packed(instance: Instance, state: State, lanes: int = 1) -> State:
    """The state as it is trained."""
    if len(instance.variables) == len(state.trainable):
        return state
    return state._replace(trainable=[packing.pack(state.trainable, lanes)])


def opened(instance: Instance, state: State) -> State:
    """A state as it is trained, with the values of the model's own variables."""
    own = instance.model.trainable_variables
    if len(state.trainable) == len(own):
        return state
    return state._replace(trainable=packing.unpack(state.trainable[0], own))


def weights(instance: Instance, state: State) -> tf.Tensor:
    """All trainable weights as one vector, float32, in the order of the model's variables."""
    return tf.concat([tf.reshape(tf.cast(w, tf.float32), [-1]) for w in opened(instance, state).trainable], 0)


@cache
def first_examples(problem: Problem) -> Split:
    """Two training examples. They are remembered, since to ask a source for them sets the global seed."""
    return next(pieces(problem.train, 2))


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


def predict(instance: Instance, state: State, x: Any) -> tf.Tensor:
    own, model = opened(instance, state), instance.model
    return model.stateless_call(own.trainable, own.non_trainable, x, **_mode(model, False))[0]


def _mode(model: keras.Model, training: bool) -> dict[str, bool]:
    """A subclassed model may have no training argument, as one that behaves the same in both."""
    return {"training": training} if model._call_has_training_arg else {}


def gradient_of(problem: Problem, instance: Instance) -> Callable[[State, Split], tuple[tf.Tensor, Tensors, Tensors]]:
    """(state, batch) -> loss, gradients (None where a weight has no part in the loss), non-trainable state."""
    optimizer, loss_function = instance.optimizer, loss_of(problem)

    def gradient(state: State, batch: Split) -> tuple[tf.Tensor, Tensors, Tensors]:
        own = opened(instance, state)
        with tf.GradientTape() as tape:
            tape.watch(own.trainable)
            loss, _, non_trainable = forward(instance.model, loss_function, own, batch, training=True)
            scaled = optimizer.scale_loss(loss)
        # An embedding's gradient comes as the rows that were looked up, which XLA cannot gather into one.
        found = [one if one is None else tf.convert_to_tensor(one) for one in tape.gradient(scaled, own.trainable)]
        if len(state.trainable) < len(found):
            found = [tf.concat([tf.reshape(one, [-1]) for one in found], 0)]
        return loss, found, non_trainable

    return gradient


def update_of(problem: Problem, instance: Instance) -> Update:
    """The step of training: forward, gradient, and the optimizer's own update."""
    optimizer, variables, gradient = instance.optimizer, instance.variables, gradient_of(problem, instance)

    def update(state: State, batch: Split, rate: tf.Tensor, hyperparameters: Tensors) -> Step:
        loss, gradients, non_trainable = gradient(state, batch)
        trainable, slots = optimizers.step(
            optimizer, gradients, rate, variables, state.trainable, state.optimizer, hyperparameters
        )
        found = unscaled(optimizer, filled(gradients, state.trainable))
        return Step(State(trainable, non_trainable, slots), tf.cast(loss, tf.float32), found)

    return update


def filled(gradients: Sequence[tf.Tensor | None], values: Tensors) -> Tensors:
    """The gradients, zero for a weight that has no part in the loss."""
    return [tf.zeros_like(w) if g is None else g for g, w in zip(gradients, values, strict=True)]


def unscaled(optimizer: keras.Optimizer, gradients: Tensors) -> Tensors:
    """Gradients of the loss itself, where an optimizer has it multiplied."""
    factor = optimizer.loss_scale_factor
    return gradients if factor is None else [gradient / factor for gradient in gradients]


def norm(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """The Euclidean norm of all values together, in single precision."""
    squares = [tf.reduce_sum(tf.square(tf.cast(value, tf.float32))) for value in values]
    return tf.sqrt(tf.add_n(squares))
