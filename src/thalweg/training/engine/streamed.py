"""Training on data that are too large for memory: step by step, with the semantics and the records of a program.

Each batch comes from its source when it is its turn. What a step and an evaluation compute is compiled, and is the same
as in a program; the loop over them is Python's.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from thalweg.experiment.target import Target
from thalweg.horizon import Horizon
from thalweg.training.engine import evaluation, optimizers, records, seeds, steps
from thalweg.training.engine.program import Program
from thalweg.training.engine.records import DIVERGED, GOING, REACHED, Trajectory
from thalweg.training.engine.steps import Instance, State
from thalweg.training.problem import Problem, Source, Split, begin, epoch, pieces


def batches(problem: Problem, horizon: Horizon, seed: int, fixed: bool = False) -> Iterator[Split]:
    """The batches of a run in its seed's order.

    Raises ValueError where an epoch of the source is not as long as it says, or a batch not as large as asked.
    """
    source = problem.train
    if isinstance(source, Split):
        order = seeds.data_order(seed, horizon.examples, horizon.epochs, horizon.examples_per_epoch, fixed)
        for of_epoch in order.reshape(horizon.epochs, -1):
            for start in range(0, len(of_epoch), horizon.batch_size):
                yield source.each(lambda array: array[of_epoch[start : start + horizon.batch_size]])  # noqa: B023
        return
    made = begin(source, horizon.batch_size, seeds.derive(seed, "data order"))
    for number in range(1, horizon.epochs + 1):
        came = 0
        for batch in epoch(made):
            size, expected = int(np.shape(batch.y)[0]), min(horizon.batch_size, source.examples - came)
            came += size
            if came > source.examples:
                break
            if size != expected or size == 0:
                raise ValueError(
                    f"epoch {number} of the training source has a batch of {size} examples where {expected} were due; "
                    f"all but the last must have the batch size, {horizon.batch_size}"
                )
            if size == horizon.batch_size or not horizon.drop_remainder:
                yield batch
        if came != source.examples:
            has = "more" if came > source.examples else came
            raise ValueError(f"epoch {number} of the training source has {has} examples, but it says {source.examples}")


def compile_streamed(
    problem: Problem,
    instance: Instance,
    horizon: Horizon,
    evaluation_steps: Sequence[int],
    xla: bool,
    *,
    target: Target | None = None,
    record: Collection[str] = (),
) -> Program:
    """Compile a step and an evaluation. The program takes a run's `batches` in place of the order of the data."""
    compiled = tf.function(jit_compile=xla, autograph=False, reduce_retracing=False)
    update, totals = steps.update_of(problem, instance), evaluation.totals_of(problem, instance)
    step = compiled(lambda state, batch, rate, searched: update(state, Split(*batch), rate, tf.unstack(searched)))
    add = compiled(lambda state, so_far, piece: totals.add(state, so_far, Split(*piece)))
    results = compiled(totals.results)

    @compiled  # type: ignore[untyped-decorator]
    def left(state: State) -> State:
        """What training would leave if it ended here."""
        weights = optimizers.finalize(instance.optimizer, instance.variables, state.trainable, state.optimizer)
        return state._replace(trainable=weights)

    @compiled  # type: ignore[untyped-decorator]
    def diagnostics(before: Any, after: Any, gradients: Any) -> tf.Tensor:
        return tf.stack(evaluation.diagnostics(before, after, gradients))

    def over(state: State, split: Split | Source) -> tf.Tensor:
        so_far = totals.zeros()
        for piece in pieces(split):
            so_far = add(state, so_far, tuple(piece.each(tf.convert_to_tensor)))
        return results(so_far)

    def evaluate(state: State, before: Any, gradients: Any) -> np.ndarray:
        final = left(state)
        values = [over(final, split) for split in problem.splits.values()]
        if problem.probe is not None:
            values.append(tf.reshape(steps.predict(instance, final, problem.probe.x), [-1]))
        values.append(diagnostics(before, state.trainable, gradients))
        if "weights" in record:
            values.append(steps.weights(instance, final))
        return np.concatenate([np.asarray(value, np.float32) for value in values])

    names, measured = records.columns(problem, record), len(records.measured_columns(problem))
    points, searched = sorted(evaluation_steps), np.array(list(instance.searched.values()), np.float64)

    def run(
        state: State,
        order: Any,
        rates: np.ndarray,
        hyperparameters: np.ndarray | None = None,
        deadline: float = np.inf,
        tell: Callable[[float], None] = lambda share: None,
    ) -> Trajectory:
        given = tf.constant(searched if hyperparameters is None else hyperparameters)
        state = tf.nest.map_structure(tf.constant, steps.packed(instance, state))
        rows = np.zeros([len(points), len(names) + 1], np.float32)
        outcome, taken, loss, before = GOING, 0, np.nan, state.trainable
        gradients = [tf.zeros_like(value) for value in state.trainable]
        remaining = iter(order)
        while outcome == GOING:
            if taken in points:
                row = points.index(taken)
                rows[row] = [*evaluate(state, before, gradients), loss]
                if not np.isfinite(rows[row, :measured]).all():
                    outcome = DIVERGED
                elif target and records.met(target, rows[row, names.index(target.column)]):
                    outcome = REACHED
            # Not before its record: a run that is out of time has all those of the steps that it took.
            if outcome != GOING or taken == horizon.steps or time.monotonic() > deadline:
                break
            tell(taken / horizon.steps)
            before = state.trainable
            state, loss, gradients = step(
                state, tuple(next(remaining).each(tf.convert_to_tensor)), tf.constant(rates[taken]), given
            )
            taken += 1
            if not np.isfinite(loss):
                outcome = DIVERGED
        final = steps.opened(instance, tf.nest.map_structure(lambda tensor: tensor.numpy(), state))
        return records.ended(np.array(points), rows, horizon.steps, taken, outcome, taken, final)

    return run
