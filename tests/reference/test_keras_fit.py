"""Our compiled program against Keras's own `fit`: the same initial weights, the same order of data, every step."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from batch_losses import BatchLosses

from thalweg.horizon import Horizon
from thalweg.training import problem as problems
from thalweg.training import schedules
from thalweg.training.engine import optimizers, seeds, steps, whole_run

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


def raise_the_rate(monkeypatch):
    """Every learning rate is too high by a share of 1e-4."""
    applied = schedules.applied
    monkeypatch.setattr(schedules, "applied", lambda *arguments: applied(*arguments) * np.float32(1.0001))


def forget_bias_correction(monkeypatch):
    """The tenth step is taken as if it were the millionth, where Adam corrects no bias."""
    step = optimizers.step

    def mistaken(optimizer, gradients, rate, variables, values, state_values, *others):
        count = next(k for k, one in enumerate(optimizers.state_variables(optimizer)) if one is optimizer.iterations)
        true = state_values[count]
        pretended = tf.where(true == 9, tf.cast(10**6, true.dtype), true)
        changed = [*state_values[:count], pretended, *state_values[count + 1 :]]
        values, after = step(optimizer, gradients, rate, variables, values, changed, *others)
        return values, [*after[:count], true + 1, *after[count + 1 :]]

    monkeypatch.setattr(optimizers, "step", mistaken)


def swap_two_examples(monkeypatch):
    """One example of the second batch and one of the third change places, in our program alone."""
    compile_program = whole_run.compile_program

    def compile_with_swap(*arguments):
        run = compile_program(*arguments)

        def train(state, order, rates):
            swapped = order.copy()
            swapped[[40, 70]] = order[[70, 40]]
            return run(state, swapped, rates)

        return train

    monkeypatch.setattr(whole_run, "compile_program", compile_with_swap)


def weigh_the_partial_batch_as_a_full_one(monkeypatch):
    """The sum of a partial batch's losses is divided by the size of a full batch."""
    forward = steps.forward

    def mistaken(model, loss, state, batch, training):
        value, predictions, non_trainable = forward(model, loss, state, batch, training)
        size = batch.y.shape[0]
        return (value * size / 32 if training and size < 32 else value), predictions, non_trainable

    monkeypatch.setattr(steps, "forward", mistaken)


MISTAKES = {
    "a rate too high by 1e-4": raise_the_rate,
    "no bias correction at one step": forget_bias_correction,
    "two examples swapped": swap_two_examples,
    "a partial batch weighted as a full one": weigh_the_partial_batch_as_a_full_one,
}

CASES = [(name, optimizer, schedule) for name in BATCHES for optimizer in RATES for schedule in SCHEDULES]


@pytest.mark.parametrize("name, optimizer, schedule", CASES)
def test_each_step_is_keras_s_own(name, optimizer, schedule):
    assert_each_step_is_keras_s_own(name, optimizer, schedule, xla=False)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name, optimizer, schedule", CASES)
def test_each_step_is_keras_s_own_with_xla(name, optimizer, schedule):
    assert_each_step_is_keras_s_own(name, optimizer, schedule, xla=True)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(monkeypatch, mistake):
    MISTAKES[mistake](monkeypatch)
    with pytest.raises(AssertionError, match=r"at step|weights"):
        assert_each_step_is_keras_s_own("sine", "Adam", "constant", xla=False)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed_with_xla(monkeypatch, mistake):
    MISTAKES[mistake](monkeypatch)
    with pytest.raises(AssertionError, match=r"at step|weights"):
        assert_each_step_is_keras_s_own("sine", "Adam", "constant", xla=True)


BOUNDS = {False: (1e-6, 1e-6), True: (2e-7, 1e-9)}
"""The largest relative differences of a step's loss and of a weight, without XLA and with it: losses are recorded in
single precision, and with XLA weights are kept in double."""


def assert_each_step_is_keras_s_own(name, optimizer, schedule, xla):
    """Train in our program, compiled by XLA or not, and by Keras's `fit` without XLA, and compare."""
    loss_bound, weight_bound = BOUNDS[xla]
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
    ours = whole_run.compile_program(problem, instance, horizon, every_step, xla)(instance.state, order, rates)

    assert ours.diverged_at is None
    assert ours.steps.tolist() == every_step
    difference = np.abs(ours.batch_losses[1:] - losses) / np.maximum(losses, 1e-3 * losses[0])
    assert difference.max() <= loss_bound, f"{difference.max()} at step {difference.argmax()}"
    for mine, theirs in zip(ours.state.trainable, weights, strict=True):
        assert mine.dtype == theirs.dtype
        assert np.abs(mine - theirs).max() <= weight_bound * np.abs(theirs).max(), "the weights differ"
