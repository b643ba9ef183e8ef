"""A cell as Keras code that can be copied: its optimizer and schedule as they were trained, with all lengths in steps.

Training takes a schedule at a peak of 1 and multiplies it with the peak. Keras's schedules and ours are written here at
the peak itself, so that what stands for a rate is multiplied; a user's own class may hold rates under any name, so what
it gives is. The code stands in recommendation.py.txt.
"""

import json
from collections.abc import Mapping
from typing import Any

from thalweg import templates
from thalweg.experiment.schema import Experiment, Schedule
from thalweg.grid import Trial, optimizer_arguments, schedule_arguments, warmup_steps
from thalweg.horizon import Horizon

OURS = ("LinearDecay", "Trapezoidal", "OneCycle")
"""The schedules that are Thalweg's; every other one without a module is Keras's."""

RATES = ("initial_learning_rate", "peak_learning_rate", "warmup_target", "end_learning_rate", "values")
"""The arguments of Keras's schedules and ours that are shares of the peak in an experiment file."""

DIGITS = 12
"""To so many significant digits a product of rates is written, far beyond the float32 that it is used in."""


def code(experiment: Experiment, cell: Mapping[str, Any], examples: int) -> str:
    """The code for a row of the table `cells`, its problem having so many `examples` to train on."""
    grid, schedule = experiment.problems[cell["problem"]], experiment.schedules[cell["schedule"]]
    optimizer = experiment.optimizers[cell["optimizer"]]
    horizon = grid.horizon(examples, cell["batch_size"])
    trial = Trial(cell["learning_rate"], tuple(json.loads(cell["hyperparameters"]).items()))
    return templates.render(
        "recommendation.py.txt",
        experiment=experiment.name,
        peak=trial.learning_rate,
        optimizer=_named(experiment, optimizer.class_name, optimizer_arguments(optimizer, trial)),
        schedule=_scheduled(experiment, schedule, horizon, trial.learning_rate),
        warmup=warmup_steps(schedule, horizon),
        grid=grid,
        horizon=horizon,
    )


def _named(experiment: Experiment, class_name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A class with its arguments, and where it is from: a `module` that may lie `beside` the experiment, or Keras."""
    module, _, name = class_name.rpartition(":")
    top = experiment.directory / module.partition(".")[0]
    beside = bool(module) and (top.is_dir() or top.with_suffix(".py").is_file())
    return {"class": class_name, "module": module, "name": name, "beside": beside, "arguments": arguments}


def _scheduled(experiment: Experiment, schedule: Schedule, horizon: Horizon, peak: float) -> dict[str, Any] | None:
    """The schedule, at its peak if it is Keras's or ours; None for a constant one."""
    if schedule.class_name is None:
        return None
    named = _named(experiment, schedule.class_name, schedule_arguments(schedule, horizon))
    if named["module"]:
        return named
    arguments = _rates(named["name"], named["arguments"]) | named["arguments"]
    scaled = {name: _times(peak, value) if name in RATES else value for name, value in arguments.items()}
    return named | {"ours": named["name"] in OURS, "arguments": scaled}


def _rates(name: str, arguments: Mapping[str, Any]) -> dict[str, float]:
    """The rates that a schedule of Keras's or ours takes, as shares of the peak."""
    if name in OURS:
        return {"peak_learning_rate": 1.0}
    if name == "PiecewiseConstantDecay":
        return {}
    if name == "CosineDecay" and "warmup_steps" in arguments:
        return {"initial_learning_rate": 0.0, "warmup_target": 1.0}
    # Keras's default of the last rate stands beside a peak of 1 in training.
    return {"initial_learning_rate": 1.0} | ({"end_learning_rate": 1e-4} if name == "PolynomialDecay" else {})


def _times(peak: float, share: Any) -> Any:
    return [_times(peak, one) for one in share] if isinstance(share, list) else float(f"{peak * share:.{DIGITS}g}")
