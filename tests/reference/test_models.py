"""Every kind of model, loss and metric against Keras's own `fit` and `evaluate`: the same initial state, the same data
in the same order, and a partial batch at the end of each epoch."""

from typing import NamedTuple

import keras
import numpy as np
import pytest
from batch_losses import BatchLosses
from keras import layers, losses, metrics

from thalweg.horizon import Horizon
from thalweg.training.engine import records, seeds, steps, whole_run
from thalweg.training.problem import Problem, Split

SEED = 3
PARTIAL = Horizon(examples=22, batch_size=8, epochs=4)
WHOLE = Horizon(examples=22, batch_size=8, epochs=4, drop_remainder=True)
RATES = {"SGD": 0.125, "Adam": 0.0078125}
"""Single precision, in which our program takes rates, holds them in full."""
WORDS = 6

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(36, 5)).astype(np.float32)
SEQUENCES = RANDOM.normal(size=(36, 6, 3)).astype(np.float32)
IMAGES = RANDOM.integers(0, 256, size=(36, 4, 4, 2), dtype=np.uint8)
TOKENS = RANDOM.integers(0, WORDS, size=(36, 7), dtype=np.int32)
TOKENS[:, 0] = 1 + TOKENS[:, 0] % (WORDS - 1)  # of padding alone there is no mean
VALUES = np.sin(X.sum(axis=1, keepdims=True))
SIGNS = (VALUES > 0).astype(np.float32)
CLASSES = (np.abs(X).argmax(axis=1) % 3).astype(np.int32)
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
SHARES = RANDOM.dirichlet([1, 1, 1], size=36).astype(np.float32)
WEIGHTS = RANDOM.uniform(0, 3, size=36).astype(np.float32)


class Penalised(layers.Layer):
    """Adds to the loss, once a number and once several."""

    def call(self, x):
        self.add_loss(0.1 * keras.ops.mean(x**2))
        self.add_loss(0.01 * keras.ops.mean(x**2, axis=0))
        return x


class DenseLookup(layers.Layer):
    """An embedding whose gradient does not come in rows."""

    def build(self, shape):
        self.table = self.add_weight(shape=(WORDS, 4), initializer="random_normal")

    def call(self, tokens):
        return keras.ops.one_hot(tokens, WORDS) @ self.table


class Subclassed(keras.Model):
    """Has no weights until it is called, and no training argument."""

    def __init__(self):
        super().__init__()
        self.hidden, self.last = layers.Dense(4, activation="tanh"), layers.Dense(1)

    def call(self, x):
        return self.last(self.hidden(x))


class OtherInTraining(Subclassed):
    """Computes something else in training."""

    def __init__(self):
        super().__init__()
        self.normalise, self.drop = layers.BatchNormalization(), layers.Dropout(0.3)

    def call(self, x, training=False):
        hidden = self.normalise(self.hidden(x), training=training)
        return self.last(self.drop(hidden, training=training)) * (2.0 if training else 1.0)


def dense(units, **arguments):
    return lambda: layers.Dense(units, **arguments)


def embedding(**arguments):
    return lambda: layers.Embedding(WORDS, 4, **arguments)


def frozen(make):
    def make_frozen():
        layer = make()
        layer.trainable = False
        return layer

    return make_frozen


def model_of(*makers, inputs=(5,), dtype="float32"):
    """A function that builds a model of the layers that `makers` make anew."""
    return lambda: keras.Sequential([keras.Input(inputs, dtype=dtype), *(make() for make in makers)])


def attention():
    inputs = keras.Input((6, 3))
    attended = layers.MultiHeadAttention(2, 4, dropout=0.2, use_bias=False)(inputs, inputs)
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(inputs + attended))
    return keras.Model(inputs, layers.Dense(1)(pooled))


def of_two_inputs(arrange):
    """A functional model, its inputs arranged as a list or a dict."""

    def make():
        one, other = keras.Input((5,), name="one"), keras.Input((6, 3), name="other")
        joined = layers.Concatenate()([layers.Dense(4)(one), layers.Flatten()(other)])
        return keras.Model(arrange(one, other), layers.Dense(1)(joined))

    return make


