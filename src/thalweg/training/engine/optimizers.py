"""Real Keras optimizers, made to run inside a compiled loop.

On the TensorFlow backend Keras mixes code for tf.distribute into every optimizer, and that code wants tf.Variables.
While an optimizer is built and traced here, the backend-neutral methods of Keras itself stand in its place, and its
`cond` carries assignments out of its branches; what the optimizer computes, its `update_step` above all, is untouched.

The learning rate is that of the step: with gradient accumulation too, Keras's schedules count batches, and an update
is taken at the rate of the batch that completes it.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from operator import itemgetter
from types import ModuleType
from typing import Any
from unittest import mock

import keras
import tensorflow as tf
from keras.src.backend.common.stateless_scope import get_stateless_scope
from keras.src.backend.tensorflow import core
from keras.src.backend.tensorflow.optimizer import TFOptimizer
from keras.src.optimizers.base_optimizer import BaseOptimizer

from thalweg.training.engine.hyperparameters import Search, place

DISTRIBUTED = (
    "assign",
    "assign_add",
    "assign_sub",
    "_apply_weight_decay",
    "_backend_increment_gradient_accumulators",
    "_backend_update_step",
    "_overwrite_model_variables_with_average_value",
    "_var_key",
)
"""The methods that Keras's mixin for tf.distribute overrides."""


def find_class(name: str, library: ModuleType) -> Any:
    """The class of that name in a Keras module, or a user's `module:Class`. Raises AttributeError or ImportError."""
    module, _, of_user = name.rpartition(":")
    return getattr(importlib.import_module(module) if module else library, of_user)


def build(
    class_name: str,
    arguments: Mapping[str, Any],
    variables: Sequence[keras.Variable],
    searched: Mapping[str, Any] | None = None,
) -> keras.Optimizer:
    """The optimizer with its state made for `variables`. Its learning rate is set anew at each step.

    `searched` are more arguments, whose values `step` can be given anew. Those that shape the optimizer stay fixed:
    `serves` says which values a program is right for.
    """
    searched = searched or {}
    make = find_class(class_name, keras.optimizers)
    optimizer = make(learning_rate=1.0, **arguments, **searched)
    search = Search(searched)
    traceable = [name for name in searched if is_traceable(make, {**arguments, **searched}, name)]
    for name in searched.keys() - traceable:
        search.answer(itemgetter(name))
    for name in traceable:
        place(optimizer, search, name)
    vars(optimizer)["_search"] = search
    with outside_distribution():
        optimizer.build(list(variables))
    for attribute, value in vars(optimizer).items():
        of_tensorflow = attribute.startswith("_self_")  # lists by which it tracks the other attributes
        if not of_tensorflow and any(isinstance(one, tf.Variable) for one in tf.nest.flatten(value)):
            raise TypeError(f"{attribute} is a tf.Variable: make it with add_variable, so that each run has its own")
    return optimizer


