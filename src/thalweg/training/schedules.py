"""Learning-rate schedules as tables with one entry a step, computed by the real Keras schedule."""

import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from thalweg.training.optimizers import find_class

RATES_OF_THEIR_OWN = ("initial_learning_rate", "warmup_target")
"""Arguments that a schedule takes for the rate that it scales; the grid sets them."""


def build(class_name: str, arguments: dict[str, Any]) -> keras.optimizers.schedules.LearningRateSchedule:
    """The Keras schedule at a peak of 1. Lengths in `arguments` are in steps."""
    schedule = find_class(class_name, keras.optimizers.schedules)
    peak = {name: 1.0 for name in RATES_OF_THEIR_OWN if name in inspect.signature(schedule).parameters}
    if "warmup_steps" in arguments:
        peak["initial_learning_rate"] = 0.0
    else:
        peak.pop("warmup_target", None)
    return schedule(**{**peak, **arguments})


def table(class_name: str | None, arguments: dict[str, Any], steps: int) -> np.ndarray:
    """The share of the peak learning rate at which each step is taken: float32, shape (steps,). Without a class, all.

    The peak times this table is what the Keras schedule built at that peak gives inside `fit`: to the bit where Keras
    multiplies with the peak (exponential, cosine, restarts), within rounding where it does not (inverse time).
    """
    if class_name is None:
        return np.ones(steps, np.float32)
    schedule, every = build(class_name, arguments), tf.range(steps, dtype=tf.int64)
    shares: np.ndarray = tf.function(lambda: tf.map_fn(schedule, every, fn_output_signature=tf.float32))().numpy()
    return shares


def applied(shares: np.ndarray, peak: float) -> np.ndarray:
    """The learning rate of each step: float32, shape (steps,)."""
    return shares * np.float32(peak)
