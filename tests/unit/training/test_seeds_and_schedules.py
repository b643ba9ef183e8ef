"""The order of the data, and schedules as tables, held against Keras's own."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from thalweg.training import schedules
from thalweg.training.engine import seeds


def test_every_epoch_is_a_new_permutation_and_a_seed_always_the_same():
    order = seeds.data_order(5, examples=50, epochs=4).reshape(4, 50)
    assert order.dtype == np.int32
    assert (np.sort(order, axis=1) == np.arange(50)).all()
    assert len({tuple(epoch) for epoch in order}) == 4
    assert np.array_equal(order, seeds.data_order(5, 50, 4).reshape(4, 50))
    assert not np.array_equal(order, seeds.data_order(6, 50, 4).reshape(4, 50))


def test_a_longer_run_begins_as_a_shorter_one():
    assert np.array_equal(seeds.data_order(5, 50, 9)[:200], seeds.data_order(5, 50, 4))


KERAS = keras.optimizers.schedules


@pytest.mark.parametrize(
    ("name", "arguments", "as_keras"),
    [
        ("ExponentialDecay", {"decay_steps": 100, "decay_rate": 0.96, "staircase": True}, {}),
        ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.9}, {}),
        ("CosineDecay", {"decay_steps": 300}, {}),
        (
            "CosineDecay",
            {"decay_steps": 270, "warmup_steps": 30},
            {"initial_learning_rate": 0.0, "warmup_target": 0.01},
        ),
        ("CosineDecayRestarts", {"first_decay_steps": 50}, {}),
    ],
)
def test_the_table_has_the_bits_of_keras_s_schedule(name, arguments, as_keras):
    ours = schedules.applied(schedules.table(name, arguments, 300), 0.01)
    theirs = getattr(KERAS, name)(**{"initial_learning_rate": 0.01, **as_keras}, **arguments)
    # Keras trains with its schedule inside a graph, which TensorFlow simplifies: a division by a constant, for one,
    # becomes a product. Called outside, the same schedule differs from itself in the last bits.
    in_a_graph = tf.function(theirs)
    steps = [tf.constant(step, tf.int64) for step in range(300)]
    assert np.array_equal(ours, np.array([in_a_graph(step) for step in steps]))
    np.testing.assert_allclose(ours, [theirs(step) for step in steps], rtol=0, atol=1e-6 * 0.01)


def test_without_a_schedule_the_rate_stays():
    assert (schedules.applied(schedules.table(None, {}, 5), 0.1) == np.float32(0.1)).all()


@pytest.mark.parametrize(
    ("name", "arguments", "as_keras"),
    [
        ("InverseTimeDecay", {"decay_steps": 10, "decay_rate": 0.5}, {}),
        ("PolynomialDecay", {"decay_steps": 100, "end_learning_rate": 0.1}, {"end_learning_rate": 0.001}),
    ],
)
def test_a_schedule_that_is_no_product_with_its_peak_is_within_rounding(name, arguments, as_keras):
    ours = schedules.applied(schedules.table(name, arguments, 200), 0.01)
    theirs = getattr(KERAS, name)(**{"initial_learning_rate": 0.01, **arguments, **as_keras})
    np.testing.assert_allclose(ours, [theirs(step) for step in range(200)], rtol=1e-6)


STEPS = 60
OTHERS = {
    "piecewise": ("PiecewiseConstantDecay", {"boundaries": [6, 30], "values": [1, 0.5, 0.25]}, 0),
    "polynomial": ("PolynomialDecay", {"decay_steps": 20, "power": 2.0, "cycle": True}, 0),
    "inverse time": ("InverseTimeDecay", {"decay_steps": 10, "decay_rate": 0.5, "staircase": True}, 0),
    "restarts": ("CosineDecayRestarts", {"first_decay_steps": 9, "t_mul": 1.5, "m_mul": 0.9, "alpha": 0.1}, 0),
    "linear": ("LinearDecay", {"decay_steps": STEPS, "end": 0.1}, 0),
    "trapezoidal": ("Trapezoidal", {"warmup_steps": 6, "stable_steps": 30, "decay_steps": 20, "power": 0.5}, 0),
    "one-cycle": ("OneCycle", {"total_steps": STEPS}, 0),
    "warmup": (None, {}, 7),
    "warmup before exponential": ("ExponentialDecay", {"decay_steps": 10, "decay_rate": 0.9}, 7),
    "warmup before piecewise": ("PiecewiseConstantDecay", {"boundaries": [10], "values": [1, 0.5]}, 7),
    "warmup before one-cycle": ("OneCycle", {"total_steps": STEPS - 7}, 7),
}


def at_peak(schedule, peak):
    """The same schedule at another peak than 1, as a user of Keras would write it."""
    if isinstance(schedule, schedules.Warmup):
        return schedules.Warmup(at_peak(schedule.schedule, peak), schedule.warmup_steps)
    config = schedule.get_config()
    if isinstance(schedule, KERAS.PiecewiseConstantDecay):
        return type(schedule)(config["boundaries"], [peak * value for value in config["values"]])
    own = {name: peak * config[name] for name in schedules.RATES_OF_THEIR_OWN if config.get(name) is not None}
    if isinstance(schedule, KERAS.PolynomialDecay):
        own["end_learning_rate"] = peak * config["end_learning_rate"]
    return type(schedule)(**{**config, **own})


class Reveal(keras.optimizers.SGD):
    """Sets every weight to the learning rate of the step."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign(variable, learning_rate + 0 * gradient)


