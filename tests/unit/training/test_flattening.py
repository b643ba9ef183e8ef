"""Weights as one vector: the same bits for every optimizer for which they are flattened, and for no other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from thalweg.training.engine import flattening, optimizers, steps
from thalweg.training.problem import Problem, Split

RANDOM = np.random.default_rng(0)
WEIGHTS = [RANDOM.normal(size=shape).astype(np.float32) for shape in ((3, 4), (4,), (4, 1), (1,))]
GRADIENTS = [[RANDOM.normal(size=w.shape).astype(np.float32) for w in WEIGHTS] for _ in range(6)]
OPTIONS = [
    {},
    {"weight_decay": 0.1},
    {"clipvalue": 0.1},
    {"use_ema": True, "ema_overwrite_frequency": 2},
    {"gradient_accumulation_steps": 2},
]
MORE = [
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adam", {"amsgrad": True}),
]
CASES = [(made.__name__, option) for made in flattening.ELEMENTWISE_OPTIMIZERS for option in OPTIONS] + MORE


def trained(name, arguments, values, gradients):
    variables = [keras.Variable(value) for value in values]
    optimizer = optimizers.build(name, arguments, variables)
    values, state = [v.value for v in variables], [v.value for v in optimizers.state_variables(optimizer)]

    @tf.function
    def step(gradients, values, state):
        return optimizers.step(optimizer, gradients, tf.constant(0.1), variables, values, state)

    for of_step in gradients:
        values, state = step(of_step, values, state)
    return np.concatenate([np.ravel(value) for value in values])


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_a_weight_s_bits_do_not_depend_on_where_it_lies(name, arguments):
    apart = trained(name, arguments, WEIGHTS, GRADIENTS)
    together = trained(name, arguments, [flattening.flatten(WEIGHTS)], [[flattening.flatten(one)] for one in GRADIENTS])
    assert not np.array_equal(apart, flattening.flatten(WEIGHTS))
    assert np.array_equal(apart, together)


def test_what_is_flattened_can_be_unflattened():
    variables = [keras.Variable(value) for value in WEIGHTS]
    for vector in (flattening.flatten(WEIGHTS), tf.constant(flattening.flatten(WEIGHTS))):
        parts = flattening.unflatten(vector, variables)
        assert all(np.array_equal(part, value) for part, value in zip(parts, WEIGHTS, strict=True))
    lanes = flattening.flatten([np.stack([value, -value]) for value in WEIGHTS], lanes=2)
    assert np.array_equal(lanes, np.stack([flattening.flatten(WEIGHTS), -flattening.flatten(WEIGHTS)]))


class Subclass(keras.optimizers.SGD):
    """It may treat tensors as it likes."""


def problem(*layers):
    x = np.ones((4, 2), np.float32)
    split = Split(x, x[:, :1])
    return Problem(lambda: keras.Sequential([keras.Input((2,)), *layers]), "mse", split, split, split)


@pytest.mark.parametrize(
    ("name", "arguments", "flattened"),
    [
        ("Adam", {}, True),
        ("Adam", {"clipnorm": 1.0}, False),
        ("Adam", {"global_clipnorm": 1.0}, False),
        ("Ftrl", {}, False),
        ("Lamb", {}, False),
        ("Muon", {}, False),
        ("Adafactor", {}, False),
        (f"{__name__}:Subclass", {}, False),
    ],
)
def test_only_what_treats_each_weight_by_itself_is_flattened(name, arguments, flattened):
    instance = steps.instantiate(problem(keras.layers.Dense(1)), name, arguments, 1)
    assert (len(instance.variables) == 1) == flattened


def test_weights_under_a_constraint_are_not_flattened():
    instance = steps.instantiate(problem(keras.layers.Dense(1, kernel_constraint="non_neg")), "SGD", {}, 1)
    assert len(instance.variables) == 2


def test_a_model_that_is_large_or_has_a_weight_without_part_in_the_loss_is_not_flattened():
    class Idle(keras.layers.Dense):
        def build(self, shape):
            super().build(shape)
            self.idle = self.add_weight(name="idle", shape=(2,))

    for layer in (keras.layers.Dense(flattening.MAX_FLATTENED_WEIGHTS), Idle(1)):
        instance = steps.instantiate(problem(layer, keras.layers.Dense(1)), "SGD", {}, 1)
        assert len(instance.variables) == len(instance.model.trainable_variables) > 1