def problem_of(model, x=X, y=VALUES, loss="mean_squared_error", weights=None, **more):
    """A problem that trains on the first examples, and is validated and tested on the others."""
    whole = Split(x, y, weights)
    training, others = (whole.each(lambda array: array[part]) for part in (slice(22), slice(22, None)))  # noqa: B023
    return Problem(model=model, loss=loss, train=training, validation=others, test=others, **more)


MODELS = {
    # No bias before a normalisation: its gradient is nothing but rounding, of which Adam would make whole steps.
    "batch normalisation": lambda: problem_of(
        model_of(
            dense(6, use_bias=False),
            layers.BatchNormalization,
            layers.ReLU,
            dense(4, use_bias=False),
            lambda: layers.BatchNormalization(momentum=0.9),
            dense(1),
        )
    ),
    "dropout": lambda: problem_of(
        model_of(dense(8), lambda: layers.Dropout(0.4), lambda: layers.GaussianNoise(0.1), dense(1))
    ),
    "penalties": lambda: problem_of(
        model_of(dense(6, kernel_regularizer="l2", activity_regularizer="l1"), Penalised, dense(1))
    ),
    "embedding": lambda: problem_of(
        model_of(embedding(mask_zero=True), layers.GlobalAveragePooling1D, dense(1), inputs=(7,), dtype="int32"), TOKENS
    ),
    "embedding, LSTM": lambda: problem_of(
        model_of(embedding(mask_zero=True), lambda: layers.LSTM(4, dropout=0.2), dense(1), inputs=(7,), dtype="int32"),
        TOKENS,
    ),
    "embedding, masked targets": lambda: problem_of(
        model_of(embedding(mask_zero=True), dense(WORDS), inputs=(7,), dtype="int32"),
        TOKENS,
        np.roll(TOKENS, -1, axis=1),
        losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": "accuracy"},
    ),
    "GRU": lambda: problem_of(
        model_of(lambda: layers.GRU(4, recurrent_dropout=0.2), dense(1), inputs=(6, 3)), SEQUENCES
    ),
    "attention": lambda: problem_of(attention, SEQUENCES),
    "frozen": lambda: problem_of(
        model_of(frozen(dense(6)), frozen(layers.BatchNormalization), dense(4, activation="relu"), dense(1))
    ),
    "list of inputs": lambda: problem_of(of_two_inputs(lambda *both: list(both)), [X, SEQUENCES]),
    "named inputs": lambda: problem_of(
        of_two_inputs(lambda one, other: {"one": one, "other": other}), {"other": SEQUENCES, "one": X}
    ),
    "subclassed": lambda: problem_of(Subclassed),
    "other in training": lambda: problem_of(OtherInTraining),
    "images": lambda: problem_of(
        model_of(
            lambda: layers.Rescaling(1 / 255),
            lambda: layers.Conv2D(3, 2, activation="relu"),
            layers.Flatten,
            dense(1),
            inputs=(4, 4, 2),
            dtype="uint8",
        ),
        IMAGES,
    ),
}

COMPILED = sorted(MODELS.keys() - {"embedding", "list of inputs", "subclassed"})
"""Those that are compiled by XLA too; of the others it has the like."""


def in_half_precision():
    return problem_of(
        model_of(dense(8, activation="relu", kernel_regularizer="l2"), layers.BatchNormalization, dense(1))
    )


def pinball(targets, predictions):
    """A user's loss."""
    error = targets - predictions
    return keras.ops.mean(keras.ops.maximum(0.8 * error, -0.2 * error), axis=-1)


def within_a_half(targets, predictions):
    """A user's metric."""
    return keras.ops.cast(keras.ops.abs(targets - predictions)[:, 0] < 0.5, "float32")


def regression(loss, **more):
    return lambda: problem_of(model_of(dense(6, activation="relu"), dense(1)), loss=loss, **more)


def of_signs(loss, activation="sigmoid", **more):
    model = model_of(dense(6, activation="relu"), dense(1, activation=activation))
    return lambda: problem_of(model, y=SIGNS, loss=loss, **more)


