"""Real Keras optimizers, made to run inside a compiled loop.

On the TensorFlow backend Keras mixes code for tf.distribute into every optimizer, and that code wants tf.Variables.
While an optimizer is built and traced here, the backend-neutral methods of Keras itself stand in its place; what the
optimizer computes, its `update_step` above all, is untouched.
"""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import keras
import tensorflow as tf
from keras.src.backend.tensorflow.optimizer import TFOptimizer
from keras.src.optimizers.base_optimizer import BaseOptimizer

DISTRIBUTED = (
    "assign",
    "assign_add",
    "assign_sub",
    "_apply_weight_decay",
    "_backend_update_step",
    "_overwrite_model_variables_with_average_value",
    "_var_key",
)
"""The methods that Keras's mixin for tf.distribute overrides."""

NOT_YET = {
    "ScheduleFreeAdamW": "its update in the compiled program is not that of Keras",
    "gradient_accumulation_steps": "the compiled program cannot carry what Keras accumulates",
    "use_ema": "Keras replaces the weights by their average when training ends, and the compiled program does not",
}
"""Classes and arguments of Keras's optimizers that would train, but not as in Keras; they are refused by name."""


def find_class(name: str, library: ModuleType) -> Any:
    """The class of that name in a Keras module, or a user's `module:Class`. Raises AttributeError or ImportError."""
    module, _, of_user = name.rpartition(":")
    return getattr(importlib.import_module(module) if module else library, of_user)


def build(class_name: str, arguments: dict[str, Any], variables: Sequence[keras.Variable]) -> keras.Optimizer:
    """The optimizer with its state made for `variables`. Its learning rate is set anew at each step."""
    optimizer = find_class(class_name, keras.optimizers)(learning_rate=1.0, **arguments)
    with outside_distribution():
        optimizer.build(list(variables))
    return optimizer


@contextmanager
def outside_distribution() -> Iterator[None]:
    """For the duration, Keras's optimizers use Keras's own backend-neutral methods."""
    with mock.patch.multiple(TFOptimizer, **{name: getattr(BaseOptimizer, name) for name in DISTRIBUTED}):
        yield


def state(optimizer: keras.Optimizer) -> list[keras.Variable]:
    """Every Keras variable that the optimizer holds, the learning rate left out. Some, such as Nadam's product of
    momenta, are not among `optimizer.variables`."""
    held = [*optimizer.variables, *(value for value in vars(optimizer).values() if isinstance(value, keras.Variable))]
    unique = {id(variable): variable for variable in held}
    unique.pop(id(optimizer._learning_rate), None)
    return list(unique.values())


def step(
    optimizer: keras.Optimizer,
    gradients: Sequence[tf.Tensor | None],
    learning_rate: tf.Tensor,
    variables: Sequence[keras.Variable],
    values: Sequence[tf.Tensor],
    state_values: Sequence[tf.Tensor],
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """One update, as a function: the new values of the model's variables and of the optimizer's state."""
    held = state(optimizer)
    mapping = [
        *zip(variables, values, strict=True),
        *zip(held, state_values, strict=True),
        (optimizer._learning_rate, learning_rate),
    ]
    with outside_distribution(), keras.StatelessScope(state_mapping=mapping) as scope:
        optimizer.apply(gradients, variables)
    return [scope.get_current_value(v) for v in variables], [scope.get_current_value(v) for v in held]
