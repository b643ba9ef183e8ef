"""The order of the data, and schedules as tables, held against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from thalweg.training import schedules, seeds


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
