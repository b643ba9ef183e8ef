"""What our side leaves for PyTorch and JAX, so that they train on the same data from the same weights in the same
order, and have no need of TensorFlow."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from turns import SHARED


class Shared(NamedTuple):
    """The training split, the initial weights, the order of the examples and the learning rate of each step."""

    x: np.ndarray
    y: np.ndarray
    order: np.ndarray
    rates: np.ndarray
    weights: list[np.ndarray]


def write(name: str, given: Shared) -> None:
    weights = {f"w{k}": value for k, value in enumerate(given.weights)}
    arrays = {key: value for key, value in given._asdict().items() if key != "weights"}
    np.savez(_file(name), **arrays, **weights)


def read(name: str) -> Shared:
    with np.load(_file(name)) as arrays:
        plain = {key: arrays[key] for key in Shared._fields if key != "weights"}
        return Shared(**plain, weights=[arrays[f"w{k}"] for k in range(len(arrays) - len(plain))])


def _file(name: str) -> Path:
    return Path(os.environ[SHARED]) / f"{name}.npz"
