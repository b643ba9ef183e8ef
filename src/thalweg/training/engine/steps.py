"""What one step and one evaluation compute, as functions of a run's state that change nothing themselves."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.losses.losses import LossFunctionWrapper

from thalweg.training.engine import flattening, optimizers, seeds
from thalweg.training.problem import Problem, Split, pieces

Tensors = list[tf.Tensor]


class State(NamedTuple):
    """What training changes: arrays or tensors, in the order of the model's and the optimizer's variables.

    While it is trained, the trainable ones may be flattened to one vector.
    """

    trainable: list[Any]
    non_trainable: list[Any]
    optimizer: list[Any]


class Instance(NamedTuple):
    """A model and its optimizer as a seed draws them.

    Attributes:
        model: The model.
        optimizer: The optimizer, built for `variables`.
        variables: What the optimizer updates: the model's own trainable variables, or one that holds them all.
        state: The initial state, as arrays of the model's own shapes.
        searched: The searched hyperparameters by name, with the values that the optimizer was built with.
    """

    model: keras.Model
    optimizer: keras.Optimizer
    variables: list[keras.Variable]
    state: State
    searched: dict[str, float]


class Step(NamedTuple):
    """What a step returns: the new state, the loss before it, and the gradient that it followed."""

    state: State
    loss: tf.Tensor
    gradients: Tensors


Update = Callable[[State, Split, tf.Tensor, Tensors], Step]
"""(state, batch, learning rate, searched hyperparameters) -> Step"""

Gradient = Callable[[State, Split], tuple[tf.Tensor, Tensors, Tensors]]
"""(state, batch) -> loss, gradients (None where a weight has no part in the loss), non-trainable state"""


def instantiate(
    problem: Problem,
    optimizer: str,
    arguments: dict[str, Any],
    seed: int,
    searched: dict[str, float] | None = None,
) -> Instance:
    """Build a model and an optimizer.

    Args:
        problem: The problem that has the model.
        optimizer: A class of keras.optimizers, or `module:Class`.
        arguments: The optimizer's fixed arguments, without the learning rate.
        seed: What the initial weights follow from.
        searched: More arguments, whose values the program takes as its own arguments.
    """
    searched = searched or {}
    optimizer_class = optimizers.find_class(optimizer, keras.optimizers)
    every_gradient = all_weights_have_gradients(problem)  # and whatever it asks a source for, before the seed is set
    keras.utils.set_random_seed(seeds.derive(seed, "initial weights"))
    model = build_model(problem)
    variables = model.trainable_variables
    if every_gradient and flattening.can_flatten(optimizer_class, arguments.keys() | searched.keys(), variables):
        variables = [keras.Variable(flattening.flatten([variable.numpy() for variable in variables]))]
    built = optimizers.build(optimizer, arguments, variables, searched)
    groups = (model.trainable_variables, model.non_trainable_variables, optimizers.state_variables(built))
    return Instance(model, built, variables, State(*([v.numpy() for v in group] for group in groups)), searched)


def build_model(problem: Problem) -> keras.Model:
    """Build the model, its layers named as if it were the process's first: optimizers exclude some by their names."""
    global_state.set_global_attribute("object_name_uids", defaultdict(int))
    model = problem.model()
    if not model.built:
        model(first_examples(problem).x)
    return model


@cache
def all_weights_have_gradients(problem: Problem) -> bool:
    """Return whether every trainable weight has a part in the loss. Keras's optimizers skip those that have none."""
    model = build_model(problem)
    trainable, rest = ([v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables))
    values = State(trainable, rest, [])
    with tf.GradientTape() as tape:
        tape.watch(values.trainable)
        loss, _, _ = forward(model, resolve_loss(problem), values, first_examples(problem), training=True)
    return None not in tape.gradient(loss, values.trainable)


def flatten_state(instance: Instance, state: State, lanes: int = 1) -> State:
    """Return the state as it is trained: the trainable weights as one vector, if the optimizer updates one."""
    if len(instance.variables) == len(state.trainable):
        return state
    return state._replace(trainable=[flattening.flatten(state.trainable, lanes)])


def unflatten_state(instance: Instance, state: State) -> State:
    """Return a state as it is trained, with the trainable weights in the shapes of the model's own variables."""
    own = instance.model.trainable_variables
    if len(state.trainable) == len(own):
        return state
    return state._replace(trainable=flattening.unflatten(state.trainable[0], own))


