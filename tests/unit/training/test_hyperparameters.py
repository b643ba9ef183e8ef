"""Hyperparameters that enter a compiled program: the same numbers as fixed ones, and known for whom it is right."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from thalweg.training.engine import optimizers
from thalweg.training.engine.hyperparameters import Traced, TracedHyperparameters

STEPS, RATE = 50, 0.05
START = [np.linspace(-1, 2, 6, dtype=np.float32).reshape(2, 3), np.array([0.5, -1.5, 0.0], np.float32)]
TARGET = [np.full((2, 3), 0.3, np.float32), np.array([1.0, -0.5, 0.25], np.float32)]

SEARCHES = {
    "Adam": ("Adam", {}, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}, {"beta_1": 0.8, "epsilon": 1e-3}),
    "AMSGrad": ("Adam", {"amsgrad": True}, {"beta_2": 0.999}, {"beta_2": 0.95}),
    "AdamW": ("AdamW", {}, {"weight_decay": 0.004}, {"weight_decay": 0.1}),
    "Nadam": ("Nadam", {}, {"beta_1": 0.9, "beta_2": 0.999}, {"beta_1": 0.85}),
    "RMSprop": ("RMSprop", {"momentum": 0.5}, {"rho": 0.9}, {"rho": 0.99}),
    "momentum": ("SGD", {}, {"momentum": 0.9}, {"momentum": 0.99}),
    "Nesterov": ("SGD", {"nesterov": True}, {"momentum": 0.9}, {"momentum": 0.3}),
    "clipnorm": ("Adam", {}, {"clipnorm": 0.5}, {"clipnorm": 0.125}),
    "global_clipnorm": ("SGD", {}, {"global_clipnorm": 0.7}, {"global_clipnorm": 0.3}),
    "clipvalue": ("SGD", {}, {"clipvalue": 0.7}, {"clipvalue": 0.3}),
    "average": (
        "Adam",
        {"use_ema": True, "ema_overwrite_frequency": 5, "gradient_accumulation_steps": 2},
        {"ema_momentum": 0.9},
        {"ema_momentum": 0.5},
    ),
    "Adadelta": ("Adadelta", {}, {"rho": 0.95, "epsilon": 1e-7}, {"rho": 0.8}),
    "Adagrad": ("Adagrad", {}, {"epsilon": 1e-7}, {"epsilon": 0.1}),
    "Adafactor": ("Adafactor", {}, {"beta_2_decay": -0.8, "clip_threshold": 1.5}, {"beta_2_decay": -0.6}),
    "Adamax": ("Adamax", {}, {"beta_1": 0.9, "beta_2": 0.999}, {"beta_2": 0.9}),
    "Ftrl": ("Ftrl", {}, {"learning_rate_power": -0.5, "beta": 0.1}, {"learning_rate_power": -0.4}),
    "Lamb": ("Lamb", {}, {"beta_1": 0.9}, {"beta_1": 0.7}),
    "Lion": ("Lion", {}, {"beta_1": 0.9, "beta_2": 0.99}, {"beta_2": 0.9}),
    "Muon": ("Muon", {}, {"momentum": 0.95, "adam_lr_ratio": 0.1}, {"momentum": 0.9}),
    "ScheduleFreeAdamW": ("ScheduleFreeAdamW", {}, {"beta_1": 0.9}, {"beta_1": 0.8}),
}
"""A class, fixed arguments, those searched with the values that the program is traced with, and others for it."""


def trained(class_name, arguments, searched, xla, traces=None):
    """A program, and its optimizer: the weights after some steps towards a target, given the searched values."""
    start, target = ([value.astype(keras.config.floatx()) for value in values] for values in (START, TARGET))
    variables = [keras.Variable(value) for value in start]
    optimizer = optimizers.build(class_name, arguments, variables, searched)
    beginning = [variable.numpy() for variable in optimizers.state_variables(optimizer)]

    @tf.function(jit_compile=xla, autograph=False)
    def train(values, state, hyperparameters):
        if traces is not None:
            traces.append(hyperparameters)

        def advance(step, values, state):
            gradients = [value - there for value, there in zip(values, target, strict=True)]
            rate = tf.constant(RATE)
            return step + 1, *optimizers.step(
                optimizer, gradients, rate, variables, values, state, hyperparameters=hyperparameters
            )

        loop = (tf.constant(0), values, state)
        return tf.while_loop(lambda step, *_: step < STEPS, advance, loop)[1]

    def run(values):
        given = [tf.constant(value, tf.float64) for value in values.values()]
        return [tensor.numpy() for tensor in train(start, beginning, given)]

    return run, optimizer


@pytest.fixture(autouse=True)
def as_written():
    """TensorFlow rewrites x·c·y and x/c where it sees that c is constant. Here nothing is rewritten."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.mark.parametrize("name", SEARCHES)
def test_a_traced_number_trains_as_the_fixed_one(name):
    for traced, fixed in pairs_of_weights(name, xla=False):
        np.testing.assert_array_equal(traced, fixed)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", SEARCHES)
