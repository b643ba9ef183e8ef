"""Real images of handwritten digits, told apart by a small convolutional network: the classifier of the article's
sentences, for which it shows no code."""

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from thalweg.training.problem import Problem, Split


def model() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )


def problem() -> Problem:
    """The 1,797 images (8 × 8 pixels, ten classes) that come with scikit-learn, and a network of two convolutions and
    a dense layer. 60 % train, 20 % validate and 20 % test, each class in equal shares."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    labels = labels.astype(np.int32)
    train, rest, train_labels, rest_labels = train_test_split(
        images, labels, train_size=0.6, stratify=labels, random_state=0
    )
    validation, test, validation_labels, test_labels = train_test_split(
        rest, rest_labels, train_size=0.5, stratify=rest_labels, random_state=0
    )
    return Problem(
        model=model,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": keras.metrics.sparse_categorical_accuracy},
        train=Split(train, train_labels),
        validation=Split(validation, validation_labels),
        test=Split(test, test_labels),
    )
