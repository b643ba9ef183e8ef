"""Six points on a line, learnt by one unit: the article's first and second snippets."""

import keras
import numpy as np

from thalweg.training.problem import Problem, Split


def problem() -> Problem:
    """Six points of y = 2x − 1, x from −1 to 4, and one dense unit. The article has no other data, so the model is
    validated and tested on the points that it is trained on, and asked for x = 10, where 19 is exact."""
    x = np.array([[-1.0], [0.0], [1.0], [2.0], [3.0], [4.0]], np.float32)
    points = Split(x, 2 * x - 1)
    return Problem(
        model=lambda: keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]),
        loss="mean_squared_error",
        train=points,
        validation=points,
        test=points,
        probe=Split(np.array([[10.0]], np.float32), np.array([[19.0]], np.float32)),
    )
