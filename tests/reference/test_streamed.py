"""Training step by step on data from a source, against the compiled program on the same data in memory."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, metrics

from thalweg.experiment.target import Target
from thalweg.horizon import Horizon
from thalweg.training.engine import records, seeds, steps, streamed, whole_run
from thalweg.training.problem import Problem, Source, Split

SEED, RATE = 3, 0.05
HORIZON = Horizon(examples=22, batch_size=8, epochs=3)
POINTS = [0, 2, 3, 7]

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(52, 3)).astype(np.float32)
Y = np.sin(X.sum(axis=1, keepdims=True)) + 0.1
WEIGHTS = RANDOM.uniform(0, 3, size=52).astype(np.float32)


def model():
    """A model with state besides its weights, and with penalties."""
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(6, use_bias=False, kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )


def problem_of(weighted=False, **changes):
    whole = Split(X, Y, WEIGHTS if weighted else None)
    parts = {"train": slice(22), "validation": slice(22, 37), "test": slice(37, None)}
    given = {name: whole.each(lambda array: array[part]) for name, part in parts.items()}  # noqa: B023 (used at once)
    return Problem(
        **{
            "model": model,
            "loss": "mean_squared_error",
            "metrics": {"rmse": metrics.RootMeanSquaredError()},
            "weighted_metrics": {"error": "mean_absolute_error"},
            "probe": Split(X[:2] + 1, Y[:2]),
            **given,
            **changes,
        }
    )


class InOrder(keras.utils.PyDataset):
    """The batches of a split, in another order in each epoch: that of a run in memory."""

    def __init__(self, split, batch_size, orders):
        super().__init__()
        self.split, self.batch_size, self.orders, self.epoch = split, batch_size, orders, 0

    def __len__(self):
        return -(-len(self.orders[0]) // self.batch_size)

    def __getitem__(self, number):
        rows = self.orders[self.epoch][number * self.batch_size : (number + 1) * self.batch_size]
        return tuple(part for part in self.split.each(lambda array: array[rows]) if part is not None)

    def on_epoch_end(self):
        self.epoch = (self.epoch + 1) % len(self.orders)


def as_sequence(split, orders):
    return Source(lambda batch_size, seed: InOrder(split, batch_size, orders), split.examples)


def as_dataset(split, orders):
    """A tf.data.Dataset that goes on to the next epoch's order each time that it is gone through."""

    def batches(batch_size, seed):
        sequence = InOrder(split, batch_size, orders)

        def epoch():
            yield from (sequence[number] for number in range(len(sequence)))
            sequence.on_epoch_end()

        shapes = [(None, *part.shape[1:]) for part in split if part is not None]
        return tf.data.Dataset.from_generator(
            epoch, output_signature=tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes)
        )

    return Source(batches, split.examples)


def sourced(problem, make):
    """The same problem, its splits from sources; those that are evaluated have one order."""
    of_training = seeds.data_order(SEED, HORIZON.examples, HORIZON.epochs).reshape(HORIZON.epochs, -1)
    sources = {
        name: make(split, of_training if name == "train" else [np.arange(split.examples)])
        for name, split in problem.splits.items()
    }
    return problem_of(**sources)


def start_of(problem, horizon, rate):
    """The instance, the points of evaluation, and the rates."""
    points = sorted({point for point in POINTS if point < horizon.steps} | {horizon.steps})
    return steps.instantiate(problem, "Adam", {}, SEED), points, np.full(horizon.steps, rate, np.float32)


def in_memory(problem, xla=False, horizon=HORIZON, rate=RATE, fixed=False, **options):
    instance, points, rates = start_of(problem, horizon, rate)
    run = whole_run.compile_program(problem, instance, horizon, points, xla, **options)
    order = seeds.data_order(SEED, horizon.examples, horizon.epochs, horizon.examples_per_epoch, fixed)
    return run(instance.state, order, rates)


