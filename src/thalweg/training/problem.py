"""What a problem file returns: a model with its data, loss and metrics."""

import hashlib
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from thalweg.grid.identity import digest

Metric = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Split(NamedTuple):
    """Inputs and targets, arrays whose first axis runs over the examples."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Problem:
    """A model with its data.

    `model` builds the model anew, its weights drawn by Keras; `loss` is a Keras loss or its name; each of `metrics`
    maps (targets, predictions) to a value an example, as the functions of keras.metrics do. `probe` holds points
    outside the splits whose predictions are recorded beside the metrics; their targets are what would be right.
    """

    model: Callable[[], keras.Model]
    loss: str | keras.losses.Loss
    train: Split
    validation: Split
    test: Split
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    probe: Split | None = None

    @property
    def splits(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def load(directory: Path, name: str) -> tuple[Problem, str]:
    """Import `directory`/problems/`name`.py and return its problem and the text that describes it."""
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    make = importlib.import_module(f"problems.{name}").problem
    return make(), " ".join((make.__doc__ or "").split())


def data_digest(problem: Problem) -> str:
    """SHA-256, in hexadecimal, of all data of a problem: its splits and its probe."""
    parts = {**problem.splits, **({} if problem.probe is None else {"probe": problem.probe})}
    return digest({name: split_digest(part) for name, part in parts.items()})


def split_digest(split: Split) -> str:
    """SHA-256, in hexadecimal, of a split's types, shapes and values."""
    summary = hashlib.sha256()
    for array in split:
        summary.update(f"{array.dtype.str}{array.shape}".encode())
        summary.update(np.ascontiguousarray(array).tobytes())
    return summary.hexdigest()
