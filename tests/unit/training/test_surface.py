"""The loss surface: where its grid lies, and that its losses are those of Keras."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from thalweg.results import layout
from thalweg.training import problem as problems
from thalweg.training.engine import steps
from thalweg.training.jobs import surface
from thalweg.training.problem import Problem, Source, Split

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(22, 1)).astype(np.float32)
WEIGHED = Split(X, np.sin(X), RANDOM.uniform(0, 3, size=22).astype(np.float32))
POINTS = np.array([[0, 0], [-1.5, 2], [30, -7], [0.25, 1e-3]], np.float32)


def penalized():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_regularizer="l2")])


def problem_of(train):
    return Problem(penalized, "mean_squared_error", train, WEIGHED, WEIGHED)


@pytest.mark.parametrize("size", [4, 11, 100])
def test_losses_are_those_that_keras_evaluates(monkeypatch, size):
    """Also of splits that are evaluated in several pieces, the last of them smaller."""
    problem = problem_of(WEIGHED)
    monkeypatch.setattr(problems.pieces, "__defaults__", (size,))
    model = steps.instantiate(problem, "SGD", {}, 1).model
    model.compile(loss="mean_squared_error", jit_compile=False)
    expected = []
    for slope, intercept in POINTS:
        model.set_weights([np.array([[slope]]), np.array([intercept])])
        expected.append(model.evaluate(X, WEIGHED.y, sample_weight=WEIGHED.weights, batch_size=size, verbose=0))
    np.testing.assert_allclose(surface.train_losses(problem, POINTS), expected, rtol=1e-6)


def test_losses_over_a_source_are_those_over_its_arrays():
    source = Source(lambda size, seed: Batches(size), WEIGHED.examples)
    found = [surface.train_losses(problem_of(train), POINTS) for train in (WEIGHED, source)]
    np.testing.assert_allclose(*found, rtol=1e-6)


class Batches(keras.utils.PyDataset):
    def __init__(self, size):
        super().__init__()
        self.parts = [WEIGHED.each(lambda array: array[start : start + size]) for start in range(0, 22, size)]  # noqa: B023

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, number):
        return tuple(self.parts[number])


def test_the_surface_of_the_article_s_line_is_a_mean_of_squares():
    problem, _ = problems.load(EXPERIMENTS, "linear")
    x = np.arange(-1.0, 5)
    expected = [np.mean((slope * x + intercept - (2 * x - 1)) ** 2) for slope, intercept in POINTS.astype(float)]
    np.testing.assert_allclose(surface.train_losses(problem, POINTS), expected, rtol=1e-6)


def test_the_grid_holds_the_paths_but_those_that_fly_off():
    near = [np.array([[0, k / 100], [1, -2]], np.float32) for k in range(99)]
    far = np.array([[0, 0], [1e30, -1e30]], np.float32)
    grid = surface.grid_around([*near, far])
    assert (grid.dtype, grid.shape) == (np.float32, (81 * 81, 2))
    first, second = (np.unique(axis) for axis in grid.T)
    assert len(first) == len(second) == 81
    assert np.diff(first) == pytest.approx(1.16 / 80, rel=1e-4)
    assert [first[0], first[-1]] == pytest.approx([-0.08, 1.08])
    highest = np.quantile([*(k / 100 for k in range(99)), 0], 0.95)
    assert [second[0], second[-1]] == pytest.approx([-2 - 0.08 * (highest + 2), highest + 0.08 * (highest + 2)])
    assert grid[:81, 0].tolist() == [first[0]] * 81


def test_a_grid_around_nothing_and_around_a_point_has_a_width():
    for found, ends in (([], (-1.16, 1.16)), ([np.array([[3.0, 3.0]])], (2.92, 3.08))):
        grid = surface.grid_around(found)
        assert [*grid.min(axis=0), *grid.max(axis=0)] == pytest.approx([ends[0]] * 2 + [ends[1]] * 2)


def test_paths_are_those_of_evaluation_runs_alone(small):
    """`sgd` was also trained for a reproduction; its runs lie in the same shard."""
    folders = [layout.shard_folder(small[1], "evaluation", "linear", optimizer) for optimizer in ("sgd", "adam")]
    found = surface.read_paths(folders)
    expected = []
    for folder in folders:
        runs, histories = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))
        assert (folder.name == "sgd") == ("reproduction" in set(runs["stage"]))
        evaluated = set(runs.loc[runs["stage"] == "evaluation", "run"])
        of_run = histories[histories["run"].isin(evaluated)].groupby("run", sort=False)
        expected += [path[["weight_0", "weight_1"]].to_numpy() for _, path in of_run]
    assert len(found) == len(expected) == 2 * 2 * 2 * 7
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(found, expected, strict=True))
