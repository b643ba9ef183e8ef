"""Keras's optimizers in our compiled loop against Keras's own `apply` on real variables, with every option.

On the sine problem: batches of 32 with the partial batch that ends an epoch, a rate that decays, 200 steps.
"""

import functools
import unittest.mock
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.utils.tracking import DotNotTrackScope

from thalweg.training import problem as problems
from thalweg.training import schedules
from thalweg.training.engine import optimizers, seeds

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SEED, STEPS, BATCH, EXAMPLES = 3, 200, 32, 100
EACH = -(-EXAMPLES // BATCH)
DECAY = {"decay_steps": 100, "decay_rate": 0.5}


class Delayed(keras.optimizers.Optimizer):
    """A user's own: it moves by the mean of this gradient and the last, every second step by half as much. It keeps
    the last gradients, and a copy of the weights, in variables that Keras does not track."""

    def build(self, variables):
        super().build(variables)
        with DotNotTrackScope():
            self.last = {v.path: keras.Variable(np.zeros(v.shape, v.dtype)) for v in variables}
            self.before = [keras.Variable(np.zeros(v.shape, v.dtype)) for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        last, before = list(self.last.values())[index], self.before[index]
        self.assign(before, variable)
        self.assign_sub(variable, 0.5 * learning_rate * (gradient + last))
        self.assign(last, gradient)
        keras.ops.cond(
            keras.ops.equal(self.iterations % 2, 0),
            lambda: None,
            lambda: self.assign(variable, 0.5 * (variable + before)),
        )


class Old:
    """A variable to be updated, and its value from before."""

    def __init__(self, variable):
        self.variable, self.value, self.dtype = variable, tf.identity(variable.value), variable.dtype

    def assign_sub(self, value):
        self.variable.assign_sub(value)

    def __tf_tensor__(self, dtype=None, name=None):
        return self.variable.value


class Mended(keras.optimizers.ScheduleFreeAdamW):
    """Keras's own, for which the old momentum stays the old one (see test_upstream_findings.py)."""

    def update_step(self, gradient, variable, learning_rate):
        held = self._momentums
        with unittest.mock.patch.dict(vars(self), _momentums=[Old(momentum) for momentum in held]):
            super().update_step(gradient, variable, learning_rate)


class Noisy(keras.optimizers.Optimizer):
    """A user's own, with noise from a generator that it holds."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.noise = keras.random.SeedGenerator(5)

    def update_step(self, gradient, variable, learning_rate):
        noise = keras.random.normal(variable.shape, stddev=0.01, seed=self.noise)
        self.assign_sub(variable, learning_rate * (gradient + noise))


class SingleRate(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose rates are rounded to single precision, as ours are, whatever the precision of the weights."""

    def __init__(self, schedule):
        self.schedule = schedule

    def __call__(self, step):
        return tf.cast(self.schedule(step), keras.config.floatx())


OPTIMIZERS = {
    "SGD": ("SGD", 0.05, {}),
    "momentum": ("SGD", 0.01, {"momentum": 0.9}),
    "Nesterov": ("SGD", 0.01, {"momentum": 0.9, "nesterov": True}),
    "RMSprop": ("RMSprop", 0.001, {}),
    "RMSprop, momentum": ("RMSprop", 0.0003, {"momentum": 0.9}),
    "RMSprop, centered, momentum": ("RMSprop", 0.0003, {"momentum": 0.9, "centered": True, "epsilon": 1e-4}),
    "Adam": ("Adam", 0.003, {}),
    "AMSGrad": ("Adam", 0.003, {"amsgrad": True}),
    "AdamW": ("AdamW", 0.003, {"weight_decay": 0.02}),
    "Nadam": ("Nadam", 0.003, {}),
    "Adagrad": ("Adagrad", 0.03, {}),
    "Adadelta": ("Adadelta", 1.0, {}),
    "Adamax": ("Adamax", 0.005, {}),
    "Ftrl": ("Ftrl", 0.1, {"l1_regularization_strength": 1e-4, "l2_regularization_strength": 1e-4, "beta": 0.1}),
    "Lion": ("Lion", 0.001, {}),
    "Lamb": ("Lamb", 0.01, {}),
    "Adafactor": ("Adafactor", 0.1, {}),
    "Muon": ("Muon", 0.003, {}),
    "ScheduleFreeAdamW": ("ScheduleFreeAdamW", 0.003, {"warmup_steps": 20, "weight_decay": 0.01}),
    "clipnorm": ("Adam", 0.003, {"clipnorm": 0.05}),
    "global_clipnorm": ("SGD", 0.05, {"momentum": 0.5, "global_clipnorm": 0.3}),
    "clipvalue": ("Adam", 0.003, {"clipvalue": 0.01}),
    "weight_decay": ("SGD", 0.05, {"weight_decay": 0.01}),
    "average": ("Adam", 0.003, {"use_ema": True, "ema_momentum": 0.95}),
    "average, overwritten": ("Adam", 0.003, {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 7}),
    "accumulation": ("Adam", 0.003, {"gradient_accumulation_steps": 3}),
    "accumulation, average, overwritten": (
        "Adam",
        0.003,
        {
            "gradient_accumulation_steps": 3,
            "use_ema": True,
            "ema_momentum": 0.9,
            "ema_overwrite_frequency": 5,
            "clipnorm": 0.1,
            "weight_decay": 0.01,
        },
    ),
    "accumulation, Nadam": ("Nadam", 0.003, {"gradient_accumulation_steps": 4}),
    "a user's own": (f"{__name__}:Delayed", 0.05, {}),
    "a user's own, with noise": (f"{__name__}:Noisy", 0.05, {}),
}


@functools.cache
def sine():
    """Data, the order in which they are used, and initial weights."""
    problem, _ = problems.load(EXPERIMENTS, "sine")
    keras.utils.set_random_seed(SEED)
    order = seeds.data_order(SEED, EXAMPLES, STEPS // EACH).reshape(-1, EXAMPLES)
    return problem, order, problem.model().get_weights()


def network():
    problem, _, weights = sine()
    model = problem.model()
    model.set_weights(weights)
    return model


def mean_squared_error(targets, predictions):
    """In the precision of the model, which a loss takes when it is constructed."""
    return keras.losses.MeanSquaredError()(targets, predictions)


def stock(name, xla=False):
    """Losses of each step and final weights, by Keras's `apply` on the model's own variables."""
    class_name, rate, arguments = OPTIMIZERS[name]
    problem, order, _ = sine()
    model = network()
    schedule = SingleRate(keras.optimizers.schedules.ExponentialDecay(tf.constant(rate, tf.float32), **DECAY))
    make = Mended if class_name == "ScheduleFreeAdamW" else optimizers.find_class(class_name, keras.optimizers)
    optimizer = make(learning_rate=schedule, **arguments)
    optimizer.build(model.trainable_variables)
    shape = tf.TensorSpec([None, 1])

    @tf.function(jit_compile=xla, input_signature=None if xla else [shape, shape])
    def update(x, y):
        with tf.GradientTape() as tape:
            loss = mean_squared_error(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    losses = [
        update(tf.constant(problem.train.x[rows]), tf.constant(problem.train.y[rows]))
        for epoch in order
        for rows in (epoch[start : start + BATCH] for start in range(0, EXAMPLES, BATCH))
    ]
    optimizer.finalize_variable_values(model.trainable_variables)
    return np.array(losses), model.get_weights()


def ours(name, xla):
    """The same in one compiled loop."""
    class_name, rate, arguments = OPTIMIZERS[name]
    problem, order, _ = sine()
    model = network()
    variables = model.trainable_variables
    optimizer = optimizers.build(class_name, arguments, variables)
    rates = tf.constant(schedules.applied(schedules.table("ExponentialDecay", DECAY, STEPS), rate))
    x, y = (tf.constant(array[order.ravel()]) for array in (problem.train.x, problem.train.y))

    def gradients(values, start, size):
        with tf.GradientTape() as tape:
            tape.watch(values)
            predictions, _ = model.stateless_call(values, [], tf.slice(x, [start, 0], [size, 1]), training=True)
            loss = mean_squared_error(tf.slice(y, [start, 0], [size, 1]), predictions)
        return loss, tape.gradient(loss, values)

    def advance(step, values, state, losses):
        start = step // EACH * EXAMPLES + step % EACH * BATCH
        loss, gradient = tf.cond(
            tf.equal(step % EACH, EACH - 1),
            lambda: gradients(values, start, EXAMPLES % BATCH),
            lambda: gradients(values, start, BATCH),
        )
        values, state = optimizers.step(optimizer, gradient, rates[step], variables, values, state)
        return step + 1, values, state, losses.write(step, loss)

    def train(values, state):
        losses = tf.TensorArray(keras.config.floatx(), STEPS, element_shape=[])
        loop = (tf.constant(0), values, state, losses)
        _, values, state, losses = tf.while_loop(lambda step, *_: step < STEPS, advance, loop)
        return losses.stack(), optimizers.finalize(optimizer, variables, values, state)

    beginning = [v.numpy() for v in variables], [v.numpy() for v in optimizers.state_variables(optimizer)]

    return tf.nest.map_structure(np.asarray, tf.function(train, jit_compile=xla, autograph=False)(*beginning))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_step_is_keras_s_own(name):
    losses, weights = stock(name)
    assert np.isfinite(losses).all()
    assert losses[-EACH:].mean() < losses[:EACH].mean(), "it must learn for this test to mean anything"
    our_losses, our_weights = ours(name, xla=False)
    np.testing.assert_array_equal(our_losses, losses)
    for mine, theirs in zip(our_weights, weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_step_is_keras_s_own_with_xla(name):
    """Keras is compiled without XLA, but where there is noise: XLA draws other numbers than TensorFlow does."""
    losses, weights = stock(name, xla="noise" in name)
    our_losses, our_weights = ours(name, xla=True)
    np.testing.assert_allclose(our_losses, losses, rtol=1e-9, atol=1e-12 * losses[0])
    for mine, theirs in zip(our_weights, weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9 * np.abs(theirs).max())


GOLDEN = {
    "SGD": [0.5, -1, -0.5, 3],
    "Adam": [0.5, 1.5, 2.5, 3.5],
    "Adamax": [0.5, 1.5, 2.5, 3.5],
    "Lion": [0.5, 1.5, 2.5, 3.5],
    "AdamW": [0.4980, 1.4960, 2.494, 3.492],
    "RMSprop": [-0.5811, 0.4189, 1.4189, 2.4189],
    "Adagrad": [0.5233, 1.5007, 2.5005, 3.5061],
    "Nadam": [0.4686, 1.4686, 2.4686, 3.4686],
}
"""One step at a rate of 0.5 from the weights 1, 2, 3, 4 along the gradients 1, 6, 7, 2, as Keras's tests have it."""


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_steps(name):
    weights = keras.Variable([1.0, 2.0, 3.0, 4.0])
    optimizer = optimizers.build(name, {}, [weights])
    state = [variable.value for variable in optimizers.state_variables(optimizer)]
    gradients = [tf.constant([1.0, 6.0, 7.0, 2.0])]
    (after,), _ = optimizers.step(optimizer, gradients, tf.constant(0.5), [weights], [weights.value], state)
    np.testing.assert_allclose(after, GOLDEN[name], rtol=0, atol=5e-5)


class Native(Delayed):
    def build(self, variables):
        super().build(variables)
        self.counter = tf.Variable(0)


class Hidden(Delayed):
    def build(self, variables):
        super().build(variables)
        hidden = keras.Variable(0.0, name="hidden")
        self.count = lambda: hidden.assign_add(1.0)

    def update_step(self, gradient, variable, learning_rate):
        self.count()


def test_state_that_runs_would_share_is_refused():
    weights = keras.Variable([1.0])
    with pytest.raises(TypeError, match=r"counter is a tf\.Variable"):
        optimizers.build(f"{__name__}:Native", {}, [weights])
    optimizer = optimizers.build(f"{__name__}:Hidden", {}, [weights])
    state = [variable.value for variable in optimizers.state_variables(optimizer)]
    with pytest.raises(ValueError, match="hidden is assigned to, but no attribute of the optimizer holds it"):
        optimizers.step(optimizer, [tf.ones(1)], tf.constant(0.5), [weights], [weights.value], state)