def is_traceable(make: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> bool:
    """Whether the optimizer keeps that argument as it is, and makes no other number of it while it is constructed. Of a
    user's own class that cannot be told: it may put the number away in a function, a tensor or another optimizer."""

    def numbers(value: float) -> dict[str, list[Any]]:
        held = vars(make(learning_rate=1.0, **{**arguments, name: value}))
        leaves = {attribute: keras.tree.flatten(value) for attribute, value in held.items()}
        return {attribute: found for attribute, found in leaves.items() if all(isinstance(x, Real) for x in found)}

    value = arguments[name]
    if not isinstance(value, float) or not getattr(make, "__module__", "").startswith("keras."):
        return False
    here = numbers(value)
    try:
        there = numbers(value / 2 or 0.5)
    except (TypeError, ValueError):  # then no other value is sure to be taken
        return False
    return here.get(name) == [value] and {key for key in here if here[key] != there.get(key)} == {name}


@contextmanager
def outside_distribution() -> Iterator[None]:
    """For the duration, Keras's optimizers use Keras's own backend-neutral methods."""
    with mock.patch.multiple(TFOptimizer, **{name: getattr(BaseOptimizer, name) for name in DISTRIBUTED}):
        yield


class Values(keras.StatelessScope):  # type: ignore[misc]
    """Values in the place of variables. Where Keras's scope takes note of a variable that is assigned to another, this
    one takes its value of that moment, as a real variable does; and it takes nothing that would be lost."""

    def add_update(self, update: tuple[keras.Variable, Any]) -> None:
        variable, value = update
        if id(variable) not in self.state_mapping:
            raise ValueError(f"{variable.path} is assigned to, but no attribute of the optimizer holds it")
        super().add_update((variable, value.value if isinstance(value, keras.Variable) else value))


def either(condition: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Keras's `cond` for optimizers: whatever a branch assigns holds outside it, if it is the branch chosen.

    Where the condition is not known while tracing, both branches are computed. An update is cheap beside its gradient.
    """
    known = condition if isinstance(condition, bool) else tf.get_static_value(condition)
    if known is not None:
        return true_fn() if known else false_fn()

    def choose(one: Any, other: Any) -> Any:
        return one if one is other else tf.where(condition, one, other)

    outer = get_stateless_scope()
    results, mappings = [], []
    for branch in (true_fn, false_fn):
        with Values() as scope:
            scope.state_mapping = dict(outer.state_mapping)
            results.append(branch())
        mappings.append(scope.state_mapping)
    outer.state_mapping = {key: choose(*(mapping[key] for mapping in mappings)) for key in outer.state_mapping}
    return tf.nest.map_structure(choose, *results)


def state(optimizer: keras.Optimizer) -> list[keras.Variable]:
    """Every Keras variable that the optimizer holds, the learning rate and the model's own left out. Some, such as the
    state of a seed generator, are not among `optimizer.variables`."""
    held = [one for value in vars(optimizer).values() for one in tf.nest.flatten(value)]
    held = [one.state if isinstance(one, keras.random.SeedGenerator) else one for one in held]
    unique = {id(one): one for one in (*optimizer.variables, *held) if isinstance(one, keras.Variable)}
    for other in (optimizer._learning_rate, *optimizer._trainable_variables):
        unique.pop(id(other), None)
    return list(unique.values())


@contextmanager
def carried(
    optimizer: keras.Optimizer,
    variables: Sequence[keras.Variable],
    values: Sequence[tf.Tensor],
    state_values: Sequence[tf.Tensor],
    *others: tuple[keras.Variable, tf.Tensor],
) -> Iterator[Values]:
    """For the duration, the variables of the model and the optimizer have these values, and assigning changes them."""
    mapping = [*zip(variables, values, strict=True), *zip(state(optimizer), state_values, strict=True), *others]
    with outside_distribution(), mock.patch.object(core, "cond", either), Values(mapping) as scope:
        yield scope


def step(
    optimizer: keras.Optimizer,
    gradients: Sequence[tf.Tensor | None],
    learning_rate: tf.Tensor,
    variables: Sequence[keras.Variable],
    values: Sequence[tf.Tensor],
    state_values: Sequence[tf.Tensor],
    hyperparameters: Sequence[tf.Tensor] = (),
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """One update, as a function: the new values of the model's variables and of the optimizer's state.

    `hyperparameters` are the values of those searched, float64 scalars in their order (of one that stays fixed, any);
    without them, the values built with.
    """
    dense = [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]
    rate = (optimizer._learning_rate, tf.cast(learning_rate, optimizer._learning_rate.dtype))
    with (
        vars(optimizer)["_search"].bound(hyperparameters),
        carried(optimizer, variables, values, state_values, rate) as scope,
    ):
        optimizer.apply(dense, variables)
    return [scope.get_current_value(v) for v in variables], [scope.get_current_value(v) for v in state(optimizer)]


def finalize(
    optimizer: keras.Optimizer,
    variables: Sequence[keras.Variable],
    values: Sequence[tf.Tensor],
    state_values: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """The model's values as Keras's `fit` leaves them after its last epoch: with `use_ema` their average, once there
    has been an update to average."""
    with carried(optimizer, variables, values, state_values) as scope:
        begun = tf.greater(tf.convert_to_tensor(optimizer.iterations), 0)
        optimizer.finalize_variable_values(variables)
    final = [scope.get_current_value(v) for v in variables]
    if not optimizer.use_ema:
        return final
    return [tf.where(begun, average, value) for average, value in zip(final, values, strict=True)]


def serves(optimizer: keras.Optimizer, values: Mapping[str, Any]) -> bool:
    """Whether a program traced with this optimizer is right for other values of the hyperparameters searched."""
    served: bool = vars(optimizer)["_search"].serves(values)
    return served
