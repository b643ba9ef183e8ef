"""The figures, one module each; `python -m thalweg.reporting.figures NAME` draws one wherever there is one."""

from thalweg.grid.experiment import Experiment

OF_PROBLEMS = ("convergence", "convergence_test", "learning_rates", "optimizers", "batch_sizes", "schedules", "paths")
"""What can be drawn for a problem, in the order in which a report shows it."""

OF_EXPERIMENT: tuple[str, ...] = ()
"""What can be drawn over all problems. A name that is in both is drawn by the same module."""

NAMES = tuple(dict.fromkeys((*OF_EXPERIMENT, *OF_PROBLEMS)))
"""All of them. Importing it loads no drawing library."""


def figures_of(experiment: Experiment, problem: str | None) -> tuple[str, ...]:
    """Those that a problem has, or with None the whole experiment: paths only where runs recorded their weights."""
    if problem is None:
        return OF_EXPERIMENT
    weights = "weights" in experiment.problems[problem].record
    return tuple(name for name in OF_PROBLEMS if weights or name != "paths")
