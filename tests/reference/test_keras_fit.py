"""Our compiled program against Keras's own `fit`: the same initial weights, the same order of data, every step."""

from pathlib import Path

import keras
import numpy as np
import pytest
from batch_losses import BatchLosses

from thalweg.grid.runs import Horizon
from thalweg.training import problem as problems
from thalweg.training import program, schedules, seeds, steps

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SEED = 3

SCHEDULES = {
    "constant": (None, {}),
    "staircase": ("ExponentialDecay", {"decay_steps": 10, "decay_rate": 0.9, "staircase": True}),
    "cosine with warmup": ("CosineDecay", {"decay_steps": 90, "warmup_steps": 10}),
}
BATCHES = {"linear": (4, 50), "sine": (32, 25), "digits_cnn": (64, 6)}
"""Batch size, with a partial last batch in every epoch, and epochs: about 100 steps."""

RATES = {"SGD": 0.03, "Adam": 0.003, "RMSprop": 0.001}


def keras_fit(problem, instance, optimizer, learning_rate, horizon, order, xla):
    """Losses of each step and final weights, by Keras's `fit` on the epochs' data in the order given."""
    model = instance.model
    for variable, value in zip(model.trainable_variables, instance.state.trainable, strict=True):
        variable.assign(value)
    model.compile(getattr(keras.optimizers, optimizer)(learning_rate=learning_rate), problem.loss, jit_compile=xla)
    recorded = BatchLosses()
    for epoch in order.reshape(horizon.epochs, horizon.examples):
        model.fit(
            problem.train.x[epoch],
            problem.train.y[epoch],
            batch_size=horizon.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[recorded],
        )
    return np.array(recorded.losses), [variable.numpy() for variable in model.trainable_variables]


def keras_rate(class_name, arguments, peak):
    """The rate as a user of Keras would write it."""
    if class_name is None:
        return peak
    cls = getattr(keras.optimizers.schedules, class_name)
    if "warmup_steps" in arguments:
        return cls(initial_learning_rate=0.0, warmup_target=peak, **arguments)
    return cls(initial_learning_rate=peak, **arguments)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("name", BATCHES)
def test_each_step_is_keras_s_own(name, optimizer, schedule):
    problem, _ = problems.load(EXPERIMENTS, name)
    batch_size, epochs = BATCHES[name]
    horizon = Horizon(len(problem.train.x), batch_size, epochs)
    assert horizon.examples % batch_size, "the last batch of an epoch must be partial for this test to mean anything"
    order = seeds.data_order(SEED, horizon.examples, epochs)
    peak = RATES[optimizer]
    rates = schedules.applied(schedules.table(*SCHEDULES[schedule], horizon.steps), peak)
    every_step = list(range(horizon.steps + 1))

    rate = keras_rate(*SCHEDULES[schedule], peak)

    # With XLA, Keras is compiled by XLA too: what XLA's rounding does to a run, it does to Keras's as well. Now and
    # then it turns a decision of a ReLU or a pooling, in Keras's program or in ours, and the weights of a filter jump:
    # the CNN under SGD leaves Keras without XLA by 3e-6 in Keras's own program, while ours stays within 6e-8. So our
    # weights may be as far from Keras's with XLA as those are from Keras's without.
    stock = None
    for xla, tolerance in ((False, 1e-6), (True, 1e-5)):
        instance = steps.instantiate(problem, optimizer, {}, SEED)
        losses, weights = keras_fit(problem, instance, optimizer, rate, horizon, order, xla)
        ours = program.compile_program(problem, instance, horizon, every_step, xla)(instance.state, order, rates)
        assert ours.diverged_at is None
        assert ours.steps.tolist() == every_step
        difference = np.abs(ours.batch_losses[1:] - losses) / np.maximum(losses, 1e-3 * losses[0])
        assert difference[:100].max() <= tolerance, f"XLA {xla}: {difference.max()} at step {difference.argmax()}"
        stock = stock or weights
        for mine, theirs, without in zip(ours.state.trainable, weights, stock, strict=True):
            allowed = tolerance * np.abs(theirs).max() + np.abs(theirs - without)
            assert (np.abs(mine - theirs) <= allowed).all(), f"XLA {xla}: {np.abs(mine - theirs).max()}"
