"""Write a cell's optimizer and schedule, as they were trained, as Keras code to copy. All lengths are in steps.

Training uses a schedule with a peak of 1 and multiplies its values by the peak. The code has the schedules of Keras and
Thalweg at the peak itself, so that their arguments that are rates are multiplied here. A user's class may have rates
under any name, so that its values are multiplied instead. The template is recommendation.py.txt.
"""

import json
from collections.abc import Mapping
from typing import Any

from thalweg import templates
from thalweg.experiment.schema import Experiment, Schedule
from thalweg.grid import Trial, optimizer_arguments, schedule_arguments, warmup_steps
from thalweg.horizon import Horizon

THALWEG_SCHEDULES = ("LinearDecay", "Trapezoidal", "OneCycle")
"""The schedules of Thalweg. Every other class without a module is one of Keras."""

RATE_ARGUMENTS = ("initial_learning_rate", "peak_learning_rate", "warmup_target", "end_learning_rate", "values")
"""The arguments of these schedules that are fractions of the peak in an experiment file."""

RATE_DIGITS = 12
"""The significant digits of a product of rates, far more than those of the float32 that it becomes."""


def keras_code(experiment: Experiment, cell: Mapping[str, Any], examples: int) -> str:
    """Write the code of a cell.

    Args:
        experiment: The experiment of the cell.
        cell: A row of the table `cells`.
        examples: The number of training examples of the cell's problem.
    """
    grid, schedule = experiment.problems[cell["problem"]], experiment.schedules[cell["schedule"]]
    optimizer = experiment.optimizers[cell["optimizer"]]
    horizon = grid.horizon(examples, cell["batch_size"])
    trial = Trial(cell["learning_rate"], tuple(json.loads(cell["hyperparameters"]).items()))
    return templates.render(
        "recommendation.py.txt",
        experiment=experiment.name,
        peak=trial.learning_rate,
        optimizer=_describe_class(experiment, optimizer.class_name, optimizer_arguments(optimizer, trial)),
        schedule=_describe_schedule(experiment, schedule, horizon, trial.learning_rate),
        warmup=warmup_steps(schedule, horizon),
        grid=grid,
        horizon=horizon,
    )


def _describe_class(experiment: Experiment, class_name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Describe a class, its arguments and its module, with whether that lies beside the experiment file."""
    module, _, name = class_name.rpartition(":")
    top = experiment.directory / module.partition(".")[0]
    beside = bool(module) and (top.is_dir() or top.with_suffix(".py").is_file())
    return {"class": class_name, "module": module, "name": name, "beside": beside, "arguments": arguments}


def _describe_schedule(
    experiment: Experiment, schedule: Schedule, horizon: Horizon, peak: float
) -> dict[str, Any] | None:
    """Describe a schedule, at its peak if it is one of Keras or Thalweg. Return None for a constant learning rate."""
    if schedule.class_name is None:
        return None
    described = _describe_class(experiment, schedule.class_name, schedule_arguments(schedule, horizon))
    if described["module"]:
        return described
    arguments = _default_rates(described["name"], described["arguments"]) | described["arguments"]
    scaled = {name: _scale(peak, value) if name in RATE_ARGUMENTS else value for name, value in arguments.items()}
    return described | {"ours": described["name"] in THALWEG_SCHEDULES, "arguments": scaled}


def _default_rates(name: str, arguments: Mapping[str, Any]) -> dict[str, float]:
    """Return the rates that a schedule takes if the experiment file leaves them out, as fractions of the peak."""
    if name in THALWEG_SCHEDULES:
        return {"peak_learning_rate": 1.0}
    if name == "PiecewiseConstantDecay":
        return {}
    if name == "CosineDecay" and "warmup_steps" in arguments:
        return {"initial_learning_rate": 0.0, "warmup_target": 1.0}
    # Training uses a peak of 1, beside which Keras's default of the last rate stands.
    return {"initial_learning_rate": 1.0} | ({"end_learning_rate": 1e-4} if name == "PolynomialDecay" else {})


def _scale(peak: float, fraction: Any) -> Any:
    """Multiply a fraction of the peak, or each of a list, by the peak."""
    if isinstance(fraction, list):
        return [_scale(peak, item) for item in fraction]
    return float(f"{peak * fraction:.{RATE_DIGITS}g}")