def of_classes(loss, activation="softmax", y=ONE_HOT, **more):
    model = model_of(dense(6, activation="relu"), dense(3, activation=activation))
    return lambda: problem_of(model, y=y, loss=loss, **more)


LOSSES = {
    "binary": of_signs("binary_crossentropy", metrics={"accuracy": "accuracy", "auc": metrics.AUC()}),
    "binary of logits, weighted": of_signs(
        losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        None,
        weights=WEIGHTS,
        metrics={"precision": metrics.Precision(thresholds=0)},
        weighted_metrics={"weighted_precision": metrics.Precision(thresholds=0), "weighted_accuracy": "accuracy"},
    ),
    "categorical": of_classes(
        "categorical_crossentropy", metrics={"accuracy": "accuracy", "f1": metrics.F1Score(average="macro")}
    ),
    "sparse, of logits": of_classes(
        losses.SparseCategoricalCrossentropy(from_logits=True),
        None,
        CLASSES,
        metrics={"accuracy": "accuracy", "iou": metrics.MeanIoU(3, sparse_y_pred=False)},
    ),
    "sparse, weighted": of_classes(
        "sparse_categorical_crossentropy",
        y=CLASSES,
        weights=WEIGHTS,
        metrics={"accuracy": "accuracy"},
        weighted_metrics={"weighted_accuracy": "sparse_categorical_accuracy"},
    ),
    "divergence": of_classes("kl_divergence", y=SHARES),
    "huber, weighted": regression(
        losses.Huber(delta=0.3),
        weights=WEIGHTS,
        metrics={"error": metrics.mean_absolute_error},
        weighted_metrics={"weighted_error": "mean_squared_error", "weighted_within": within_a_half},
    ),
    "a user's, weighted": regression(
        pinball,
        weights=WEIGHTS,
        metrics={"within": within_a_half, "rmse": metrics.RootMeanSquaredError(), "r2": metrics.R2Score()},
    ),
    "sum, weighted": regression(losses.MeanSquaredError(reduction="sum"), weights=WEIGHTS),
    "weighted mean": regression(losses.MeanSquaredError(reduction="mean_with_sample_weight"), weights=WEIGHTS),
}


class InOrder(keras.utils.PyDataset):
    """The batches of a run, the same as our program takes."""

    def __init__(self, split, horizon):
        super().__init__()
        size, epochs = horizon.batch_size, data_order(horizon).reshape(horizon.epochs, -1)
        rows = [epoch[start : start + size] for epoch in epochs for start in range(0, len(epoch), size)]
        self.batches = [split.each(lambda array: array[mine]) for mine in rows]  # noqa: B023 (used at once)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        """Keras takes a list for a shape here: several inputs have to be a tuple."""
        return tuple(
            tuple(part) if isinstance(part, list) else part for part in self.batches[number] if part is not None
        )


class Ended(NamedTuple):
    """What training left: the loss of each batch, the variables, and loss and metrics on the test split."""

    losses: np.ndarray
    trainable: list[np.ndarray]
    non_trainable: list[np.ndarray]
    evaluated: np.ndarray


def data_order(horizon):
    return seeds.data_order(SEED, horizon.examples, horizon.epochs, horizon.examples_per_epoch)


def by_keras(problem, optimizer, horizon, xla, start=None):
    """What `fit` leaves; it begins with the trainable weights of `start`, if there are any."""
    instance, test = steps.instantiate(problem, optimizer, {}, SEED), problem.test
    model, recorded = instance.model, BatchLosses()
    for variable, value in zip(model.trainable_variables, start or instance.state.trainable, strict=True):
        variable.assign(value)
    model.compile(
        getattr(keras.optimizers, optimizer)(RATES[optimizer]),
        problem.loss,
        metrics=list(problem.metrics.values()),
        weighted_metrics=list(problem.weighted_metrics.values()),
        jit_compile=xla,
    )
    model.fit(InOrder(problem.train, horizon), shuffle=False, verbose=0, callbacks=[recorded])
    variables = [[v.numpy() for v in group] for group in (model.trainable_variables, model.non_trainable_variables)]
    # Only now: a recurrent layer with dropout draws masks for inference too, and drops them. In our program a run's
    # state is not what an evaluation leaves, so that the masks of training do not depend on when it is evaluated.
    evaluated = model.evaluate(test.x, test.y, sample_weight=test.weights, verbose=0)
    return Ended(np.array(recorded.losses), *variables, np.atleast_1d(evaluated))


