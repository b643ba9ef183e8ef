"""What is computed at an evaluation point, the same for every way of training.

A record is the loss and the metrics on each split, the predictions for the probe, and the recorded quantities. Ways of
training differ in how they go through a split, and in what they compile together; both are arguments here.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.src.trainers.compile_utils import get_metric

from thalweg.horizon import Horizon
from thalweg.quantities import Snapshot, Tools, recorded_quantities
from thalweg.training.engine import optimizers, steps
from thalweg.training.engine.steps import Instance, State, Tensors
from thalweg.training.problem import Problem, Split


class SplitEvaluation(NamedTuple):
    """How a split is evaluated, in as many pieces as it takes.

    Attributes:
        zeros: Returns the totals to begin with: the sum of losses, the number of examples, the state of each metric.
        add: Maps a state, totals and a piece of the split to the totals with this piece.
        results: Maps the totals to the loss and the metrics, float32, (columns,).
    """

    zeros: Callable[[], Tensors]
    add: Callable[[State, Tensors, Split], Tensors]
    results: Callable[[Tensors], tf.Tensor]


Evaluate = Callable[..., tf.Tensor]
"""(state, weights before the latest step, its gradients, splits by name, inputs of the probe, training data, rows of
the first epoch's whole batches) -> a record, float32, (columns,)."""


def build_metrics(problem: Problem, predictions: tf.Tensor, targets: Any) -> dict[str, keras.metrics.Metric]:
    """Build each metric as Keras's own training does, from its name, a function or itself, with its variables made."""
    metrics = {name: get_metric(metric, targets, predictions) for name, metric in problem.all_metrics.items()}
    for metric in metrics.values():
        metric.update_state(targets, predictions)
        metric.reset_state()
    return metrics


def make_split_evaluation(problem: Problem, instance: Instance) -> SplitEvaluation:
    """Make the evaluation of a split: the loss with penalties, and the metrics, as Keras's `evaluate` gives them."""
    model, loss_function = instance.model, steps.resolve_loss(problem)
    examples = steps.first_examples(problem)
    metrics = build_metrics(problem, model(examples.x), examples.y)
    initial = [variable.numpy() for metric in metrics.values() for variable in metric.variables]

    def zeros() -> Tensors:
        return [tf.zeros([]), tf.zeros([]), *map(tf.constant, initial)]

    def add(state: State, totals: Tensors, piece: Split) -> Tensors:
        own = steps.unflatten_state(instance, state)
        loss, predictions, _ = steps.forward(model, loss_function, own, piece, training=False)
        count = tf.cast(tf.shape(piece.y)[0], tf.float32)
        updated, remaining = [totals[0] + tf.cast(loss, tf.float32) * count, totals[1] + count], totals[2:]
        for name, metric in metrics.items():
            variables, remaining = remaining[: len(metric.variables)], remaining[len(metric.variables) :]
            weights = {"sample_weight": piece.weights} if name in problem.weighted_metrics else {}
            updated += metric.stateless_update_state(variables, piece.y, predictions, **weights)
        return updated

    def results(totals: Tensors) -> tf.Tensor:
        values, remaining = [totals[0] / totals[1]], totals[2:]
        for metric in metrics.values():
            variables, remaining = remaining[: len(metric.variables)], remaining[len(metric.variables) :]
            values.append(tf.cast(metric.stateless_result(variables), tf.float32))
        return tf.stack(values)

    return SplitEvaluation(zeros, add, results)


def make_evaluation(
    problem: Problem,
    instance: Instance,
    horizon: Horizon,
    record: Collection[str],
    evaluate_split: Callable[[State, Any], tf.Tensor],
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
) -> Evaluate:
    """Make the function that computes a record.

    Args:
        problem: The problem, with its splits and its probe.
        instance: The model and the optimizer.
        horizon: How long a run is.
        record: The names of quantities that are recorded on request.
        evaluate_split: Maps a state and a split to the loss and the metrics, float32, (columns,).
        compiled: Compiles the parts of the evaluation, where the record as a whole is not compiled.
    """
    gradient = steps.make_gradient(problem, instance)

    def dense_gradient(state: State, batch: Split) -> Tensors:
        _, gradients, _ = gradient(state, batch)
        return steps.unscale(instance.optimizer, steps.fill_missing(gradients, state.trainable))

    def finalize(state: State) -> State:
        weights = optimizers.finalize(instance.optimizer, instance.variables, state.trainable, state.optimizer)
        return state._replace(trainable=weights)

    tools = Tools(horizon, steps.global_norm, dense_gradient, lambda state: steps.weight_vector(instance, state))
    final_state = compiled(finalize)
    computations = [
        compiled(lambda *snapshot, quantity=quantity: quantity.compute(tools, Snapshot(*snapshot)))
        for quantity in recorded_quantities(record)
    ]

    def evaluate(
        state: State,
        previous_weights: Tensors,
        gradients: Tensors,
        splits: Mapping[str, Any],
        probes: Tensors,
        examples: Split | None = None,
        first_epoch: tf.Tensor | None = None,
    ) -> tf.Tensor:
        final = final_state(state)
        values = [evaluate_split(final, split) for split in splits.values()]
        values += [tf.cast(tf.reshape(steps.predict(instance, final, x), [-1]), tf.float32) for x in probes]
        snapshot = Snapshot(state, final, previous_weights, gradients, examples, first_epoch)
        values += [compute(*snapshot) for compute in computations]
        return tf.concat(values, 0)

    return evaluate
