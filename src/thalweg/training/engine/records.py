"""What a run leaves: its records at the evaluation points, and how it ended."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from thalweg.experiment.target import Target
from thalweg.training.engine.steps import State
from thalweg.training.problem import Problem

DIAGNOSTICS = ("gradient_norm", "update_ratio")
"""What is recorded of the latest step: the norm of the gradient of its batch, and of its update to that of the
weights before it. There is none before the first step."""

ON_REQUEST = {
    "gradient_noise": ("full_gradient_norm", "gradient_variance", "gradient_noise_scale"),
    "weights": ("weight_0", "weight_1"),
}
"""What else is recorded where the experiment asks for it, in this order."""

GOING, DIVERGED, REACHED = range(3)
"""How it stands with a run while it goes on."""


class Trajectory(NamedTuple):
    """What a run leaves.

    `steps` (points,) are the evaluation points that were reached, `records` (points, columns) the values there and
    `batch_losses` (points,) the loss on the batch of the latest step, NaN before the first. `outcome` is `finished`,
    `diverged` (a loss, or a metric at an evaluation, was no longer finite), `reached target` or `out of time`, and
    `ended_at` the step at which it came to that. `state` is where the run ended.
    """

    steps: np.ndarray
    records: np.ndarray
    batch_losses: np.ndarray
    outcome: str
    ended_at: int
    state: State

    @property
    def diverged_at(self) -> int | None:
        return self.ended_at if self.outcome == "diverged" else None


def met(target: Target, value: Any) -> Any:
    """Whether a number, an array or a tensor is where the target wants it."""
    return value >= target.value if target.at_least else value <= target.value


def measured_columns(problem: Problem) -> list[str]:
    """The names of what is measured on the splits and the probe; a run where one is not finite has diverged."""
    names = [f"{split}_{metric}" for split in problem.splits for metric in ("loss", *problem.all_metrics)]
    probes = 0 if problem.probe is None else problem.probe.y.size
    return [*names, *(f"probe_{k}" for k in range(probes))]


def columns(problem: Problem, record: Collection[str] = ()) -> list[str]:
    """The names of a record's columns, with those of what the experiment asks to `record`."""
    asked = [name for what, names in ON_REQUEST.items() if what in record for name in names]
    return [*measured_columns(problem), *DIAGNOSTICS, *asked]


def ended(
    points: np.ndarray, rows: np.ndarray, horizon: int, taken: int, outcome: int, ended_at: int, state: State
) -> Trajectory:
    """The trajectory of a run that was left after the step `taken`: before the `horizon`, if it was going, only
    because time was out.

    `rows` (evaluation points, columns and then the batch's loss) are filled as far as the run came.
    """
    if outcome == GOING:
        name, ended_at = ("finished" if taken == horizon else "out of time"), taken
    else:
        name = {DIVERGED: "diverged", REACHED: "reached target"}[outcome]
    there = (points < ended_at) | ((points == ended_at) & (outcome != DIVERGED))
    rows = rows[there]
    return Trajectory(points[there], rows[:, :-1], rows[:, -1], name, ended_at, state)


CUTS, SHORTEST = 64, 16
"""Into how many parts a run is cut at least, so that a call of the program need not last long, and how many steps such
a part has at least."""


def segments(steps_per_epoch: int, steps: int, partial: bool, evaluation_steps: Sequence[int]) -> np.ndarray:
    """A run as rows (full batches, partial batches, evaluations): int32, shape (segments, 3).

    Where every epoch ends with a `partial` batch, that is a row's last. An evaluation has a row for the one step before
    it, so that the weights at the row's beginning are those before this step.
    """
    epoch_ends = set(range(steps_per_epoch, steps + 1, steps_per_epoch)) if partial else set()
    every = max(SHORTEST, -(-steps // CUTS))
    cuts = range(every, steps, every)
    rows, start = [], 0
    for end in sorted({*evaluation_steps, *(step - 1 for step in evaluation_steps if step > 1), *epoch_ends, *cuts}):
        ends_partial = end in epoch_ends
        rows.append((end - start - ends_partial, ends_partial, end in evaluation_steps))
        start = end
    return np.array(rows, np.int32)