def by_us(problem, optimizer, horizon, xla):
    instance = steps.instantiate(problem, optimizer, {}, SEED)
    train = whole_run.compile_program(problem, instance, horizon, range(horizon.steps + 1), xla)
    ended = train(instance.state, data_order(horizon), np.full(horizon.steps, RATES[optimizer], np.float32))
    assert ended.outcome == "finished"
    of_test = [name.startswith("test_") for name in records.columns(problem)]
    return Ended(ended.batch_losses[1:], *ended.state[:2], ended.records[-1, of_test])


def apart(ours, others):
    """The largest difference in each part: of integers as it is, else relative to the largest value in its array."""

    def scale(array):
        return 1 if np.issubdtype(array.dtype, np.integer) else max(np.abs(array).max(initial=0), 1e-30)

    def of_all(mine, theirs):
        return max((np.abs(a - b).max(initial=0) / scale(b) for a, b in zip(mine, theirs, strict=True)), default=0)

    return {name: float(of_all(mine, theirs)) for name, mine, theirs in zip(Ended._fields, ours, others, strict=True)}


def apart_from_keras(make, optimizer, horizon, xla):
    return apart(by_us(make(), optimizer, horizon, xla), by_keras(make(), optimizer, horizon, xla))


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def optimizer_for(name):
    """Keras takes the rows of an embedding's gradient for gradients, in optimizers that square them."""
    return "SGD" if "embedding" in name else "Adam"


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    differences = apart_from_keras(MODELS[name], optimizer_for(name), PARTIAL, xla=False)
    assert max(differences.values()) <= 1e-6, differences


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", COMPILED)
def test_models_with_xla(name):
    """Keras is compiled by XLA too, which draws other dropout masks than TensorFlow does.

    Partial batches are dropped, since XLA would compile everything once more for them. Losses and metrics are recorded
    in single precision, variables are kept in double.
    """
    differences = apart_from_keras(MODELS[name], optimizer_for(name), WHOLE, xla=True)
    bounds = {"losses": 2e-7, "trainable": 1e-9, "non_trainable": 1e-9, "evaluated": 1e-6}
    assert all(difference <= bounds[part] for part, difference in differences.items()), differences


@pytest.mark.usefixtures("half_precision")
def test_half_precision():
    differences = apart_from_keras(in_half_precision, "Adam", PARTIAL, xla=False)
    assert max(differences.values()) <= 1e-6, differences


@pytest.mark.usefixtures("half_precision")
def test_half_precision_with_xla():
    """XLA keeps some intermediate results in more digits than bfloat16 has, in Keras's program as in ours. So ours may
    be as far from Keras's with XLA as that is from Keras's without it."""
    ours = by_us(in_half_precision(), "Adam", WHOLE, xla=True)
    with_xla, without = (by_keras(in_half_precision(), "Adam", WHOLE, xla) for xla in (True, False))
    differences, bounds = apart(ours, with_xla), apart(with_xla, without)
    assert all(difference <= bounds[part] for part, difference in differences.items()), (differences, bounds)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_metrics(name):
    differences = apart_from_keras(LOSSES[name], "Adam", PARTIAL, xla=False)
    assert max(differences.values()) <= 1e-6, differences


def test_an_embedding_is_trained_as_the_same_dense_weights():
    """Where the optimizer squares gradients, and words are repeated in a batch."""

    def make(lookup):
        return problem_of(model_of(lookup, layers.GlobalAveragePooling1D, dense(1), inputs=(7,), dtype="int32"), TOKENS)

    start = steps.instantiate(make(embedding()), "Adam", {}, SEED).state.trainable
    ours = by_us(make(embedding()), "Adam", PARTIAL, False)
    found = apart(ours, by_keras(make(DenseLookup), "Adam", PARTIAL, False, start))
    assert max(found.values()) <= 1e-6, found
