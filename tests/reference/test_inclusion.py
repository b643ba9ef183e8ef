"""Choi et al. 2019, "On Empirical Comparisons of Optimizers for Deep Learning": an optimizer that includes another can
do what that one does. Adam includes momentum SGD, which it approaches as its ε grows.

With ε far above √v̂, Adam's step is w ← w − α_t m_t / ε, where m_t = β₁ m_{t−1} + (1 − β₁) g_t and α_t is the learning
rate times √(1 − β₂^t) / (1 − β₁^t). Momentum SGD at the rate η and the momentum β₁ sums u_t = β₁ u_{t−1} + g_t, and
moves by −η u_t = −η m_t / (1 − β₁). So they are the same where the learning rate of step t is
η ε (1 − β₁^t) / ((1 − β₁) √(1 − β₂^t)), which our table of rates can hold.
"""

from pathlib import Path

import numpy as np

from thalweg.horizon import Horizon
from thalweg.training import problem as problems
from thalweg.training.engine import records, seeds, steps, whole_run

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
EPOCHS, BATCH = 50, 32
RATE, MOMENTUM, BETA_2 = 0.01, 0.9, 0.999


def train(optimizer, arguments, rates):
    """Losses on the batch and on the training data at every step, and the final weights."""
    problem, _ = problems.load(EXPERIMENTS, "sine")
    horizon = Horizon(len(problem.train.y), BATCH, EPOCHS)
    instance = steps.instantiate(problem, optimizer, arguments, seed=1)
    run = whole_run.compile_program(problem, instance, horizon, list(range(horizon.steps + 1)), xla=False)
    trajectory = run(instance.state, seeds.data_order(1, horizon.examples, EPOCHS), rates(horizon.steps))
    assert trajectory.diverged_at is None
    losses = trajectory.records[:, records.columns(problem).index("train_loss")]
    return losses, np.concatenate([value.ravel() for value in trajectory.state.trainable])


def as_momentum(epsilon):
    """Losses and weights of Adam at this ε, its learning rate chosen so that it is to follow momentum SGD."""

    def rates(steps):
        t = np.arange(1, steps + 1)
        corrected = np.sqrt(1 - BETA_2**t) / (1 - MOMENTUM**t)
        return (RATE * epsilon / (1 - MOMENTUM) / corrected).astype(np.float32)

    return train("Adam", {"beta_1": MOMENTUM, "beta_2": BETA_2, "epsilon": epsilon}, rates)


def apart(a, b):
    """The greatest difference of two trajectories of losses, as a share of the loss, and of the final weights."""
    (losses, weights), (others, other_weights) = a, b
    scale = np.maximum(others, 1e-3 * others[0])
    return (np.abs(losses - others) / scale).max(), np.abs(weights - other_weights).max() / np.abs(other_weights).max()


def test_adam_with_a_large_epsilon_follows_momentum():
    """Two things keep them apart. Adam divides by √v̂ + ε and not by ε, which makes each step smaller by the share
    √v̂ / ε: some 1e-3 at ε = 1e3, and nothing beside rounding at 1e8. And rounding, for they reach the same number by
    other operations: 6e-8 a step, which 200 steps of training make some 1e-5, as they do between Keras with XLA and
    Keras without. So 1e-4 is the tolerance where rounding alone is left.
    """
    momentum = train("SGD", {"momentum": MOMENTUM}, lambda steps: np.full(steps, RATE, np.float32))
    assert momentum[0][-1] < 0.2 * momentum[0][0], "it must learn for this test to mean anything"
    gaps = {epsilon: apart(as_momentum(epsilon), momentum) for epsilon in (10, 1e3, 1e8)}
    assert max(gaps[1e8]) < 1e-4
    assert max(gaps[1e3]) < 1e-2 < max(gaps[10])