def weight_vector(instance: Instance, state: State) -> tf.Tensor:
    """Return all trainable weights, float32, (weights,), in the order of the model's variables."""
    return tf.concat([tf.reshape(tf.cast(w, tf.float32), [-1]) for w in unflatten_state(instance, state).trainable], 0)


@cache
def first_examples(problem: Problem) -> Split:
    """Return two training examples. They are remembered, since asking a source for them sets the global seed."""
    return next(pieces(problem.train, 2))


def resolve_loss(problem: Problem) -> keras.losses.Loss:
    """Return the loss as Keras's own training applies it: a function becomes a mean over the batch."""
    loss = keras.losses.get(problem.loss)
    return loss if isinstance(loss, keras.losses.Loss) else LossFunctionWrapper(loss)


def forward(
    model: keras.Model, loss: keras.losses.Loss, state: State, batch: Split, training: bool
) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
    """Return the loss with penalties, the predictions, and the non-trainable state afterwards."""
    predictions, non_trainable, penalties = model.stateless_call(
        state.trainable, state.non_trainable, batch.x, return_losses=True, **_mode(model, training)
    )
    value = loss(batch.y, predictions, batch.weights)
    penalties = [tf.cast(tf.reduce_sum(penalty), value.dtype) for penalty in penalties]  # a layer may add several
    return tf.add_n([value, *penalties]), predictions, non_trainable


def predict(instance: Instance, state: State, x: Any) -> tf.Tensor:
    """Return the model's predictions for inputs `x`, outside training."""
    own, model = unflatten_state(instance, state), instance.model
    return model.stateless_call(own.trainable, own.non_trainable, x, **_mode(model, False))[0]


def _mode(model: keras.Model, training: bool) -> dict[str, bool]:
    """Return the model's `training` argument; a subclassed model that behaves the same in both may have none."""
    return {"training": training} if model._call_has_training_arg else {}


def make_gradient(problem: Problem, instance: Instance) -> Gradient:
    """Make the function that computes a batch's loss and its gradient, multiplied if the optimizer scales the loss."""
    optimizer, loss_function = instance.optimizer, resolve_loss(problem)

    def gradient(state: State, batch: Split) -> tuple[tf.Tensor, Tensors, Tensors]:
        own = unflatten_state(instance, state)
        with tf.GradientTape() as tape:
            tape.watch(own.trainable)
            loss, _, non_trainable = forward(instance.model, loss_function, own, batch, training=True)
            scaled = optimizer.scale_loss(loss)
        # An embedding's gradient comes as the rows that were looked up, which XLA cannot gather into one.
        gradients = [g if g is None else tf.convert_to_tensor(g) for g in tape.gradient(scaled, own.trainable)]
        if len(state.trainable) < len(gradients):
            gradients = [tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)]
        return loss, gradients, non_trainable

    return gradient


def make_update(problem: Problem, instance: Instance) -> Update:
    """Make the step of training: forward, gradient, and the optimizer's own update."""
    optimizer, variables, gradient = instance.optimizer, instance.variables, make_gradient(problem, instance)

    def update(state: State, batch: Split, rate: tf.Tensor, hyperparameters: Tensors) -> Step:
        loss, gradients, non_trainable = gradient(state, batch)
        trainable, slots = optimizers.step(
            optimizer, gradients, rate, variables, state.trainable, state.optimizer, hyperparameters
        )
        followed = unscale(optimizer, fill_missing(gradients, state.trainable))
        return Step(State(trainable, non_trainable, slots), tf.cast(loss, tf.float32), followed)

    return update


def fill_missing(gradients: Sequence[tf.Tensor | None], values: Tensors) -> Tensors:
    """Return the gradients, zero for a weight that has no part in the loss."""
    return [tf.zeros_like(w) if g is None else g for g, w in zip(gradients, values, strict=True)]


def unscale(optimizer: keras.Optimizer, gradients: Tensors) -> Tensors:
    """Return the gradients of the loss itself, where an optimizer multiplies it."""
    factor = optimizer.loss_scale_factor
    return gradients if factor is None else [gradient / factor for gradient in gradients]


def global_norm(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the Euclidean norm of all values together, in single precision."""
    squares = [tf.reduce_sum(tf.square(tf.cast(value, tf.float32))) for value in values]
    return tf.sqrt(tf.add_n(squares))