def by_steps(problem, xla=False, horizon=HORIZON, rate=RATE, fixed=False, deadline=np.inf, **options):
    instance, points, rates = start_of(problem, horizon, rate)
    run = streamed.compile_program(problem, instance, horizon, points, xla, **options)
    return run(instance.state, streamed.batches(problem, horizon, SEED, fixed), rates, deadline=deadline)


def assert_close(one, other, tolerance=1e-6):
    assert (one.outcome, one.ended_at) == (other.outcome, other.ended_at)
    assert one.steps.tolist() == other.steps.tolist()
    np.testing.assert_allclose(one.records, other.records, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(one.batch_losses, other.batch_losses, rtol=tolerance)
    for mine, theirs in zip(tf.nest.flatten(one.state), tf.nest.flatten(other.state), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_streamed_run_is_the_program_s(fixed):
    problem = problem_of(weighted=True)
    assert_close(by_steps(problem, fixed=fixed), in_memory(problem, fixed=fixed))


@pytest.mark.usefixtures("double_precision")
def test_a_streamed_run_is_the_program_s_with_xla():
    problem = problem_of(weighted=True)
    streamed_run, run_in_memory = by_steps(problem, xla=True), in_memory(problem, xla=True)
    assert_close(streamed_run, run_in_memory)
    for mine, theirs in zip(streamed_run.state.trainable, run_in_memory.state.trainable, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("drop", [False, True], ids=["partial", "dropped"])
@pytest.mark.parametrize("make", [as_sequence, as_dataset])
def test_a_source_is_trained_on_as_its_arrays(make, drop):
    problem, horizon = problem_of(weighted=not drop), Horizon(22, 8, 3, drop_remainder=drop)
    ended = in_memory(problem, horizon=horizon)
    assert_close(by_steps(sourced(problem, make), horizon=horizon), ended)
    if not drop:
        unweighted = in_memory(problem_of(), horizon=horizon)
        assert np.abs(unweighted.records[-1] - ended.records[-1]).max() > 1e-3, "the weights must mean something"


def test_a_streamed_run_records_its_weights():
    parts = {name: Split(split.x[:, :1], split.y) for name, split in problem_of().splits.items()}
    problem = problem_of(model=lambda: keras.Sequential([keras.Input((1,)), layers.Dense(1)]), probe=None, **parts)
    ours, without = (by_steps(problem, record=record) for record in (["weights"], ()))
    assert_close(ours, in_memory(problem, record=["weights"]))
    assert ours.records[-1, -2:].tolist() == [value.item() for value in ours.state.trainable]
    assert ours.records[:, :-2].tolist() == without.records.tolist()


def test_a_streamed_run_refuses_what_needs_its_data_in_memory():
    with pytest.raises(ValueError, match="gradient_noise needs the training data in memory"):
        by_steps(problem_of(), record=["gradient_noise"])
    with pytest.raises(ValueError, match="cannot be stacked"):
        by_steps(problem_of(), lanes=2)


def test_a_dataset_of_several_inputs():
    def of_two():
        one, other = keras.Input((3,), name="one"), keras.Input((1,), name="other")
        return keras.Model({"one": one, "other": other}, layers.Dense(1)(layers.Concatenate()([one, other])))

    both = Split({"one": X[:22], "other": Y[:22]}, Y[:22])
    others = {"model": of_two, "probe": None, "validation": both, "test": both}
    source = Source(lambda batch_size, seed: tf.data.Dataset.from_tensor_slices((both.x, both.y)).batch(batch_size), 22)
    every = np.tile(np.arange(22, dtype=np.int32), HORIZON.epochs)
    problem = problem_of(**others, train=both)
    instance, points, rates = start_of(problem, HORIZON, RATE)
    expected = whole_run.compile_program(problem, instance, HORIZON, points, False)(instance.state, every, rates)
    assert_close(by_steps(problem_of(**others, train=source)), expected)


def dataset_of(rows):
    """A source that says it has 22 examples, and has so many."""
    return Source(
        lambda batch_size, seed: tf.data.Dataset.from_tensor_slices((X[:rows], Y[:rows])).batch(batch_size), 22
    )


@pytest.mark.parametrize("rows, says", [(16, "has 16"), (23, "has more"), (30, "has more")])
def test_a_source_of_another_length_than_it_says_is_refused(rows, says):
    with pytest.raises(ValueError, match=f"epoch 1 of the training source {says} examples, but it says 22"):
        by_steps(problem_of(train=dataset_of(rows)))


def test_a_source_that_ignores_the_batch_size_is_refused():
    source = Source(lambda *_: tf.data.Dataset.from_tensor_slices((X[:22], Y[:22])).batch(5), 22)
    with pytest.raises(ValueError, match=r"epoch 1 .* a batch of 5 examples where 8 were due"):
        by_steps(problem_of(train=source))


def test_a_shuffled_dataset_has_another_order_in_each_epoch_and_the_same_for_a_seed():
    def shuffled(batch_size, seed):
        whole = tf.data.Dataset.from_tensor_slices((X[:22], Y[:22]))
        return whole.shuffle(22, seed, reshuffle_each_iteration=True).batch(batch_size)

    def epochs(seed):
        """Targets tell the examples apart."""
        batches = streamed.batches(problem, HORIZON, seed)
        return np.concatenate([batch.y[:, 0] for batch in batches]).reshape(HORIZON.epochs, 22)

    problem = problem_of(train=Source(shuffled, 22))
    first = epochs(SEED)
    assert (np.sort(first, axis=1) == np.sort(Y[:22, 0])).all()
    assert not any(np.array_equal(first[one], first[other]) for one, other in ((0, 1), (0, 2), (1, 2)))
    np.testing.assert_array_equal(first, epochs(SEED))
    assert not np.array_equal(first[0], epochs(SEED + 1)[0])
    one, again = by_steps(problem), by_steps(problem)
    assert one.records.tolist() == again.records.tolist()


def test_a_streamed_run_ends_as_the_program_does():
    problem = problem_of()
    whole = in_memory(problem)
    losses = whole.records[:, records.columns(problem).index("validation_loss")]
    assert losses[2] < losses[:2].min(), "the point must be the first for this test to mean anything"
    target = Target("validation_loss", False, float(losses[2]) * 1.00001)
    reached = by_steps(problem, target=target)
    assert (reached.outcome, reached.ended_at) == ("reached target", 3)
    assert_close(reached, in_memory(problem, target=target))
    wild = by_steps(problem, rate=1e30)
    assert wild.outcome == "diverged"
    assert np.isfinite(wild.records).all()
    assert_close(wild._replace(state=whole.state), in_memory(problem, rate=1e30)._replace(state=whole.state))


def test_a_streamed_run_that_is_out_of_time_has_the_records_of_its_steps():
    problem = problem_of()
    late = by_steps(problem, deadline=time.monotonic() - 1)
    assert (late.outcome, late.ended_at, late.steps.tolist()) == ("out of time", 0, [0])
    np.testing.assert_allclose(late.records[0], in_memory(problem).records[0], rtol=1e-6, atol=1e-6)


def test_the_order_of_a_dataset_does_not_depend_on_what_was_drawn_before():
    def shuffled(batch_size, seed):
        return tf.data.Dataset.range(50).shuffle(50, seed=seed).map(lambda k: (k, k)).batch(batch_size)

    def orders():
        problem = Problem(lambda: None, "mse", *[Source(shuffled, 50)] * 3)
        return [np.asarray(batch.x).tolist() for batch in streamed.batches(problem, Horizon(50, 10, 2), seed=1)]

    keras.utils.set_random_seed(1)
    one = orders()
    keras.utils.set_random_seed(2)
    assert one == orders()
    assert one[:5] != one[5:]


def test_a_model_that_is_built_by_its_first_batch_has_the_weights_of_its_seed():
    x = np.ones((4, 3), np.float32)
    source = Source(lambda size, seed: tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(size), 4)
    problem = Problem(lambda: keras.Sequential([keras.layers.Dense(1)]), "mse", *[source] * 3)
    one, again, other = (steps.instantiate(problem, "SGD", {}, seed).state.trainable[0] for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
