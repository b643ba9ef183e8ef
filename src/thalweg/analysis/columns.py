"""What the columns of tables hold: their types, units and meanings.

Here are those that several tables share. What a table has by itself stands in the table's own module.
"""

import re
from typing import NamedTuple


class Column(NamedTuple):
    """What a column holds: the type of its values, what they mean, and their unit, empty where they have none."""

    type: type
    meaning: str
    unit: str = ""


SHARED = {
    "problem": Column(str, "the problem's name in the experiment file"),
    "optimizer": Column(str, "the optimizer's name in the experiment file"),
    "schedule": Column(str, "the schedule's name in the experiment file"),
    "batch_size": Column(int, "examples in a batch; the last batch of an epoch may hold fewer", unit="examples"),
    "learning_rate": Column(float, "the peak learning rate, which the schedule scales"),
    "hyperparameters": Column(str, "what was searched beside the learning rate, as JSON by name; {} where nothing was"),
    "run": Column(str, "the run's identity, a SHA-256 digest of all that can change its bits"),
    "stage": Column(
        str, "tuning runs choose the rate, evaluation runs are reported, reproductions are as a source has them"
    ),
    "reproduction": Column(str, "the reproduction's name in the experiment file"),
    "seed": Column(int, "fixes initial weights, data order and dropout"),
    "epochs": Column(int, "the horizon", unit="epochs"),
    "steps_per_epoch": Column(int, "steps in an epoch", unit="steps"),
    "steps": Column(int, "the horizon", unit="steps"),
    "step": Column(int, "steps taken so far; 0 is the initial weights", unit="steps"),
    "epoch": Column(float, "step / steps_per_epoch", unit="epochs"),
    "examples": Column(float, "examples seen so far, an example counting each time", unit="examples"),
    "outcome": Column(
        str,
        "finished: it came to its horizon; reached target: it ended there; out of time: it was stopped before; "
        "diverged: a loss, a metric or a prediction at a probe point was not finite",
    ),
    "ended_at": Column(
        int, "steps taken: the horizon, or where the run reached its target, was stopped or diverged", unit="steps"
    ),
    "diverged_at": Column(
        int, "the step at which something recorded was first not finite; null where it never was", unit="steps"
    ),
    "bits": Column(
        str, "digest of how the run ended and of its whole history: equal where both are equal to the last bit"
    ),
    "n": Column(int, "how many runs the row speaks of, diverged ones and those out of time included", unit="runs"),
    "diverged": Column(int, "how many of them diverged", unit="runs"),
    "out_of_time": Column(int, "how many of them were out of time, and stopped before they could finish", unit="runs"),
    "log_test_loss_area": Column(
        float,
        "area under the base-10 logarithm of the test loss over the steps / the horizon: the average of the "
        "logarithm; infinite for a run that diverged or was out of time",
    ),
    "examples_to_target": Column(
        float,
        "where runs end at their target, batch size × steps until there, infinite for a run that did not reach it;"
        " null where runs do not end so",
        unit="examples",
    ),
    "best_step": Column(
        int, "the evaluation point with the lowest validation loss, the earliest of equals", unit="steps"
    ),
}
"""The columns that mean the same wherever a table says nothing else of them."""

MEASURE = Column(
    str,
    "what is compared: the final test loss or, where runs end at their target, the examples until there (batch size × "
    "steps), infinite for a run that did not reach it",
)
WEIGHTS = {
    "weight_0": Column(float, "the first of the model's two trainable weights"),
    "weight_1": Column(float, "the second"),
}
_METRIC = re.compile(r"(final|best)_(?:(train|validation|test)_(.+?)|probe_(\d+))(_lower|_upper|_median)?")


def describe_metric(name: str, suffix: str) -> Column | None:
    """What a column of a metric or a prediction holds, by its name; None where it is no such name.

    Args:
        name: The column's name, such as final_test_loss or best_train_accuracy_lower.
        suffix: What the table adds to the meaning of a metric.
    """
    match = _METRIC.fullmatch(name)
    if not match:
        return None
    when, split, metric, probe, end = match.groups()
    if end == "_median":
        return Column(float, "median over the same runs")
    if end:
        return Column(float, f"{end[1:]} end of its 95 % bootstrap interval")
    quantity = f"{split} {metric}" if split else f"prediction at probe point {probe}"
    place = "where the run ended" if when == "final" else "at the step of the lowest validation loss"
    return Column(float, f"{quantity} {place}{suffix}")
