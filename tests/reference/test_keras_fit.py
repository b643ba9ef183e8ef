"""Our compiled program against Keras's own `fit`: the same initial weights, the same order of data, every step."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from batch_losses import BatchLosses

from thalweg.grid import Horizon
from thalweg.training import problem as problems
from thalweg.training import schedules
from thalweg.training.engine import program, seeds, steps

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SEED = 3

SCHEDULES = {
    "constant": (None, {}),
    "staircase": ("ExponentialDecay", {"decay_steps": 10, "decay_rate": 0.9, "staircase": True}),
    "cosine with warmup": ("CosineDecay", {"decay_steps": 90, "warmup_steps": 10}),
}
BATCHES = {"linear": (4, 50), "sine": (32, 25), "digits_cnn": (32, 20)}
"""Batch size, with a partial last batch in every epoch, and epochs: 100 steps."""

EXAMPLES = 150
"""How many training examples a problem keeps. The loss of a step is recorded at an evaluation, here after each step."""

RATES = {"SGD": 0.03, "Adam": 0.003, "RMSprop": 0.001}


def keras_fit(problem, instance, optimizer, learning_rate, horizon, order):
    """Losses of each step and final weights, by Keras's `fit` on the epochs' data in the order given."""
    model = instance.model
    for variable, value in zip(model.trainable_variables, instance.state.trainable, strict=True):
        variable.assign(value)
    model.compile(getattr(keras.optimizers, optimizer)(learning_rate=learning_rate), problem.loss, jit_compile=False)
    recorded = BatchLosses()
    for epoch in order.reshape(horizon.epochs, horizon.examples):
        model.fit(
            problem.train.x[epoch],
            problem.train.y[epoch],
            batch_size=horizon.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[recorded],
        )
    return np.array(recorded.losses), [variable.numpy() for variable in model.trainable_variables]


def load_small(name):
    """A problem of the article with few enough examples to evaluate it after every step."""
    problem, _ = problems.load(EXPERIMENTS, name)
    parts = {"train": EXAMPLES, "validation": 10, "test": 10}
    few = {name: problem.splits[name].each(lambda array: array[:count]) for name, count in parts.items()}  # noqa: B023
    return dataclasses.replace(problem, **few)


def keras_rate(class_name, arguments, peak):
    """The rate as a user of Keras would write it, in single precision whatever the precision of the weights."""
    peak = tf.constant(peak, tf.float32)
    if class_name is None:
        return float(peak)
    cls = getattr(keras.optimizers.schedules, class_name)
    if "warmup_steps" in arguments:
        return cls(initial_learning_rate=tf.zeros([]), warmup_target=peak, **arguments)
    return cls(initial_learning_rate=peak, **arguments)


CASES = [(name, optimizer, schedule) for name in BATCHES for optimizer in RATES for schedule in SCHEDULES]


@pytest.mark.parametrize("name, optimizer, schedule", CASES)
def test_each_step_is_keras_s_own(name, optimizer, schedule):
    assert_each_step_is_keras_s_own(name, optimizer, schedule, xla=False, loss_bound=1e-6, weight_bound=1e-6)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name, optimizer, schedule", CASES)
def test_each_step_is_keras_s_own_with_xla(name, optimizer, schedule):
    """Keras is compiled without XLA. Losses are recorded in single precision, weights are kept in double."""
    assert_each_step_is_keras_s_own(name, optimizer, schedule, xla=True, loss_bound=2e-7, weight_bound=1e-9)


def assert_each_step_is_keras_s_own(name, optimizer, schedule, xla, loss_bound, weight_bound):
    problem = load_small(name)
    batch_size, epochs = BATCHES[name]
    horizon = Horizon(len(problem.train.x), batch_size, epochs)
    assert horizon.examples % batch_size, "the last batch of an epoch must be partial for this test to mean anything"
    order = seeds.data_order(SEED, horizon.examples, epochs)
    peak = RATES[optimizer]
    rates = schedules.applied(schedules.table(*SCHEDULES[schedule], horizon.steps), peak)
    every_step = list(range(horizon.steps + 1))
    instance = steps.instantiate(problem, optimizer, {}, SEED)

    rate = keras_rate(*SCHEDULES[schedule], peak)
    losses, weights = keras_fit(problem, instance, optimizer, rate, horizon, order)
    ours = program.compile_program(problem, instance, horizon, every_step, xla)(instance.state, order, rates)

    assert ours.diverged_at is None
    assert ours.steps.tolist() == every_step
    difference = np.abs(ours.batch_losses[1:] - losses) / np.maximum(losses, 1e-3 * losses[0])
    assert difference.max() <= loss_bound, f"{difference.max()} at step {difference.argmax()}"
    for mine, theirs in zip(ours.state.trainable, weights, strict=True):
        assert mine.dtype == theirs.dtype
        assert np.abs(mine - theirs).max() <= weight_bound * np.abs(theirs).max()
