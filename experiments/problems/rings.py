"""Two rings of points, told apart by a small network: data made by a seed, and held in memory."""

import keras
import numpy as np

from thalweg.training.problem import Problem, Split

TRAIN, VALIDATION, TEST = 256, 128, 128
"""How many examples each split has."""


def rings(examples: int, seed: int) -> Split:
    """Points about two circles, (examples, 2), and the circle that each belongs to, (examples, 1)."""
    random = np.random.default_rng(seed)
    circle = random.integers(0, 2, examples)
    angle = random.uniform(0, 2 * np.pi, examples)
    radius = 1 + circle + random.normal(0, 0.2, examples)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return Split(points.astype(np.float32), circle.astype(np.float32)[:, None])


def model() -> keras.Model:
    return keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    )


def problem() -> Problem:
    """Points about two circles of radius 1 and 2, and a network of 16 hidden ReLU units that tells them apart."""
    return Problem(
        model=model,
        loss="binary_crossentropy",
        metrics={"accuracy": "binary_accuracy"},
        train=rings(TRAIN, 1),
        validation=rings(VALIDATION, 2),
        test=rings(TEST, 3),
    )