def rates_in_fit(schedule, steps):
    """The learning rate of each step of Keras's own `fit`."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(Reveal(schedule), "mse", jit_compile=False)
    rates = []

    def after_step(batch, logs):
        rates.append(model.get_weights()[0].item())

    after = keras.callbacks.LambdaCallback(on_train_batch_end=after_step)
    model.fit(np.ones((steps, 1)), np.ones((steps, 1)), batch_size=1, verbose=0, callbacks=[after])
    return np.array(rates, np.float32)


@pytest.mark.parametrize("name", OTHERS)
def test_the_whole_table_is_what_fit_applies(name):
    class_name, arguments, warmup = OTHERS[name]
    ours = schedules.applied(schedules.table(class_name, arguments, STEPS, warmup), 0.01)
    theirs = rates_in_fit(at_peak(schedules.build(class_name, arguments, warmup), 0.01), STEPS)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", OTHERS)
def test_a_schedule_is_read_back_from_its_configuration(name):
    class_name, arguments, warmup = OTHERS[name]
    built = schedules.build(class_name, arguments, warmup)
    again = KERAS.deserialize(KERAS.serialize(built))
    assert [float(again(step)) for step in (0, 5, 40)] == [float(built(step)) for step in (0, 5, 40)]


def linear(t, total, end):
    return end + (1 - end) * (1 - min(t / total, 1))


def trapezoidal(t, warmup, stable, decay, end, power):
    if t < warmup:
        return t / warmup
    if t < warmup + stable:
        return 1
    return end + (1 - end) * (1 - min((t - warmup - stable) / decay, 1) ** power)


def one_cycle(t, total, start=0.3, div=25, final_div=1e4):
    """PyTorch's OneCycleLR with cosine annealing, in phases as it has them."""
    begin, end = 0, start * total - 1
    low, high = 1 / div, 1
    if t > end:
        begin, end, low, high = end, total - 1, 1, 1 / div / final_div
    return high + (low - high) / 2 * (1 + math.cos(math.pi * (t - begin) / (end - begin)))


def risen(t, warmup, schedule):
    return schedule(0) * t / warmup if t < warmup else schedule(t - warmup)


