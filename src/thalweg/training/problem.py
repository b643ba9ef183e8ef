"""What a problem file returns: a model with its data, loss and metrics."""

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from thalweg.hashing import digest

Metric = Any
"""A keras.metrics.Metric, a name of one, or a function of targets and predictions that gives a value an example."""

EVALUATION_BATCH = 2048
"""How many examples are evaluated at a time; a larger split is evaluated in so many pieces."""


class Split(NamedTuple):
    """A split that lies in memory; the first axis of each array runs over the examples.

    Attributes:
        x: The inputs, an array; or a list or a dict of arrays, for a model of several inputs.
        y: The targets.
        weights: How much each example weighs in the loss, (examples,); without them, all the same.
    """

    x: Any
    y: np.ndarray
    weights: np.ndarray | None = None

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Every array by the name that messages use: x, y and weights; several inputs are x.0, x.1 and so on."""
        inputs = tf.nest.flatten(self.x)
        names = ["x"] if len(inputs) == 1 else [f"x.{k}" for k in range(len(inputs))]
        weights = {} if self.weights is None else {"weights": self.weights}
        return {**dict(zip(names, inputs, strict=True)), "y": self.y, **weights}

    @property
    def examples(self) -> int:
        return len(self.y)

    def each(self, function: Callable[[Any], Any]) -> "Split":
        """Return a split with `function` applied to every array."""
        weights = None if self.weights is None else function(self.weights)
        return Split(tf.nest.map_structure(function, self.x), function(self.y), weights)


@dataclass(frozen=True)
class Source:
    """A split that is too large for memory.

    Attributes:
        batches: Maps a batch size and a seed to what Keras's `fit` takes: a tf.data.Dataset or a keras.utils.PyDataset
            of (x, y) or (x, y, weights). It is called once a run and gone through once an epoch; it shuffles by the
            seed, or not at all.
        examples: The number of examples in an epoch.
    """

    batches: Callable[[int, int], tf.data.Dataset | keras.utils.PyDataset]
    examples: int


@dataclass(frozen=True, eq=False)
class Problem:
    """A model with its data.

    Attributes:
        model: Builds the model anew, its weights drawn by Keras.
        loss: A Keras loss or its name, or a function that maps targets and predictions to a value for each example.
        train: The split that is trained on.
        validation: The split by which learning rates are chosen.
        test: The split that the report is about.
        metrics: By name, Keras metrics or their names, or functions that map targets and predictions to a value for
            each example.
        weighted_metrics: The same, but they use the examples' weights, as in Keras.
        probe: Points outside the splits whose predictions are recorded beside the metrics, with their right targets.
    """

    model: Callable[[], keras.Model]
    loss: str | keras.losses.Loss | Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    train: Split | Source
    validation: Split | Source
    test: Split | Source
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    weighted_metrics: Mapping[str, Metric] = field(default_factory=dict)
    probe: Split | None = None

    @property
    def splits(self) -> dict[str, Split | Source]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def all_metrics(self) -> dict[str, Metric]:
        return {**self.metrics, **self.weighted_metrics}

    @property
    def in_memory(self) -> bool:
        return all(isinstance(split, Split) for split in self.splits.values())


def load(directory: Path, name: str) -> tuple[Problem, str]:
    """Import `directory`/problems/`name`.py and return its problem and its description, which is a docstring."""
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    make = importlib.import_module(f"problems.{name}").problem
    return make(), " ".join((make.__doc__ or "").split())


def pieces(split: Split | Source, size: int = EVALUATION_BATCH) -> Iterator[Split]:
    """Yield a split in pieces of `size` examples, in its own order; those of a source are its batches for seed 0."""
    if isinstance(split, Source):
        yield from epoch(begin(split, size, 0))
    else:
        for start in range(0, split.examples, size):
            yield split.each(lambda array: array[start : start + size])  # noqa: B023 (used at once)


def begin(source: Source, batch_size: int, seed: int) -> tf.data.Dataset | keras.utils.PyDataset:
    """Return what the source's `batches` returns for a seed.

    A tf.data.Dataset mixes TensorFlow's global seed into its own, so the global seed is set too: what a run is trained
    on cannot depend on what was drawn before it.
    """
    keras.utils.set_random_seed(seed)
    return source.batches(batch_size, seed)


def epoch(batches: tf.data.Dataset | keras.utils.PyDataset) -> Iterator[Split]:
    """Yield the batches of one epoch from what a source's `batches` returned."""
    of_sequence = isinstance(batches, keras.utils.PyDataset)
    each: Iterable[Any] = (batches[k] for k in range(len(batches))) if of_sequence else batches
    for batch in each:
        yield Split(*batch)
    if of_sequence:
        batches.on_epoch_end()


def data_digest(problem: Problem) -> str:
    """Return the SHA-256, in hexadecimal, of all data of a problem: its splits and its probe."""
    parts = {**problem.splits, **({} if problem.probe is None else {"probe": problem.probe})}
    return digest({name: split_digest(part) for name, part in parts.items()})


def split_digest(split: Split | Source) -> str:
    """Return the SHA-256, in hexadecimal, of a split's types, shapes and values."""
    summary = hashlib.sha256()
    for piece in pieces(split) if isinstance(split, Source) else [split]:
        for array in map(np.asarray, piece.arrays.values()):
            summary.update(f"{array.dtype.str}{array.shape}".encode())
            summary.update(np.ascontiguousarray(array).tobytes())
    return summary.hexdigest()
