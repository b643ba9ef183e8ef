"""All weights of a model as one vector, for optimizers that treat each weight by itself.

A step of a small model is mostly the cost of starting operations, and an optimizer takes a dozen for each of a model's
tensors. On one vector it takes them once. What becomes of a weight does not depend on where it lies.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import optimizers as library

ELEMENTWISE = (
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

BY_TENSOR = ("clipnorm", "global_clipnorm")
"""Arguments with which they do not: a norm is that of a whole tensor, or is summed up tensor by tensor."""

LARGEST = 100_000
"""Up to how many weights. Of more, putting them together and taking them apart costs more than it spares."""


def suits(made: type, arguments: set[str], variables: Sequence[keras.Variable]) -> bool:
    """Whether an optimizer of that class, with these arguments, may update the variables as one."""
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    return (
        made in ELEMENTWISE
        and not arguments.intersection(BY_TENSOR)
        and len(variables) > 1
        and sum(sizes) <= LARGEST
        and {variable.dtype for variable in variables} in ({"float32"}, {"float64"})
        and not any(variable.constraint for variable in variables)
    )


def pack(arrays: Sequence[np.ndarray], lanes: int = 1) -> np.ndarray:
    """Arrays as one vector, shape (weights,), or (lanes, weights) where they have lanes."""
    lead = [] if lanes == 1 else [lanes]
    return np.concatenate([np.reshape(array, [*lead, -1]) for array in arrays], axis=-1)


def unpack(vector: Any, variables: Sequence[keras.Variable]) -> list[Any]:
    """The arrays, or the tensors, that a vector, shape (weights,), is made of."""
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    parts = np.split(vector, np.cumsum(sizes)[:-1]) if isinstance(vector, np.ndarray) else tf.split(vector, sizes)
    reshape = np.reshape if isinstance(vector, np.ndarray) else tf.reshape
    return [reshape(part, variable.shape) for part, variable in zip(parts, variables, strict=True)]
