"""The compiled program: what a run records, how it ends, and what its bits do not depend on.

That its numbers are right is held against Keras's own training in tests/reference.
"""

from pathlib import Path

import keras
import numpy as np
import pytest

from thalweg.experiment.loading import load
from thalweg.grid import Run
from thalweg.horizon import Horizon
from thalweg.training.engine import loop, records, seeds, steps, whole_run
from thalweg.training.jobs import trainer
from thalweg.training.problem import Problem, Split

X = np.linspace(-1, 1, 10, dtype=np.float32)[:, None]
POINTS = Split(X, 3 * X)
HORIZON = Horizon(examples=10, batch_size=4, epochs=5)
GRID = load(Path(__file__).parents[3] / "experiments/smoke.yaml").problems["linear"]


def dense():
    return lambda: keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)]
    )


def make(model=None, **changes):
    return Problem(
        **{"model": model or dense(), "loss": "mse", "train": POINTS, "validation": POINTS, "test": POINTS, **changes}
    )


def train(problem, rate=0.1, points=(0, 7, 15), optimizer="SGD", seed=1, xla=True, horizon=HORIZON, **arguments):
    instance = steps.instantiate(problem, optimizer, arguments, seed)
    run = whole_run.compile_program(problem, instance, horizon, points, xla)
    order = seeds.data_order(seed, horizon.examples, horizon.epochs)
    return run(instance.state, order, np.full(horizon.steps, rate, np.float32))


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.state.trainable, other.state.trainable, strict=True))


