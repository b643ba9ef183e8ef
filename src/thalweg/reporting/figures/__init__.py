"""The figures, one module each; `python -m thalweg.reporting.figures NAME` draws one wherever there is one."""

from thalweg.grid.experiment import Experiment
from thalweg.grid.runs import trials

OF_PROBLEMS = (
    "convergence",
    "convergence_test",
    "arrivals",
    "learning_rates",
    "budgets",
    "optimizers",
    "batch_sizes",
    "scaling",
    "schedules",
    "paths",
)
"""What can be drawn for a problem, in the order in which a report shows it."""

OF_EXPERIMENT: tuple[str, ...] = ("profile",)
"""What can be drawn over all problems. A name that is in both is drawn by the same module."""

NAMES = tuple(dict.fromkeys((*OF_EXPERIMENT, *OF_PROBLEMS)))
"""All of them. Importing it loads no drawing library."""


def figures_of(experiment: Experiment, problem: str | None) -> tuple[str, ...]:
    """Those that a problem has, or with None the whole experiment: none that would show nothing."""
    several = len(experiment.optimizers) > 1
    if problem is None:
        return tuple(name for name in OF_EXPERIMENT if several or name != "profile")
    grid = experiment.problems[problem]
    asked = {
        "paths": "weights" in grid.record,
        "scaling": len(grid.batch_sizes) > 1,
        "budgets": any(len(experiment.schedules) * len(trials(one)) > 1 for one in experiment.optimizers.values()),
    }
    return tuple(name for name in OF_PROBLEMS if asked.get(name, True))
