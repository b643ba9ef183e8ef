"""What is recorded at an evaluation point: losses and metrics on whole splits, the gradient and its noise, weights."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.compile_utils import get_metric

from thalweg.horizon import Horizon
from thalweg.training.engine import optimizers, steps
from thalweg.training.engine.steps import Instance, State, Tensors
from thalweg.training.problem import EVALUATION_BATCH, Problem, Split


class Totals(NamedTuple):
    """How a split is evaluated, in as many pieces as it takes: begin with `zeros()`, `add(state, totals, piece)`
    each, and `results(totals)` are the loss and the metrics, shape (columns,)."""

    zeros: Callable[[], Tensors]
    add: Callable[[State, Tensors, Split], Tensors]
    results: Callable[[Tensors], tf.Tensor]


def metrics_of(problem: Problem, predictions: tf.Tensor, targets: Any) -> dict[str, keras.metrics.Metric]:
    """Each metric as Keras's own training makes it, from its name, a function or itself, with its state made."""
    made = {name: get_metric(one, targets, predictions) for name, one in problem.all_metrics.items()}
    for metric in made.values():
        metric.update_state(targets, predictions)
        metric.reset_state()
    return made


def totals_of(problem: Problem, instance: Instance) -> Totals:
    """The loss with penalties and the metrics, each over a whole split, as Keras's `evaluate` gives them."""
    model, loss_function = instance.model, steps.loss_of(problem)
    examples = steps.first_examples(problem)
    metrics = metrics_of(problem, model(examples.x), examples.y)
    beginning = [variable.numpy() for metric in metrics.values() for variable in metric.variables]

    def zeros() -> Tensors:
        """The sum of losses, the count of examples, and the state of each metric."""
        return [tf.zeros([]), tf.zeros([]), *map(tf.constant, beginning)]

    def add(state: State, totals: Tensors, piece: Split) -> Tensors:
        loss, predictions, _ = steps.forward(model, loss_function, steps.opened(instance, state), piece, training=False)
        count = tf.cast(tf.shape(piece.y)[0], tf.float32)
        added, held = [totals[0] + tf.cast(loss, tf.float32) * count, totals[1] + count], totals[2:]
        for name, metric in metrics.items():
            mine, held = held[: len(metric.variables)], held[len(metric.variables) :]
            weights = {"sample_weight": piece.weights} if name in problem.weighted_metrics else {}
            added += metric.stateless_update_state(mine, piece.y, predictions, **weights)
        return added

    def results(totals: Tensors) -> tf.Tensor:
        found, held = [totals[0] / totals[1]], totals[2:]
        for metric in metrics.values():
            mine, held = held[: len(metric.variables)], held[len(metric.variables) :]
            found.append(tf.cast(metric.stateless_result(mine), tf.float32))
        return tf.stack(found)

    return Totals(zeros, add, results)


def evaluate_of(
    problem: Problem, instance: Instance, horizon: Horizon, record: Collection[str]
) -> Callable[..., tf.Tensor]:
    """(state, weights before the latest step, its gradients, training data, the rows of an epoch in whole batches,
    splits, probes) -> a record, float32, shape (columns,)."""
    evaluation = totals_of(problem, instance)
    gradient = steps.gradient_of(problem, instance)

    def over(state: State, split: Split) -> tf.Tensor:
        """Loss and metrics of a split, in pieces where it is large."""
        examples, totals = int(split.y.shape[0]), evaluation.zeros()
        whole = examples // EVALUATION_BATCH

        def piece(start: Any, size: int) -> Split:
            """A slice whose size is known, wherever it begins: XLA takes no other."""
            return split.each(
                lambda array: tf.slice(array, [start, *(0 for _ in array.shape[1:])], [size, *array.shape[1:]])
            )

        if whole > 1:
            _, totals = tf.while_loop(
                lambda k, _: k < whole,
                lambda k, totals: (
                    k + 1,
                    evaluation.add(state, totals, piece(k * EVALUATION_BATCH, EVALUATION_BATCH)),
                ),
                (tf.constant(0), totals),
            )
        elif whole:
            totals = evaluation.add(state, totals, piece(0, EVALUATION_BATCH))
        if examples % EVALUATION_BATCH:
            totals = evaluation.add(state, totals, piece(whole * EVALUATION_BATCH, examples % EVALUATION_BATCH))
        return evaluation.results(totals)

    def noise_of(state: State, examples: Split, rows: tf.Tensor) -> list[tf.Tensor]:
        """Mean and scatter of the gradients of an epoch's whole batches, at weights that stay as they are."""
        count = horizon.examples // horizon.batch_size

        def add(k: tf.Tensor, total: Tensors, squares: tf.Tensor) -> Any:
            mine = tf.reshape(rows, [count, horizon.batch_size])[k]
            _, found, _ = gradient(state, examples.each(lambda array: tf.gather(array, mine)))
            gradients = steps.unscaled(instance.optimizer, steps.filled(found, state.trainable))
            return k + 1, [a + b for a, b in zip(total, gradients, strict=True)], squares + steps.norm(gradients) ** 2

        zeros = [tf.zeros_like(value) for value in state.trainable]
        _, total, squares = tf.while_loop(lambda k, *_: k < count, add, (tf.constant(0), zeros, tf.constant(0.0)))
        return noise_from(steps.norm(total) / count, squares / count, count, horizon.batch_size)

    def evaluate(
        state: State,
        before: Tensors,
        gradients: Tensors,
        examples: Split,
        opening: tf.Tensor,
        splits: dict[str, Split],
        probes: Tensors,
    ) -> tf.Tensor:
        # What training would leave if it ended here: with an averaging optimizer that is the average.
        left = state._replace(
            trainable=optimizers.finalize(instance.optimizer, instance.variables, state.trainable, state.optimizer)
        )
        values = [over(left, split) for split in splits.values()]
        values += [tf.cast(tf.reshape(steps.predict(instance, left, x), [-1]), tf.float32) for x in probes]
        values.append(tf.stack(diagnostics(before, state.trainable, gradients)))
        if "gradient_noise" in record:
            values.append(tf.stack(noise_of(state, examples, opening)))
        if "weights" in record:
            values.append(steps.weights(instance, left))
        return tf.concat(values, 0)

    return evaluate


def diagnostics(before: Tensors, after: Tensors, gradients: Tensors) -> list[tf.Tensor]:
    """Of one step: the norm of the gradient, and that of the update as a share of that of the weights before."""
    change = [a - b for a, b in zip(after, before, strict=True)]
    return [steps.norm(gradients), steps.norm(change) / steps.norm(before)]


def noise_from(mean_norm: tf.Tensor, mean_square: tf.Tensor, batches: int, batch_size: int) -> list[tf.Tensor]:
    """The norm of the full gradient, the trace of the covariance of the gradients of single examples, and their
    ratio, the simple noise scale tr(Σ) / |G|² (McCandlish et al. 2018, arXiv:1812.06162, equation 2.9).

    From the gradients of all K batches of one epoch: each is a mean of b of the N = K·b examples, drawn without
    replacement, and so scatters about the mean of all by tr(Σ)/b · (1 − b/N).
    """
    examples = batches * batch_size
    scatter = mean_square - mean_norm**2
    variance = scatter * batch_size / (1 - batch_size / examples) if batches > 1 else tf.constant(np.nan)
    return [mean_norm, variance, variance / mean_norm**2]
