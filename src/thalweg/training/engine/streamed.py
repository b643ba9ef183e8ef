"""Train on data that are too large for memory: step by step, with the semantics and the records of a whole run.

Each batch comes from its source when it is its turn. Steps and evaluations are compiled, and compute what they compute
for data in memory; the loop over them is Python's.

This module imports all that computes such a run.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

import thalweg.training.engine.settings
import thalweg.training.schedules  # noqa: F401 (the settings and the learning rates that such a run is computed with)
from thalweg.experiment.target import Target
from thalweg.horizon import Horizon
from thalweg.quantities import recorded_quantities
from thalweg.training.engine import records, seeds, steps
from thalweg.training.engine.evaluation import make_evaluation, make_split_evaluation
from thalweg.training.engine.records import ACTIVE, DIVERGED, REACHED, Trajectory
from thalweg.training.engine.runs import Program, RunInputs
from thalweg.training.engine.steps import Instance, State
from thalweg.training.problem import Problem, Source, Split, begin, epoch, pieces


def batches(problem: Problem, horizon: Horizon, seed: int, fixed: bool = False) -> Iterator[Split]:
    """Yield the batches of a run in its seed's order.

    Args:
        problem: The problem, its training split a Source or a Split.
        horizon: How long the run is.
        seed: The run's seed.
        fixed: Whether a Split has the same order in every epoch; the order of a Source is its own.

    Raises:
        ValueError: An epoch of the source is not as long as it says, or a batch not as large as it was asked for.
    """
    source = problem.train
    if isinstance(source, Split):
        order = seeds.data_order(seed, horizon.examples, horizon.epochs, horizon.examples_per_epoch, fixed)
        for epoch_order in order.reshape(horizon.epochs, -1):
            for start in range(0, len(epoch_order), horizon.batch_size):
                yield source.each(lambda array: array[epoch_order[start : start + horizon.batch_size]])  # noqa: B023
        return
    source_batches = begin(source, horizon.batch_size, seeds.derive(seed, "data order"))
    for number in range(1, horizon.epochs + 1):
        examples = 0
        for batch in epoch(source_batches):
            size, expected = int(np.shape(batch.y)[0]), min(horizon.batch_size, source.examples - examples)
            examples += size
            if examples > source.examples:
                break
            if size != expected or size == 0:
                raise ValueError(
                    f"epoch {number} of the training source has a batch of {size} examples where {expected} were due; "
                    f"all but the last must have the batch size, {horizon.batch_size}"
                )
            if size == horizon.batch_size or not horizon.drop_remainder:
                yield batch
        if examples != source.examples:
            has = "more" if examples > source.examples else examples
            raise ValueError(f"epoch {number} of the training source has {has} examples, but it says {source.examples}")


def compile_program(
    problem: Problem,
    instance: Instance,
    horizon: Horizon,
    evaluation_steps: Sequence[int],
    xla: bool,
    *,
    target: Target | None = None,
    record: Collection[str] = (),
    lanes: int = 1,
) -> Program:
    """Compile a step and an evaluation. The program takes a run's `batches` in place of the order of the data.

    Args:
        problem: The problem; each of its splits may be a Source or a Split.
        instance: Its model and the optimizer.
        horizon: How long a run is.
        evaluation_steps: The steps after which a run is evaluated.
        xla: Whether XLA compiles steps and evaluations.
        target: What ends a run early when an evaluation reaches it.
        record: The names of quantities that are recorded on request.
        lanes: 1, since runs on a source cannot be stacked.

    Raises:
        ValueError: There are several lanes, or a quantity needs the training data in memory.
    """
    if lanes > 1:
        raise ValueError("streamed runs cannot be stacked in lanes")
    for quantity in recorded_quantities(record):
        if quantity.needs_data_in_memory:
            raise ValueError(f"{quantity.name} needs the training data in memory, but they are streamed")
    compiled = tf.function(jit_compile=xla, autograph=False, reduce_retracing=False)
    update, evaluation = steps.make_update(problem, instance), make_split_evaluation(problem, instance)
    step = compiled(lambda state, batch, rate, searched: update(state, Split(*batch), rate, tf.unstack(searched)))
    add = compiled(lambda state, totals, piece: evaluation.add(state, totals, Split(*piece)))
    results = compiled(evaluation.results)

    def evaluate_split(state: State, split: Split | Source) -> tf.Tensor:
        totals = evaluation.zeros()
        for piece in pieces(split):
            totals = add(state, totals, tuple(piece.each(tf.convert_to_tensor)))
        return results(totals)

    evaluate = make_evaluation(problem, instance, horizon, record, evaluate_split, compiled)
    probes = [] if problem.probe is None else [problem.probe.x]
    names, metric_count = records.columns(problem, record), len(records.metric_columns(problem))
    points, searched = sorted(evaluation_steps), np.array(list(instance.searched.values()), np.float64)

    def run(
        state: State,
        data: Any,
        learning_rates: np.ndarray,
        hyperparameters: np.ndarray | None = None,
        deadline: float = np.inf,
        report: Callable[[float], None] = lambda share: None,
    ) -> Trajectory:
        values = tf.constant(searched if hyperparameters is None else hyperparameters)
        state = tf.nest.map_structure(tf.constant, steps.flatten_state(instance, state))
        rows = np.zeros([len(points), len(names) + 1], np.float32)
        outcome, taken, loss, previous_weights = ACTIVE, 0, np.nan, state.trainable
        gradients = [tf.zeros_like(value) for value in state.trainable]
        remaining = iter(data)
        while outcome == ACTIVE:
            if taken in points:
                row = points.index(taken)
                rows[row] = [*evaluate(state, previous_weights, gradients, problem.splits, probes).numpy(), loss]
                if not np.isfinite(rows[row, :metric_count]).all():
                    outcome = DIVERGED
                elif target and target.is_reached_by(rows[row, names.index(target.column)]):
                    outcome = REACHED
            # Not before its record: a run that is out of time has all those of the steps that it took.
            if outcome != ACTIVE or taken == horizon.steps or time.monotonic() > deadline:
                break
            report(taken / horizon.steps)
            previous_weights = state.trainable
            state, loss, gradients = step(
                state, tuple(next(remaining).each(tf.convert_to_tensor)), tf.constant(learning_rates[taken]), values
            )
            taken += 1
            if not np.isfinite(loss):
                outcome = DIVERGED
        final = steps.unflatten_state(instance, tf.nest.map_structure(lambda tensor: tensor.numpy(), state))
        return records.make_trajectory(np.array(points), rows, horizon.steps, taken, outcome, taken, final)

    return run


def train_runs(
    program: Program,
    runs: Sequence[RunInputs],
    problem: Problem,
    horizon: Horizon,
    *,
    fixed_order: bool = False,
    lanes: int = 1,
    deadline: float = np.inf,
    report: Callable[[float], None] = lambda share: None,
) -> list[Trajectory]:
    """Train runs one after the other.

    Args:
        program: What compile_program returned for the problem and horizon.
        runs: What each run is trained with.
        problem: The problem, whose batches are trained on.
        horizon: How long a run is.
        fixed_order: Whether data in memory have the same order in every epoch.
        lanes: 1, since runs on a source cannot be stacked.
        deadline: A reading of time.monotonic(), in seconds, after which training stops soon.
        report: Is told the share of a run that is done, from 0 to 1.
    """
    return [
        program(
            run.state,
            batches(problem, horizon, run.seed, fixed_order),
            run.learning_rates,
            run.hyperparameters,
            deadline,
            report,
        )
        for run in runs
    ]