def test_segments_cut_a_run_at_partial_batches_and_evaluations():
    rows = loop.plan_segments(3, 15, True, [0, 2, 4, 15])
    first = [[0, 0, 1], [1, 0, 0], [1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert rows.tolist() == [*first, [1, 1, 0], [2, 1, 0], [2, 1, 0], [2, 0, 0], [0, 1, 1]]
    assert rows[:, :2].sum() == HORIZON.steps
    assert loop.plan_segments(2, 10, False, [0, 10]).tolist() == [[0, 0, 1], [9, 0, 0], [1, 0, 1]]


@pytest.mark.parametrize("xla", [False, True])
def test_records_are_what_keras_evaluates(xla):
    """A loss is of what predictions are off, at the end a tenth of targets of up to 3. So a rounding of a prediction,
    6e-8 of it, is 1e-6 of a loss. How often XLA rounds depends on the processor, and may differ from split to split."""
    problem = make(metrics={"error": keras.metrics.mean_absolute_error}, probe=Split(X[:2] + 5, X[:2]))
    instance = steps.instantiate(problem, "Adam", {}, 1)
    ended = train(problem, optimizer="Adam", xla=xla)
    assert ended.steps.tolist() == [0, 7, 15]
    columns = records.columns(problem)
    assert columns[:3] == ["train_loss", "train_error", "validation_loss"]
    assert columns[-4:] == ["probe_0", "probe_1", "gradient_norm", "update_ratio"]
    for point, weights in ((0, instance.state.trainable), (-1, ended.state.trainable)):
        instance.model.set_weights(weights)
        instance.model.compile(loss="mse", metrics=["mae"])
        record = dict(zip(columns, ended.records[point], strict=True))
        loss, error = instance.model.evaluate(X, 3 * X, verbose=0)
        assert [record["train_loss"], record["test_loss"]] == pytest.approx([loss, loss], rel=1e-5)
        assert record["train_error"] == pytest.approx(error, rel=1e-5)
        np.testing.assert_allclose(ended.records[point, -4:-2], instance.model(X[:2] + 5)[:, 0], rtol=1e-6)


def test_recording_changes_no_bits():
    assert same(train(make(), points=(0, 15)), train(make(), points=tuple(range(16))))


def test_a_run_s_bits_do_not_depend_on_those_before_it():
    problem = make()
    first, second = (steps.instantiate(problem, "Adam", {}, seed) for seed in (1, 2))
    run = whole_run.compile_program(problem, first, HORIZON, (0, 15), True)
    rates = np.full(HORIZON.steps, 0.1, np.float32)
    order = seeds.data_order(2, 10, 5)
    run(first.state, seeds.data_order(1, 10, 5), rates * np.float32(1e6))
    assert same(run(second.state, order, rates), train(problem, optimizer="Adam", seed=2))


@pytest.mark.parametrize("xla", [False, True])
def test_a_run_that_diverges_ends_and_says_where(xla):
    ended = train(make(), rate=1e6, points=range(16), xla=xla)
    assert ended.diverged_at is not None
    assert 1 < ended.diverged_at < 15
    assert ended.steps.tolist() == list(range(ended.diverged_at))
    assert np.isfinite(ended.records).all()


def test_data_that_makes_no_number_diverges_at_the_start():
    ended = train(make(test=Split(X, np.full_like(X, np.inf))))
    assert ended.diverged_at == 0
    assert len(ended.steps) == 0


def test_batch_normalisation_dropout_and_penalties_train_as_in_keras():
    """Dropout at rate 0 and a moving mean: the state that is not trained is carried along, and penalties count."""

    def model():
        return keras.Sequential(
            [
                keras.Input((1,)),
                keras.layers.Dense(8, kernel_regularizer=keras.regularizers.L2(0.1)),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.0),
                keras.layers.Dense(1),
            ]
        )

    problem = make(model)
    ended = train(problem, xla=False)
    instance = steps.instantiate(problem, "SGD", {}, 1)
    instance.model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    for epoch in seeds.data_order(1, 10, 5).reshape(5, 10):
        instance.model.fit(X[epoch], 3 * X[epoch], batch_size=4, shuffle=False, verbose=0)
    for ours, theirs in zip(ended.state.trainable, instance.model.trainable_variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    moving = [v.numpy() for v in instance.model.non_trainable_variables if "moving" in v.name]
    assert len(moving) == 2
    for theirs in moving:
        assert any(
            np.shape(ours) == theirs.shape and np.allclose(ours, theirs, atol=1e-6)
            for ours in ended.state.non_trainable
        )
    assert ended.records[-1, 0] == pytest.approx(instance.model.evaluate(X, 3 * X, verbose=0), rel=1e-5)


def batches_seen(optimizer, seed, **arguments):
    """The examples that each step trains on: with a weight for each example, and a rate that is not zero in one step
    alone, they are the weights that this step changes."""
    each = Split(np.eye(10, dtype=np.float32), np.full((10, 1), 9, np.float32))

    def one_weight_each():
        return keras.Sequential([keras.Input((10,)), keras.layers.Dense(1, use_bias=False)])

    problem = make(one_weight_each, train=each, validation=each, test=each)
    instance = steps.instantiate(problem, optimizer, arguments, seed)
    compiled = whole_run.compile_program(problem, instance, HORIZON, (0, HORIZON.steps), xla=True)
    run = Run("points", optimizer, "constant", HORIZON.batch_size, 0.1, seed)
    seen = []
    for rates in 0.1 * np.eye(HORIZON.steps, dtype=np.float32):
        (ended,) = trainer.train_lanes(compiled, [run], [instance.state], [rates], problem, GRID, HORIZON)
        changed = ended.state.trainable[0] != instance.state.trainable[0]
        seen.append(frozenset(np.flatnonzero(changed).tolist()))
    return seen


def test_every_optimizer_sees_the_same_batches_and_every_epoch_others():
    seen = batches_seen("SGD", seed=1)
    epochs = [seen[first : first + 3] for first in range(0, HORIZON.steps, 3)]
    assert all([len(batch) for batch in epoch] == [4, 4, 2] for epoch in epochs)
    assert all(frozenset.union(*epoch) == set(range(10)) for epoch in epochs), "each example once an epoch"
    assert len({tuple(epoch) for epoch in epochs}) == HORIZON.epochs
    for name, arguments in {"Adam": {"beta_1": 0.0}, "RMSprop": {}, "Adagrad": {}}.items():
        assert batches_seen(name, seed=1, **arguments) == seen
    assert batches_seen("SGD", seed=2) != seen


def test_a_seed_gives_every_optimizer_the_same_weights_and_another_seed_others():
    weights = [steps.instantiate(make(), optimizer, {}, 1).state.trainable for optimizer in ("SGD", "Adam", "RMSprop")]
    for other in weights[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(weights[0], other, strict=True))
    assert not np.array_equal(weights[0][0], steps.instantiate(make(), "SGD", {}, 2).state.trainable[0])


def test_mixed_precision_trains_in_full_precision_weights():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = train(make(), xla=False)
    finally:
        keras.config.set_dtype_policy("float32")
    full = train(make(), xla=False)
    assert all(weights.dtype == np.float32 for weights in mixed.state.trainable)
    assert not same(mixed, full)
    assert mixed.records[-1, 0] == pytest.approx(full.records[-1, 0], rel=0.2)


def test_before_the_first_update_an_average_is_the_weights_themselves():
    plain, averaged = (train(make(), use_ema=use_ema, xla=False) for use_ema in (False, True))
    assert np.array_equal(plain.records[0], averaged.records[0])
    assert not np.array_equal(plain.records[-1], averaged.records[-1])


def test_a_scaled_loss_leaves_the_records_of_its_gradient_as_they_are():
    plain, scaled = (train(make(), loss_scale_factor=factor, xla=False) for factor in (None, 1024.0))
    np.testing.assert_allclose(plain.records, scaled.records, rtol=1e-6)


def test_a_model_s_layers_are_named_as_if_it_were_the_first():
    names = [layer.name for layer in steps.instantiate(make(), "SGD", {}, 1).model.layers]
    assert names == ["dense", "dense_1"]
