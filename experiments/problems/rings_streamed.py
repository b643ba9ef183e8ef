"""The rings, given as a source of batches, as data that do not fit memory would be."""

import tensorflow as tf
from problems.rings import TEST, TRAIN, VALIDATION, model, rings

from thalweg.training.problem import Problem, Source


def stream(examples: int, data_seed: int) -> Source:
    """A source of rings that shuffles its examples in each epoch, by the seed of the run."""

    def batches(batch_size: int, seed: int) -> tf.data.Dataset:
        split = rings(examples, data_seed)
        dataset = tf.data.Dataset.from_tensor_slices((split.x, split.y))
        return dataset.shuffle(examples, seed=seed, reshuffle_each_iteration=True).batch(batch_size)

    return Source(batches, examples)


def problem() -> Problem:
    """The same points and the same network as `rings`, trained on batches that come one by one."""
    return Problem(
        model=model,
        loss="binary_crossentropy",
        metrics={"accuracy": "binary_accuracy"},
        train=stream(TRAIN, 1),
        validation=stream(VALIDATION, 2),
        test=stream(TEST, 3),
    )
