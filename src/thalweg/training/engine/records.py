"""What a run leaves: its records at the evaluation points, and how it ended."""

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from thalweg.quantities import recorded_quantities
from thalweg.training.engine.steps import State
from thalweg.training.problem import Problem

ACTIVE, DIVERGED, REACHED = range(3)
"""The state of a run while it is trained: it goes on, its loss is not finite, or it has reached its target."""


class Trajectory(NamedTuple):
    """What a run leaves.

    Attributes:
        steps: The evaluation points that the run came to, in steps, (points,).
        records: The values there, float32, (points, columns).
        batch_losses: The loss on the batch of the latest step, float32, (points,); NaN before the first step.
        outcome: `finished`, `diverged` (a loss, or a metric at an evaluation, was not finite), `reached target` or
            `out of time`.
        ended_at: The step at which it came to that.
        state: All that training changes, as the run ended.
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


def metric_columns(problem: Problem) -> list[str]:
    """Name the columns measured on the splits and the probe. A run where one of them is not finite has diverged."""
    names = [f"{split}_{metric}" for split in problem.splits for metric in ("loss", *problem.all_metrics)]
    probes = 0 if problem.probe is None else problem.probe.y.size
    return [*names, *(f"probe_{k}" for k in range(probes))]


def columns(problem: Problem, record: Collection[str] = ()) -> list[str]:
    """Name the columns of a record; `record` lists the quantities that the experiment requests."""
    quantities = recorded_quantities(record)
    return [*metric_columns(problem), *(name for quantity in quantities for name in quantity.column_names)]


def make_trajectory(
    points: np.ndarray, rows: np.ndarray, horizon_steps: int, last_step: int, outcome: int, ended_at: int, state: State
) -> Trajectory:
    """Make the trajectory of a run from what its training returned.

    Args:
        points: The evaluation points, in steps, (points,).
        rows: A record and the batch's loss for each point, (points, columns + 1), filled as far as the run came.
        horizon_steps: The number of steps of a whole run.
        last_step: The step after which training stopped. An active run that stopped before the horizon is out of time.
        outcome: ACTIVE, DIVERGED or REACHED.
        ended_at: The step at which the run diverged or reached its target.
        state: All that training changes, as the run ended.
    """
    if outcome == ACTIVE:
        name, ended_at = ("finished" if last_step == horizon_steps else "out of time"), last_step
    else:
        name = {DIVERGED: "diverged", REACHED: "reached target"}[outcome]
    recorded = (points < ended_at) | ((points == ended_at) & (outcome != DIVERGED))
    rows = rows[recorded]
    return Trajectory(points[recorded], rows[:, :-1], rows[:, -1], name, ended_at, state)


def history(
    problem: Problem, record: Collection[str], trajectory: Trajectory, learning_rates: np.ndarray
) -> dict[str, list[Any]]:
    """Return a trajectory as named columns with one value for each evaluation point, ready for JSON.

    A value that is not finite is None. So is what describes the latest step, before the first.

    Args:
        problem: The problem that was trained.
        record: The names of quantities that are recorded on request.
        trajectory: What the run left.
        learning_rates: The learning rate of each step, (steps,).
    """
    quantities = recorded_quantities(record)
    of_latest_step = {name for quantity in quantities if quantity.of_latest_step for name in quantity.column_names}
    values = {
        "learning_rate": [float(learning_rates[step - 1]) for step in trajectory.steps],
        **{name: trajectory.records[:, k].tolist() for k, name in enumerate(columns(problem, record))},
    }
    return {
        "step": trajectory.steps.tolist(),
        **{
            name: [
                value if np.isfinite(value) and (step or name not in {"learning_rate", *of_latest_step}) else None
                for step, value in zip(trajectory.steps, column, strict=True)
            ]
            for name, column in values.items()
        },
    }
