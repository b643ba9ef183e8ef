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

from thalweg.training.engine.hyperparameters import TracedHyperparameters, trace_attribute

DISTRIBUTION_METHODS = (
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
    """Return the class of that name in a Keras module, or a user's `module:Class`.

    Raises:
        AttributeError: The module has no such class.
        ImportError: The user's module cannot be imported.
    """
    module, _, class_name = name.rpartition(":")
    return getattr(importlib.import_module(module) if module else library, class_name)


def build(
    class_name: str,
    arguments: Mapping[str, Any],
    variables: Sequence[keras.Variable],
    searched: Mapping[str, Any] | None = None,
) -> keras.Optimizer:
    """Build an optimizer with its state for `variables`. Its learning rate is set anew at each step.

    Args:
        class_name: A class of keras.optimizers, or `module:Class`.
        arguments: Its fixed arguments, without the learning rate.
        variables: What it is to update.
        searched: More arguments, whose values `step` can be given anew. Those that shape the optimizer stay fixed:
            `serves` says which values a program is right for.

    Raises:
        TypeError: The optimizer holds a tf.Variable, which all runs would share.
    """
    searched = searched or {}
    optimizer_class = find_class(class_name, keras.optimizers)
    optimizer = optimizer_class(learning_rate=1.0, **arguments, **searched)
    traced = TracedHyperparameters(searched)
    traceable = [name for name in searched if is_traceable(optimizer_class, {**arguments, **searched}, name)]
    for name in searched.keys() - traceable:
        traced.evaluate_guarded(itemgetter(name))
    for name in traceable:
        trace_attribute(optimizer, traced, name)
    vars(optimizer)["_traced_hyperparameters"] = traced
    with without_distribution():
        optimizer.build(list(variables))
    for attribute, value in vars(optimizer).items():
        of_tensorflow = attribute.startswith("_self_")  # lists by which it tracks the other attributes
        if not of_tensorflow and any(isinstance(leaf, tf.Variable) for leaf in tf.nest.flatten(value)):
            raise TypeError(f"{attribute} is a tf.Variable: make it with add_variable, so that each run has its own")
    return optimizer


def is_traceable(optimizer_class: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> bool:
    """Return whether an optimizer keeps the argument `name` as it is, and derives no other number while constructed.

    False for a user's own class, which may put the number away in a function, a tensor or another optimizer.
    """

    def numbers(value: float) -> dict[str, list[Any]]:
        attributes = vars(optimizer_class(learning_rate=1.0, **{**arguments, name: value}))
        leaves = {attribute: keras.tree.flatten(value) for attribute, value in attributes.items()}
        return {attribute: values for attribute, values in leaves.items() if all(isinstance(x, Real) for x in values)}

    value = arguments[name]
    if not isinstance(value, float) or not getattr(optimizer_class, "__module__", "").startswith("keras."):
        return False
    given = numbers(value)
    try:
        changed = numbers(value / 2 or 0.5)
    except (TypeError, ValueError):  # then no other value is sure to be taken
        return False
    return given.get(name) == [value] and {key for key in given if given[key] != changed.get(key)} == {name}


@contextmanager
def without_distribution() -> Iterator[None]:
    """Let Keras's optimizers use Keras's own backend-neutral methods for the duration."""
    with mock.patch.multiple(TFOptimizer, **{name: getattr(BaseOptimizer, name) for name in DISTRIBUTION_METHODS}):
        yield


class ValueScope(keras.StatelessScope):  # type: ignore[misc]
    """Values in the place of variables.

    Where a variable is assigned to another, Keras's scope keeps the variable; this one keeps its value at that moment,
    as a real variable does. It refuses assignments that would be lost.
    """

    def add_update(self, update: tuple[keras.Variable, Any]) -> None:
        variable, value = update
        if id(variable) not in self.state_mapping:
            raise ValueError(f"{variable.path} is assigned to, but no attribute of the optimizer holds it")
        super().add_update((variable, value.value if isinstance(value, keras.Variable) else value))


def stateful_cond(condition: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Stand in for Keras's `cond`: what the chosen branch assigns to variables holds outside it.

    Where the condition is not known while tracing, both branches are computed. An update is cheap beside its gradient.
    """
    known = condition if isinstance(condition, bool) else tf.get_static_value(condition)
    if known is not None:
        return true_fn() if known else false_fn()

    def choose(if_true: Any, if_false: Any) -> Any:
        return if_true if if_true is if_false else tf.where(condition, if_true, if_false)

    outer = get_stateless_scope()
    results, mappings = [], []
    for branch in (true_fn, false_fn):
        with ValueScope() as scope:
            scope.state_mapping = dict(outer.state_mapping)
            results.append(branch())
        mappings.append(scope.state_mapping)
    outer.state_mapping = {key: choose(*(mapping[key] for mapping in mappings)) for key in outer.state_mapping}
    return tf.nest.map_structure(choose, *results)


def state_variables(optimizer: keras.Optimizer) -> list[keras.Variable]:
    """Return every Keras variable that the optimizer holds, without the learning rate and the model's own.

    Some, such as the state of a seed generator, are not among `optimizer.variables`.
    """
    leaves = [leaf for value in vars(optimizer).values() for leaf in tf.nest.flatten(value)]
    leaves = [leaf.state if isinstance(leaf, keras.random.SeedGenerator) else leaf for leaf in leaves]
    unique = {id(leaf): leaf for leaf in (*optimizer.variables, *leaves) if isinstance(leaf, keras.Variable)}
    for other in (optimizer._learning_rate, *optimizer._trainable_variables):
        unique.pop(id(other), None)
    return list(unique.values())


@contextmanager
def stateless_values(
    optimizer: keras.Optimizer,
    variables: Sequence[keras.Variable],
    values: Sequence[tf.Tensor],
    state_values: Sequence[tf.Tensor],
    *others: tuple[keras.Variable, tf.Tensor],
) -> Iterator[ValueScope]:
    """Give the variables of the model and the optimizer these values for the duration; assigning changes the values."""
    mapping = [
        *zip(variables, values, strict=True),
        *zip(state_variables(optimizer), state_values, strict=True),
        *others,
    ]
    with without_distribution(), mock.patch.object(core, "cond", stateful_cond), ValueScope(mapping) as scope:
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
    """Compute one update by the optimizer's own `apply`, changing no variable.

    Args:
        optimizer: What `build` returned.
        gradients: A tensor for each of `variables`, None where a weight has no part in the loss.
        learning_rate: The learning rate of this step, a scalar.
        variables: What the optimizer updates.
        values: The values of `variables`.
        state_values: The values of the optimizer's state variables.
        hyperparameters: The searched hyperparameters, float64 scalars in their order; those that stay fixed may have
            any value. Without them, the values built with.

    Returns:
        The new values of `variables`, and of the optimizer's state variables.
    """
    dense = [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]
    rate = (optimizer._learning_rate, tf.cast(learning_rate, optimizer._learning_rate.dtype))
    with (
        vars(optimizer)["_traced_hyperparameters"].bind(hyperparameters),
        stateless_values(optimizer, variables, values, state_values, rate) as scope,
    ):
        optimizer.apply(dense, variables)
    own = state_variables(optimizer)
    return [scope.get_current_value(v) for v in variables], [scope.get_current_value(v) for v in own]


def finalize(
    optimizer: keras.Optimizer,
    variables: Sequence[keras.Variable],
    values: Sequence[tf.Tensor],
    state_values: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Return the values of `variables` as Keras's `fit` leaves them after its last epoch.

    With `use_ema` they are averages, once there has been an update to average.
    """
    with stateless_values(optimizer, variables, values, state_values) as scope:
        begun = tf.greater(tf.convert_to_tensor(optimizer.iterations), 0)
        optimizer.finalize_variable_values(variables)
    final = [scope.get_current_value(v) for v in variables]
    if not optimizer.use_ema:
        return final
    return [tf.where(begun, average, value) for average, value in zip(final, values, strict=True)]


def serves(optimizer: keras.Optimizer, values: Mapping[str, Any]) -> bool:
    """Return whether a program traced with this optimizer is right for other values of searched hyperparameters."""
    served: bool = vars(optimizer)["_traced_hyperparameters"].serves(values)
    return served
