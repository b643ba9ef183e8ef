"""What every way of training is given and offers, so that jobs start all of them alike."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from thalweg.training.engine.steps import State


class Program(Protocol):
    """A compiled program that trains one run, or with lanes several side by side.

    With lanes every argument has one axis more, the first, and a list with a trajectory for each lane is returned.

    Args:
        state: The initial state.
        data: The rows of the training split in the order of their use, int32, (examples used,), or for a streamed run
            its batches.
        learning_rates: The learning rate of each step, float32, (steps,).
        hyperparameters: The searched hyperparameters, float64, (hyperparameters,); without them, those compiled with.
        deadline: A reading of time.monotonic(), in seconds, after which training stops soon.
        report: Is told the share of the run that is done, from 0 to 1.

    Returns:
        The run's Trajectory.
    """

    def __call__(
        self,
        state: State,
        data: Any,
        learning_rates: np.ndarray,
        hyperparameters: np.ndarray | None = ...,
        deadline: float = ...,
        report: Callable[[float], None] = ...,
    ) -> Any: ...


class RunInputs(NamedTuple):
    """What one run is trained with.

    Attributes:
        seed: What the order of the data follows from.
        state: The initial state.
        learning_rates: The learning rate of each step, float32, (steps,).
        hyperparameters: The searched hyperparameters, float64, (hyperparameters,).
    """

    seed: int
    state: State
    learning_rates: np.ndarray
    hyperparameters: np.ndarray
