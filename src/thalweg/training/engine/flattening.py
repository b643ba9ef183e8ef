"""All weights of a model as one vector, for optimizers that treat each weight by itself.

A step of a small model is mostly the cost of starting operations, and an optimizer takes a dozen for each of a model's
tensors. On one vector it takes them once. What becomes of a weight does not depend on its place in the vector.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import optimizers as library

ELEMENTWISE_OPTIMIZERS = (
    library.SGD,
    library.RMSprop,
    library.Adam,
    library.AdamW,
    library.Nadam,
    library.Adagrad,
    library.Adadelta,
    library.Adamax,
    library.Lion,
)
"""Keras's optimizers that treat each weight by itself, with operations that round alike wherever it lies. (Ftrl's power
does not: TensorFlow takes it of eight weights at once, and of those that are left over one by one.) A subclass may do
otherwise."""

PER_TENSOR_ARGUMENTS = ("clipnorm", "global_clipnorm")
"""Arguments with which they do not: a norm is that of a whole tensor, or is summed up tensor by tensor."""

MAX_FLATTENED_WEIGHTS = 100_000
"""Flattening and unflattening more weights than this costs more than it saves."""


def can_flatten(optimizer_class: type, arguments: set[str], variables: Sequence[keras.Variable]) -> bool:
    """Return whether an optimizer of that class, with arguments of these names, may update the variables as one."""
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    return (
        optimizer_class in ELEMENTWISE_OPTIMIZERS
        and not arguments.intersection(PER_TENSOR_ARGUMENTS)
        and len(variables) > 1
        and sum(sizes) <= MAX_FLATTENED_WEIGHTS
        and {variable.dtype for variable in variables} in ({"float32"}, {"float64"})
        and not any(variable.constraint for variable in variables)
    )


def flatten(arrays: Sequence[np.ndarray], lanes: int = 1) -> np.ndarray:
    """Join arrays to one vector, (weights,), or (lanes, weights) where the arrays have a first axis for lanes."""
    lead = [] if lanes == 1 else [lanes]
    return np.concatenate([np.reshape(array, [*lead, -1]) for array in arrays], axis=-1)


def unflatten(vector: Any, variables: Sequence[keras.Variable]) -> list[Any]:
    """Split a vector, (weights,), into arrays, or tensors, of the variables' shapes."""
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    parts = np.split(vector, np.cumsum(sizes)[:-1]) if isinstance(vector, np.ndarray) else tf.split(vector, sizes)
    reshape = np.reshape if isinstance(vector, np.ndarray) else tf.reshape
    return [reshape(part, variable.shape) for part, variable in zip(parts, variables, strict=True)]
