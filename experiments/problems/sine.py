"""sin(x), learnt by a small ReLU network: the article's third snippet."""

import keras
import numpy as np

from thalweg.training.problem import Problem, Split


def points(x: np.ndarray) -> Split:
    x = x.astype(np.float32)[:, None]
    return Split(x, np.sin(x))


def model() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1),
        ]
    )


def problem() -> Problem:
    """sin(x) on 100 evenly spaced points from −5 to 5, and two hidden ReLU layers of 64 units. It is validated on the
    99 midpoints, tested on another 241 points inside the range, and asked for x = 10, far outside it."""
    train = np.linspace(-5, 5, 100)
    return Problem(
        model=model,
        loss="mean_squared_error",
        train=points(train),
        validation=points((train[1:] + train[:-1]) / 2),
        test=points(np.linspace(-4.99, 4.99, 241)),
        probe=points(np.array([10.0])),
    )
