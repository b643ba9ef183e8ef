"""Learning-rate schedules as tables with one entry a step, computed by the real Keras schedule.

Beside Keras's own schedules stand those that the field uses and Keras lacks: LinearDecay, Trapezoidal, OneCycle, and
Warmup before any of them. They are Keras schedules like the others, and can be given to any Keras optimizer.
"""

import inspect
import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from thalweg.training.engine.optimizers import find_class

RATES_OF_THEIR_OWN = ("initial_learning_rate", "peak_learning_rate", "warmup_target")
"""Arguments that a schedule takes for the rate that it scales; the grid sets them."""


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A schedule that keeps each argument under its own name. Below it is a share of its peak."""

    def get_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}


@keras.saving.register_keras_serializable(package="thalweg")
class Constant(_Schedule):
    """The peak at every step. For what needs a schedule object, as Warmup does."""

    def __init__(self, peak_learning_rate: float):
        self.peak_learning_rate = peak_learning_rate

    def __call__(self, step: Any) -> Any:
        return ops.convert_to_tensor(self.peak_learning_rate, "float32")


@keras.saving.register_keras_serializable(package="thalweg")
class LinearDecay(_Schedule):
    """A straight line from the peak to the share `end` of it, which is kept from then on.

    At step t, with T = decay_steps: peak × (end + (1 − end) × (1 − min(t / T, 1))).

    Defazio et al. 2023, "When, Why and How Much? Adaptive Learning Rate Scheduling by Refinement", find it the best
    of the common schedules.
    """

    def __init__(self, peak_learning_rate: float, decay_steps: int, end: float = 0.0):
        _require(decay_steps=decay_steps > 0, end=end >= 0)
        self.peak_learning_rate = peak_learning_rate
        self.decay_steps = decay_steps
        self.end = end

    def __call__(self, step: Any) -> Any:
        gone = ops.minimum(ops.cast(step, "float32") / self.decay_steps, 1.0)
        return self.peak_learning_rate * (self.end + (1.0 - self.end) * (1.0 - gone))


@keras.saving.register_keras_serializable(package="thalweg")
class Trapezoidal(_Schedule):
    """Warmup, a plateau, and a decay to the share `end` of the peak, which is kept from then on.

    At step t, with W = warmup_steps, S = stable_steps, D = decay_steps and u = (t − W − S) / D held within 0 and 1:
    peak × t / W where t < W, else peak × (end + (1 − end) × (1 − u ^ power)).

    Zhai et al. 2022, "Scaling Vision Transformers", use it with a linear decay (power 1), so that one run serves
    several horizons; Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations",
    find a decay as 1 − √u (power 0.5) better.
    """

    def __init__(
        self,
        peak_learning_rate: float,
        stable_steps: int,
        decay_steps: int,
        warmup_steps: int = 0,
        end: float = 0.0,
        power: float = 1.0,
    ):
        _require(stable_steps=stable_steps >= 0, decay_steps=decay_steps > 0, warmup_steps=warmup_steps >= 0)
        _require(end=end >= 0, power=power > 0)
        self.peak_learning_rate = peak_learning_rate
        self.stable_steps = stable_steps
        self.decay_steps = decay_steps
        self.warmup_steps = warmup_steps
        self.end = end
        self.power = power

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        gone = ops.clip((step - (self.warmup_steps + self.stable_steps)) / self.decay_steps, 0.0, 1.0)
        fall = self.end + (1.0 - self.end) * (1.0 - gone**self.power)
        rise = step / max(self.warmup_steps, 1)
        return self.peak_learning_rate * ops.where(step < self.warmup_steps, rise, fall)


@keras.saving.register_keras_serializable(package="thalweg")
class OneCycle(_Schedule):
    """Half a cosine up from a low rate to the peak, then half a cosine down to a far lower one.

    With T = total_steps, the first rate is peak / div_factor, the last one peak / div_factor / final_div_factor. The
    peak is at step P = pct_start × T − 1, the lowest rate at step T − 1, and it is kept from then on. Between a step
    A with rate a and a step B with rate b the rate at step t is b + (a − b) / 2 × (1 + cos(π × (t − A) / (B − A))).

    Smith & Topin 2018, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates"; the
    formula, its names and its defaults are those of PyTorch's OneCycleLR with cosine annealing. The momentum, which
    PyTorch cycles too, stays as it is.
    """

    def __init__(
        self,
        peak_learning_rate: float,
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ):
        _require(total_steps=total_steps > 0, div_factor=div_factor > 0, final_div_factor=final_div_factor > 0)
        if not 0 < pct_start < 1:
            raise ValueError(f"pct_start must be a share of the steps between 0 and 1, not {pct_start}")
        self.peak_learning_rate = peak_learning_rate
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor

    def __call__(self, step: Any) -> Any:
        step, last = ops.cast(step, "float32"), self.total_steps - 1.0
        top, first = self.pct_start * self.total_steps - 1.0, 1.0 / self.div_factor
        rise = _half_cosine(first, 1.0, step / (top or 1.0))
        fall = _half_cosine(1.0, first / self.final_div_factor, (ops.minimum(step, last) - top) / (last - top))
        return self.peak_learning_rate * ops.where(step < top, rise, fall)


@keras.saving.register_keras_serializable(package="thalweg")
class Warmup(_Schedule):
    """A straight line from 0 to the first rate of `schedule`, which then begins, its own step 0 at the line's end.

    At step t, with W = warmup_steps: schedule(0) × t / W where t < W, else schedule(t − W). Before a CosineDecay that
    is what Keras's own warmup does, within rounding. Goyal et al. 2017, "Accurate, Large Minibatch SGD: Training
    ImageNet in 1 Hour", call it gradual warmup.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, warmup_steps: int):
        _require(warmup_steps=warmup_steps > 0)
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        step = ops.convert_to_tensor(step)
        begun = ops.maximum(step - ops.cast(self.warmup_steps, step.dtype), ops.zeros_like(step))
        # One call serves both: until the warmup ends, the schedule stands at its step 0.
        rate = ops.cast(self.schedule(begun), "float32")
        risen = ops.cast(step, "float32") / self.warmup_steps
        return ops.where(step < self.warmup_steps, rate * risen, rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "schedule": keras.saving.serialize_keras_object(self.schedule)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Warmup":
        return cls(**{**config, "schedule": keras.saving.deserialize_keras_object(config["schedule"])})


LIBRARY = ModuleType("keras.optimizers.schedules", "Keras's schedules, and those above that Keras lacks.")
"""Where a schedule's class is looked for by its name."""
for _schedule in (LinearDecay, Trapezoidal, OneCycle):
    setattr(LIBRARY, _schedule.__name__, _schedule)
vars(LIBRARY).update({name: of_keras for name, of_keras in vars(keras.optimizers.schedules).items() if name[0] != "_"})


def build(
    class_name: str | None, arguments: dict[str, Any], warmup: int = 0
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Build a Keras schedule at a peak of 1.

    Args:
        class_name: A schedule of Keras or of this module, or `module:Class`; None is a constant one.
        arguments: Its arguments, without learning rates; lengths are in steps.
        warmup: How many steps of warmup go before it.
    """
    schedule = find_class(class_name, LIBRARY) if class_name else Constant
    known = inspect.signature(schedule).parameters
    rates = {name: 1.0 for name in RATES_OF_THEIR_OWN if name in known}
    if "warmup_target" in rates:
        if "warmup_steps" in arguments:
            rates["initial_learning_rate"] = 0.0
        else:
            del rates["warmup_target"]
    built = schedule(**{**rates, **_as_rates(class_name, arguments)})
    return Warmup(built, warmup) if warmup else built


def _as_rates(class_name: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """Keras takes the type of a PiecewiseConstantDecay from its first value, and a whole 1 would make it integers."""
    if class_name != "PiecewiseConstantDecay" or not isinstance(arguments.get("values"), list):
        return arguments
    return {**arguments, "values": [float(value) for value in arguments["values"]]}


def table(class_name: str | None, arguments: dict[str, Any], steps: int, warmup: int = 0) -> np.ndarray:
    """Return the share of the peak learning rate at which each step is taken: float32, (steps,).

    The peak times this table is what the Keras schedule built at that peak gives inside `fit`: to the bit where Keras
    multiplies with the peak (exponential, cosine, restarts), within rounding where it does not (inverse time).

    Args:
        class_name: A schedule of Keras or of this module, or `module:Class`; None is a constant one.
        arguments: Its arguments, without learning rates; lengths are in steps.
        steps: The steps of a run, with the warmup.
        warmup: How many steps of warmup go before the schedule.
    """
    if class_name is None and not warmup:
        return np.ones(steps, np.float32)
    return shares(build(class_name, arguments, warmup), range(steps))


def shares(schedule: keras.optimizers.schedules.LearningRateSchedule, steps: Sequence[int]) -> np.ndarray:
    """Return a schedule's learning rates at given steps, from a graph as in `fit`: float32, (steps,)."""
    step_tensor = tf.constant(steps, tf.int64)

    def share(step: tf.Tensor) -> tf.Tensor:
        return tf.cast(schedule(step), tf.float32)

    rates: np.ndarray = tf.function(lambda: tf.map_fn(share, step_tensor, fn_output_signature=tf.float32))().numpy()
    return rates


def applied(shares: np.ndarray, peak: float) -> np.ndarray:
    """Return the learning rate of each step, float32, (steps,), given each step's share of the peak."""
    return shares * np.float32(peak)


def _half_cosine(start: float, end: float, share: Any) -> Any:
    """From `start` to `end` as `share` goes from 0 to 1, level at both ends."""
    return end + (start - end) / 2.0 * (1.0 + ops.cos(math.pi * share))


def _require(**in_order: bool) -> None:
    for name, good in in_order.items():
        if not good:
            raise ValueError(f"{name} is negative, or zero where it must not be")
