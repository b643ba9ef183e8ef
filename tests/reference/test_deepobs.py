"""DeepOBS's `quadratic_deep` (Schneider, Balles & Hennig 2019), trained by our program, against the final test losses
that Schmidt, Schneider & Hennig 2021 ("Descending through a Crowded Valley") logged for it.

Their runs use the data in one order in every epoch, so here too; that ours is another one each time is a test below.
"""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from thalweg.grid import evaluation_steps
from thalweg.horizon import Horizon
from thalweg.training.engine import records, seeds, steps, whole_run
from thalweg.training.problem import Problem, Split

DIMENSIONS, EXAMPLES, BATCH, EPOCHS = 100, 1000, 128, 100
USED = EXAMPLES // BATCH * BATCH
"""DeepOBS drops what does not fill a batch, of the test data too."""
ORDER = {"examples": EXAMPLES, "epochs": EPOCHS, "examples_per_epoch": USED}

LOGGED = {("SGD", 0.01): 87.293, ("Adam", 0.001): 106.639}


@functools.cache
def hessian():
    """Q = RᵀΛR, with 90 small eigenvalues and 10 large ones, all from one random state."""
    random = np.random.RandomState(42)
    eigenvalues = np.concatenate([random.uniform(0.0, 1.0, 90), random.uniform(30.0, 60.0, 10)])
    rotation = uniform_rotation(random, DIMENSIONS)
    return rotation.T @ np.diag(eigenvalues) @ rotation


def uniform_rotation(random, dimensions):
    """A rotation uniform over all, by the subgroup algorithm of Diaconis & Shahshahani 1987: a turn of the plane, to
    which each further dimension adds a reflection that takes the first axis to a random direction."""
    angle = 2 * np.pi * random.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for dimension in range(3, dimensions + 1):
        direction = random.normal(size=dimension)
        direction /= np.linalg.norm(direction)
        axis = np.eye(dimension)[0] - direction
        axis /= np.linalg.norm(axis)
        larger = np.eye(dimension)
        larger[1:, 1:] = rotation
        rotation = larger - 2 * np.outer(axis, axis @ larger)
    return -rotation


def points(seed, used=EXAMPLES):
    drawn = np.random.RandomState(seed).normal(0.0, 0.6, (EXAMPLES, DIMENSIONS)).astype(np.float32)
    return Split(drawn[:used], np.zeros(used, np.float32))


class Valley(keras.layers.Layer):
    """θ, from 1 on; what it makes of x is θ − x."""

    def build(self, _):
        self.theta = self.add_weight(shape=(DIMENSIONS,), initializer="ones")

    def call(self, x):
        return self.theta - x


def quadratic_deep():
    matrix = hessian().astype(np.float32)

    def loss(_, away):
        return 0.5 * tf.reduce_sum(away * tf.linalg.matmul(away, tf.constant(matrix)), -1)

    return Problem(
        model=lambda: keras.Sequential([keras.Input((DIMENSIONS,)), Valley()]),
        loss=loss,
        train=points(42),
        test=points(43, USED),
        validation=points(44, USED),
    )


def train(optimizer, rate, orders):
    """The test loss at the beginning and the end, with the program compiled once for a run of each order."""
    problem, horizon = quadratic_deep(), Horizon(EXAMPLES, BATCH, EPOCHS, drop_remainder=True)
    instance = steps.instantiate(problem, optimizer, {}, seed=1)
    run = whole_run.compile_program(problem, instance, horizon, evaluation_steps(horizon.steps, 2), xla=True)
    column, rates = records.columns(problem).index("test_loss"), np.full(horizon.steps, rate, np.float32)
    return [run(instance.state, order, rates).records[:, column] for order in orders]


def test_the_problem_is_the_one_of_deepobs():
    assert np.trace(hessian()) == pytest.approx(477.612, abs=5e-4)


@pytest.mark.parametrize(("optimizer", "rate"), LOGGED)
def test_the_logged_losses_are_met(optimizer, rate):
    """Which order the logs are of is unknown; from one order to another the final loss differs by 0.1 or so."""
    orders = [seeds.data_order(seed, **ORDER, fixed=True) for seed in (1, 2)]
    for initial, final in train(optimizer, rate, orders):
        assert initial == pytest.approx(353.447, abs=5e-3)
        assert final == pytest.approx(LOGGED[optimizer, rate], abs=0.2)


def test_every_epoch_has_an_order_of_its_own_unless_it_is_fixed():
    orders = seeds.data_order(1, **ORDER).reshape(EPOCHS, USED)
    assert all(len(np.unique(order)) == USED for order in orders)
    assert len({order.tobytes() for order in orders}) == EPOCHS
    fixed = seeds.data_order(1, **ORDER, fixed=True).reshape(EPOCHS, USED)
    assert (fixed == orders[0]).all()


def test_every_optimizer_gets_the_same_order():
    """It is drawn from the seed and the sizes alone, anew for each run, so that nothing else can have a part in it."""
    assert "optimizer" not in inspect.signature(seeds.data_order).parameters
    before = seeds.data_order(1, **ORDER)
    for optimizer in ("SGD", "Adam"):
        steps.instantiate(quadratic_deep(), optimizer, {}, seed=1)
        assert (seeds.data_order(1, **ORDER) == before).all()
    assert (seeds.data_order(2, **ORDER) != before).any()