def test_a_traced_number_trains_as_the_fixed_one_with_xla(name):
    for traced, fixed in pairs_of_weights(name, xla=True):
        np.testing.assert_allclose(traced, fixed, rtol=1e-9, atol=1e-12)


def pairs_of_weights(name, xla):
    """The weights that one traced program leaves, and those that a program with fixed arguments leaves."""
    class_name, arguments, *values = SEARCHES[name]
    # Keras makes float32 tensors of some Python numbers, in double precision too; these lose nothing by it.
    searched, others = ({key: float(np.float32(value)) for key, value in some.items()} for some in values)
    traces = []
    run, optimizer = trained(class_name, arguments, searched, xla, traces)
    for values in (searched, {**searched, **others}):
        run_fixed, _ = trained(class_name, {**arguments, **values}, {}, xla)
        yield from zip(run(values), run_fixed({}), strict=True)
        assert optimizers.serves(optimizer, values)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("class_name", "searched", "others", "served"),
    [
        ("SGD", {"momentum": 0.9}, {"momentum": 0.99}, True),
        ("SGD", {"momentum": 0.9}, {"momentum": 0.0}, False),
        ("SGD", {"momentum": 0.0}, {"momentum": 0.9}, False),
        ("SGD", {"momentum": 0.0}, {"momentum": 0.0}, True),
        ("SGD", {"nesterov": True}, {"nesterov": False}, False),
        ("Adam", {"beta_1": 0.9, "epsilon": 1e-7}, {"epsilon": 1e-3}, True),
        ("Adam", {"amsgrad": False, "beta_1": 0.9}, {"beta_1": 0.8}, True),
        ("Adam", {"clipnorm": 1.0}, {"clipnorm": 0.0}, False),
        ("Adam", {"clipnorm": None}, {"clipnorm": 1.0}, False),
        ("AdamW", {"weight_decay": 0.1}, {"weight_decay": 0.2}, True),
        ("Muon", {"ns_steps": 5}, {"ns_steps": 6}, False),
        ("Adagrad", {"initial_accumulator_value": 0.1}, {"initial_accumulator_value": 0.2}, False),
        ("RMSprop", {"rho": 0.9, "momentum": 0.5}, {"rho": 0.8, "momentum": 0.6}, True),
    ],
)
def test_a_program_knows_whom_it_serves(class_name, searched, others, served):
    run, optimizer = trained(class_name, {}, searched, xla=False)
    run({name: value if isinstance(value, float) else 0.0 for name, value in searched.items()})
    assert optimizers.serves(optimizer, searched)
    assert optimizers.serves(optimizer, {**searched, **others}) is served


class Derived(keras.optimizers.SGD):
    """It makes another number of its argument when it is constructed."""

    def __init__(self, friction=0.1, **kwargs):
        super().__init__(momentum=1 - friction, **kwargs)
        self.friction = friction


class Hiding(keras.optimizers.SGD):
    """It puts its number away where nobody finds it."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.scaled = lambda gradient: gradient * factor

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(self.scaled(gradient), variable, learning_rate)


def test_a_user_s_own_class_is_compiled_apart_for_each_value():
    _, optimizer = trained(f"{__name__}:Derived", {}, {"friction": 0.1}, xla=False)
    assert not optimizers.serves(optimizer, {"friction": 0.2})

    _, optimizer = trained(f"{__name__}:Hiding", {}, {"factor": 0.5}, xla=False)
    assert optimizers.serves(optimizer, {"factor": 0.5})
    assert not optimizers.serves(optimizer, {"factor": 0.6})


def test_arithmetic_is_that_of_python():
    search = TracedHyperparameters({"a": 0.9, "b": 3.0})
    a, b = (Traced(search, lambda values, name=name: values[name]) for name in "ab")
    expression = -(abs(1 - a) ** 2 / (b + np.float64(0.1)) - 7 // b * +(b % 2))
    assert isinstance(expression, Traced)
    by_hand = -(abs(1 - 0.9) ** 2 / (3.0 + 0.1) - 7 // 3.0 * (3.0 % 2))
    with search.bind([tf.constant(0.9, tf.float64), tf.constant(3.0, tf.float64)]):
        tensor = tf.convert_to_tensor(expression, tf.float64)
        assert tf.convert_to_tensor(a).dtype == tf.float32
        assert (tf.constant([2.0]) * a).dtype == tf.float32
    assert float(tensor) == by_hand
    assert not search.guards
    assert float(expression) == by_hand
    assert search.serves({"a": 0.9})
    assert not search.serves({"a": 0.8})


def test_a_guard_keeps_the_answer_not_the_number():
    search = TracedHyperparameters({"a": 0.9})
    a = Traced(search, lambda values: values["a"])
    assert a > 0.5
    assert 2 * a != 1
    assert a
    assert search.serves({"a": 0.6})
    assert not search.serves({"a": 0.5})
    assert hash(a) == hash(0.9)
    assert not search.serves({"a": 0.6})
