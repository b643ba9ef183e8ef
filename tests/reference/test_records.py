"""What a run records and how it ends, each against a plain computation of the same, and what its bits depend on."""

import time
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, metrics

from thalweg.experiment.target import Target
from thalweg.horizon import Horizon
from thalweg.training import problem as problems
from thalweg.training.engine import loop, records, seeds, steps, whole_run
from thalweg.training.problem import Problem, Split

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SEED, RATE = 3, 0.05
HORIZON = Horizon(examples=22, batch_size=8, epochs=4)
LAST = HORIZON.steps

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(70, 3)).astype(np.float32)
Y = np.sin(X.sum(axis=1, keepdims=True)) + 0.1
WEIGHTS = RANDOM.uniform(0, 3, size=70).astype(np.float32)


def splits(weights=None):
    """22 examples to train on, 25 and 16 to validate and test."""
    whole, ends = Split(X, Y, weights), [0, 22, 47, 63]
    parts = [slice(first, last) for first, last in pairwise(ends)]
    names = ("train", "validation", "test")
    return {name: whole.each(lambda array: array[part]) for name, part in zip(names, parts, strict=True)}  # noqa: B023


def layered(*between):
    return lambda: keras.Sequential([keras.Input((3,)), *(make() for make in between), layers.Dense(1)])


DENSE = layered(lambda: layers.Dense(6, activation="tanh"))
RESTLESS = layered(lambda: layers.Dense(6), layers.BatchNormalization, lambda: layers.Dropout(0.3))
"""A model with state besides its weights."""


def problem_of(model=DENSE, weights=None, **more):
    return Problem(**{"model": model, "loss": "mean_squared_error", **splits(weights), **more})


def order_of(horizon, seed=SEED, fixed=False):
    return seeds.data_order(seed, horizon.examples, horizon.epochs, horizon.examples_per_epoch, fixed)


def rates_of(horizon, rate=RATE):
    return np.full(horizon.steps, rate, np.float32)


def train(problem, points, optimizer="Adam", xla=False, horizon=HORIZON, rate=RATE, fixed=False, **options):
    instance = steps.instantiate(problem, optimizer, {}, SEED)
    run = whole_run.compile_program(problem, instance, horizon, points, xla, **options)
    return run(instance.state, order_of(horizon, fixed=fixed), rates_of(horizon, rate))


def column(trajectory, problem, name, record=()):
    return trajectory.records[:, records.columns(problem, record).index(name)]