@pytest.mark.parametrize(
    ("class_name", "arguments", "warmup", "formula"),
    [
        ("LinearDecay", {"decay_steps": 100}, 0, lambda t: linear(t, 100, 0)),
        ("LinearDecay", {"decay_steps": 30, "end": 0.2}, 0, lambda t: linear(t, 30, 0.2)),
        ("LinearDecay", {"decay_steps": 1000}, 0, lambda t: linear(t, 1000, 0)),
        ("LinearDecay", {"decay_steps": 90, "end": 0.1}, 10, lambda t: risen(t, 10, lambda u: linear(u, 90, 0.1))),
        ("Trapezoidal", {"stable_steps": 50, "decay_steps": 50}, 0, lambda t: trapezoidal(t, 0, 50, 50, 0, 1)),
        (
            "Trapezoidal",
            {"warmup_steps": 10, "stable_steps": 60, "decay_steps": 20, "end": 0.1, "power": 0.5},
            0,
            lambda t: trapezoidal(t, 10, 60, 20, 0.1, 0.5),
        ),
        ("OneCycle", {"total_steps": 100}, 0, lambda t: one_cycle(t, 100)),
        ("OneCycle", {"total_steps": 200}, 0, lambda t: one_cycle(t, 200)),
        (
            "OneCycle",
            {"total_steps": 100, "pct_start": 0.45, "div_factor": 10, "final_div_factor": 100},
            0,
            lambda t: one_cycle(t, 100, 0.45, 10, 100),
        ),
        # Too short to rise: PyTorch too begins on the way down.
        ("OneCycle", {"total_steps": 100, "pct_start": 0.005}, 0, lambda t: one_cycle(t, 100, 0.005)),
        ("OneCycle", {"total_steps": 90}, 10, lambda t: risen(t, 10, lambda u: one_cycle(u, 90))),
        (None, {}, 25, lambda t: min(t / 25, 1)),
        (None, {}, 1000, lambda t: t / 1000),
        ("ExponentialDecay", {"decay_steps": 9, "decay_rate": 0.5}, 3, lambda t: risen(t, 3, lambda u: 0.5 ** (u / 9))),
    ],
)
def test_a_schedule_follows_its_formula(class_name, arguments, warmup, formula):
    ours = schedules.table(class_name, arguments, 100, warmup)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, [formula(t) for t in range(100)], rtol=1e-5, atol=2e-7)


@pytest.mark.parametrize(
    ("class_name", "arguments"),
    [
        ("LinearDecay", {"decay_steps": 10, "end": 0.25}),
        ("Trapezoidal", {"stable_steps": 4, "decay_steps": 6, "end": 0.25}),
        ("OneCycle", {"total_steps": 11, "div_factor": 2, "final_div_factor": 2}),
    ],
)
def test_a_schedule_that_ends_early_stays_at_its_last_rate(class_name, arguments):
    np.testing.assert_allclose(schedules.table(class_name, arguments, 30)[10:], 0.25, rtol=1e-6)


def test_warmup_before_a_cosine_is_keras_s_own():
    ours = schedules.table("CosineDecay", {"decay_steps": 270}, 300, warmup=30)
    theirs = schedules.table("CosineDecay", {"decay_steps": 270, "warmup_steps": 30}, 300)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1.2e-7)


class Halving(KERAS.LearningRateSchedule):
    """A user's own, with a branch, on a count of steps, that gives shares in double precision."""

    def __call__(self, step):
        return tf.cond(step < 3, lambda: tf.constant(1.0, tf.float64), lambda: tf.constant(0.5, tf.float64))


@pytest.mark.parametrize(("warmup", "expected"), [(0, [1, 1, 1, 0.5, 0.5]), (2, [0, 0.5, 1, 1, 1])])
def test_a_user_s_own_schedule_can_be_any(warmup, expected):
    assert schedules.table(f"{__name__}:Halving", {}, 5, warmup).tolist() == expected


@pytest.mark.parametrize(
    ("class_name", "arguments", "message"),
    [
        ("LinearDecay", {"decay_steps": 0}, "decay_steps is negative, or zero where it must not be"),
        ("Trapezoidal", {"stable_steps": -1, "decay_steps": 5}, "stable_steps is negative"),
        ("OneCycle", {"total_steps": 9, "pct_start": 30}, "pct_start must be a share of the steps between 0 and 1"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(class_name, arguments, message):
    with pytest.raises(ValueError, match=message):
        schedules.build(class_name, arguments)
