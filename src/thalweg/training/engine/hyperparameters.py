"""Numbers of an optimizer whose values enter the compiled program as arguments, so that one program serves many.

A `Traced` stands in an optimizer where its number was. Arithmetic with it is put off until a tensor is asked for, and
is then done in float64, as Python does it. Where the number itself is needed, for a comparison say, the answer is that
of the number at hand, and a guard notes which other numbers have the same answer: for those the program is right too.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import keras
import tensorflow as tf

Evaluate = Callable[[Mapping[str, Any]], Any]
"""What an expression comes to, given the hyperparameters as Python numbers or as tensors."""


@dataclass
class TracedHyperparameters:
    """The searched hyperparameters that a program takes as arguments.

    Attributes:
        values: By name, the numbers that the program is traced with.
        guards: Expressions that were evaluated to Python values while tracing, each with its value.
        tensors: By name, the program's arguments, while there are any.
    """

    values: Mapping[str, Any]
    guards: list[tuple[Evaluate, Any]] = field(default_factory=list)
    tensors: Mapping[str, tf.Tensor] | None = None

    def evaluate_guarded(self, expression: Evaluate) -> Any:
        """Evaluate an expression at the traced values. Other values must give the same from now on."""
        value = expression(self.values)
        self.guards.append((expression, value))
        return value

    def serves(self, values: Mapping[str, Any]) -> bool:
        """Return whether all guards hold for other values. A name that is left out has its traced value."""
        return all(expression({**self.values, **values}) == value for expression, value in self.guards)

    @contextmanager
    def bind(self, tensors: Sequence[tf.Tensor]) -> Iterator[None]:
        """Let the values be these float64 scalars for the duration, in the order of the names."""
        self.tensors = dict(zip(self.values, tensors, strict=True)) if tensors else None
        try:
            yield
        finally:
            self.tensors = None


def _operator(operation: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """An operator of Traced and its reflection. What is no number, a tensor first of all, answers for itself."""

    def forward(self: "Traced", other: object) -> Any:
        return self.combine(operation, self, other) if isinstance(other, Traced | Real) else NotImplemented

    def reflected(self: "Traced", other: object) -> Any:
        return self.combine(operation, other, self) if isinstance(other, Traced | Real) else NotImplemented

    return forward, reflected


def _comparison(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def compare(self: "Traced", other: object) -> Any:
        if not isinstance(other, Traced | Real):
            return NotImplemented
        return self.hyperparameters.evaluate_guarded(self.combine(operation, self, other).evaluate)

    return compare


class Traced:
    """A number made of hyperparameters: a tensor to Keras and TensorFlow, and to Python the number at hand."""

    __array_ufunc__ = None  # so that NumPy's numbers, too, leave arithmetic to this class

    def __init__(self, hyperparameters: TracedHyperparameters, evaluate: Evaluate) -> None:
        self.hyperparameters = hyperparameters
        self.evaluate = evaluate

    def combine(self, operation: Callable[..., Any], *operands: Any) -> "Traced":
        """Apply an operation to operands, some of which are Traced. The others become Python's own numbers."""
        parts = [operand.evaluate if isinstance(operand, Traced) else _constant(operand) for operand in operands]
        return Traced(self.hyperparameters, lambda values: operation(*(part(values) for part in parts)))

    def __tf_tensor__(self, dtype: tf.DType | None = None, name: str | None = None) -> tf.Tensor:
        dtype = tf.as_dtype(dtype or keras.config.floatx())
        if self.hyperparameters.tensors is None:
            return tf.convert_to_tensor(self.hyperparameters.evaluate_guarded(self.evaluate), dtype, name=name)
        return tf.cast(self.evaluate(self.hyperparameters.tensors), dtype, name=name)

    __add__, __radd__ = _operator(operator.add)
    __sub__, __rsub__ = _operator(operator.sub)
    __mul__, __rmul__ = _operator(operator.mul)
    __truediv__, __rtruediv__ = _operator(operator.truediv)
    __floordiv__, __rfloordiv__ = _operator(operator.floordiv)
    __mod__, __rmod__ = _operator(operator.mod)
    __pow__, __rpow__ = _operator(operator.pow)

    def __neg__(self) -> "Traced":
        return self.combine(operator.neg, self)

    def __pos__(self) -> "Traced":
        return self

    def __abs__(self) -> "Traced":
        return self.combine(operator.abs, self)

    __lt__ = _comparison(operator.lt)
    __le__ = _comparison(operator.le)
    __gt__ = _comparison(operator.gt)
    __ge__ = _comparison(operator.ge)
    __eq__ = _comparison(operator.eq)
    __ne__ = _comparison(operator.ne)

    def __bool__(self) -> bool:
        return bool(self.hyperparameters.evaluate_guarded(self.combine(operator.truth, self).evaluate))

    def __float__(self) -> float:
        return float(self.hyperparameters.evaluate_guarded(self.evaluate))

    def __int__(self) -> int:
        return int(self.hyperparameters.evaluate_guarded(self.evaluate))

    def __hash__(self) -> int:
        return hash(self.hyperparameters.evaluate_guarded(self.evaluate))

    def __repr__(self) -> str:
        return f"Traced({self.evaluate(self.hyperparameters.values)})"


def _constant(number: Any) -> Evaluate:
    plain = int(number) if isinstance(number, int) else float(number)
    return lambda values: plain


def trace_attribute(instance: Any, hyperparameters: TracedHyperparameters, name: str) -> None:
    """Put a Traced in that attribute of an object.

    Zero is guarded against other numbers, since it often means that the optimizer does without something.
    """
    hyperparameters.evaluate_guarded(lambda values: values[name] == 0)
    setattr(instance, name, Traced(hyperparameters, operator.itemgetter(name)))