def same(one, other):
    """Whether all that training changes is the same, to the bit."""
    return all(
        np.array_equal(a, b)
        for mine, theirs in zip(one.state, other.state, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    )


def is_prefix(short, whole):
    count = len(short.steps)
    return (
        np.array_equal(short.steps, whole.steps[:count])
        and np.array_equal(short.records, whole.records[:count])
        and np.array_equal(short.batch_losses, whole.batch_losses[:count], equal_nan=True)
    )


def of_epochs(horizon, order):
    """The examples of each step."""
    size = horizon.batch_size
    return [
        epoch[start : start + size]
        for epoch in order.reshape(horizon.epochs, -1)
        for start in range(0, len(epoch), size)
    ]


def length(arrays):
    return np.sqrt(sum(float(np.sum(np.square(array, dtype=np.float64))) for array in arrays))


def test_gradient_norm_and_update_ratio_are_those_of_an_eager_tape():
    problem = problem_of(weights=WEIGHTS)
    ours = train(problem, range(LAST + 1))
    instance = steps.instantiate(problem, "Adam", {}, SEED)
    model, optimizer, loss = instance.model, keras.optimizers.Adam(RATE), keras.losses.MeanSquaredError()
    norms, ratios = [], []
    for rows in of_epochs(HORIZON, order_of(HORIZON)):
        batch = problem.train.each(lambda array: array[rows])  # noqa: B023 (used at once)
        with tf.GradientTape() as tape:
            value = loss(batch.y, model(batch.x, training=True), batch.weights)
        gradients = tape.gradient(value, model.trainable_variables)
        before = [variable.numpy() for variable in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
        change = [v.numpy() - old for v, old in zip(model.trainable_variables, before, strict=True)]
        norms.append(length(gradients))
        ratios.append(length(change) / length(before))
    np.testing.assert_allclose(column(ours, problem, "gradient_norm")[1:], norms, rtol=1e-6)
    np.testing.assert_allclose(column(ours, problem, "update_ratio")[1:], ratios, rtol=1e-6)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("xla", [False, True])
def test_a_large_split_is_evaluated_in_pieces(xla, monkeypatch):
    """Records are in single precision.

    Of 8, the 25 examples to validate on are three pieces and a part, and the 16 to test on are two; of 16, one and
    a part, and one alone."""
    model = layered(lambda: layers.Dense(6, activation="tanh", kernel_regularizer="l2"))
    problem = problem_of(
        model,
        WEIGHTS,
        loss=keras.losses.Huber(),
        metrics={"rmse": metrics.RootMeanSquaredError()},
        weighted_metrics={"error": "mean_absolute_error"},
    )
    for size in (8, 16):
        monkeypatch.setattr(loop, "EVALUATION_BATCH", size)
        ours = train(problem, [LAST], xla=xla)
        keras_s = steps.instantiate(problem, "Adam", {}, SEED).model
        for variable, value in zip(keras_s.trainable_variables, ours.state.trainable, strict=True):
            variable.assign(value)
        keras_s.compile(
            loss=keras.losses.Huber(),
            metrics=[metrics.RootMeanSquaredError()],
            weighted_metrics=["mean_absolute_error"],
            jit_compile=False,
        )
        expected = [
            keras_s.evaluate(split.x, split.y, sample_weight=split.weights, batch_size=size, verbose=0)
            for split in problem.splits.values()
        ]
        np.testing.assert_allclose(ours.records[-1, :-2], np.ravel(expected), rtol=1e-6)


def of_a_line(state):
    """Slope (3,) and intercept of a linear model, in double precision."""
    kernel, bias = state.trainable
    return kernel[:, 0].astype(np.float64), float(bias[0])


def gradients_of_a_line(state, rows):
    """The gradient of each example, (examples, 4)."""
    slope, intercept = of_a_line(state)
    error = X[rows] @ slope + intercept - Y[rows, 0]
    return 2 * error[:, None] * np.column_stack([X[rows], np.ones(len(rows))])


def simple_noise(gradients, batch_size):
    """|G|, tr(Σ) and tr(Σ) / |G|² from the gradients of an epoch's examples, in the order of their batches."""
    means = gradients.reshape(-1, batch_size, gradients.shape[1]).mean(axis=1)
    mean = means.mean(axis=0)
    scatter = np.mean(np.sum((means - mean) ** 2, axis=1))
    variance = scatter * batch_size / (1 - batch_size / len(gradients))
    return np.array([np.linalg.norm(mean), variance, variance / (mean @ mean)])


@pytest.mark.parametrize("batch_size", [1, 5, 8])
def test_gradient_noise_is_that_of_the_first_epoch_s_whole_batches(batch_size):
    problem = problem_of(layered())
    horizon = Horizon(22, batch_size, 2)
    whole = order_of(horizon)[: 22 // batch_size * batch_size]
    ours = train(problem, [0, horizon.steps], "SGD", horizon=horizon, record=["gradient_noise"])
    start = steps.instantiate(problem, "SGD", {}, SEED).state
    for state, record in zip((start, ours.state), ours.records, strict=True):
        expected = simple_noise(gradients_of_a_line(state, whole), batch_size)
        np.testing.assert_allclose(record[-3:], expected, rtol=2e-5)


def test_gradient_variance_is_that_of_single_examples_in_the_mean_of_all_orders():
    """However few the batches: with 12 of 2 examples and with 2 of 12, unlike in the scatter of their gradients."""
    problem = problem_of(layered(), train=Split(X[:24], Y[:24]))
    instance = steps.instantiate(problem, "SGD", {}, SEED)
    single = gradients_of_a_line(instance.state, np.arange(24))
    trace = np.trace(np.cov(single.T))
    for batch_size in (2, 12):
        horizon = Horizon(24, batch_size, 1)
        run = whole_run.compile_program(problem, instance, horizon, [0, 1], False, record=["gradient_noise"])
        orders = [order_of(horizon, seed) for seed in range(300)]
        found = [run(instance.state, order, rates_of(horizon, 0)).records[0, -3:] for order in orders]
        norms, variances, _ = np.transpose(found)
        np.testing.assert_allclose(norms, np.linalg.norm(single.mean(axis=0)), rtol=1e-5)
        error = variances.std(ddof=1) / np.sqrt(len(variances))
        assert error < 0.05 * trace
        assert abs(variances.mean() - trace) < 3 * error, (variances.mean(), trace, error)


def test_one_batch_has_no_scatter():
    ours = train(problem_of(layered()), [0], "SGD", horizon=Horizon(22, 20, 1), record=["gradient_noise"])
    assert np.isfinite(ours.records[0, -3])
    assert np.isnan(ours.records[0, -2:]).all()
    assert ours.outcome == "finished"


@pytest.mark.parametrize("xla", [False, True])
def test_recording_changes_no_bits(xla):
    problem = problem_of(RESTLESS)
    often, seldom, noisy = (
        train(problem, points, xla=xla, record=record)
        for points, record in ((range(LAST + 1), ()), ([LAST], ()), ([0, 5, LAST], ["gradient_noise"]))
    )
    assert same(often, seldom)
    assert same(often, noisy)
    assert often.records[-1].tolist() == seldom.records[-1].tolist()
    assert often.records[[0, 5, LAST]].tolist() == noisy.records[:, :-3].tolist()


TWO_WEIGHTS = problem_of(
    lambda: keras.Sequential([keras.Input((1,)), layers.Dense(1)]),
    **{name: Split(split.x[:, :1], split.y) for name, split in splits().items()},
)


class Weights(keras.callbacks.Callback):
    """A model's two weights after each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append([array.item() for array in self.model.get_weights()])


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "Ftrl"])
def test_recorded_weights_are_those_of_a_fit_at_these_steps(optimizer):
    """Of optimizers that update them as one vector, and of one that does not."""
    points = [0, 1, 2, 5, 7, LAST]
    ours = train(TWO_WEIGHTS, points, optimizer, record=["weights"])
    found = np.column_stack([column(ours, TWO_WEIGHTS, name, ["weights"]) for name in ("weight_0", "weight_1")])
    model, after = steps.instantiate(TWO_WEIGHTS, optimizer, {}, SEED).model, Weights()
    before = [array.item() for array in model.get_weights()]
    model.compile(getattr(keras.optimizers, optimizer)(RATE), "mean_squared_error", jit_compile=False)
    for epoch in order_of(HORIZON).reshape(HORIZON.epochs, -1):
        x, y = TWO_WEIGHTS.train.x[epoch], TWO_WEIGHTS.train.y[epoch]
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[after])
    assert len(np.unique(found[:, 0])) == len(points)
    assert found.tolist() == [[before, *after.seen][point] for point in points]


def test_recorded_weights_are_the_average_where_the_optimizer_keeps_one():
    instance = steps.instantiate(TWO_WEIGHTS, "SGD", {"use_ema": True, "ema_momentum": 0.9}, SEED)
    run = whole_run.compile_program(TWO_WEIGHTS, instance, HORIZON, range(LAST + 1), False, record=["weights"])
    averaged = run(instance.state, order_of(HORIZON), rates_of(HORIZON)).records[:, -2:]
    plain = train(TWO_WEIGHTS, range(LAST + 1), "SGD", record=["weights"]).records[:, -2:]
    expected = [plain[0], plain[1]]  # Keras's average begins with the weights after the first step
    for weights in plain[2:]:
        expected.append(0.9 * expected[-1] + 0.1 * weights)
    np.testing.assert_allclose(averaged, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("xla", [False, True])
def test_recording_weights_changes_no_bits(xla):
    with_weights, without = (
        train(TWO_WEIGHTS, range(LAST + 1), xla=xla, record=record) for record in (["weights"], ())
    )
    assert same(with_weights, without)
    assert with_weights.records[:, :-2].tolist() == without.records.tolist()
    assert with_weights.records[-1, -2:].tolist() == [value.item() for value in with_weights.state.trainable]


def test_each_lane_records_its_own_weights():
    instances = [steps.instantiate(TWO_WEIGHTS, "Adam", {}, seed) for seed in (1, 2)]
    starts = [(one.state, order_of(HORIZON), rates_of(HORIZON), np.zeros(0)) for one in instances]
    points = [0, 5, LAST]
    run = whole_run.compile_program(TWO_WEIGHTS, instances[0], HORIZON, points, True, lanes=2, record=["weights"])
    for lane, (start, *_) in zip(run(*whole_run.stack_lanes(starts)), starts, strict=True):
        for state, record in ((start, lane.records[0]), (lane.state, lane.records[-1])):
            assert record[-2:].tolist() == [value.item() for value in state.trainable]


def test_a_target_ends_a_run_where_it_is_first_met():
    problem, points = problem_of(), [0, 2, 4, 5, 8, LAST]
    whole = train(problem, points)
    falling = column(whole, problem, "validation_loss")
    for at_least, value, first in ((False, float(falling[3]), 3), (True, float(falling[0]), 0)):
        assert (falling[:first] > value).all(), "the point must be the first for this test to mean anything"
        target = Target("validation_loss", at_least, value)
        ended = train(problem, points, target=target)
        assert (ended.outcome, ended.ended_at) == ("reached target", points[first])
        assert ended.steps.tolist() == points[: first + 1]
        assert is_prefix(ended, whole)
    never = train(problem, points, target=Target("validation_loss", False, 0.0))
    assert never.outcome == "finished"
    assert is_prefix(whole, never)
    assert same(whole, never)


def test_a_run_that_is_out_of_time_is_the_beginning_of_itself():
    problem, horizon = problem_of(), Horizon(22, 2, 60)
    instance = steps.instantiate(problem, "Adam", {}, SEED)
    run = whole_run.compile_program(problem, instance, horizon, range(horizon.steps + 1), True)
    start, shares = (instance.state, order_of(horizon), rates_of(horizon)), []
    cut = run(*start, deadline=time.monotonic() - 1)
    whole = run(*start, report=shares.append)
    assert (cut.outcome, whole.outcome) == ("out of time", "finished")
    assert 0 < cut.ended_at < horizon.steps
    assert cut.steps.tolist() == list(range(cut.ended_at + 1))
    assert is_prefix(cut, whole)
    assert shares
    assert all(0 < share < 1 for share in shares)
    assert shares == sorted(shares)
    # Where the cuts between calls fall changes nothing.
    again = run(*start, deadline=time.monotonic() + 1e6)
    assert is_prefix(again, whole)
    assert same(again, whole)


SINE = Horizon(examples=100, batch_size=32, epochs=25)
LANE_SEEDS = range(1, 33)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "XLA"])
def lanes(request):
    """The sine problem's programs of 1, 4 and 32 lanes, over 100 steps of Adam, and what each of 32 runs begins
    with."""
    problem, _ = problems.load(EXPERIMENTS, "sine")
    instances = [steps.instantiate(problem, "Adam", {}, seed) for seed in LANE_SEEDS]
    run = {
        count: whole_run.compile_program(problem, instances[0], SINE, range(0, 101, 10), request.param, lanes=count)
        for count in (1, 4, 32)
    }
    starts = [
        (instance.state, order_of(SINE, seed), rates_of(SINE, 0.01), np.zeros(0))
        for instance, seed in zip(instances, LANE_SEEDS, strict=True)
    ]
    return run, starts


def test_lanes_agree_with_single_runs(lanes):
    run, starts = lanes
    stacked = run[32](*whole_run.stack_lanes(starts))
    by_four = [one for first in (0, 4) for one in run[4](*whole_run.stack_lanes(starts[first : first + 4]))]
    for lane, single in enumerate(run[1](*start) for start in starts[:8]):
        for other in (stacked[lane], by_four[lane]):
            assert (other.outcome, other.ended_at) == (single.outcome, single.ended_at)
            losses, expected = other.records[:, :3], single.records[:, :3]
            scale = np.maximum(expected, 1e-3 * expected[0])
            assert (np.abs(losses - expected) / scale).max() <= 2e-4
            for mine, theirs in zip(other.state.trainable, single.state.trainable, strict=True):
                assert mine.shape == theirs.shape
                np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-4)


def test_a_lane_s_bits_do_not_depend_on_the_other_lanes(lanes):
    run, starts = lanes
    one, other = (run[4](*whole_run.stack_lanes(pack)) for pack in (starts[:4], [starts[0], *starts[9:12]]))
    assert same(one[0], other[0])
    assert is_prefix(one[0], other[0])
    assert not same(one[1], other[1])
    moved = run[4](*whole_run.stack_lanes([*starts[9:12], starts[0]]))
    assert same(one[0], moved[3])


def test_a_lane_that_diverges_ends_alone(lanes):
    run, starts = lanes
    state, order, rates, none = starts[1]
    wild = (state, order, rates * np.float32(1e30), none)
    calm = run[4](*whole_run.stack_lanes(starts[:4]))
    pack = run[4](*whole_run.stack_lanes([starts[0], wild, *starts[2:4]]))
    assert pack[1].outcome == "diverged"
    assert 0 < pack[1].ended_at < 100
    assert np.isfinite(pack[1].records).all()
    alone = run[1](*wild)
    assert (alone.outcome, alone.ended_at) == ("diverged", pack[1].ended_at)
    for lane in (0, 2, 3):
        assert pack[lane].outcome == "finished"
        assert same(pack[lane], calm[lane])
        assert is_prefix(pack[lane], calm[lane])


def test_a_lane_that_reaches_its_target_stays_there():
    problem, instances = problem_of(), [steps.instantiate(problem_of(), "Adam", {}, seed) for seed in (1, 2)]
    starts = [
        (instance.state, order_of(HORIZON, seed), rates_of(HORIZON), np.zeros(0))
        for instance, seed in zip(instances, (1, 2), strict=True)
    ]
    target = Target("validation_loss", False, 0.4)
    one, two = (
        whole_run.compile_program(problem, instances[0], HORIZON, range(LAST + 1), False, target=target, lanes=count)
        for count in (1, 2)
    )
    alone, lanes = [one(*start) for start in starts], two(*whole_run.stack_lanes(starts))
    assert alone[0].ended_at != alone[1].ended_at, "one must go on without the other for this test to mean anything"
    for single, lane in zip(alone, lanes, strict=True):
        assert (lane.outcome, lane.ended_at) == (single.outcome, single.ended_at)
        for mine, theirs in zip(lane.state.trainable, single.state.trainable, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("drop, fixed", [(True, False), (False, True), (True, True)])
def test_dropped_remainder_and_fixed_order_train_as_keras_does_on_that_data(drop, fixed):
    problem, horizon = problem_of(RESTLESS), Horizon(22, 8, 3, drop_remainder=drop)
    ours = train(problem, [horizon.steps], "SGD", horizon=horizon, fixed=fixed)
    order = order_of(horizon, fixed=fixed).reshape(3, -1)
    assert order.shape[1] == (16 if drop else 22)
    assert (order[0].tolist() == order[1].tolist()) == fixed
    model = steps.instantiate(problem, "SGD", {}, SEED).model
    model.compile(keras.optimizers.SGD(RATE), "mean_squared_error", jit_compile=False)
    for epoch in order:
        model.fit(X[epoch], Y[epoch], batch_size=8, shuffle=False, verbose=0)
    for group, variables in zip(ours.state, (model.trainable_variables, model.non_trainable_variables), strict=False):
        for mine, theirs in zip(group, variables, strict=True):
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=0, atol=1e-6)
